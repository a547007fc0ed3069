/* Sockets as files and descriptors: making them, names, connections. AF_UNIX is the only family. */
#include "alloc.h"
#include "fowner.h"
#include "net.h"
#include "syscalls.h"
#include "task.h"
#include "unix.h"
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#define SOCK_TYPE_MASK 0xf
#define SOCK_TYPE_MAX 11 /* SOCK_PACKET + 1 */

static void sock_release(struct file *f)
{
	struct unix_sock *sk = f->priv;

	if (!sk) /* made for an accept that got no connection */
		return;
	unix_shut_down(sk, false);
	unix_put(sk);
	unix_gc_after_release();
}

static u32 queue_bytes(struct unix_sock *sk)
{
	struct skb *skb;
	u32 n;

	if (is_stream_like(sk))
		return (u32)min(load_relaxed(&sk->queue_bytes), (u64)INT32_MAX);
	spin_lock(&sk->lock);
	skb = skb_first(sk);
	n = skb ? skb->len : 0;
	spin_unlock(&sk->lock);
	return n;
}

static int sock_fasync(int fd, struct file *f, bool on)
{
	struct unix_sock *sk = f->priv;

	return fasync_helper(fd, f, on, &sk->async);
}

static long sock_ioctl(struct file *f, unsigned cmd, u64 arg)
{
	struct unix_sock *sk = f->priv;
	int who;

	switch (cmd) {
	case FIOSETOWN:
	case SIOCSPGRP:
		return get_user(who, arg) ? -EFAULT : file_setown(f, who);
	case FIOGETOWN:
	case SIOCGPGRP:
		return put_user((int)file_getown(f), arg);
	case SIOCINQ: /* FIONREAD */
		if (sock_load(&sk->state) == US_LISTEN)
			return -EINVAL;
		return put_user((int)queue_bytes(sk), arg);
	case SIOCOUTQ:
		return put_user((int)sock_load(&sk->wmem), arg);
	default:
		return -ENOIOCTLCMD;
	}
}

const struct file_operations socket_ops = {
	.read = sock_read,
	.write = sock_write,
	.llseek = no_llseek,
	.poll = unix_poll,
	.ioctl = sock_ioctl,
	.fasync = sock_fasync,
	.release = sock_release,
};

bool file_is_stream_socket(const struct file *f)
{
	return file_is_socket(f) && ((const struct unix_sock *)f->priv)->type == SOCK_STREAM;
}

bool file_is_socket(const struct file *f)
{
	return f->ops == &socket_ops;
}

struct unix_sock *sock_of_file(const struct file *f)
{
	return file_is_socket(f) ? f->priv : NULL;
}

struct unix_sock *sock_of_fd(int fd, struct file **file)
{
	struct file *f = fd_get(fd);

	if (!f)
		return ERR_PTR(-EBADF);
	if (!file_is_socket(f)) {
		file_put(f);
		return ERR_PTR(-ENOTSOCK);
	}
	*file = f;
	return f->priv;
}

/* ---- addresses ---- */

int addr_from_user(struct sockaddr_storage *to, uaddr_t from, int len)
{
	if (len < 0 || len > (int)sizeof(*to))
		return -EINVAL;
	memset(to, 0, sizeof(*to));
	if (len && copy_from_user(to, from, (size_t)len))
		return -EFAULT;
	return len;
}

int addr_to_user(uaddr_t to, uaddr_t ulen, const void *addr, int len)
{
	int room;

	if (get_user(room, ulen))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	room = min(room, len);
	if (room && copy_to_user(to, addr, (size_t)room))
		return -EFAULT;
	return put_user(len, ulen);
}

/* ---- making sockets ---- */

