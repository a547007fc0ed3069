/*
 * I/O workers: host threads for host calls that may block for long (a disk, an fsync), so that they
 * never stall a CPU. One is started when work comes and none is idle, up to WORKERS_MAX; then work
 * queues. An idle worker sleeps without a timeout.
 */
#include "event.h"
#include "host.h"
#include "lock.h"
#include "log.h"
#include "os/helper.h"
#include "sched.h"

#include <urcu/list.h>

#define WORKERS_MAX 16

/* On the waiting task's stack. */
struct job {
	long (*fn)(void *arg);	   /* constant */
	void *arg;		   /* constant */
	struct kthread *kt;	   /* constant: who waits */
	struct cds_list_head link; /* queue_lock */
	struct spinlock lock;
	long result; /* lock */
	bool done;   /* lock */
};

static struct spinlock queue_lock = SPINLOCK_INIT("I/O jobs", RANK_OS);
static CDS_LIST_HEAD(queue);		   /* queue_lock */
static u32 nr_queued, nr_idle, nr_workers; /* queue_lock */
static u32 queue_word;			   /* atomic futex: changes with each new job */

static struct job *job_take(void)
{
	for (;;) {
		struct job *j = NULL;
		u32 seen;

		spin_lock(&queue_lock);
		seen = load_relaxed(&queue_word);
		if (nr_queued) {
			j = cds_list_first_entry(&queue, struct job, link);
			cds_list_del(&j->link);
			nr_queued--;
		} else {
			nr_idle++;
		}
		spin_unlock(&queue_lock);
		if (j)
			return j;
		host_futex_wait(&queue_word, seen, KTIME_MAX);
		spin_lock(&queue_lock);
		nr_idle--;
		spin_unlock(&queue_lock);
	}
}

static void *worker_loop(void *unused)
{
	for (;;) {
		struct job *j = job_take();
		long result = j->fn(j->arg);

		/*
		 * The job is gone when its task has seen `done`, which it does under the lock:
		 * unlocking comes last.
		 */
		spin_lock(&j->lock);
		j->result = result;
		j->done = true;
		wake_up_kthread(j->kt);
		spin_unlock(&j->lock);
	}
	return unused;
}

static const struct helper_thread worker_helper = {
	.name = "heddle-io",
	.fn = worker_loop,
	.stack_size = 128 * 1024,
};

/* Queues j. False when there is no thread to run it and none can be had: run it here then. */
static bool job_queue(struct job *j)
{
	bool start = false, queued = true;

	spin_lock(&queue_lock);
	if (nr_idle <= nr_queued && nr_workers < WORKERS_MAX) {
		nr_workers++;
		start = true;
	}
	spin_unlock(&queue_lock);
	if (start && helper_thread_start(&worker_helper, NULL)) {
		spin_lock(&queue_lock);
		nr_workers--;
		queued = nr_workers > 0;
		spin_unlock(&queue_lock);
	}
	if (!queued)
		return false;
	spin_lock(&queue_lock);
	cds_list_add_tail(&j->link, &queue);
	nr_queued++;
	__atomic_add_fetch(&queue_word, 1, __ATOMIC_RELEASE);
	spin_unlock(&queue_lock);
	host_futex_wake(&queue_word, 1);
	return true;
}

static bool job_done(struct job *j)
{
	bool done;

	spin_lock(&j->lock);
	done = j->done;
	if (!done)
		kthread_set_state(KT_UNINTERRUPTIBLE);
	spin_unlock(&j->lock);
	return done;
}

long io_worker_call(long (*fn)(void *arg), void *arg)
{
	struct job j = {.fn = fn, .arg = arg, .kt = current_kthread()};

	if (!j.kt) /* not a task: a host thread, which may block itself */
		return fn(arg);
	spin_init(&j.lock, "I/O job", RANK_MISC);
	if (!job_queue(&j))
		return fn(arg);
	while (!job_done(&j))
		schedule();
	return j.result;
}
