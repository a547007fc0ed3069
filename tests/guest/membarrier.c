/* membarrier: one thread's slow barrier is as good as one in every thread. */
#include "t.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>

static int membarrier(int cmd, unsigned int flags)
{
	return (int)syscall(SYS_membarrier, cmd, flags, 0);
}

static void need(int cmd)
{
	if (!(MUST(membarrier(MEMBARRIER_CMD_QUERY, 0)) & cmd))
		SKIP("the kernel doesn't have this command");
}

TEST(membarrier_rejects_what_it_does_not_know)
{
	CHECK_ERR(membarrier(MEMBARRIER_CMD_QUERY, 2), EINVAL);
	CHECK_ERR(membarrier(-1, 0), EINVAL);
	CHECK_ERR(membarrier(1 << 30, 0), EINVAL);
	CHECK_ERR(membarrier(MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0), EINVAL);
	CHECK_ERR(membarrier(MEMBARRIER_CMD_GLOBAL, 2), EINVAL);
}

TEST(private_membarrier_needs_a_registration)
{
	need(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	CHECK_ERR(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0), EPERM);
	CHECK_EQ(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0), 0);
	CHECK_EQ(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0), 0);
}

HELPER(isn_t_registered)
{
	return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0) == -1 && errno == EPERM ? 0 : 1;
}

TEST(registration_is_kept_by_fork_but_not_by_exec)
{
	need(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	CHECK_EQ(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0), 0);
	CHECK_EXITED(IN_CHILD({
			     CHECK_EQ(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0), 0);
			     T_EXEC_HELPER("isn_t_registered");
		     }),
		     0);
}

/*
 * Store buffering: each side writes its own word and reads the other's. Without barriers both may
 * read 0; with the compiler's barrier on the fast side and membarrier on the slow one they never
 * do.
 */
struct sides {
	int cmd, rounds;
	int word[2]; /* fast, slow */
	int seen[2]; /* what each side read */
	int round;   /* that the slow side has begun */
	int ended;   /* that the fast side has ended */
};

static void *fast_side(void *arg)
{
	struct sides *s = arg;

	for (int r = 1; r <= s->rounds; r++) {
		while (__atomic_load_n(&s->round, __ATOMIC_ACQUIRE) < r)
			sched_yield();
		__atomic_store_n(&s->word[0], 1, __ATOMIC_RELAXED);
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		s->seen[0] = __atomic_load_n(&s->word[1], __ATOMIC_RELAXED);
		__atomic_store_n(&s->ended, r, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void check_store_buffering(struct sides *s)
{
	pthread_t fast;

	CHECK_EQ(pthread_create(&fast, NULL, fast_side, s), 0);
	for (int r = 1; r <= s->rounds; r++) {
		s->word[0] = s->word[1] = 0;
		__atomic_store_n(&s->round, r, __ATOMIC_RELEASE);
		__atomic_store_n(&s->word[1], 1, __ATOMIC_RELAXED);
		MUST(membarrier(s->cmd, 0));
		s->seen[1] = __atomic_load_n(&s->word[0], __ATOMIC_RELAXED);
		while (__atomic_load_n(&s->ended, __ATOMIC_ACQUIRE) < r)
			sched_yield();
		CHECK(s->seen[0] || s->seen[1]);
	}
	pthread_join(fast, NULL);
}

TEST(private_membarrier_orders_a_thread_without_barriers)
{
	struct sides s = {.cmd = MEMBARRIER_CMD_PRIVATE_EXPEDITED, .rounds = 1000};

	need(s.cmd);
	MUST(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0));
	check_store_buffering(&s);
}

TEST(global_membarrier_orders_a_thread_without_barriers)
{
	struct sides s = {.cmd = MEMBARRIER_CMD_GLOBAL, .rounds = 20};

	need(s.cmd);
	check_store_buffering(&s);
}

TEST(global_membarrier_needs_no_registration_and_orders_other_processes)
{
	struct sides *s = t_shared(sizeof(*s));
	pid_t pid;

	need(MEMBARRIER_CMD_GLOBAL);
	s->rounds = 1;
	pid = SPAWN(fast_side(s));
	s->round = 1;
	s->word[1] = 1;
	MUST(membarrier(MEMBARRIER_CMD_GLOBAL, 0));
	s->seen[1] = __atomic_load_n(&s->word[0], __ATOMIC_RELAXED);
	CHECK_EXITED(t_wait(pid), 0);
	CHECK(s->seen[0] || s->seen[1]);
}
