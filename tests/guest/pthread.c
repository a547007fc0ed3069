/*
 * Threads as programs use them: create, join, mutexes, conditions, barriers, cancellation,
 * thread-local data.
 * test: cpus=1,2,2s,4,4m,16
 */
#include "t.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

static void *give_back(void *arg)
{
	return arg;
}

TEST(thread_returns_its_value)
{
	pthread_t thread;
	void *value;
	int x;

	CHECK_EQ(pthread_create(&thread, NULL, give_back, &x), 0);
	CHECK_EQ(pthread_join(thread, &value), 0);
	CHECK(value == &x);
}

TEST(three_hundred_threads_in_turn)
{
	for (int i = 0; i < 300; i++) {
		pthread_t thread;

		CHECK_EQ(pthread_create(&thread, NULL, give_back, NULL), 0);
		CHECK_EQ(pthread_join(thread, NULL), 0);
	}
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long counter;

static void *count(void *arg)
{
	for (int i = 0; i < 5000; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
	}
	return arg;
}

TEST(mutex_protects_a_counter)
{
	pthread_t thread[8];

	for (int i = 0; i < 8; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, count, NULL), 0);
	for (int i = 0; i < 8; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	CHECK_EQ(counter, 8 * 5000);
}

static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn;

static void *alternate(void *arg)
{
	int me = (int)(intptr_t)arg;

	pthread_mutex_lock(&mutex);
	for (int i = 0; i < 500; i++) {
		while (turn % 2 != me)
			pthread_cond_wait(&cond, &mutex);
		turn++;
		pthread_cond_signal(&cond);
	}
	pthread_mutex_unlock(&mutex);
	return NULL;
}

TEST(condition_passes_the_turn)
{
	pthread_t thread[2];

	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, alternate, (void *)(intptr_t)i), 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	CHECK_EQ(turn, 1000);
}

static int go, awake;

static void *wait_for_go(void *arg)
{
	pthread_mutex_lock(&mutex);
	while (!go)
		pthread_cond_wait(&cond, &mutex);
	awake++;
	pthread_mutex_unlock(&mutex);
	return arg;
}

TEST(broadcast_wakes_everybody)
{
	pthread_t thread[20];

	for (int i = 0; i < 20; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, wait_for_go, NULL), 0);
	pthread_mutex_lock(&mutex);
	go = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < 20; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	CHECK_EQ(awake, 20);
}

TEST(condition_wait_times_out)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	pthread_mutex_lock(&mutex);
	CHECK_EQ(pthread_cond_timedwait(&cond, &mutex, &ts), ETIMEDOUT);
	pthread_mutex_unlock(&mutex);
}

static pthread_barrier_t barrier;
static int serial, phase_count[50];

static void *cross_barrier(void *arg)
{
	for (int i = 0; i < 50; i++) {
		__atomic_add_fetch(&phase_count[i], 1, __ATOMIC_SEQ_CST);
		if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
			__atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
		CHECK_EQ(__atomic_load_n(&phase_count[i], __ATOMIC_SEQ_CST), 4);
	}
	return arg;
}

TEST(barrier_lets_all_through_together)
{
	pthread_t thread[4];

	pthread_barrier_init(&barrier, NULL, 4);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, cross_barrier, NULL), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	CHECK_EQ(serial, 50);
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static long a, b;

static void *read_pair(void *arg)
{
	for (int i = 0; i < 1000; i++) {
		pthread_rwlock_rdlock(&rwlock);
		CHECK_EQ(a, b);
		pthread_rwlock_unlock(&rwlock);
	}
	return arg;
}

static void *write_pair(void *arg)
{
	for (int i = 0; i < 1000; i++) {
		pthread_rwlock_wrlock(&rwlock);
		a++;
		b++;
		pthread_rwlock_unlock(&rwlock);
	}
	return arg;
}

TEST(rwlock_readers_see_no_half_write)
{
	pthread_t thread[5];

	for (int i = 0; i < 5; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, i < 3 ? read_pair : write_pair, NULL), 0);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	CHECK_EQ(a, 2000);
}

static __thread int mine = 5;

static void *check_mine(void *arg)
{
	CHECK_EQ(mine, 5);
	mine = (int)(intptr_t)arg;
	for (int i = 0; i < 20; i++) {
		sched_yield();
		CHECK_EQ(mine, (int)(intptr_t)arg);
	}
	return NULL;
}

TEST(thread_local_variables_are_apart)
{
	pthread_t thread[10];

	for (int i = 0; i < 10; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, check_mine, (void *)(intptr_t)i), 0);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	CHECK_EQ(mine, 5);
}

static struct t_gate ready;

static void *block_for_ever(void *arg)
{
	char c;

	t_gate_open(&ready);
	if (read(*(int *)arg, &c, 1))
		return NULL;
	return NULL;
}

