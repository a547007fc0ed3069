/*
 * Futexes: keys, tentative waiters, wake-ups that are never lost and never counted twice, on 1, 2
 * and 4 CPUs.
 * objects: kernel/futex/queue.o kernel/futex/wait.o kernel/futex/wake.o kernel/signal/sigqueue.o kernel/signal/sighand.o kernel/signal/send.o kernel/signal/stop.o kernel/task/cred.o smp/[a-z]*.o os/alloc.o os/fault.o os/clock.o os/log.o os/panic.o os/slice.o os/stack.o os/symbols.o os/thread.o
 */
#include "kernel/futex/futex_priv.h"
#include "cputime.h"
#include "fs.h"
#include "posix_timer.h"
#include "task_util.h"

/* ---- what isn't linked ---- */

void posix_timer_taken_locked(struct ktimer *kt, siginfo_t *si)
{
}
void posix_timer_dropped_locked(struct ktimer *kt)
{
}
void itimer_real_taken_locked(struct thread_group *tg)
{
}
void group_cputime(struct thread_group *tg, u64 *ut, u64 *st)
{
}
const struct engine_ops *engine;

/* Words of `shared_words` belong to a file; everything else is private. */
static u32 words[8], shared_words[2][8];
static struct inode file;

struct inode *inode_get(struct inode *i)
{
	__atomic_fetch_add(&i->refs, 1, __ATOMIC_SEQ_CST);
	return i;
}
void inode_put(struct inode *i)
{
	__atomic_fetch_sub(&i->refs, 1, __ATOMIC_SEQ_CST);
}
int mm_futex_key(struct mm *mm, uaddr_t addr, struct inode **inode, u64 *off)
{
	uaddr_t base = (uaddr_t)shared_words;

	if (addr < PAGE_SIZE)
		return -EFAULT;
	*inode = NULL;
	*off = addr;
	if (addr >= base && addr < base + sizeof(shared_words)) {
		/* Both rows map the same part of the file. */
		*inode = inode_get(&file);
		*off = (addr - base) % sizeof(shared_words[0]);
	}
	return 0;
}
int copy_from_user_nofault(void *to, uaddr_t from, size_t n)
{
	return copy_from_user(to, from, n);
}
int mm_cmpxchg32(struct mm *mm, uaddr_t addr, u32 expect, u32 val, u32 *old)
{
	if (addr < PAGE_SIZE)
		return -EFAULT;
	*old = expect;
	__atomic_compare_exchange_n((u32 *)addr, old, val, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_SEQ_CST);
	return 0;
}

static struct thread_group *group;
static int done; /* atomic: threads that came back */
static long results[64];

#define U(p) ((uaddr_t)(p))
#define ANY 0xffffffffu

static void run_threads(int n, void (*fn)(void *))
{
	long i;

	for (i = 0; i < n; i++)
		start_task(make_task(group), fn, (void *)i);
}

static void settle(int n)
{
	while (__atomic_load_n(&done, __ATOMIC_SEQ_CST) < n)
		sleep_us(200);
}

/* ---- one waiter after the other ---- */

static void wait_on_word(void *arg)
{
	long i = (long)arg;

	results[i] = futex_wait(U(&words[0]), false, 0, KTIME_MAX, i < 2 ? 1u : 2u);
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
	kthread_exit();
}

static int wake_until(uaddr_t u, int want, u32 bitset)
{
	int n = 0, tries;

	for (tries = 0; tries < 200000 && n < want; tries++) {
		n += (int)futex_wake(NULL, u, false, want - n, bitset);
		sleep_us(100);
	}
	return n;
}

static void bitsets(void)
{
	run_threads(4, wait_on_word);
	must_eq(wake_until(U(&words[0]), 2, 1), 2);
	settle(2);
	must_eq(futex_wake(NULL, U(&words[0]), false, 10, 1), 0);
	must_eq(wake_until(U(&words[0]), 2, ANY), 2);
	settle(4);
	must(!results[0] && !results[1] && !results[2] && !results[3]);
}

