/*
 * test: quick=no
 * The words by which kernel and host processes hand over to each other, rewritten by threads that
 * do nothing else, while another thread of the same process makes the kernel wait for them. The
 * process may be killed for it; nobody else may notice.
 */
#include "attack.h"
#include <linux/futex.h>
#include <pthread.h>

struct scribble {
	uint64_t first, last; /* slots */
	uint64_t offset;
	int how; /* 0: a number that counts; else that number less one */
};

/* Slots come and go as threads do, so what faults is left out. */
static void *scribble(void *arg)
{
	const struct scribble *s = arg;
	volatile uint32_t n = 0;

	for (;;)
		for (volatile uint64_t i = s->first; i <= s->last; i++)
			if (!sigsetjmp(access_fault, 0)) {
				volatile uint32_t *p = (uint32_t *)(slot(i) + s->offset);

				for (int k = 0; k < 50; k++)
					*p = s->how ? (uint32_t)s->how - 1 : n++;
			}
	return NULL;
}

static void *nothing(void *arg)
{
	return arg;
}

static void start_threads(void)
{
	pthread_t t;

	for (int i = 0; i < 200; i++)
		if (pthread_create(&t, NULL, nothing, NULL) == 0)
			pthread_join(t, NULL);
}

static void map_and_unmap(void)
{
	for (int i = 0; i < 2000; i++)
		munmap(mmap(NULL, PAGE, RW, ANON, -1, 0), PAGE);
}

