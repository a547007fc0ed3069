/* Robust lists: what the kernel does with the locks of a thread that dies. */
#include "t.h"

#include <linux/futex.h>
#include <pthread.h>

static pthread_mutex_t *robust_mutex(void)
{
	pthread_mutex_t *m = t_shared(4096);
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	CHECK_EQ(pthread_mutex_init(m, &attr), 0);
	return m;
}

TEST(lock_of_a_process_that_exited_is_eownerdead)
{
	pthread_mutex_t *m = robust_mutex();

	CHECK_EXITED(IN_CHILD(pthread_mutex_lock(m)), 0);
	CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_consistent(m), 0);
	CHECK_EQ(pthread_mutex_unlock(m), 0);
	CHECK_EQ(pthread_mutex_lock(m), 0);
}

TEST(lock_of_a_process_that_was_killed_is_eownerdead)
{
	pthread_mutex_t *m = robust_mutex();

	CHECK_KILLED(IN_CHILD({
			     pthread_mutex_lock(m);
			     raise(SIGKILL);
		     }),
		     SIGKILL);
	CHECK_EQ(pthread_mutex_trylock(m), EOWNERDEAD);
}

TEST(waiter_is_woken_when_the_owner_dies)
{
	pthread_mutex_t *m = robust_mutex();
	struct t_gate locked = t_gate(), end = t_gate();
	pid_t owner = SPAWN({
		pthread_mutex_lock(m);
		t_gate_open(&locked);
		t_gate_pass(&end);
	});
	pid_t waiter;

	t_gate_pass(&locked);
	waiter = SPAWN(CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD));
	t_wait_state(waiter, 'S');
	MUST(kill(owner, SIGKILL));
	CHECK_KILLED(t_wait(owner), SIGKILL);
	CHECK_EXITED(t_wait(waiter), 0);
}

static void *lock_and_end(void *arg)
{
	CHECK_EQ(pthread_mutex_lock(arg), 0);
	return NULL;
}

TEST(lock_of_a_thread_that_ended_is_eownerdead)
{
	pthread_mutex_t *m = robust_mutex();
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, lock_and_end, m), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
}

TEST(lock_that_is_not_made_consistent_becomes_useless)
{
	pthread_mutex_t *m = robust_mutex();

	CHECK_EXITED(IN_CHILD(pthread_mutex_lock(m)), 0);
	CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_unlock(m), 0);
	CHECK_EQ(pthread_mutex_lock(m), ENOTRECOVERABLE);
}

TEST(many_locks_of_a_dead_process_are_all_freed)
{
	struct locks {
		pthread_mutex_t m[100];
	} *l = t_shared(sizeof(*l));
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(pthread_mutex_init(&l->m[i], &attr), 0);
	CHECK_KILLED(IN_CHILD({
			     for (int i = 0; i < 100; i++)
				     pthread_mutex_lock(&l->m[i]);
			     raise(SIGKILL);
		     }),
		     SIGKILL);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(pthread_mutex_lock(&l->m[i]), EOWNERDEAD);
}

/* The raw list. */
struct node {
	struct node *next;
	volatile int word;
};

struct shared {
	struct {
		struct node *list;
		long offset;
		struct node *pending;
	} head;
	struct node node[4];
};

static void die_with_list(struct shared *s)
{
	MUST(syscall(SYS_set_robust_list, &s->head, sizeof(s->head)));
	_exit(0);
}

static struct shared *shared_list(void)
{
	struct shared *s = t_shared(4096);

	s->head.list = (struct node *)&s->head;
	s->head.offset = offsetof(struct node, word);
	return s;
}

