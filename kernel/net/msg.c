/*
 * Sending and receiving: read, write and the system calls, which gather a sock_msg and hand it to
 * the socket's type.
 */
#include "net.h"
#include "alloc.h"
#include "signals.h"
#include "syscalls.h"
#include "task.h"
#include "timeout.h"
#include "unix.h"
#include <limits.h>
#include <string.h>

#define CONTROL_LIMIT 131072 /* bytes of control messages: optmem_max */
#define LEN_MAX ((size_t)INT32_MAX & PAGE_MASK)

/* Drops what is left of m->scm. */
static ssize_t sock_send(struct unix_sock *sk, struct sock_msg *m)
{
	ssize_t n = sk->type == SOCK_STREAM ? stream_send(sk, m) : dgram_send(sk, m);

	scm_drop(&m->scm);
	return n;
}

static ssize_t sock_recv(struct unix_sock *sk, struct sock_msg *m)
{
	return sk->type == SOCK_STREAM ? stream_recv(sk, m) : dgram_recv(sk, m);
}

static int msg_flags_of(const struct file *f)
{
	return file_nonblock(f) ? MSG_DONTWAIT : 0;
}

ssize_t socket_read(struct file *f, struct iov_iter *to, bool nonblock)
{
	struct sock_msg m = {.it = to, .flags = msg_flags_of(f) | (nonblock ? MSG_DONTWAIT : 0)};
	ssize_t n;

	if (!iov_iter_count(to))
		return 0;
	n = sock_recv(f->priv, &m);
	scm_drop(&m.scm);
	return n;
}

ssize_t sock_read(struct file *f, struct iov_iter *to, u64 *pos)
{
	return socket_read(f, to, false);
}

ssize_t sock_write(struct file *f, struct iov_iter *from, u64 *pos)
{
	struct sock_msg m = {.it = from, .flags = msg_flags_of(f)};

	return sock_send(f->priv, &m);
}

/* Sends for a system call: a broken stream is a signal too, unless asked otherwise. */
static ssize_t send_msg(struct unix_sock *sk, const struct file *f, struct sock_msg *m)
{
	ssize_t n;

	m->flags |= msg_flags_of(f);
	n = sock_send(sk, m);
	if (n == -EPIPE && sk->type == SOCK_STREAM && !(m->flags & MSG_NOSIGNAL))
		raise_sigpipe();
	return n;
}

/* ---- sendto, recvfrom ---- */

long sys_sendto(int fd, uaddr_t buf, size_t len, unsigned int flags, uaddr_t addr, int addrlen)
{
	struct iov_iter it;
	struct sock_msg m = {.it = &it, .flags = (int)flags};
	struct unix_sock *sk;
	struct file *f;
	ssize_t n;

	n = iov_iter_user(&it, buf, min(len, LEN_MAX));
	if (n)
		return n;
	sk = sock_of_fd(fd, &f);
	if (IS_ERR(sk)) {
		iov_iter_done(&it);
		return PTR_ERR(sk);
	}
	if (addr)
		n = m.namelen = addr_from_user(&m.storage, addr, addrlen);
	if (n >= 0)
		n = send_msg(sk, f, &m);
	file_put(f);
	iov_iter_done(&it);
	return n;
}

long sys_recvfrom(int fd, uaddr_t buf, size_t len, unsigned int flags, uaddr_t addr,
		  uaddr_t addrlen)
{
	struct iov_iter it;
	struct sock_msg m = {.it = &it, .flags = (int)flags, .want_name = addr != 0};
	struct unix_sock *sk;
	struct file *f;
	ssize_t n;
	int err;

	n = iov_iter_user(&it, buf, min(len, LEN_MAX));
	if (n)
		return n;
	sk = sock_of_fd(fd, &f);
	if (IS_ERR(sk)) {
		iov_iter_done(&it);
		return PTR_ERR(sk);
	}
	m.flags |= msg_flags_of(f);
	n = sock_recv(sk, &m);
	scm_drop(&m.scm);
	if (n >= 0 && addr) {
		err = addr_to_user(addr, addrlen, &m.storage, m.namelen);
		if (err)
			n = err;
	}
	file_put(f);
	iov_iter_done(&it);
	return n;
}

