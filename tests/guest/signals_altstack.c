/* The alternate signal stack. */
#include "t.h"

#include <pthread.h>
#include <ucontext.h>

#define SIZE (64 << 10)

static char *alt;
static char *volatile where;
static stack_t inside;
static volatile int result;

static void on_alt(void)
{
	stack_t ss = {.ss_size = SIZE};

	alt = MUST(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	ss.ss_sp = alt;
	MUST(sigaltstack(&ss, NULL));
}

static void note_place(int sig)
{
	char here;

	(void)sig;
	where = (char *)((uintptr_t)&here & ~15ul);
	sigaltstack(NULL, &inside);
}

static bool in_alt(const char *p)
{
	return p >= alt && p < alt + SIZE;
}

TEST(onstack_handler_runs_on_the_alternate_stack)
{
	on_alt();
	t_handle_flags(SIGUSR1, note_place, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(in_alt(where));
	CHECK_EQ(inside.ss_flags, SS_ONSTACK);
}

TEST(handler_without_onstack_stays_on_the_ordinary_stack)
{
	on_alt();
	t_handle(SIGUSR1, note_place);
	raise(SIGUSR1);
	CHECK(!in_alt(where));
	CHECK_EQ(inside.ss_flags, 0);
}

TEST(sigaltstack_reports_what_was_set)
{
	stack_t ss;

	MUST(sigaltstack(NULL, &ss));
	CHECK_EQ(ss.ss_flags, SS_DISABLE);
	on_alt();
	MUST(sigaltstack(NULL, &ss));
	CHECK(ss.ss_sp == alt && ss.ss_size == SIZE && ss.ss_flags == 0);
	ss = (stack_t){.ss_flags = SS_DISABLE};
	MUST(sigaltstack(&ss, NULL));
	t_handle_flags(SIGUSR1, note_place, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(!in_alt(where));
}

static void try_change(int sig)
{
	stack_t ss = {.ss_flags = SS_DISABLE};

	(void)sig;
	result = sigaltstack(&ss, NULL) == -1 ? errno : 0;
}

TEST(stack_in_use_cannot_be_changed)
{
	on_alt();
	t_handle_flags(SIGUSR1, try_change, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK_EQ(result, EPERM);
}

static void nest(int sig)
{
	char here;

	(void)sig;
	if (result++ == 0) {
		where = &here;
		raise(SIGUSR2);
	} else {
		/* Below the first frame, not again at the top. */
		result = in_alt(&here) && &here < where ? 100 : -100;
	}
}

TEST(nested_handler_continues_on_the_stack_in_use)
{
	on_alt();
	t_handle_flags(SIGUSR1, nest, SA_ONSTACK);
	t_handle_flags(SIGUSR2, nest, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK_EQ(result, 100);
}

static volatile int zero_for_ever;

static __attribute__((noinline)) int overflow(int depth)
{
	volatile char page[8192];

	page[0] = (char)depth;
	if (!zero_for_ever)
		overflow(depth + 1);
	return page[0];
}

static void overflow_seen(int sig)
{
	char here;

	(void)sig;
	_exit(in_alt(&here) ? 17 : 18);
}

TEST(stack_overflow_can_be_handled_on_the_alternate_stack)
{
	CHECK_EXITED(IN_CHILD({
			     struct rlimit lim = {1 << 20, 1 << 20};
			     MUST(setrlimit(RLIMIT_STACK, &lim));
			     on_alt();
			     t_handle_flags(SIGSEGV, overflow_seen, SA_ONSTACK);
			     overflow(0);
		     }),
		     17);
}

TEST(stack_overflow_without_one_is_death_by_sigsegv)
{
	CHECK_KILLED(IN_CHILD({
			     struct rlimit lim = {1 << 20, 1 << 20};
			     MUST(setrlimit(RLIMIT_STACK, &lim));
			     t_handle(SIGSEGV, overflow_seen);
			     overflow(0);
		     }),
		     SIGSEGV);
}

TEST(frame_that_does_not_fit_is_death_by_sigsegv)
{
	CHECK_KILLED(IN_CHILD({
			     stack_t ss = {.ss_sp = (void *)0x10000, .ss_size = SIZE};
			     MUST(sigaltstack(&ss, NULL));
			     t_handle_flags(SIGUSR1, note_place, SA_ONSTACK);
			     raise(SIGUSR1);
		     }),
		     SIGSEGV);
}

static void *thread_has_none(void *arg)
{
	stack_t ss;

	MUST(sigaltstack(NULL, &ss));
	CHECK_EQ(ss.ss_flags, SS_DISABLE);
	return arg;
}

TEST(new_thread_has_no_alternate_stack)
{
	pthread_t thread;

	on_alt();
	CHECK_EQ(pthread_create(&thread, NULL, thread_has_none, NULL), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

TEST(forked_child_keeps_the_alternate_stack)
{
	on_alt();
	t_handle_flags(SIGUSR1, note_place, SA_ONSTACK);
	CHECK_EXITED(IN_CHILD({
			     raise(SIGUSR1);
			     CHECK(in_alt(where));
		     }),
		     0);
}

static void read_uc_stack(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	(void)sig;
	(void)si;
	result = uc->uc_stack.ss_sp == alt && uc->uc_stack.ss_size == SIZE &&
		 uc->uc_stack.ss_flags == 0;
}

TEST(frame_names_the_alternate_stack)
{
	struct sigaction sa = {.sa_sigaction = read_uc_stack, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	on_alt();
	MUST(sigaction(SIGUSR1, &sa, NULL));
	raise(SIGUSR1);
	CHECK_EQ(result, 1);
}

TEST(autodisarm_drops_the_stack_while_the_handler_runs)
{
	stack_t ss = {.ss_size = SIZE, .ss_flags = (int)(1u << 31)}, after;

	on_alt();
	ss.ss_sp = alt;
	MUST(sigaltstack(&ss, NULL));
	t_handle_flags(SIGUSR1, note_place, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(in_alt(where));
	CHECK_EQ(inside.ss_flags & SS_DISABLE, SS_DISABLE);
	MUST(sigaltstack(NULL, &after));
	CHECK(after.ss_sp == alt && after.ss_size == SIZE);
}

static void check_mask(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)si;
	_exit(sigismember(&((ucontext_t *)uc)->uc_sigmask, SIGUSR1) ? 0 : 1);
}

/* The mask of before the call is restored in the end, whichever signal gets a frame. */
TEST(signal_that_finds_no_stack_in_sigsuspend_keeps_the_old_mask)
{
	struct sigaction sa = {.sa_sigaction = check_mask, .sa_flags = SA_ONSTACK | SA_SIGINFO};
	unsigned long none = 0;

	on_alt();
	sigemptyset(&sa.sa_mask);
	MUST(sigaction(SIGSEGV, &sa, NULL));
	t_handle(SIGUSR1, note_place);
	t_block(SIGUSR1);
	raise(SIGUSR1);
	/* rt_sigsuspend(&none, 8) without a stack. */
	__asm__ volatile("xor %%esp, %%esp; mov $130, %%eax; syscall"
			 :
			 : "D"(&none), "S"(8L)
			 : "rax", "rcx", "r11", "memory");
	CHECK(false);
}
