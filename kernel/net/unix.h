/*
 * AF_UNIX sockets, as the files of this folder share them.
 *
 * A message is put together and filled without any lock, queued under the receiver's lock, and
 * copied out by a reader under its read_mutex alone. It counts for its sender's send buffer until
 * it is gone, which is what bounds the memory. Datagram sockets and listeners also bound the length
 * of their queue.
 *
 * Locks: read_mutex, unix_gc_mutex (gc.c), a name bucket, sk->lock (two: by address,
 * unix_lock_two()), then wait queues.
 */
#ifndef HEDDLE_NET_UNIX_H
#define HEDDLE_NET_UNIX_H

#include "fasync.h"
#include "fs.h"
#include "ktime.h"
#include "lock.h"
#include "uaccess.h"
#include "wait.h"
#include <sys/socket.h>
#include <sys/un.h>

struct unix_sock;
struct user;

#define SHUT_MASK_RCV 1u
#define SHUT_MASK_SEND 2u
#define SHUT_MASK_BOTH 3u

#define BUF_DEFAULT 212992u
#define BUF_MAX 212992u /* before setsockopt doubles it */
#define SNDBUF_MIN 4608u
#define RCVBUF_MIN 2304u
#define DGRAM_QUEUE_MAX 10u /* net.unix.max_dgram_qlen */
#define BACKLOG_MAX 4096
#define SCM_MAX_FDS 253
#define MAX_IN_FLIGHT 65536u /* passed files under way, in all */

#define SOCK_IN (POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND) /* what a message wakes */
#define SOCK_OUT (POLLOUT | POLLWRNORM | POLLWRBAND)

/* A name; constant. Paths keep their NUL, len counts the family too. */
struct unix_addr {
	u32 refs; /* atomic */
	int len;
	u32 hash;
	union {
		struct sockaddr_un name;
		struct sockaddr_storage storage; /* the NUL may lie behind sun_path */
	};
};
#define UNIX_ADDR_EMPTY ((int)offsetof(struct sockaddr_un, sun_path)) /* length of no name */

/* Files under way. While a queued message holds them, the sockets among them count as in flight. */
struct scm_files {
	struct scm_files *next; /* owner: task->scm_doomed */
	struct user *user;	/* +1 while in flight: whose limit they count for */
	int n;
	struct file *f[]; /* +1 each */
};

/* What travels with a message besides data. */
struct scm {
	struct scm_files *files; /* +1; NULL: none */
	bool has_creds;
	struct ucred creds;
	ktime_t stamp; /* when it was sent, ns of CLOCK_REALTIME; 0: not noted */
};

/*
 * A message, or for stream sockets a piece of the stream. Or one end of a new connection, in a
 * listener's queue.
 */
struct skb {
	struct cds_list_head link; /* the receiver's lock while queued */
	struct unix_sock *from;	   /* +1: counts for its wmem */
	struct unix_sock *embryo;  /* +1: the accepted socket to be */
	u32 truesize;
	u32 len, off; /* off: taken already; read_mutex */
	struct scm scm;
	bool flying;				/* unix_gc_mutex: scm.files count as in flight */
	u8 data[] __attribute__((aligned(16))); /* host CPUs copy much slower to odd addresses */
};

enum unix_state { US_CLOSED, US_CONNECTED, US_LISTEN };

/*
 * c constant after creation   l lock   a atomic   g unix_gc_mutex   r read_mutex
 */
struct unix_sock {
	u32 refs;	      /* a: its file, peers, messages from it, lookups */
	int type;	      /* c: SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET */
	struct spinlock lock; /* rank UNIX_SOCK */
	u32 state;	      /* l; a to read: enum unix_state */
	u32 shutdown;	      /* l; a to read: SHUT_MASK_* */
	bool dead;	      /* l: released */
	int err;	      /* a: positive errno for the next call, SO_ERROR */
	struct file *file;    /* l: NULL before accept and once dead. No reference */