/* ---- sendmsg ---- */

/* Reads a message header, and its data's place. On success the caller ends with iov_iter_done(). */
static int get_header(uaddr_t umsg, struct msghdr *h, struct iov_iter *it)
{
	if (get_user(*h, umsg))
		return -EFAULT;
	if (!h->msg_name)
		h->msg_namelen = 0;
	if ((int)h->msg_namelen < 0)
		return -EINVAL;
	if (h->msg_iovlen > IOV_MAX)
		return -EMSGSIZE;
	return iov_iter_user_iov(it, (uaddr_t)h->msg_iov, h->msg_iovlen);
}

static int get_control(const struct msghdr *h, struct scm *scm)
{
	u8 *control;
	int err;

	if (!h->msg_controllen)
		return 0;
	if (h->msg_controllen > CONTROL_LIMIT)
		return -ENOBUFS;
	control = kmalloc(h->msg_controllen);
	if (!control)
		return -ENOBUFS;
	err = copy_from_user(control, (uaddr_t)h->msg_control, h->msg_controllen);
	if (!err)
		err = scm_parse(scm, control, h->msg_controllen);
	kfree(control);
	return err;
}

/* *left (may be NULL): a part wasn't sent. */
static ssize_t do_sendmsg(struct unix_sock *sk, const struct file *f, uaddr_t umsg, int flags,
			  bool *left)
{
	struct iov_iter it;
	struct sock_msg m = {.it = &it, .flags = flags};
	struct msghdr h;
	ssize_t n;

	n = get_header(umsg, &h, &it);
	if (n)
		return n;
	if (h.msg_namelen) {
		h.msg_namelen = min(h.msg_namelen, (socklen_t)sizeof(m.storage));
		n = m.namelen = addr_from_user(&m.storage, (uaddr_t)h.msg_name, (int)h.msg_namelen);
	}
	if (n >= 0)
		n = get_control(&h, &m.scm);
	if (!n)
		n = send_msg(sk, f, &m);
	if (left)
		*left = iov_iter_count(&it) != 0;
	iov_iter_done(&it);
	return n;
}

long sys_sendmsg(int fd, uaddr_t msg, unsigned int flags)
{
	struct unix_sock *sk;
	struct file *f;
	ssize_t n;

	sk = sock_of_fd(fd, &f);
	if (IS_ERR(sk))
		return PTR_ERR(sk);
	n = do_sendmsg(sk, f, msg, (int)flags, NULL);
	file_put(f);
	return n;
}

long sys_sendmmsg(int fd, uaddr_t msgs, unsigned int n, unsigned int flags)
{
	unsigned int done = 0;
	struct unix_sock *sk;
	struct file *f;
	ssize_t r = 0;
	bool left = false;

	sk = sock_of_fd(fd, &f);
	if (IS_ERR(sk))
		return PTR_ERR(sk);
	n = min(n, (unsigned)IOV_MAX);
	while (done < n) {
		uaddr_t at = msgs + (u64)done * sizeof(struct mmsghdr);

		r = do_sendmsg(sk, f, at, (int)flags, &left);
		if (r < 0)
			break;
		r = put_user((unsigned)r, at + offsetof(struct mmsghdr, msg_len));
		if (r)
			break;
		done++;
		if (left || signal_pending(current))
			break;
	}
	file_put(f);
	return done ? (long)done : r;
}

/* ---- recvmsg ---- */

