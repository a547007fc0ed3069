/*
 * At the end of a debug build: has every reference been given back? Objects go with their last one,
 * so what is left is what was leaked: tasks, address spaces, open files, inodes (and so dentries
 * and super blocks), pins and handles of host files; and what is only counted: memory that is
 * promised, and what users are charged with. Processes that outlive the first one have references
 * of their own: nothing is looked at then.
 */
#include "kernel/init/leaks.h"

#ifdef HEDDLE_DEBUG

#include "commit.h"
#include "cred.h"
#include "fh.h"
#include "fs.h"
#include "kernel/task/task_priv.h"
#include "ktime.h"
#include "log.h"
#include "mm.h"
#include "rcu.h"
#include "signals.h"
#include "task.h"
#include <stdio.h>

#define INODES_KEPT 2 /* the one of files without a name, and ptmx of devpts */
#define PATIENCE (10 * NSEC_PER_SEC)
#define LOOK (1 * NSEC_PER_MSEC)

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
	return load_relaxed(&nr_tasks) - tasks_expected();
}

/* Has another thread of this group, such as its leader, still something to give back? */
static bool group_is_ending(void)
{
	return load_acquire(&current->tg->nr_threads) > 1;
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

/* What was sent to a group that ends stays queued as long as its tasks are there. */
static void drop_signals(void)
{
	struct thread_group *tg = current->tg;

	spin_lock(&tg->siglock);
	sigpending_flush(&tg->shared_pending);
	sigpending_flush(&tg->leader->pending);
	sigpending_flush(&current->pending);
	spin_unlock(&tg->siglock);
}

static void look(u32 supers)
{
	struct user_stats users;
	struct vfs_stats vfs;
	struct fh_stats fh;
	char text[400];
	size_t len = 0;

	vfs_get_stats(&vfs);
	fh_get_stats(&fh);
	users_get_stats(&users);

	const struct {
		const char *what;
		u64 number;
	} left[] = {
		{"tasks", tasks_left()},
		{"address spaces", mm_count()},
		{"file systems", supers},
		{"open files", vfs.files},
		{"inodes", max(vfs.inodes, (u64)INODES_KEPT) - INODES_KEPT},
		{"handles of host files", fh.handles},
		{"of them pinned", fh.pinned},
		{"pages promised", commit_pages()},
		{"tasks of users", users.processes},
		{"signals and timers of theirs", users.sigpending},
		{"pages of pipes", users.pipe_slots},
		{"inotify instances", users.inotify_instances},
		{"watches", users.inotify_watches},
	};

	for (size_t i = 0; i < ARRAY_SIZE(left); i++) {
		if (left[i].number)
			len += snprintf(text + len, sizeof(text) - len, "%s%llu %s",
					len ? ", " : "", (unsigned long long)left[i].number,
					left[i].what);
	}
	if (len)
		panic("left behind: %s", text);
}

void leaks_check(void)
{
	u32 supers;

	if (!alone())
		return;
	wait_for_ending_tasks();
	drop_signals();
	supers = vfs_take_down();
	wait_for_deferred();
	look(supers);
}

#endif