/* The type of socket that is asked for: SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET; or an error. */
static int check_type(int family, int type, int protocol)
{
	if (family < 0 || family >= AF_MAX)
		return -EAFNOSUPPORT;
	if (type < 0 || type >= SOCK_TYPE_MAX)
		return -EINVAL;
	if (family != AF_UNIX)
		return -EAFNOSUPPORT;
	if (protocol && protocol != PF_UNIX)
		return -EPROTONOSUPPORT;
	switch (type) {
	case SOCK_RAW:
		return SOCK_DGRAM;
	case SOCK_STREAM:
	case SOCK_DGRAM:
	case SOCK_SEQPACKET:
		return type;
	default:
		return -ESOCKTNOSUPPORT;
	}
}

static bool flags_valid(int type)
{
	return !(type & ~SOCK_TYPE_MASK & ~(SOCK_CLOEXEC | SOCK_NONBLOCK));
}

/* A new socket and its file. ERR_PTR. */
static struct file *sock_create(int type, int flags)
{
	struct unix_sock *sk = unix_alloc(type);
	struct file *f;

	if (!sk)
		return ERR_PTR(-ENOMEM);
	f = unix_file_alloc(type, flags);
	if (IS_ERR(f))
		unix_put(sk);
	else
		unix_graft(sk, f);
	return f;
}

long sys_socket(int family, int type, int protocol)
{
	int kind;

	if (!flags_valid(type))
		return -EINVAL;
	kind = check_type(family, type & SOCK_TYPE_MASK, protocol);
	if (kind < 0)
		return kind;
	return fd_add(sock_create(kind, type), type & SOCK_CLOEXEC);
}

/* Two connected sockets. */
static int create_pair(int family, int type, int protocol, struct file *f[2])
{
	int kind = check_type(family, type & SOCK_TYPE_MASK, protocol);

	if (kind < 0)
		return kind;
	f[0] = sock_create(kind, type);
	if (IS_ERR(f[0]))
		return (int)PTR_ERR(f[0]);
	f[1] = sock_create(kind, type);
	if (IS_ERR(f[1])) {
		file_put(f[0]);
		return (int)PTR_ERR(f[1]);
	}
	unix_pair(f[0]->priv, f[1]->priv);
	return 0;
}

long sys_socketpair(int family, int type, int protocol, uaddr_t fds)
{
	struct file *f[2] = {NULL, NULL};
	int fd[2], err;

	if (!flags_valid(type))
		return -EINVAL;
	err = fd[0] = fd_reserve(0, type & SOCK_CLOEXEC);
	if (err < 0)
		return err;
	err = fd[1] = fd_reserve(0, type & SOCK_CLOEXEC);
	if (err < 0)
		goto out_first;
	err = copy_to_user(fds, fd, sizeof(fd));
	if (!err)
		err = create_pair(family, type, protocol, f);
	if (err)
		goto out_both;
	fd_install(fd[0], f[0]);
	fd_install(fd[1], f[1]);
	return 0;
out_both:
	fd_unreserve(fd[1]);
out_first:
	fd_unreserve(fd[0]);
	return err;
}

/* ---- names and connections ---- */

long sys_bind(int fd, uaddr_t addr, int addrlen)
{
	struct sockaddr_storage name;
	struct unix_sock *sk;
	struct file *f;
	int err;

	sk = sock_of_fd(fd, &f);
	if (IS_ERR(sk))
		return PTR_ERR(sk);
	err = addr_from_user(&name, addr, addrlen);
	if (err >= 0)
		err = unix_bind(sk, (struct sockaddr_un *)&name, addrlen);
	file_put(f);
	return err;
}

long sys_listen(int fd, int backlog)
{
	struct unix_sock *sk;
	struct file *f;
	int err;

	sk = sock_of_fd(fd, &f);
	if (IS_ERR(sk))
		return PTR_ERR(sk);
	err = unix_listen(sk, backlog);
	file_put(f);
	return err;
}