/* Writes back what of the header changes. */
static int put_header(uaddr_t umsg, const struct msghdr *h, const struct sock_msg *m)
{
	int err = 0;

	if (h->msg_name) {
		int room = min((int)h->msg_namelen, m->namelen);

		if (room && copy_to_user((uaddr_t)h->msg_name, &m->storage, (size_t)room))
			return -EFAULT;
		err = put_user((socklen_t)m->namelen, umsg + offsetof(struct msghdr, msg_namelen));
	}
	if (!err)
		err = put_user(m->out_flags | (m->flags & MSG_CMSG_CLOEXEC),
			       umsg + offsetof(struct msghdr, msg_flags));
	if (!err)
		err = put_user(h->msg_controllen, umsg + offsetof(struct msghdr, msg_controllen));
	return err;
}

static ssize_t do_recvmsg(struct unix_sock *sk, const struct file *f, uaddr_t umsg, int flags)
{
	struct iov_iter it;
	struct sock_msg m = {.it = &it, .flags = flags | msg_flags_of(f)};
	struct msghdr h;
	ssize_t n;
	int err;

	n = get_header(umsg, &h, &it);
	if (n)
		return n;
	m.want_name = h.msg_name != NULL;
	n = sock_recv(sk, &m);
	if (n < 0) {
		scm_drop(&m.scm);
	} else {
		scm_deliver(sk, &m, (uaddr_t)h.msg_control, &h.msg_controllen);
		err = put_header(umsg, &h, &m);
		if (err)
			n = err;
	}
	iov_iter_done(&it);
	return n;
}

long sys_recvmsg(int fd, uaddr_t msg, unsigned int flags)
{
	struct unix_sock *sk;
	struct file *f;
	ssize_t n;

	sk = sock_of_fd(fd, &f);
	if (IS_ERR(sk))
		return PTR_ERR(sk);
	n = do_recvmsg(sk, f, msg, (int)flags);
	file_put(f);
	return n;
}

/*
 * As many messages as there are, or until the deadline, which is looked at behind each. The number,
 * or an error if none came.
 */
static long receive_many(struct unix_sock *sk, struct file *f, uaddr_t msgs, unsigned n,
			 unsigned flags, ktime_t deadline)
{
	unsigned done = 0;
	ssize_t r;

	r = unix_take_error(sk);
	while (!r && done < n) {
		uaddr_t at = msgs + (u64)done * sizeof(struct mmsghdr);

		r = do_recvmsg(sk, f, at, (int)(flags & ~(unsigned)MSG_WAITFORONE));
		if (r < 0)
			break;
		r = put_user((unsigned)r, at + offsetof(struct mmsghdr, msg_len));
		if (r)
			break;
		done++;
		if (signal_pending(current)) /* n has no limit */
			break;
		cond_resched();
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (deadline != KTIME_MAX && ktime_mono() >= deadline)
			break;
	}
	if (!done)
		return r;
	if (r < 0 && r != -EAGAIN && r != -ERESTARTSYS && r != -EINTR) /* for the next call */
		store_release(&sk->err, (int)-r);
	return done;
}

long sys_recvmmsg(int fd, uaddr_t msgs, unsigned int n, unsigned int flags, uaddr_t timeout)
{
	ktime_t deadline = KTIME_MAX, now, ns;
	struct unix_sock *sk;
	struct timespec ts;
	struct file *f;
	long done;

	if (timeout) {
		if (get_user(ts, timeout))
			return -EFAULT;
		if (timespec_to_ns(&ts, &ns))
			return -EINVAL;
		deadline = deadline_in(ns);
	}
	sk = sock_of_fd(fd, &f);
	if (IS_ERR(sk))
		return PTR_ERR(sk);
	done = receive_many(sk, f, msgs, n, flags, deadline);
	file_put(f);
	if (done > 0 && timeout) {
		now = ktime_mono();
		ts = ns_to_timespec(deadline > now ? deadline - now : 0);
		if (put_user(ts, timeout))
			done = -EFAULT;
	}
	return done;
}