static void errors(void)
{
	words[1] = 5;
	must_eq(futex_wait(U(&words[1]), false, 4, KTIME_MAX, ANY), -EAGAIN);
	must_eq(futex_wait(U(&words[1]) + 2, false, 5, KTIME_MAX, ANY), -EINVAL);
	must_eq(futex_wait(8, false, 5, KTIME_MAX, ANY), -EFAULT);
	must_eq(futex_wait(U(&words[1]), false, 5, ktime_mono() + 2000000, ANY), -ETIMEDOUT);
	must_eq(futex_wait(U(&words[1]), false, 5, 1, ANY), -ETIMEDOUT);
	/* Nothing is left behind. */
	must_eq(futex_wake(NULL, U(&words[1]), false, 10, ANY), 0);
}

static void errors_in_task(void *arg)
{
	errors();
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
	kthread_exit();
}

static void errors_test(void)
{
	run_threads(1, errors_in_task);
	settle(1);
}

/* ---- requeue ---- */

static void wait_shared(void *arg)
{
	long i = (long)arg;

	results[i] = futex_wait(U(&shared_words[i % 2][0]), true, 0, KTIME_MAX, ANY);
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
	kthread_exit();
}

static void requeue_in_task(void *arg)
{
	struct futex_pair p = {U(&shared_words[1][0]), U(&shared_words[0][4]), true, 1, 100};
	u32 wrong = 1, right = 0;
	int i, moved = 0;
	long r;

	must_eq(futex_requeue(&p, &wrong), -EAGAIN);
	p.nr1 = 0;
	for (i = 0; i < 200000 && moved < 6; i++) {
		r = futex_requeue(&p, &right);
		must(r >= 0);
		moved += (int)r;
		sleep_us(100);
	}
	must_eq(moved, 6);
	must_eq(futex_wake(NULL, U(&shared_words[0][0]), true, 100, ANY), 0);
	must_eq(futex_wake(NULL, U(&shared_words[1][4]), true, 2, ANY), 2);
	must_eq(futex_wake(NULL, U(&shared_words[1][4]), true, 100, ANY), 4);
	p.nr1 = -1;
	must_eq(futex_requeue(&p, NULL), -EINVAL);
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
	kthread_exit();
}

static void requeue(void)
{
	run_threads(6, wait_shared);
	start_task(make_task(group), requeue_in_task, NULL);
	settle(7);
	must_eq(file.refs, 1);
}

/* ---- wake_op ---- */

static void wake_op_in_task(void *arg)
{
	struct futex_pair p = {U(&words[2]), U(&words[3]), false, 1, 1};

	words[3] = 7;
	/* words[3] += 1; wake the second if it was > 6 */
	must_eq(futex_wake_op(&p, 1u << 28 | 4u << 24 | 1 << 12 | 6), 0);
	must_eq(words[3], 8);
	/* words[3] &= ~(1 << 3); the comparison with a negative number */
	must_eq(futex_wake_op(&p, (8u | 3u) << 28 | 2u << 24 | 3 << 12 | 0xfff), 0);
	must_eq(words[3], 0);
	must_eq(futex_wake_op(&p, 5u << 28), -ENOSYS);
	must_eq(futex_wake_op(&p, 6u << 24), -ENOSYS);
	p.uaddr2 = 16;
	must_eq(futex_wake_op(&p, 0), -EFAULT);
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
	kthread_exit();
}

static void wake_op(void)
{
	run_threads(1, wake_op_in_task);
	settle(1);
}

/* ---- a mutex as libc makes it, and a counter that it guards ---- */

enum { LOCKERS = 12, ROUNDS = 3000 };
static u64 counter;