TEST(thread_blocked_in_read_can_be_cancelled)
{
	pthread_t thread;
	void *value;
	int fd[2];

	MUST(pipe(fd));
	ready = t_gate();
	CHECK_EQ(pthread_create(&thread, NULL, block_for_ever, &fd[0]), 0);
	t_gate_pass(&ready);
	CHECK_EQ(pthread_cancel(thread), 0);
	CHECK_EQ(pthread_join(thread, &value), 0);
	CHECK(value == PTHREAD_CANCELED);
}

static pthread_key_t key;
static int destroyed;

static void destroy(void *value)
{
	destroyed += (int)(intptr_t)value;
}

static void *set_specific(void *arg)
{
	pthread_setspecific(key, arg);
	return NULL;
}

TEST(thread_specific_destructors_run)
{
	pthread_t thread;

	pthread_key_create(&key, destroy);
	CHECK_EQ(pthread_create(&thread, NULL, set_specific, (void *)7), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(destroyed, 7);
}

static sem_t sem;

static void *post(void *arg)
{
	for (int i = 0; i < 1000; i++)
		sem_post(&sem);
	return arg;
}

TEST(semaphore_counts_every_post)
{
	pthread_t thread[4];

	sem_init(&sem, 0, 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, post, NULL), 0);
	for (int i = 0; i < 4000; i++)
		CHECK_EQ(sem_wait(&sem), 0);
	CHECK_ERR(sem_trywait(&sem), EAGAIN);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

TEST(mutex_shared_between_processes)
{
	struct shared {
		pthread_mutex_t lock;
		int n;
	} *s = t_shared(4096);
	pthread_mutexattr_t attr;
	pid_t pid[4];

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&s->lock, &attr);
	for (int i = 0; i < 4; i++)
		pid[i] = SPAWN({
			for (int k = 0; k < 2000; k++) {
				pthread_mutex_lock(&s->lock);
				s->n++;
				pthread_mutex_unlock(&s->lock);
			}
		});
	for (int i = 0; i < 4; i++)
		CHECK_EXITED(t_wait(pid[i]), 0);
	CHECK_EQ(s->n, 8000);
}

static int once_count;

static void run_once(void)
{
	once_count++;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void *call_once(void *arg)
{
	pthread_once(&once, run_once);
	CHECK_EQ(once_count, 1);
	return arg;
}

TEST(once_runs_once)
{
	pthread_t thread[10];

	for (int i = 0; i < 10; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, call_once, NULL), 0);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

static void *use_stack(void *arg)
{
	volatile char big[6 << 20];

	for (size_t i = 0; i < sizeof(big); i += 4096)
		big[i] = 1;
	return arg;
}

TEST(thread_can_use_its_whole_stack)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 8 << 20);
	CHECK_EQ(pthread_create(&thread, &attr, use_stack, NULL), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

static volatile bool deeper = true;

static void *overflow(void *arg)
{
	volatile char page[4096];

	page[0] = 1;
	if (deeper)
		overflow(arg);
	return page[0] ? arg : NULL;
}

TEST(stack_overflow_of_a_thread_hits_its_guard_page)
{
	CHECK_KILLED(IN_CHILD({
			     pthread_t thread;
			     CHECK_EQ(pthread_create(&thread, NULL, overflow, NULL), 0);
			     pthread_join(thread, NULL);
		     }),
		     SIGSEGV);
}

TEST(detached_threads_come_to_an_end)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sem_init(&sem, 0, 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&thread, &attr, post, NULL), 0);
	for (int i = 0; i < 3000; i++)
		CHECK_EQ(sem_wait(&sem), 0);
}

/* More than any table of threads has room for, if those that ended stayed in it. */
TEST(threads_that_start_on_one_cpu_and_end_on_another_leave_nothing)
{
	pthread_attr_t attr;
	cpu_set_t all, first, last;
	int lo = -1, hi = -1;

	MUST(sched_getaffinity(0, sizeof(all), &all));
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &all)) {
			lo = lo < 0 ? i : lo;
			hi = i;
		}
	CPU_ZERO(&first);
	CPU_SET(lo, &first);
	CPU_ZERO(&last);
	CPU_SET(hi, &last);
	MUST(sched_setaffinity(0, sizeof(first), &first));
	CHECK_EQ(pthread_attr_init(&attr), 0);
	CHECK_EQ(pthread_attr_setaffinity_np(&attr, sizeof(last), &last), 0);
	for (int i = 0; i < 4200; i++) {
		pthread_t t;

		CHECK_EQ(pthread_create(&t, &attr, give_back, NULL), 0);
		CHECK_EQ(pthread_join(t, NULL), 0);
	}
}