long sys_connect(int fd, uaddr_t addr, int addrlen)
{
	struct sockaddr_storage name;
	struct unix_sock *sk;
	struct file *f;
	int err;

	sk = sock_of_fd(fd, &f);
	if (IS_ERR(sk))
		return PTR_ERR(sk);
	err = addr_from_user(&name, addr, addrlen);
	if (err < 0)
		;
	else if (sk->type == SOCK_DGRAM)
		err = dgram_connect(sk, (struct sockaddr_un *)&name, addrlen);
	else
		err = unix_connect(sk, (struct sockaddr_un *)&name, addrlen, file_nonblock(f));
	file_put(f);
	return err;
}

/* The name of sk, or of its peer, to the guest. */
static int name_to_user(struct unix_sock *sk, bool peer, uaddr_t addr, uaddr_t ulen)
{
	struct sockaddr_storage name;
	int len;

	if (peer) {
		sk = unix_peer_get(sk);
		if (!sk)
			return -ENOTCONN;
	}
	len = unix_name_of(sk, &name);
	if (peer)
		unix_put(sk);
	return addr_to_user(addr, ulen, &name, len);
}

/*
 * Waits for a connection: its file, which is made first. If there is none to be had, the connection
 * stays in the queue.
 */
static struct file *do_accept(struct unix_sock *sk, bool nonblock, int flags, uaddr_t addr,
			      uaddr_t addrlen)
{
	struct file *f = unix_file_alloc(sk->type, flags);
	struct unix_sock *conn;
	int err;

	if (IS_ERR(f))
		return f;
	conn = unix_accept(sk, nonblock);
	if (IS_ERR(conn)) {
		file_put(f);
		return (struct file *)conn;
	}
	unix_graft(conn, f);
	err = addr ? name_to_user(conn, true, addr, addrlen) : 0;
	if (err == -ENOTCONN) /* it went already */
		err = -ECONNABORTED;
	if (!err)
		return f;
	file_put(f);
	return ERR_PTR(err);
}

long sys_accept4(int fd, uaddr_t addr, uaddr_t addrlen, int flags)
{
	struct file *f = fd_get(fd), *conn;
	int newfd = -EINVAL;

	if (!f)
		return -EBADF;
	if (!(flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)))
		newfd = fd_reserve(0, flags & SOCK_CLOEXEC);
	if (newfd >= 0) {
		conn = file_is_socket(f)
			       ? do_accept(f->priv, file_nonblock(f), flags, addr, addrlen)
			       : ERR_PTR(-ENOTSOCK);
		if (IS_ERR(conn)) {
			fd_unreserve(newfd);
			newfd = (int)PTR_ERR(conn);
		} else {
			fd_install(newfd, conn);
		}
	}
	file_put(f);
	return newfd;
}

long sys_accept(int fd, uaddr_t addr, uaddr_t addrlen)
{
	return sys_accept4(fd, addr, addrlen, 0);
}

static long get_name(int fd, bool peer, uaddr_t addr, uaddr_t addrlen)
{
	struct unix_sock *sk;
	struct file *f;
	int err;

	sk = sock_of_fd(fd, &f);
	if (IS_ERR(sk))
		return PTR_ERR(sk);
	err = name_to_user(sk, peer, addr, addrlen);
	file_put(f);
	return err;
}

long sys_getsockname(int fd, uaddr_t addr, uaddr_t addrlen)
{
	return get_name(fd, false, addr, addrlen);
}

long sys_getpeername(int fd, uaddr_t addr, uaddr_t addrlen)
{
	return get_name(fd, true, addr, addrlen);
}

long sys_shutdown(int fd, int how)
{
	struct unix_sock *sk;
	struct file *f;
	int err;

	sk = sock_of_fd(fd, &f);
	if (IS_ERR(sk))
		return PTR_ERR(sk);
	err = unix_shutdown(sk, how);
	file_put(f);
	return err;
}

int net_init(void)
{
	unix_names_init();
	unix_gc_init();
	return 0;
}
