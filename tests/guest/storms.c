/*
 * Storms of signals and futexes; one address space that many threads change; chains of forks.
 * test: cpus=1,2,4,4m,16 quick=no
 */
#include "t.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>

#define PAGE 4096UL

static __thread unsigned int seed = 1;

static unsigned int rnd(unsigned int n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

/* ---- signals ---- */

static void nothing(int sig)
{
	(void)sig;
}

#define RING 6
#define TURNS 300

static pthread_t ring[RING];
static pid_t ring_tid[RING];
static int ring_got, ring_wrong; /* atomic */
static pthread_barrier_t ring_ready;

static void in_ring(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	if (ring_tid[si->si_value.sival_int] != gettid())
		__atomic_add_fetch(&ring_wrong, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&ring_got, 1, __ATOMIC_RELAXED);
}

static void *send_round(void *arg)
{
	int me = (int)(intptr_t)arg;

	seed = (unsigned int)me + 1;
	ring_tid[me] = gettid();
	pthread_barrier_wait(&ring_ready); /* ring[] is filled, too */
	for (int i = 0; i < TURNS; i++) {
		int to = (int)rnd(RING);

		while (pthread_sigqueue(ring[to], SIGRTMIN, (union sigval){.sival_int = to}) ==
		       EAGAIN)
			sched_yield();
		if (i % 16 == 0)
			MUST(kill(getpid(), SIGUSR1));
	}
	while (__atomic_load_n(&ring_got, __ATOMIC_RELAXED) < RING * TURNS)
		sched_yield();
	return NULL;
}

TEST(signals_between_threads_each_arrive_at_theirs)
{
	struct sigaction sa = {.sa_sigaction = in_ring, .sa_flags = SA_SIGINFO | SA_RESTART};

	MUST(sigaction(SIGRTMIN, &sa, NULL));
	t_handle_flags(SIGUSR1, nothing, SA_RESTART);
	pthread_barrier_init(&ring_ready, NULL, RING + 1);
	for (intptr_t i = 0; i < RING; i++)
		CHECK_EQ(pthread_create(&ring[i], NULL, send_round, (void *)i), 0);
	pthread_barrier_wait(&ring_ready);
	for (int i = 0; i < RING; i++)
		CHECK_EQ(pthread_join(ring[i], NULL), 0);
	CHECK_EQ(ring_wrong, 0);
}

#define MEMBERS 6

struct groups {
	pid_t leader[2];
	volatile int end;
};

static void change_groups(const struct groups *g, int me)
{
	seed = (unsigned int)me + 7;
	while (!g->end) {
		pid_t pid;

		MUST(setpgid(0, g->leader[rnd(2)]));
		pid = MUST(fork());
		if (pid == 0) {
			setpgid(0, g->leader[rnd(2)]);
			_exit(0);
		}
		CHECK_EXITED(t_wait(pid), 0);
	}
}

static void signal_groups(const struct groups *g, int me)
{
	static const int sigs[] = {SIGSTOP, SIGCONT, SIGUSR1, SIGURG, SIGCONT};

	seed = (unsigned int)me + 70;
	while (!g->end)
		MUST(kill(-g->leader[rnd(2)], sigs[rnd(5)]));
}

TEST(groups_that_change_while_they_are_signalled)
{
	struct groups *g = t_shared(sizeof(*g));
	pid_t pid[MEMBERS], sender[2];
	int left = MEMBERS, status;

	t_handle_flags(SIGUSR1, nothing, SA_RESTART);
	for (int i = 0; i < 2; i++) {
		g->leader[i] = SPAWN(for (;;) pause());
		MUST(setpgid(g->leader[i], g->leader[i]));
	}
	for (int i = 0; i < MEMBERS; i++)
		pid[i] = SPAWN(change_groups(g, i));
	for (int i = 0; i < 2; i++)
		sender[i] = SPAWN(signal_groups(g, i));
	t_sleep_ms(1000);
	g->end = 1;
	for (int i = 0; i < 2; i++)
		CHECK_EXITED(t_wait(sender[i]), 0);
	while (left) { /* a child of theirs may have been stopped as the last thing */
		for (int i = 0; i < 2; i++)
			MUST(kill(-g->leader[i], SIGCONT));
		for (int i = 0; i < MEMBERS; i++)
			if (pid[i] && MUST(waitpid(pid[i], &status, WNOHANG)) == pid[i]) {
				CHECK_EXITED(status, 0);
				pid[i] = 0;
				left--;
			}
		usleep(1000);
	}
	for (int i = 0; i < 2; i++) {
		MUST(kill(g->leader[i], SIGKILL));
		CHECK_KILLED(t_wait(g->leader[i]), SIGKILL);
	}
}

/* ---- futexes ---- */

static struct futexes {
	volatile int word[4];
	int end;	      /* atomic */
	long woken, returned; /* atomic: what wakers were told, and waits that ended with 0 */
} * fx;

static long fx_call(int op, int a, unsigned int val, void *val2, int b, unsigned int val3)
{
	return syscall(SYS_futex, &fx->word[a], op, val, val2, &fx->word[b], val3);
}

static void waited(long ret)
{
	__atomic_add_fetch(&fx->returned, ret == 0, __ATOMIC_RELAXED);
}

static void some_operation(void)
{
	int private = rnd(2) ? FUTEX_PRIVATE_FLAG : 0, a = (int)rnd(4), b = (int)rnd(4);
	unsigned int wake = rnd(3), now = (unsigned int)fx->word[a];
	struct timespec ts = {0, 1000 * (1 + (long)rnd(2000))};
	long n = 0;

	switch (rnd(8)) {
	case 0:
	case 1:
		waited(fx_call(FUTEX_WAIT | private, a, now, &ts, 0, 0));
		return;
	case 2:
	case 3:
		clock_gettime(CLOCK_MONOTONIC, &ts);
		ts.tv_nsec += 1000000;
		ts.tv_sec += ts.tv_nsec / 1000000000;
		ts.tv_nsec %= 1000000000;
		waited(fx_call(FUTEX_WAIT_BITSET | private, a, now, &ts, 0, 1u << rnd(2)));
		return;
	case 4:
		n = fx_call(FUTEX_WAKE | private, a, wake + 1, NULL, 0, 0);
		break;
	case 5:
		n = fx_call(FUTEX_WAKE_BITSET | private, a, wake + 1, NULL, 0, 1u << rnd(2));
		break;
	case 6: /* the first ones are woken, the rest is moved; both are counted */
		n = fx_call((rnd(2) ? FUTEX_REQUEUE : FUTEX_CMP_REQUEUE) | private, a, wake,
			    (void *)(uintptr_t)rnd(3), b, now);
		n = n > (long)wake ? (long)wake : n;
		break;
	default:
		n = fx_call(FUTEX_WAKE_OP | private, a, 1, (void *)1, b,
			    FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_GE, 0));
		break;
	}
	if (n > 0)
		__atomic_add_fetch(&fx->woken, n, __ATOMIC_RELAXED);
}

