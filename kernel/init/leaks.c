/*
 * At the end of a debug build: has every reference been given back? Objects go with their last one, so what is left is what was leaked: tasks,
 * address spaces, open files, inodes (and so dentries and super blocks), pins and handles of host files. Processes that outlive the first one
 * have references of their own: nothing is looked at then.
 */
#include "kernel/init/leaks.h"

#ifdef HEDDLE_DEBUG

#include "fh.h"
#include "fs.h"
#include "kernel/task/task_priv.h"
#include "ktime.h"
#include "log.h"
#include "mm.h"
#include "rcu.h"
#include "task.h"

#define INODES_KEPT 2 /* the one of files without a name, and ptmx of devpts */
#define PATIENCE (10 * NSEC_PER_SEC)
#define LOOK (1 * NSEC_PER_MSEC)

typedef unsigned long long ull;

static bool alone(void)
{
	struct thread_group *tg = next_process(2);

	if (!tg)
		return true;
	tg_put(tg);
	return false;
}

/* Of this task, and of its group's leader if that has ended before. */
static u32 tasks_expected(void)
{
	return current->tg->leader == current ? 1 : 2;
}

static u32 tasks_left(void)
{
	return __atomic_load_n(&nr_tasks, __ATOMIC_RELAXED) - tasks_expected();
}

/* Has another thread of this group, such as its leader, still something to give back? */
static bool group_is_ending(void)
{
	return __atomic_load_n(&current->tg->nr_threads, __ATOMIC_ACQUIRE) > 1;
}

/* Nobody tells when they are gone, nor should for this only. */
static void wait_for_ending_tasks(void)
{
	ktime_t end = ktime_mono() + PATIENCE;

	while ((group_is_ending() || tasks_left()) && ktime_mono() < end) {
		kthread_set_state(KT_UNINTERRUPTIBLE);
		schedule_deadline(ktime_mono() + LOOK);
	}
}

/* What was put off until nobody reads, and what that puts off again. */
static void wait_for_deferred(void)
{
	for (int i = 0; i < 4; i++)
		rcu_barrier();
}

void leaks_check(void)
{
	struct vfs_stats vfs;
	struct fh_stats fh;
	u32 supers;
	u64 mms;

	if (!alone())
		return;
	wait_for_ending_tasks();
	supers = vfs_take_down();
	wait_for_deferred();
	vfs_get_stats(&vfs);
	fh_get_stats(&fh);
	mms = mm_count();
	if (tasks_left() || mms || supers || vfs.files || vfs.inodes > INODES_KEPT || fh.pinned ||
	    fh.handles)
		panic("left behind: %u tasks, %llu address spaces, %u file systems, %llu open files, %llu inodes, %llu handles of host files, %llu of them pinned",
		      tasks_left(), (ull)mms, supers, (ull)vfs.files, (ull)vfs.inodes,
		      (ull)fh.handles, (ull)fh.pinned);
}

#endif