	struct unix_sock
		*peer; /* l, +1. Of connected stream and seqpacket sockets constant until release */
	struct unix_addr *addr;		/* l to set, a to read; then constant, +1 */
	struct path path;		/* l: of a socket bound to a path, +1 */
	struct cds_list_head name_link; /* its name bucket's lock: abstract names */

	struct cds_list_head queue; /* l */
	u32 queue_len;		    /* l; a to read */
	u32 queue_scm;		    /* l: messages in the queue that carry files, or embryos */
	u64 queue_bytes;	    /* l; a to read: bytes not taken yet */
	u32 backlog;		    /* l; a to read: queue_len beyond this is full */
	struct mutex read_mutex;    /* rank SOCK */

	u32 wmem;		      /* a: of messages from here that are under way */
	u32 sndbuf, rcvbuf;	      /* a */
	struct wait_queue in_wait;    /* messages, connections; changes of state */
	struct wait_queue out_wait;   /* room in the send buffer; changes of state */
	struct wait_queue space_wait; /* room in the queue: other sockets' senders and connects */
	struct fasync_list async;     /* its file, if it has O_ASYNC */
	bool async_room; /* a: somebody found no room: POLL_OUT is sent once when there is some */
	u32 sleeping_readers; /* a: of a stream: they are told by waking, and nobody by a signal */
	struct waiter relay;  /* l: on relay_to->space_wait: see dgram.c */
	struct unix_sock *relay_to; /* l, +1 */

	u32 options;		    /* a: OPT_* of sockopt.c */
	int rcvlowat, priority;	    /* a */
	ktime_t rcvtimeo, sndtimeo; /* a: 0: none */
	struct linger linger;	    /* l */
	struct ucred peercred;	    /* l; pid 0 and ids -1: none */

	struct cds_list_head gc_link; /* g: in flight */
	u32 in_flight;		      /* g: messages that hold its file */
	u32 gc_outside;		      /* g: scratch of the collector */
	bool gc_candidate;	      /* g: the same */
	struct unix_sock *gc_next;    /* g: the same */
};

#define OPT_DEBUG 1u
#define OPT_REUSEADDR 2u
#define OPT_DONTROUTE 4u
#define OPT_BROADCAST 8u
#define OPT_KEEPALIVE 0x10u
#define OPT_OOBINLINE 0x20u
#define OPT_PASSCRED 0x40u
#define OPT_REUSEPORT 0x80u
#define OPT_TIMESTAMP 0x100u
#define OPT_TIMESTAMPNS 0x200u /* of the two the one that was set last */
#define OPT_STAMPS (OPT_TIMESTAMP | OPT_TIMESTAMPNS)

/* A message as the system calls give and take it. */
struct sock_msg {
	struct iov_iter *it;
	int flags;     /* MSG_* in */
	int out_flags; /* MSG_TRUNC, MSG_CTRUNC out */
	bool want_name;
	int namelen; /* 0: no name */
	union {
		struct sockaddr_un name;
		struct sockaddr_storage storage;
	};
	struct scm scm; /* sending: consumed. Receiving: the caller owns the files */
};

extern const struct file_operations socket_ops;

/* msg.c: to and from files and system calls */
ssize_t sock_read(struct file *f, struct iov_iter *to, u64 *pos);
ssize_t sock_write(struct file *f, struct iov_iter *from, u64 *pos);
/* socket.c: the socket behind a descriptor; *file gets +1. ERR_PTR(-EBADF, -ENOTSOCK) */
must_check struct unix_sock *sock_of_fd(int fd, struct file **file);
/* An address of the guest: its length, -EINVAL, -EFAULT. */
must_check int addr_from_user(struct sockaddr_storage *to, uaddr_t from, int len);
/* One to the guest, as far as there is room for it; *ulen gets its length. */
must_check int addr_to_user(uaddr_t to, uaddr_t ulen, const void *addr, int len);

