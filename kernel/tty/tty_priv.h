/* A terminal and its line discipline: private to kernel/tty/. */
#ifndef HEDDLE_TTY_PRIV_H
#define HEDDLE_TTY_PRIV_H

#include "byteq.h"
#include "dev.h"
#include "fasync.h"
#include "fs.h"
#include "lock.h"
#include "tty.h"
#include "types.h"
#include "wait.h"
#include <linux/termios.h>

struct pid;
struct tty;

#define LDISC_SIZE 4096u       /* bytes of input, and the longest line with its newline */
#define TTY_QUEUE_SIZE 65536u  /* input that the discipline has no room for yet; output */
#define TTY_ECHO_RESERVE 4096u /* output room that only echoes may use */
#define TTY_OPOST_MAX 8u       /* bytes that output processing makes of one, at most: a tab */

/*
 * The line discipline's state (N_TTY). Positions are free-running counts; buf[pos % LDISC_SIZE].
 * Readers may take: in canonical mode what lies below `canon`, else everything.
 */
struct ldisc {
	u8 buf[LDISC_SIZE];
	u64 delim[LDISC_SIZE / 64]; /* bit set: a line ends with this byte */
	u32 head;		    /* where the next byte goes */
	u32 canon;		    /* behind the last complete line */
	u32 tail;		    /* the next byte for readers */
	u32 column;		    /* of the cursor */
	u32 line_column;	    /* where the line being typed began */
	bool lnext;		    /* the next character is literal */
	bool erasing;		    /* ECHOPRT: between \ and / */
	bool push;		    /* `canon` was set by a mode change, not by a line's end */
};

/*
 * What became of a change to a tty under its lock, to be done after unlocking: signals and
 * wake-ups.
 */
struct tty_fx {
	u32 signals;  /* bit n: signal n for the foreground */
	bool readers; /* there may be something to read */
	bool input;   /* the same, because something has come in */
	bool output;  /* the driver has something to send */
	bool writers; /* there may be room for output */
	bool room;    /* there may be room for input */
	u8 packet;    /* TIOCPKT_* for a pty's master */
};

/* What a driver does. Called without the tty's lock; may not sleep unless it says so. */
struct tty_driver {
	/* Output waits in tty->out, or was let go on. */
	void (*output)(struct tty *t);
	/* The discipline has taken input: there is room again. May be NULL. */
	void (*room)(struct tty *t);
	/* A reader waits, or modes changed: NULL or called in a task, may sleep. */
	void (*reading)(struct tty *t);
	void (*modes_changed)(struct tty *t, const struct ktermios *old);
	/* Packet-mode news for the other side. NULL or as `output`. */
	void (*packet)(struct tty *t, u8 status);
	/* The last reference is gone. NULL: never. */
	void (*destroy)(struct tty *t);
	bool device_opost; /* output processing is done by the device behind */
};

/*
 * A lock whose waiters can be interrupted: one reader, one writer at a time, so that lines and
 * writes stay whole.
 */
struct turn {
	bool busy; /* atomic */
	struct wait_queue wait;
};

/* A place in the output, and where the cursor was. */
struct tty_mark {
	u64 at; /* count of bytes */
	u32 column, line_column;
};

/*
 * c constant   a atomic   others: lock
 */
struct tty {
	u32 refs;			 /* a: open files, sessions */
	const struct tty_driver *driver; /* c */
	dev_t dev;			 /* c */
	char name[16];			 /* c */
	struct spinlock lock;		 /* rank MISC */
	struct ktermios termios;
	struct winsize winsize;
	struct pid *session, *pgrp; /* +1: whose controlling terminal, its foreground */
	u32 generation;		    /* a to read: counts hang-ups; files of older ones are dead */
	u32 opens;		    /* open files of the current generation */
	bool exclusive;		    /* TIOCEXCL */
	bool other_closed;	    /* a pty's master is gone */
	bool stopped;		    /* output: by ^S or TCOOFF */
	bool stopped_by_ioctl;	    /* TCOOFF: ^Q doesn't start it */
	struct tty_mark stop;	    /* while stopped: output up to there was let go before */
	struct tty_mark batch; /* where the input that is being received came: later echoes can be
				  flushed */
	struct tty_mark shown; /* the same, or where ^Q came: ^S holds back later echoes */
	struct ldisc ld;
	struct byteq in;  /* input which ld has no room for */
	struct byteq out; /* output that the driver hasn't taken */
	u64 out_sent;	  /* count of the bytes of out that the driver is sending, without the lock:
			     they stay */
	struct turn reader, writer;
	struct wait_queue read_wait;  /* input */
	struct wait_queue write_wait; /* room for output, or all of it gone */
	struct wait_queue room_wait;  /* room in `in`: writers of a pty's master */
	struct fasync_list async;     /* files with O_ASYNC, but for a pty's master */
	bool async_room; /* a: a write found no room: POLL_OUT is sent once when there is some */
};

/* file->priv of an open terminal. */
struct tty_file {
	struct tty *tty; /* +1 */
	u32 generation;	 /* constant */
};

/* ---- tty.c: life ---- */
void tty_init(struct tty *t, const struct tty_driver *driver, dev_t dev);
void tty_free_state(struct tty *t); /* queues and pids, from driver->destroy */
/*
 * Takes the reference of the caller even on failure: -EIO (a pty whose master is gone), -EBUSY
 * (TIOCEXCL), -ENOMEM.
 */
