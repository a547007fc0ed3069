/*
 * test: quick=no serial=yes options=-m,256M
 * Processes, and threads, without end, in a guest that has room for some hundred. Who isn't root is
 * stopped by RLIMIT_NPROC, root by the number of tasks that there may be.
 */
#include "t.h"
#include "tests/hostile/hostile.h"
#include <pthread.h>
#include <sched.h>

#define BOMB_LIMIT 300

struct bomb {
	uint32_t forks;	   /* atomic */
	uint32_t refusals; /* atomic */
};

__attribute__((noreturn)) static void explode(struct bomb *b)
{
	for (;;) {
		pid_t pid = fork();

		if (pid > 0)
			__atomic_add_fetch(&b->forks, 1, __ATOMIC_RELAXED);
		else if (pid < 0)
			__atomic_add_fetch(&b->refusals, 1, __ATOMIC_RELAXED);
	}
}

/* All processes of a user, at once. */
static void kill_user(uid_t uid)
{
	CHECK_EXITED(IN_CHILD({
			     MUST(setuid(uid));
			     MUST(kill(-1, SIGKILL) < 0 && errno != ESRCH ? -1 : 0);
			     _exit(0);
		     }),
		     0);
}

/* Until it was refused, or its time is up. */
static void let_explode(struct bomb *b)
{
	long long end = t_now_ms() + 60000LL * hostile_slow();

	while (!__atomic_load_n(&b->refusals, __ATOMIC_RELAXED) && t_now_ms() < end)
		t_sleep_ms(20);
}

TEST(ordinary_users_bomb_meets_its_limit)
{
	struct bomb *b = t_shared(sizeof(*b));
	pid_t pid = SPAWN({
		setpgid(0, 0);
		MUST(setrlimit(RLIMIT_NPROC, &(struct rlimit){BOMB_LIMIT, BOMB_LIMIT}));
		MUST(setuid(NOBODY));
		explode(b);
	});

	let_explode(b);
	/* There is room for others. */
	CHECK_EXITED(IN_CHILD(_exit(7)), 7);
	kill_user(NOBODY);
	CHECK_KILLED(t_wait(pid), SIGKILL);
	CHECK(b->forks > BOMB_LIMIT / 2);
	CHECK(b->refusals > 0);
}

TEST(limit_of_an_ordinary_user_is_below_all_tasks)
{
	struct rlimit r;

	MUST(getrlimit(RLIMIT_NPROC, &r));
	CHECK(r.rlim_cur <= (rlim_t)atol(t_read_file("/proc/sys/kernel/threads-max")) / 2);
}

/* Doesn't multiply: all are children of one, so that it can be ended in an orderly way. */
TEST(root_forks_until_there_are_no_more_tasks)
{
	uint32_t *gate = t_shared(sizeof(*gate));
	long max = atol(t_read_file("/proc/sys/kernel/threads-max")), n = 0;
	pid_t pid;

	CHECK(max > 0);
	while ((pid = fork()) > 0 && n <= max)
		n++;
	if (pid == 0) {
		hostile_wait(gate);
		_exit(0);
	}
	EXPECT(errno == EAGAIN || errno == ENOMEM);
	EXPECT(n > 100 && n <= max);
	hostile_release(gate);
	for (; n; n--)
		CHECK(wait(NULL) > 0);
	CHECK_EXITED(IN_CHILD(_exit(7)), 7);
}

static void *wait_at_gate(void *gate)
{
	hostile_wait(gate);
	return NULL;
}

TEST(threads_until_there_are_no_more)
{
	uint32_t *gate = t_shared(sizeof(*gate));
	pthread_t *t = calloc(40000, sizeof(*t));
	pthread_attr_t attr;
	size_t n = 0;
	int err = 0;

	CHECK(t);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 16384);
	while (n < 40000 && !(err = pthread_create(&t[n], &attr, wait_at_gate, gate)))
		n++;
	EXPECT(err == EAGAIN || err == ENOMEM);
	EXPECT(n > 100);
	hostile_release(gate);
	while (n--)
		CHECK_EQ(pthread_join(t[n], NULL), 0);
	CHECK_EXITED(IN_CHILD(_exit(7)), 7);
}
