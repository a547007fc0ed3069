/*
 * Terminals as the rest of the kernel sees them: controlling terminals of sessions, and the
 * console, which is heddle's own stdin, stdout and stderr. Everything else is private to
 * kernel/tty/.
 */
#ifndef HEDDLE_TTY_H
#define HEDDLE_TTY_H

#include "types.h"

struct file;
struct thread_group;
struct tty;

/* References. None of these sleeps; callable under spinlocks up to RANK_MISC. */
struct tty *tty_get(struct tty *t);
void tty_put(struct tty *t);
dev_t tty_device(const struct tty *t);	/* as /proc/PID/stat shows it */
pid_t tty_foreground_nr(struct tty *t); /* of its foreground process group, or -1 */

/*
 * Controlling terminals: tg->tty, protected by tg->siglock, holds a reference.
 */
must_check struct tty *tty_of(struct thread_group *tg); /* +1 or NULL */
/* fork: the new group, which nobody else sees yet, shares its parent's terminal. */
void tty_inherit(struct thread_group *child, struct thread_group *parent);
/*
 * setsid, and the death of a process that isn't a session leader: lets go of it. May be called
 * under tasklist_lock.
 */
void tty_detach(struct thread_group *tg);
/*
 * The last thread of tg is exiting: as tty_detach(), and if it leads its session, hangs the
 * terminal up and frees it for other sessions. No locks held; before its children are given to
 * others.
 */
void tty_exit(struct thread_group *tg);
/* Boot: makes t the controlling terminal of a session leader, and its group the foreground. */
void tty_adopt(struct tty *t, struct thread_group *leader);

/*
 * The console. console_init() looks at host descriptors 0, 1 and 2 (after event_init); -errno.
 * console_open_std() makes the guest's file for one of them: the console tty if it is a terminal,
 * else a file that passes reads and writes through; -EBADF if it is closed. It needs /dev to be
 * mounted, and may sleep.
 */
must_check int console_init(void);
must_check int console_open_std(int hostfd, struct file **f);
/* Boot: /dev/console belongs to the user who uses it, as after a login. */
void console_set_owner(u32 uid);
/*
 * The terminal that stdin, stdout or stderr is; NULL if none is. Borrowed: it lives as long as the
 * kernel.
 */
struct tty *console_tty(void);
/*
 * ^Z in the first job of this kernel, whose leader is tg: stops this kernel as it would any program
 * of the shell that started it, if tg has the console's foreground. Returns when it was continued.
 * Without spinlocks.
 */
void console_suspend(const struct thread_group *tg);
/*
 * At a regular end: writes out what the guest has written, for at most two seconds, then gives the
 * host terminal its modes back.
 */
void console_shutdown(void);

#endif
