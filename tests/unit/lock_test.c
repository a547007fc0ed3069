/*
 * Spinlocks and reader-writer semaphores under contention; RCU grace periods.
 * test: limit=180 quick=no
 */
#include "smp_util.h"
#include "rcu.h"
#include <pthread.h>
#include <string.h>

static struct spinlock lock = SPINLOCK_INIT("test", RANK_MISC);
static u64 protected_a, protected_b; /* lock */

static void add_under_lock(long n)
{
	while (n--) {
		spin_lock(&lock);
		must_eq(protected_a, protected_b);
		protected_a++;
		if (n % 64 == 0)
			burn_us(1);
		protected_b++;
		spin_unlock(&lock);
		if (n % 100 == 0)
			sched_yield_cpu();
	}
}

static void *add_from_outside(void *arg)
{
	long n = 20000;

	while (n--) {
		spin_lock(&lock);
		must_eq(protected_a, protected_b);
		protected_a++;
		protected_b++;
		spin_unlock(&lock);
	}
	return NULL;
}

static void adders(void)
{
	pthread_t outside;
	int i;

	protected_a = protected_b = 0;
	must(!pthread_create(&outside, NULL, add_from_outside, NULL));
	for (i = 0; i < 8; i++)
		spawn(add_under_lock, 10000);
	join_all();
	pthread_join(outside, NULL);
}

START_TEST(spinlocks_exclude_cpus_and_other_threads)
{
	with_cpus(cpu_counts[_i], adders);
	ck_assert_uint_eq(protected_a, 100000);
}
END_TEST

static struct rwsem sem;
static int readers, writers, together; /* atomic */

static void read_and_write(long i)
{
	int n, r;

	for (n = 0; n < 400; n++) {
		if ((n + i) % 5) {
			if (n % 4 || !down_read_trylock(&sem))
				down_read(&sem);
			r = __atomic_add_fetch(&readers, 1, __ATOMIC_SEQ_CST);
			must_eq(__atomic_load_n(&writers, __ATOMIC_SEQ_CST), 0);
			if (r > 1)
				__atomic_store_n(&together, 1, __ATOMIC_SEQ_CST);
			if (n % 7 == 0)
				sleep_us(5);
			__atomic_fetch_sub(&readers, 1, __ATOMIC_SEQ_CST);
			up_read(&sem);
		} else {
			down_write(&sem);
			must_eq(__atomic_add_fetch(&writers, 1, __ATOMIC_SEQ_CST), 1);
			must_eq(__atomic_load_n(&readers, __ATOMIC_SEQ_CST), 0);
			if (n % 3 == 0)
				sleep_us(5);
			__atomic_fetch_sub(&writers, 1, __ATOMIC_SEQ_CST);
			up_write(&sem);
		}
	}
}

static void readers_and_writers(void)
{
	long i;

	rwsem_init(&sem, "test sem", RANK_MMAP);
	readers = writers = together = 0;
	for (i = 0; i < 12; i++)
		spawn(read_and_write, i);
}

static void wait_to_write(long arg)
{
	down_write(&sem);
	up_write(&sem);
}

static int tried; /* atomic: 0 not yet, 1 in vain, 2 with success */

static void try_once(long arg)
{
	bool got = down_read_trylock(&sem);

	if (got)
		up_read(&sem);
	__atomic_store_n(&tried, got ? 2 : 1, __ATOMIC_SEQ_CST);
}

/* Can somebody else have it now? */
static bool could_read(void)
{
	tried = 0;
	spawn(try_once, 0);
	while (!__atomic_load_n(&tried, __ATOMIC_SEQ_CST))
		sched_yield_cpu();
	return tried == 2;
}

/* Neither beside a writer nor past one that waits. */
static void try_to_read(void)
{
	rwsem_init(&sem, "test sem", RANK_MMAP);
	must(down_read_trylock(&sem));
	must(could_read());
	spawn(wait_to_write, 0);
	while (cds_list_empty(&sem.waiters))
		sched_yield_cpu();
	must(!could_read());
	up_read(&sem);
	down_write(&sem);
	must(!could_read());
	up_write(&sem);
	must(could_read());
}

START_TEST(trying_to_read_never_waits)
{
	with_cpus(1, try_to_read);
}
END_TEST

START_TEST(rwsem_lets_in_readers_or_one_writer)
{
	with_cpus(cpu_counts[_i], readers_and_writers);
	ck_assert_int_eq(together, 1);
	ck_assert_int_eq(sem.count, 0);
}
END_TEST

/* RCU: what a reader found stays valid until it passes a quiescent state. */
struct object {
	u32 magic;
};

static struct object *published; /* rcu */
static bool stop;

static void rcu_reader(long i)
{
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		struct object *o;

		rcu_read_lock();
		o = rcu_dereference(published);
		must_eq(o->magic, 0xfeedu);
		burn_us(3);
		must_eq(o->magic, 0xfeedu);
		rcu_read_unlock();
		sched_return_to_guest();
		if (cpu_enter_guest(this_cpu()))
			cpu_leave_guest(this_cpu());
		sched_enter_kernel();
	}
}

struct object_cb {
	struct object o;
	struct rcu_head head;
};

static void poison(struct rcu_head *head)
{
	struct object_cb *cb = caa_container_of(head, struct object_cb, head);

	cb->o.magic = 0;
	kfree(cb);
}

static struct object *new_object(void)
{
	struct object_cb *cb = kzalloc(sizeof(*cb));

	cb->o.magic = 0xfeed;
	return &cb->o;
}

static void rcu_writer(void)
{
	struct object *old;
	int i;

	stop = false;
	published = new_object();
	for (i = 0; i < 4; i++)
		spawn(rcu_reader, i);
	for (i = 0; i < 500; i++) {
		old = rcu_xchg_pointer(&published, new_object());
		if (i % 3 == 0) {
			synchronize_rcu();
			old->magic = 0;
			kfree(old);
		} else if (i % 3 == 1) {
			call_rcu(&caa_container_of(old, struct object_cb, o)->head, poison);
		} else {
			kfree_rcu(old);
		}
		sched_yield_cpu();
	}
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
	join_all();
	kfree(published);
}

START_TEST(rcu_readers_never_see_freed_objects)
{
	with_cpus(cpu_counts[_i], rcu_writer);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("lock");

	tcase_add_loop_test(tc, spinlocks_exclude_cpus_and_other_threads, 0, 3);
	tcase_add_test(tc, trying_to_read_never_waits);
	tcase_add_loop_test(tc, rwsem_lets_in_readers_or_one_writer, 0, 3);
	tcase_add_loop_test(tc, rcu_readers_never_see_freed_objects, 0, 3);
	return run_suite(tc, "lock");
}