static inline u32 sock_load(const u32 *p)
{
	return load_acquire(p);
}
static inline bool sock_option(const struct unix_sock *sk, u32 opt)
{
	return load_relaxed(&sk->options) & opt;
}
/* Would a read not wait? */
static inline bool unix_readable(const struct unix_sock *sk)
{
	return sock_load(&sk->queue_len) || (sock_load(&sk->shutdown) & SHUT_MASK_RCV) ||
	       load_acquire(&sk->err);
}
static inline bool is_stream_like(const struct unix_sock *sk)
{
	return sk->type != SOCK_DGRAM;
}

/* sock.c: life, waiting, readiness */
must_check struct unix_sock *unix_alloc(int type); /* refs 1; NULL: no memory */
struct unix_sock *unix_get(struct unix_sock *sk);
void unix_put(struct unix_sock *sk);
must_check struct file *unix_file_alloc(int type, int flags); /* without a socket yet. ERR_PTR */
void unix_graft(struct unix_sock *sk, struct file *f); /* f gets its socket: takes the reference */
void unix_shut_down(struct unix_sock *sk,
		    bool embryo); /* the last file is gone, or was never made */
struct unix_sock *unix_peer_get(struct unix_sock *sk); /* +1 or NULL */
void unix_lock_two(struct unix_sock *a, struct unix_sock *b);
void unix_unlock_two(struct unix_sock *a, struct unix_sock *b);
void unix_wake_state(struct unix_sock *sk); /* all who wait, after a change of state */
/* SIGIO for what comes in: POLL_IN, POLL_HUP. */
void unix_sigio_in(struct unix_sock *sk, int code);
/* SIGIO for room in the send buffer is wanted, or due. */
void unix_sigio_want_room(struct unix_sock *sk);
void unix_sigio_room(struct unix_sock *sk);
bool unix_writable(const struct unix_sock *sk);
bool unix_queue_full(const struct unix_sock *sk);
int unix_take_error(struct unix_sock *sk); /* 0 or -errno, which is taken */
void unix_cred_now(struct ucred *c);	   /* what SO_PEERCRED will tell of the current task */
u32 unix_poll(struct file *f, struct poll_table *pt);
/* A timeout as deadline: 0 for none at all (nonblocking), KTIME_MAX for as long as it takes. */
ktime_t sock_deadline(ktime_t timeo, bool nonblock);
/*
 * Sleeps on q until cond. 0, -EAGAIN (time is over), -ERESTARTSYS or -EINTR as socket calls have
 * it.
 */
#define sock_wait(q, expr, deadline_, exclusive_)                                                  \
	({                                                                                         \
		const struct wait_opts sw_o = {                                                    \
			.state = KT_INTERRUPTIBLE,                                                 \
			.deadline = (deadline_),                                                   \
			.exclusive = (exclusive_),                                                 \
		};                                                                                 \
		int sw_err = (deadline_) ? wait_event_expr((q), (expr), &sw_o) : -ETIMEDOUT;       \
		sock_wait_result(sw_err, (deadline_));                                             \
	})
static inline int sock_wait_result(int err, ktime_t deadline)
{
	if (err == -ETIMEDOUT)
		return -EAGAIN;
	return err && deadline != KTIME_MAX ? -EINTR : err;
}

/* skb.c */
/*
 * A message of len bytes from sk: waits for room in its send buffer. ERR_PTR(-EAGAIN, -EPIPE,
 * -ENOBUFS, sk's error ...)
 */
must_check struct skb *skb_alloc(struct unix_sock *sk, size_t len, ktime_t deadline);
must_check struct skb *skb_alloc_embryo(
	struct unix_sock *embryo); /* takes the reference; NULL: no memory */
void skb_free(struct skb *skb);	   /* with what it carries. Without locks */
/*
 * Queueing: skb_begin() locks the receiver, and for a message with files what keeps count of those.
 * After it skb_queue(), or not; then skb_end(). Taking a message with files off locks the same.
 */
struct skb_section {
	struct unix_sock *to;
	struct skb *skb; /* NULL once queued */
	bool gc;
};
must_check int skb_begin(struct unix_sock *to, struct skb *skb,
			 struct skb_section *s); /* 0, or -ETOOMANYREFS */