static void fork_and_wait(void)
{
	for (int i = 0; i < 50; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
}

static void call_and_fault(void)
{
	static volatile sig_atomic_t n;

	t_handle_flags(SIGSEGV, on_access_fault, SA_NODEFER);
	for (n = 0; n < 500; n++)
		if (!sigsetjmp(access_fault, 0)) {
			getppid();
			*(volatile int *)8 = 0;
		}
}

/* `work` beside two scribblers; `times` processes, each of which has some time. */
static void beside(int times, struct scribble s, void (*work)(void))
{
	for (int i = 0; i < times; i++)
		DARE(150, {
			pthread_t t;

			catch_faults();
			for (int k = 0; k < 2; k++)
				if (pthread_create(&t, NULL, scribble, &s))
					_exit(1);
			work();
		});
}

TEST(new_tasks_ready_word_says_ready_too_early)
{
	beside(8, (struct scribble){3, 8, SLOT_READY, 2}, start_threads);
}

TEST(new_tasks_ready_word_is_erased)
{
	beside(8, (struct scribble){3, 8, SLOT_READY, 1}, start_threads);
}

/* ---- a new task's word that is erased, and woken ---- */

#define WAKERS 2
#define NEW_SLOT (3 + WAKERS)

static pthread_barrier_t begin;
static __thread sigjmp_buf behind_wake;

static void on_fault_behind_wake(int sig)
{
	siglongjmp(behind_wake, sig);
}

/* By the stub's own futex call, the one that the host makes; what follows it ends in a fault. */
static void *wake_for_ever(void *unused)
{
	static __thread char stack[1 << 16];
	const stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
	const struct jump_regs r = {.rax = SYS_futex,
				    .rdi = slot(NEW_SLOT) + SLOT_READY,
				    .rsi = FUTEX_WAKE,
				    .rdx = INT32_MAX};

	(void)unused;
	if (sigaltstack(&ss, NULL))
		_exit(88);
	pthread_barrier_wait(&begin);
	for (;;)
		if (!sigsetjmp(behind_wake, 0))
			jump_with(&r, STUB_READY_IP - 2);
	return NULL;
}

static void *erase_for_ever(void *unused)
{
	pthread_barrier_wait(&begin);
	for (;;)
		*(volatile uint32_t *)(slot(NEW_SLOT) + SLOT_READY) = 0;
	return unused;
}

#define OTHER_SLOT 3

static void *has_new_slot(void *unused)
{
	(void)unused;
	return has_slot(NEW_SLOT) || !is_seccomp_engine() ? &begin : NULL;
}

static void start_thread_beside_both(void)
{
	static char stack[1 << 16] __attribute__((aligned(16)));
	pthread_t t;
	void *has;

	t_handle_flags(SIGSEGV, on_fault_behind_wake, SA_NODEFER | SA_ONSTACK);
	pthread_barrier_init(&begin, NULL, 2 + WAKERS);
	for (int i = 0; i < WAKERS; i++)
		if (pthread_create(&t, NULL, wake_for_ever, NULL))
			_exit(1);
	if (pthread_create(&t, NULL, erase_for_ever, NULL))
		_exit(1);
	/* Not the others: it is no thread of theirs. */
	t_wait(clone(die, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL));
	t_sleep_ms(20 * hostile_slow()); /* for its slot to be free */
	pthread_barrier_wait(&begin);
	if (pthread_create(&t, NULL, has_new_slot, NULL) || pthread_join(t, &has))
		_exit(2);
	_exit(has ? 0 : OTHER_SLOT);
}

/* The kernel waits for the word, and mustn't do so for as long as the others go on. */
TEST(new_tasks_ready_word_is_erased_and_woken)
{
	int n = 0;

	for (int i = 0; i < 8 || (n == 0 && i < 40); i++) {
		pid_t pid = SPAWN({
			be_harmless();
			start_thread_beside_both();
		});
		int end = wait_or_kill(pid, 60000);

		if (WIFEXITED(end) && WEXITSTATUS(end) == OTHER_SLOT)
			continue;
		CHECK_EXITED(end, 0);
		n++;
	}
	CHECK(n > 0);
}

/* ---- further words ---- */

/* What the new process installs as its signal stack. */
TEST(new_tasks_signal_stack_is_moved)
{
	beside(4, (struct scribble){3, 8, 8, 0}, start_threads);
	beside(4, (struct scribble){3, 8, 12, 0}, start_threads);
	beside(4, (struct scribble){3, 8, 8 + offsetof(stack_t, ss_size), 101}, start_threads);
}

TEST(batchs_word_counts)
{
	beside(4, (struct scribble){0, 0, SLOT_READY, 0}, map_and_unmap);
	beside(2, (struct scribble){0, 0, SLOT_READY, 0}, fork_and_wait);
}

TEST(batchs_word_stands)
{
	beside(4, (struct scribble){0, 0, SLOT_READY, 1}, map_and_unmap);
	beside(2, (struct scribble){0, 0, SLOT_READY, 1}, start_threads);
}

TEST(frames_and_bases_are_rewritten)
{
	for (uint64_t offset = SLOT_FS; offset < SLOT_SIZE; offset += offset < 128 ? 8 : 1160)
		beside(1, (struct scribble){1, 2, offset, offset % 3}, call_and_fault);
}

TEST(calls_state_is_rewritten)
{
	for (int state = CALL_OFF; state <= CALL_SLEEP + 1; state++)
		beside(2, (struct scribble){1, 3, SLOT_STATE, state + 1}, call_and_fault);
	beside(2, (struct scribble){1, 3, SLOT_STATE, 0}, call_and_fault);
	beside(2, (struct scribble){1, 3, SLOT_RETURN, 0}, call_and_fault);
	beside(2, (struct scribble){1, 3, SLOT_NR + 2, 0}, call_and_fault);
}

static void take(int sig)
{
	(void)sig;
}

/*
 * At a call which libc's trampoline brings: the handler's registers, and where the vector state
 * goes, are in the slot.
 */
static void signal_oneself(void)
{
	pid_t pid = getpid();

	signal(SIGUSR1, take);
	for (int i = 0; i < 2000; i++)
		kill(pid, SIGUSR1);
}

TEST(registers_at_calls_are_rewritten)
{
	static const uint64_t words[] = {SLOT_RSP,	    SLOT_RFLAGS,	SLOT_FSBASE,
					 SLOT_LOAD,	    SLOT_SAVE_AT,	SLOT_SAVE_AT + 4,
					 SLOT_SAVE_MASK,    SLOT_SAVE_MASK + 4, SLOT_NEW + 8 * 16,
					 SLOT_NEW + 8 * 18, SLOT_NEW + 8 * 19};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (int how = 0; how < 3; how++)
			beside(1, (struct scribble){1, 3, words[i], how}, signal_oneself);
}
