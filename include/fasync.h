/*
 * O_ASYNC: files that send a signal when there is something to do with them, fcntl(2), "Managing
 * signals".
 *
 * What can become ready (a pipe's end, a socket, a terminal, an inotify instance) has a list of the
 * files with O_ASYNC on it, and says kill_fasync() where it wakes pollers. It isn't an entry of the
 * wait queue, as epoll's: a signal needs locks that come before a wait queue's, and Linux sends it
 * at other times than it wakes (each write to a pipe; not to a socket whose reader sleeps).
 *
 * Whom the signal goes to, and which one it is, belongs to the open file: struct file_owner in
 * fs.h, kernel/fs/owner.c.
 */
#ifndef HEDDLE_FASYNC_H
#define HEDDLE_FASYNC_H

#include "lock.h"
#include "types.h"
#include <signal.h>

struct file;
struct fasync;

/* Lives as long as any of its files. */
struct fasync_list {
	struct spinlock lock;	/* rank FASYNC */
	struct fasync *entries; /* lock to change; RCU */
	u32 nr;			/* lock */
};
/* Who writes to a pipe signals all who have opened it so, each time: that is to end. */
#define FASYNC_MAX 1024
#define FASYNC_LIST_INIT(l)                                                                        \
	{                                                                                          \
		SPINLOCK_INIT(#l, RANK_FASYNC), NULL, 0                                            \
	}
void fasync_list_init(struct fasync_list *l);

/*
 * For file_operations.fasync: f gets on the list or leaves it, and gets or loses O_ASYNC with that.
 * fd goes into siginfo; f on the list already: takes the new fd. 1: changed; 0: it was so; -ENOMEM,
 * also for more than FASYNC_MAX. The calls for one file and list may come at the same time.
 */
must_check int fasync_helper(int fd, struct file *f, bool on, struct fasync_list *l);
/* All leave it: a terminal is hung up. */
void fasync_drop_all(struct fasync_list *l);
/* f leaves all lists: its last reference is gone. */
void fasync_file_released(struct file *f);

static inline bool fasync_wanted(const struct fasync_list *l)
{
	return unlikely(load_relaxed(&l->entries) != NULL);
}

void kill_fasync_slow(struct fasync_list *l, int code);
/*
 * Signals the owners of all files on the list. code: POLL_IN, POLL_OUT ... of sigaction(2). The
 * caller keeps the list; no spinlock may be held, a sleeping lock may; in a thread that RCU knows,
 * but not in a read section.
 */
static inline void kill_fasync(struct fasync_list *l, int code)
{
	if (fasync_wanted(l))
		kill_fasync_slow(l, code);
}

#endif
