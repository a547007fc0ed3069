/*
 * Heddle's own stdin, stdout and stderr, and its terminal (os/stdio.c, os/console.c). These
 * descriptors are shared with other programs of the host: their flags are never changed, and
 * O_NONBLOCK is only set on descriptions opened anew.
 */
#ifndef HEDDLE_HOSTIO_H
#define HEDDLE_HOSTIO_H

#include "types.h"
#include <sys/stat.h>

enum host_stdio_kind {
	HOST_STDIO_CLOSED,
	HOST_STDIO_TTY,
	HOST_STDIO_NULL, /* /dev/null */
	HOST_STDIO_FILE, /* regular, or a block device: never waits for readiness */
	HOST_STDIO_PIPE,
	HOST_STDIO_SOCKET,
	HOST_STDIO_OTHER, /* some device, a directory ... */
};

struct host_stdio {
	enum host_stdio_kind kind;
	int fd; /* 0, 1 or 2 */
	int io; /* the descriptor to read and write: a private description without waiting, or fd */
	bool nonblock;	/* io never waits */
	int flags;	/* O_ACCMODE, O_APPEND as it was opened */
	struct stat st; /* at start */
};

/*
 * First of all in main(): those of 0, 1 and 2 that are closed are taken, so that no descriptor of
 * heddle's own gets there.
 */
void host_stdio_reserve(void);
/*
 * A pipe that nobody reads, a host's limit of file sizes: from here on they are errors of writing
 * (EPIPE, EFBIG), not the kernel's end.
 */
void host_write_signals_ignore(void);
/* All fields constant afterwards. */
void host_stdio_probe(struct host_stdio *s, int fd);
/*
 * Bytes, or -errno; -EAGAIN: poll. A regular file may wait for the disk: use io_worker_call() after
 * -EAGAIN.
 */
ssize_t host_stdio_read(struct host_stdio *s, void *buf, size_t n);
ssize_t host_stdio_write(struct host_stdio *s, const void *buf, size_t n);
/* The same, waiting as long as it takes. */
ssize_t host_stdio_read_wait(struct host_stdio *s, void *buf, size_t n);
s64 host_stdio_lseek(struct host_stdio *s, s64 off, int whence);
ssize_t host_stdio_pread(struct host_stdio *s, void *buf, size_t n, u64 off);
ssize_t host_stdio_pwrite(struct host_stdio *s, const void *buf, size_t n, u64 off);
int host_stdio_stat(struct host_stdio *s, struct stat *st);
int host_stdio_truncate(struct host_stdio *s, u64 size);
int host_stdio_sync(struct host_stdio *s, bool datasync);
/*
 * Events of POLLIN, POLLOUT, POLLHUP, POLLERR that hold now, or within that time (only to be used
 * when the kernel ends).
 */
u32 host_stdio_poll(struct host_stdio *s, u32 events, int timeout_ms);
int host_stdio_readable_bytes(struct host_stdio *s); /* FIONREAD; -errno */
/*
 * The guest has closed the last file of it: lets the other end see that. The descriptor number
 * stays taken.
 */
void host_stdio_retire(struct host_stdio *s);

/* ---- what the host tells about itself (os/hostinfo.c) ---- */

/*
 * A file of the host's /proc or /sys, NUL-terminated, in fresh memory (kfree). NULL: not there, no
 * memory, or more than 64 MiB.
 */
must_check char *host_file_text(const char *path);
/* What value() makes of that text; UINT64_MAX: there is none. */
u64 host_file_value(const char *path, u64 (*value)(const char *text));
/*
 * The least of what value() makes of that file's text in this process's control group and in those
 * above it (version 2, below `root`). UINT64_MAX: none has one.
 */
#define HOST_CGROUPS "/sys/fs/cgroup"
u64 host_cgroup_least(const char *root, const char *file, u64 (*value)(const char *text));

/* ---- the terminal ---- */

struct host_tty_modes {
	u32 iflag, oflag, cflag, lflag;
	u8 cc[19];
};

/* fd is the terminal from now on. -errno. */
must_check int host_tty_init(int fd, struct host_tty_modes *m);
/* Its modes now; not those of raw mode. -errno. */
must_check int host_tty_modes(struct host_tty_modes *m);
/*
 * Raw input, no signals, and this output processing. What was there before is remembered for
 * host_tty_restore(). Again if that has undone it, or the flags change.
 */
void host_tty_raw(u32 oflag);
bool host_tty_is_raw(void);
/* Async-signal-safe. Only in the foreground: else somebody else is using the terminal now. */
void host_tty_restore(void);
bool host_tty_in_foreground(void);
/*
 * If heddle isn't in the terminal's foreground: stops heddle with sig (SIGTTIN, SIGTTOU) until it
 * is.
 */
void host_tty_foreground(int sig);
/* Rows, columns, x and y pixels; -errno. */
int host_tty_winsize(u16 ws[4]);
/* Ends heddle by the signal, as if it had not been caught; the terminal has its modes back. */
noreturn_ void host_tty_die(int sig);
/* Suspends heddle, as ^Z does; returns when it is continued. */
void host_tty_suspend(void);

#endif