static void *all_operations(void *arg)
{
	seed = (unsigned int)(uintptr_t)arg;
	while (!__atomic_load_n(&fx->end, __ATOMIC_RELAXED))
		some_operation();
	return NULL;
}

static void futex_process(unsigned int p)
{
	pthread_t thread[6];

	for (uintptr_t i = 0; i < 6; i++)
		CHECK_EQ(
			pthread_create(&thread[i], NULL, all_operations, (void *)(100 * p + i + 1)),
			0);
	for (int i = 0; i < 6; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

TEST(futex_operations_at_random_lose_no_wake_up)
{
	pid_t pid[3];

	fx = t_shared(sizeof(*fx));
	for (unsigned int p = 0; p < 3; p++)
		pid[p] = SPAWN(futex_process(p));
	t_sleep_ms(1500);
	__atomic_store_n(&fx->end, 1, __ATOMIC_RELAXED);
	for (int p = 0; p < 3; p++)
		CHECK_EXITED(t_wait(pid[p]), 0);
	CHECK(fx->woken > 0);
	CHECK_EQ(fx->woken, fx->returned);
}

struct heirs {
	pthread_mutex_t m;
	int holders; /* m */
	int deaths;  /* m */
};

static void lock_and_die(struct heirs *h, unsigned int how)
{
	for (int i = 0; i < 20; i++) {
		int err = pthread_mutex_lock(&h->m);

		CHECK(err == 0 || err == EOWNERDEAD);
		if (err == EOWNERDEAD) {
			CHECK_EQ(h->holders, 1);
			h->holders = 0;
			h->deaths++;
			CHECK_EQ(pthread_mutex_consistent(&h->m), 0);
		}
		CHECK_EQ(h->holders++, 0);
		if (i == 19)
			break;
		h->holders--;
		CHECK_EQ(pthread_mutex_unlock(&h->m), 0);
	}
	if (how % 3 == 0)
		raise(SIGKILL);
	if (how % 3 == 1)
		execl("/bin/true", "true", NULL);
	_exit(0);
}

TEST(lock_passes_on_from_owners_that_die_in_the_crowd)
{
	struct heirs *h = t_shared(sizeof(*h));
	pthread_mutexattr_t attr;
	pid_t line[5];

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	CHECK_EQ(pthread_mutex_init(&h->m, &attr), 0);
	for (int i = 0; i < 5; i++)
		line[i] = SPAWN(for (unsigned int k = 0; k < 20; k++)
					t_wait(SPAWN(lock_and_die(h, k))));
	for (int i = 0; i < 5; i++)
		CHECK_EXITED(t_wait(line[i]), 0);
	CHECK_EQ(pthread_mutex_lock(&h->m), EOWNERDEAD);
	CHECK_EQ(h->deaths, 5 * 20 - 1);
}

/* ---- one address space ---- */

#define ARENA 64

static unsigned char *arena;
static int mm_end; /* atomic */
static __thread sigjmp_buf mm_env;

static void mm_fault(int sig)
{
	(void)sig;
	siglongjmp(mm_env, 1);
}

/* A page holds 0 or its own number. */
static void touch(size_t page)
{
	volatile unsigned char *p = arena + page * PAGE;
	unsigned char now;

	if (sigsetjmp(mm_env, 1))
		return;
	now = *p; /* once: others drop the page meanwhile */
	CHECK(now == 0 || now == (unsigned char)(page + 1));
	*p = (unsigned char)(page + 1);
}

static void fork_and_unmap(void)
{
	pid_t pid = MUST((pid_t)syscall(SYS_fork)); /* without what the library does at a fork */

	if (pid == 0) {
		munmap(arena, ARENA * PAGE);
		_exit(0);
	}
	CHECK_EXITED(t_wait(pid), 0);
}

static void *change_arena(void *arg)
{
	seed = (unsigned int)(uintptr_t)arg;
	while (!__atomic_load_n(&mm_end, __ATOMIC_RELAXED)) {
		size_t at = rnd(ARENA), n = 1 + rnd((unsigned int)(ARENA - at));
		void *p = arena + at * PAGE;

		switch (rnd(9)) {
		case 0:
		case 1:
			MUST(mmap(p, n * PAGE, PROT_READ | PROT_WRITE,
				  (rnd(2) ? MAP_PRIVATE : MAP_SHARED) | MAP_ANONYMOUS | MAP_FIXED,
				  -1, 0));
			break;
		case 2: /* nobody else gets the place */
			MUST(mmap(p, n * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				  -1, 0));
			break;
		case 3:
			MUST(mprotect(p, n * PAGE, rnd(2) ? PROT_READ : PROT_READ | PROT_WRITE));
			break;
		case 4:
			MUST(madvise(p, n * PAGE, MADV_DONTNEED));
			break;
		case 5:
			fork_and_unmap();
			break;
		default:
			for (size_t i = at; i < at + n; i++)
				touch(i);
			break;
		}
	}
	return NULL;
}

/* It changes while it is read: only each line has to be right. */
static void check_maps(void)
{
	unsigned long lo, hi;
	char line[512];
	FILE *f = fopen("/proc/self/maps", "re");

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		CHECK(sscanf(line, "%lx-%lx", &lo, &hi) == 2 && lo < hi);
	fclose(f);
}

TEST(one_address_space_changed_by_many_threads)
{
	pthread_t thread[5];

	t_handle(SIGSEGV, mm_fault);
	arena = MUST(mmap(NULL, ARENA * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	for (uintptr_t i = 0; i < 5; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, change_arena, (void *)(i + 1)), 0);
	for (long long end = t_now_ms() + 1000; t_now_ms() < end;)
		check_maps();
	__atomic_store_n(&mm_end, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

#define SPREAD 256 /* each page has a page table of its own */
#define STRIDE (2UL << 20)

static void generation(volatile unsigned char *p, int depth)
{
	for (size_t i = (size_t)depth % 4; i < SPREAD; i += 4)
		p[i * STRIDE] = (unsigned char)(depth + 1);
	if (depth < 15)
		CHECK_EXITED(IN_CHILD(generation(p, depth + 1)), 0);
	for (size_t i = 0; i < SPREAD; i++) {
		int who = depth - (depth - (int)(i % 4) + 4) % 4; /* who wrote it last, of us */

		CHECK_EQ(p[i * STRIDE], who < 0 ? 0 : who + 1);
	}
}

TEST(chains_of_forks_with_many_page_tables)
{
	pid_t pid[3];

	for (int k = 0; k < 3; k++)
		pid[k] = SPAWN(
			generation(MUST(mmap(NULL, SPREAD * STRIDE, PROT_READ | PROT_WRITE,
					     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)),
				   0));
	for (int k = 0; k < 3; k++)
		CHECK_EXITED(t_wait(pid[k]), 0);
}