TEST(word_is_marked_only_if_it_holds_the_thread)
{
	struct shared *s = shared_list();

	CHECK_EXITED(IN_CHILD({
			     int me = (int)syscall(SYS_gettid);
			     s->node[0] = (struct node){&s->node[1], me};
			     s->node[1] = (struct node){&s->node[2], me + 1};
			     s->node[2] = (struct node){(struct node *)&s->head,
							me | (int)FUTEX_WAITERS};
			     s->head.list = &s->node[0];
			     die_with_list(s);
		     }),
		     0);
	CHECK_EQ((unsigned)s->node[0].word, FUTEX_OWNER_DIED);
	CHECK_EQ(s->node[1].word & (int)FUTEX_OWNER_DIED, 0);
	CHECK_EQ((unsigned)s->node[2].word, FUTEX_OWNER_DIED | FUTEX_WAITERS);
}

TEST(pending_operation_is_marked_too)
{
	struct shared *s = shared_list();

	CHECK_EXITED(IN_CHILD({
			     s->node[3].word = (int)syscall(SYS_gettid);
			     s->head.pending = &s->node[3];
			     die_with_list(s);
		     }),
		     0);
	CHECK_EQ((unsigned)s->node[3].word, FUTEX_OWNER_DIED);
}

/* Of whichever value: without an owner, somebody may wait who has been woken by nobody. */
TEST(thread_that_dies_before_it_wakes_a_waiter_wakes_it)
{
	static const unsigned int free_words[] = {0, FUTEX_WAITERS, FUTEX_OWNER_DIED};

	for (size_t i = 0; i < sizeof(free_words) / sizeof(*free_words); i++) {
		struct shared *s = shared_list();
		volatile int *word = &s->node[3].word;
		pid_t waiter;

		*word = (int)free_words[i];
		waiter = SPAWN(
			MUST(syscall(SYS_futex, word, FUTEX_WAIT, free_words[i], NULL, NULL, 0)));
		while (syscall(SYS_futex, word, FUTEX_CMP_REQUEUE, 0, 1, word, free_words[i]) != 1)
			usleep(500); /* it doesn't wait yet: that would have counted it */
		CHECK_EXITED(IN_CHILD({
				     s->head.pending = &s->node[3];
				     die_with_list(s);
			     }),
			     0);
		CHECK_EXITED(t_wait(waiter), 0);
	}
}

TEST(exec_marks_the_words_as_well)
{
	struct shared *s = shared_list();

	CHECK_EXITED(IN_CHILD({
			     s->node[0] = (struct node){(struct node *)&s->head,
							(int)syscall(SYS_gettid)};
			     s->head.list = &s->node[0];
			     MUST(syscall(SYS_set_robust_list, &s->head, sizeof(s->head)));
			     execl("/bin/true", "true", NULL);
		     }),
		     0);
	CHECK_EQ((unsigned)s->node[0].word, FUTEX_OWNER_DIED);
}

TEST(list_is_not_inherited_by_fork)
{
	struct shared *s = shared_list();
	void *head = NULL;
	size_t len = 0;

	MUST(syscall(SYS_set_robust_list, &s->head, sizeof(s->head)));
	MUST(syscall(SYS_get_robust_list, 0, &head, &len));
	CHECK(head == &s->head && len == 24);
	pid_t pid = (pid_t)syscall(SYS_fork);
	if (pid == 0) {
		MUST(syscall(SYS_get_robust_list, 0, &head, &len));
		_exit(head == NULL ? 0 : 1);
	}
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(chain_with_a_bad_pointer_marks_what_comes_before)
{
	struct shared *s = shared_list();

	CHECK_EXITED(IN_CHILD({
			     s->node[0] = (struct node){(struct node *)8, (int)syscall(SYS_gettid)};
			     s->head.list = &s->node[0];
			     die_with_list(s);
		     }),
		     0);
	CHECK_EQ((unsigned)s->node[0].word, FUTEX_OWNER_DIED);
}

TEST(list_of_an_unknown_process_is_esrch)
{
	void *head;
	size_t len;

	CHECK_ERR(syscall(SYS_get_robust_list, INT_MAX, &head, &len), ESRCH);
}
