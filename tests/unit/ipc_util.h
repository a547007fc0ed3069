/*
 * For unit tests of what tasks wait for and pass on: system calls made by tasks of one group, and
 * what of the kernel isn't linked for that.
 */
#ifndef TESTS_UNIT_IPC_UTIL_H
#define TESTS_UNIT_IPC_UTIL_H

#include "cputime.h"
#include "engine.h"
#include "fasync.h"
#include "file_util.h"
#include "ipc.h"
#include "posix_timer.h"
#include "syscalls.h"

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
int sigmask_install(uaddr_t mask, size_t size)
{
	return 0;
}
void sigmask_restore(bool interrupted)
{
}
void raise_sigpipe(void)
{
	siginfo_t si = {.si_signo = SIGPIPE};

	(void)!send_signal_task(current, &si);
}
void fasync_list_init(struct fasync_list *l)
{
	l->entries = NULL;
}
int fasync_helper(int fd, struct file *f, bool on, struct fasync_list *l)
{
	return -ENOMEM;
}
void kill_fasync_slow(struct fasync_list *l, int code)
{
}
const struct engine_ops *engine;

/* ---- tasks that make calls ---- */

#define U(p) ((uaddr_t)(p))

static struct thread_group *group;
static int done; /* atomic: tasks that have ended */

struct job {
	void (*fn)(long);
	long arg;
};

static void run_job(void *arg)
{
	struct job j = *(struct job *)arg;

	kfree(arg);
	j.fn(j.arg);
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
	kthread_exit();
}

static void go(void (*fn)(long), long arg)
{
	struct job *j = kmalloc(sizeof(*j));

	must(j);
	*j = (struct job){fn, arg};
	start_task(make_task(group), run_job, j);
}

static void settle(int n)
{
	while (__atomic_load_n(&done, __ATOMIC_SEQ_CST) < n)
		sleep_us(100);
	done = 0;
}

/* ---- parts of a test, one after the other ---- */

static int part_done; /* atomic */

static void part_task(void *arg)
{
	(*(void (*const *)(void))arg)();
	__atomic_store_n(&part_done, 1, __ATOMIC_SEQ_CST);
	kthread_exit();
}

/* Each runs in a task; the tasks that it starts tell by `done` when they have ended. */
static void run_parts(void (*const parts[])(void), unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		part_done = 0;
		start_task(make_task(group), part_task, (void *)&parts[i]);
		while (!__atomic_load_n(&part_done, __ATOMIC_SEQ_CST))
			sleep_us(100);
	}
}

/* ---- what they leave ---- */

static void close_all(void)
{
	for (int fd = 0; fd < FU_FDS; fd++)
		if (fu_table[fd])
			must(!fd_close(fd));
}

static void nothing_left(void)
{
	for (int fd = 0; fd < FU_FDS; fd++)
		must(!fu_taken[fd] && !fu_table[fd]);
	must_eq(fu_live_files, 0);
	must_eq(fu_live_inodes, 0);
}

#endif