static void lock(u32 *w)
{
	u32 c = 0;

	if (__atomic_compare_exchange_n(w, &c, 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	while (__atomic_exchange_n(w, 2, __ATOMIC_SEQ_CST)) {
		long r = futex_wait(U(w), false, 2, KTIME_MAX, ANY);

		must(!r || r == -EAGAIN);
	}
}

static void unlock(u32 *w)
{
	if (__atomic_exchange_n(w, 0, __ATOMIC_SEQ_CST) == 2)
		futex_wake(NULL, U(w), false, 1, ANY);
}

static void locker(void *arg)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		lock(&words[5]);
		counter++;
		if (i % 64 == 0)
			sched_yield_cpu();
		unlock(&words[5]);
	}
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
	kthread_exit();
}

static void mutex_stress(void)
{
	counter = 0;
	run_threads(LOCKERS, locker);
	settle(LOCKERS);
	must_eq(counter, (u64)LOCKERS * ROUNDS);
}

/*
 * Each post adds one and wakes one, and no waiter takes a wake-up that another needs: all items are
 * taken, although every wake-up wakes one.
 */
static int items, got;

static void taker(void *arg)
{
	int have;
	u32 seq;

	for (;;) {
		seq = __atomic_load_n(&words[6], __ATOMIC_SEQ_CST);
		have = __atomic_load_n(&items, __ATOMIC_SEQ_CST);
		if (have > 0) {
			if (__atomic_compare_exchange_n(&items, &have, have - 1, false,
							__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) &&
			    __atomic_add_fetch(&got, 1, __ATOMIC_SEQ_CST) >= 10000)
				break;
			continue;
		}
		if (__atomic_load_n(&got, __ATOMIC_SEQ_CST) >= 10000)
			break;
		futex_wait(U(&words[6]), false, seq, KTIME_MAX, ANY);
	}
	/* Let the others see that it is over. */
	__atomic_add_fetch(&words[6], 1, __ATOMIC_SEQ_CST);
	futex_wake(NULL, U(&words[6]), false, INT32_MAX, ANY);
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
	kthread_exit();
}

static void poster(void *arg)
{
	int i;

	for (i = 0; i < 5000; i++) {
		__atomic_add_fetch(&items, 1, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(&words[6], 1, __ATOMIC_SEQ_CST);
		futex_wake(NULL, U(&words[6]), false, 1, ANY);
	}
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
	kthread_exit();
}

static void post_stress(void)
{
	items = got = 0;
	run_threads(8, taker);
	run_threads(2, poster);
	settle(10);
	must_eq(got, 10000);
}

/* ---- a signal ends a wait ---- */

static void wait_long(void *arg)
{
	results[0] = futex_wait(U(&words[7]), false, 0,
				arg ? ktime_mono() + 60 * NSEC_PER_SEC : KTIME_MAX, ANY);
	results[1] = (long)current->restart.fn;
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
	kthread_exit();
}

static void signal_ends_wait(void)
{
	siginfo_t si = {.si_signo = SIGUSR1};
	struct task *t;
	int with_timeout;

	group->sighand->action[SIGUSR1 - 1].handler = 0x1000;
	for (with_timeout = 0; with_timeout < 2; with_timeout++) {
		t = make_task(group);
		done = 0;
		start_task(t, wait_long, (void *)(long)with_timeout);
		sleep_us(1000);
		send_signal_task(t, &si);
		settle(1);
		must_eq(results[0], with_timeout ? -ERESTART_RESTARTBLOCK : -ERESTARTSYS);
		must_eq(results[1] != 0, with_timeout);
		must_eq(futex_wake(NULL, U(&words[7]), false, 1, ANY), 0);
	}
}

static void (*const cases[])(void) = {bitsets,	    errors_test, requeue,	  wake_op,
				      mutex_stress, post_stress, signal_ends_wait};

START_TEST(futexes)
{
	group = make_group();
	done = 0;
	memset(words, 0, sizeof(words));
	memset(shared_words, 0, sizeof(shared_words));
	file.refs = 1;
	with_cpus(cpu_counts[_i % 3], cases[_i / 3]);
	free_group(group);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("futex");

	tcase_add_loop_test(tc, futexes, 0, 3 * (int)ARRAY_SIZE(cases));
	return run_suite(tc, "futex");
}