void skb_queue(struct skb_section *s);
void skb_end(struct skb_section *s);
/* Under sk->read_mutex: takes it off the queue. */
void skb_take(struct unix_sock *sk, struct skb *skb);
/* Under sk->read_mutex: takes the files of a message that stays. */
struct scm_files *skb_take_files(struct unix_sock *sk, struct skb *skb);
/* The sender as recvmsg names it: nothing if it has no name. */
void skb_name(const struct skb *skb, struct sock_msg *m);
/*
 * Notes who sends it, if the receiver wants to know (before accept nobody knows) and the sender
 * didn't say. Under to->lock.
 */
void skb_add_creds(struct skb *skb, const struct unix_sock *to);
/* Counts n bytes of it as read. */
void skb_advance(struct unix_sock *sk, struct skb *skb, u32 n);
static inline struct skb *skb_first(struct unix_sock *sk)
{
	return cds_list_empty(&sk->queue) ? NULL
					  : cds_list_first_entry(&sk->queue, struct skb, link);
}

/* name.c */
int unix_check_addr(const struct sockaddr_un *name, int len); /* 0 or -EINVAL */
int unix_bind(struct unix_sock *sk, struct sockaddr_un *name, int len);
int unix_autobind(struct unix_sock *sk);
void unix_unname(struct unix_sock *sk); /* nobody finds it any more */
must_check struct unix_sock *unix_find(struct sockaddr_un *name, int len,
				       int type); /* +1; ERR_PTR */
void unix_addr_put(struct unix_addr *a);
int unix_name_of(struct unix_sock *sk, struct sockaddr_storage *name); /* copies; its length */
void unix_names_init(void);

/* connect.c */
int unix_listen(struct unix_sock *sk, int backlog);
int unix_connect(struct unix_sock *sk, struct sockaddr_un *name, int len, bool nonblock);
must_check struct unix_sock *unix_accept(struct unix_sock *sk, bool nonblock); /* +1; ERR_PTR */
void unix_pair(struct unix_sock *a, struct unix_sock *b);
int unix_shutdown(struct unix_sock *sk, int how);

/* stream.c, dgram.c */
ssize_t stream_send(struct unix_sock *sk, struct sock_msg *m);
ssize_t stream_recv(struct unix_sock *sk, struct sock_msg *m);
ssize_t dgram_send(struct unix_sock *sk, struct sock_msg *m);
ssize_t dgram_recv(struct unix_sock *sk, struct sock_msg *m);
int dgram_connect(struct unix_sock *sk, struct sockaddr_un *name, int len);
bool dgram_peer_has_room(struct unix_sock *sk); /* for poll: else it will be woken when there is */
struct unix_sock *dgram_relay_stop(
	struct unix_sock *sk); /* under lock; what it gives (maybe NULL) is to be put after it */

/* scm.c, gc.c */
must_check int scm_parse(struct scm *scm, const u8 *control, size_t len); /* of sendmsg */
/*
 * Writes what `scm` holds to the guest's control buffer of *len bytes, which becomes what was
 * written. Takes the files.
 */
void scm_deliver(struct unix_sock *sk, struct sock_msg *m, uaddr_t control, size_t *len);
void scm_drop(struct scm *scm); /* puts its files. Without locks */
void scm_peek(struct sock_msg *m,
	      const struct skb *skb); /* for MSG_PEEK: references of its own on skb's files */
/* Passed files while their messages are in queues: all of it under unix_gc_lock(). */
void unix_gc_lock(void);
void unix_gc_unlock(void);
must_check int scm_fly(struct scm_files *files); /* -ETOOMANYREFS */
void scm_land(struct scm_files *files);
/* Frees sockets that only messages to themselves still hold. Called when a socket was released. */
void unix_gc_after_release(void);
void unix_gc_init(void);
struct unix_sock *sock_of_file(const struct file *f); /* NULL: not a socket */

#endif
