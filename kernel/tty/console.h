/* The console and the files that stdin, stdout and stderr are: private to kernel/tty/. */
#ifndef HEDDLE_TTY_CONSOLE_H
#define HEDDLE_TTY_CONSOLE_H

#include "hostio.h"
#include "lock.h"

struct file;
struct event_watch;

/*
 * Interest in the readiness of one host descriptor by several parties, each for one event.
 */
struct host_ready {
	struct spinlock lock;	   /* rank MISC */
	u32 wanted;		   /* lock: POLLIN, POLLOUT */
	struct event_watch *watch; /* constant; NULL: always ready */
	void (*fn)(void *arg,
		   u32 events); /* constant: on the event thread, with what was wanted and holds */
	void *arg;
};
must_check int host_ready_init(struct host_ready *r, int fd, void (*fn)(void *arg, u32 events),
			       void *arg);
/*
 * fn will be called once when one of the events holds. Without spinlocks. False: it never will,
 * they hold always.
 */
bool host_ready_want(struct host_ready *r, u32 events);

/* For each of the three, whatever it is: before one of them is opened. s lives for ever. */
must_check int stdfile_init(struct host_stdio *s);
/* A guest file that passes reads and writes through to one of the host's. ERR_PTR. */
must_check struct file *stdfile_open(struct host_stdio *s);

#endif
