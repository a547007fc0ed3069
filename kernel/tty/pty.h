/* Pseudo-terminals: private to kernel/tty/. */
#ifndef HEDDLE_TTY_PTY_H
#define HEDDLE_TTY_PTY_H

#include "proc.h"
#include "tty_priv.h"

/*
 * The pair is one object: the slave's tty, whose `out` is what the master reads and whose `in` and
 * discipline are what the master writes to.
 *
 * c constant   l tty.lock   a atomic   T the table's lock
 */
struct pty {
	struct tty tty;		       /* first member */
	int index;		       /* c */
	bool slave_opened;	       /* l: once */
	bool locked;		       /* l: TIOCSPTLCK: the slave can't be opened */
	bool packet;		       /* l: TIOCPKT */
	bool master_exclusive;	       /* a: TIOCEXCL on the master, which nobody can open again */
	u8 status;		       /* l: TIOCPKT_* that the master has not read */
	struct wait_queue master_wait; /* the master's readers */
	struct fasync_list async;      /* the master's file, if it has O_ASYNC */
	bool async_room; /* a: it found no room: POLL_OUT is sent once when there is some */
};

static inline struct pty *pty_of(struct tty *t)
{
	return (struct pty *)t;
}

/* pty_table.c */
must_check struct pty *pty_create(void); /* refs 1, registered; ERR_PTR(-ENOSPC, -ENOMEM) */
bool pty_has_room(struct pty *p);	 /* for what the master writes */
void pty_room(struct tty *t); /* there may be some: the master gets the signal that it waits for */
struct pty *pty_find(int index); /* +1 on its tty; NULL */

#endif
