/* What pipe.c, pipe_splice.c and fifo.c share. */
#ifndef HEDDLE_IPC_PIPE_PRIV_H
#define HEDDLE_IPC_PIPE_PRIV_H

#include "fasync.h"
#include "fs.h"
#include "lock.h"
#include "pipe_ring.h"
#include "wait.h"

/*
 * A pipe or an open fifo: inode->pipe of its inode, and priv of all its files.
 *
 * p p->lock (read atomically without it by poll and sleepers)   i inode->spin
 */
struct pipe {
	struct mutex lock;	/* rank PIPE; also held while data is copied */
	struct pipe_ring ring;	/* p */
	u32 readers, writers;	/* p: open files for reading, for writing */
	u32 r_opened, w_opened; /* p: how often it was opened so: what a fifo's open waits for */
	u32 files;		/* i: open files, and opens under way */
	bool poll_usage;   /* atomic: somebody polls it: then each write wakes, not only that to an
			      empty pipe */
	struct user *user; /* constant, +1: whose pipe_slots count it */
	bool rd_busy, wr_busy; /* p: a splice has taken the end from which data is read, to which it
				  is written */
	struct wait_queue busy_wait;	       /* of these to be free again */
	bool named;			       /* constant: a fifo, whose inode shows times */
	struct wait_queue rd_wait;	       /* readers: data, or no writers */
	struct wait_queue wr_wait;	       /* writers: room, or no readers */
	struct fasync_list rd_async, wr_async; /* files for reading, for writing, with O_ASYNC */
	struct wait_queue open_wait;	       /* opens of a fifo that wait for the other side */
};

must_check struct pipe *pipe_alloc(void); /* files 1; NULL: no memory */
void pipe_free(struct pipe *p);
/* Drops a reference of the kind that inode->pipe->files counts. */
void pipe_put(struct inode *inode, struct pipe *p);
/*
 * Takes the lock when no splice has the end (&p->rd_busy or &p->wr_busy): they may sleep in the
 * file at their other end, and the lock comes after those of files. -ERESTARTSYS: not locked.
 */
must_check int pipe_lock_end(struct pipe *p, const bool *busy);
bool pipe_readable(const struct pipe *p);
bool pipe_writable(const struct pipe *p);
/*
 * Sleeps until there is something to read, or nothing will ever be; until there is room, or no
 * reader. Called and returns without the lock.
 */
must_check int pipe_wait_readable(struct pipe *p);
must_check int pipe_wait_writable(struct pipe *p);
/* After something was stored, without the lock. was_empty: there was nothing before. */
void pipe_wake_readers(struct pipe *p, bool was_empty);
void pipe_wake_writers(struct pipe *p);
/*
 * After a change of readers or writers, under the lock: whoever waits sees that the other side is
 * gone or came.
 */
void pipe_wake_ends(struct pipe *p);
/*
 * For POLLHUP: has f seen a writer? Not if it was opened without waiting for one, and none came
 * since.
 */
bool fifo_had_writer(const struct file *f, const struct pipe *p);
int fifo_open(struct inode *inode, struct file *f);

#endif