must_check int tty_file_open(struct tty *t, struct file *f);
void tty_file_release(struct file *f);
struct tty *file_tty(const struct file *f); /* borrowed from f */
bool file_hung_up(const struct file *f);
void tty_fx_run(struct tty *t, struct tty_fx *fx);
void tty_signal(struct tty *t, int sig); /* the foreground group */
int tty_fasync(int fd, struct file *f, bool on);
/*
 * The same for any list; a terminal's own is t->async. Its owner is the foreground, unless it has
 * one.
 */
int tty_fasync_on(int fd, struct file *f, bool on, struct tty *t, struct fasync_list *l);
/* There may be room for output. */
void tty_wake_writers(struct tty *t);
must_check int turn_take(struct turn *turn, bool nonblock); /* -EAGAIN, -ERESTARTSYS */
void turn_give(struct turn *turn);

/* ---- tty_rw.c ---- */
ssize_t tty_read(struct file *f, struct iov_iter *to, u64 *pos);
ssize_t tty_write(struct file *f, struct iov_iter *from, u64 *pos);
u32 tty_poll(struct file *f, struct poll_table *pt);
bool tty_has_room(struct tty *t); /* for output, which isn't stopped */
/*
 * Bytes that came in from the device: as many as there is room for; -ENOMEM: none, though there is
 * room. Any thread.
 */
ssize_t tty_input(struct tty *t, const u8 *buf, size_t n);

/* ---- ldisc.c: input and its editing; all under t->lock ---- */
void ldisc_reset(struct tty *t);
/* As much as there is room for; bytes taken. */
size_t ldisc_receive(struct tty *t, const u8 *buf, size_t n, struct tty_fx *fx);
void ldisc_modes_changed(struct tty *t, const struct ktermios *old, struct tty_fx *fx);
/* Moves waiting input from t->in to the discipline. */
void ldisc_refill(struct tty *t, struct tty_fx *fx);
void ldisc_flush_input(struct tty *t, struct tty_fx *fx);

/* ---- ldisc_take.c: what readers get; under t->lock ---- */
/* Bytes up to the end of a line; *done: the read ends with them. */
size_t ldisc_take(struct tty *t, u8 *buf, size_t n, bool *done);
bool ldisc_readable(const struct tty *t, bool polling);
size_t ldisc_count(const struct tty *t); /* FIONREAD */

/* ---- opost.c: output processing and echo; under t->lock ---- */
size_t opost_write(struct tty *t, const u8 *buf, size_t n);
void echo_raw(struct tty *t, const char *s, size_t n);
void echo_char(struct tty *t, u8 c);	  /* with ECHOCTL */
void echo_char_post(struct tty *t, u8 c); /* with output processing */
void echo_erase_tab(struct tty *t, u32 column);
void tty_send_flow(struct tty *t, u8 c);
void tty_batch_begin(struct tty *t); /* before input, or a request that may stop or flush */
void tty_echo_shown(struct tty *t);  /* ^S holds back only what comes now */
void tty_stop(struct tty *t, struct tty_fx *fx);
void tty_start(struct tty *t, struct tty_fx *fx);
void tty_flush_output(struct tty *t, struct tty_fx *fx);
/* For drivers: output that may be sent now. */
size_t tty_out_ready(const struct tty *t);

/* ---- termios.c, tty_ioctl.c ---- */
extern const struct ktermios tty_default_termios;
long termios_ioctl(struct file *f, struct tty *t, unsigned cmd, u64 arg, bool master);
long tty_ioctl(struct file *f, unsigned cmd, u64 arg);
long tty_common_ioctl(struct file *f, struct tty *t, unsigned cmd, u64 arg, bool master);
/* Sleeps until the driver has sent everything. 0, -ERESTARTSYS. */
must_check int tty_drain(struct tty *t);
void tty_set_winsize(struct tty *t, const struct winsize *ws);

/* ---- jobctl.c ---- */
/*
 * May the current task read from, or change, its terminal now? 0, -EIO, -ERESTARTSYS after sig was
 * sent.
 */
must_check int tty_check_foreground(struct tty *t, int sig);
long jobctl_ioctl(struct file *f, struct tty *t, unsigned cmd, u64 arg, bool master);
/* An open without O_NOCTTY by a session leader without terminal makes it the controlling one. */
void tty_open_adopt(struct tty *t, struct file *f);
/*
 * Every open file is dead from now on; the session loses its terminal and its leader gets SIGHUP;
 * leader_exits: the foreground too.
 */
void tty_hangup(struct tty *t, bool leader_exits);

/* ---- flags ---- */
#define L_FLAG(t, f) ((t)->termios.c_lflag & (f))
#define I_FLAG(t, f) ((t)->termios.c_iflag & (f))
#define O_FLAG(t, f) ((t)->termios.c_oflag & (f))
#define TTY_CC(t, i) ((t)->termios.c_cc[i])

/* A byte that continues a UTF-8 character takes no column of its own. */
static inline bool utf8_continues(const struct tty *t, u8 c)
{
	return I_FLAG(t, IUTF8) && (c & 0xc0) == 0x80;
}
static inline bool is_control(u8 c)
{
	return c < 0x20 || c == 0x7f;
}

#endif
