/* Socket options. */
#include "alloc.h"
#include "cred.h"
#include "syscalls.h"
#include "task.h"
#include "unix.h"
#include <linux/capability.h>
#include <string.h>
#include <sys/time.h>

/* Options that are a bit. */
static u32 flag_of(int name)
{
	switch (name) {
	case SO_DEBUG:
		return OPT_DEBUG;
	case SO_REUSEADDR:
		return OPT_REUSEADDR;
	case SO_REUSEPORT:
		return OPT_REUSEPORT;
	case SO_DONTROUTE:
		return OPT_DONTROUTE;
	case SO_BROADCAST:
		return OPT_BROADCAST;
	case SO_KEEPALIVE:
		return OPT_KEEPALIVE;
	case SO_OOBINLINE:
		return OPT_OOBINLINE;
	case SO_PASSCRED:
		return OPT_PASSCRED;
	case SO_TIMESTAMP:
		return OPT_TIMESTAMP;
	case SO_TIMESTAMPNS:
		return OPT_TIMESTAMPNS;
	default:
		return 0;
	}
}

static int set_flag(struct unix_sock *sk, int name, u32 flag, int on)
{
	if (name == SO_DEBUG && on && !capable(CAP_NET_ADMIN))
		return -EACCES;
	if (name == SO_REUSEPORT) /* not for this family */
		return on ? -EOPNOTSUPP : 0;
	if (flag & OPT_STAMPS) /* either replaces the other, and switches both off */
		__atomic_fetch_and(&sk->options, ~OPT_STAMPS, __ATOMIC_RELAXED);
	if (on)
		__atomic_fetch_or(&sk->options, flag, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&sk->options, ~flag, __ATOMIC_RELAXED);
	return 0;
}

static void set_sndbuf(struct unix_sock *sk, u32 size)
{
	store_release(&sk->sndbuf, max(size * 2, SNDBUF_MIN));
	wake_up_poll(&sk->out_wait, SOCK_OUT);
}

static int set_timeout(ktime_t *to, uaddr_t val, int len)
{
	struct timeval tv;
	ktime_t ns;

	if (len < (int)sizeof(tv))
		return -EINVAL;
	if (get_user(tv, val))
		return -EFAULT;
	if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -EDOM;
	if (tv.tv_sec < 0) /* for once it doesn't wait at all */
		ns = 1;
	else if ((u64)tv.tv_sec >= KTIME_MAX / NSEC_PER_SEC / 2)
		ns = 0;
	else
		ns = (ktime_t)tv.tv_sec * NSEC_PER_SEC + (ktime_t)tv.tv_usec * NSEC_PER_USEC;
	store_relaxed(to, ns);
	return 0;
}

static int set_linger(struct unix_sock *sk, uaddr_t val, int len)
{
	struct linger l;

	if (len < (int)sizeof(l))
		return -EINVAL;
	if (get_user(l, val))
		return -EFAULT;
	spin_lock(&sk->lock);
	sk->linger.l_onoff = l.l_onoff != 0;
	if (l.l_onoff)
		sk->linger.l_linger = l.l_linger;
	spin_unlock(&sk->lock);
	return 0;
}

static int set_int(struct unix_sock *sk, int name, int v)
{
	switch (name) {
	case SO_SNDBUF:
		set_sndbuf(sk, min((u32)v, BUF_MAX)); /* negative: as much as possible */
		return 0;
	case SO_SNDBUFFORCE:
		if (!capable(CAP_NET_ADMIN))
			return -EPERM;
		set_sndbuf(sk, (u32)min(max(v, 0), INT32_MAX / 2));
		return 0;
	case SO_RCVBUF:
		store_relaxed(&sk->rcvbuf, max(min((u32)v, BUF_MAX) * 2, RCVBUF_MIN));
		return 0;
	case SO_RCVBUFFORCE:
		if (!capable(CAP_NET_ADMIN))
			return -EPERM;
		store_relaxed(&sk->rcvbuf, max((u32)min(max(v, 0), INT32_MAX / 2) * 2, RCVBUF_MIN));
		return 0;
	case SO_RCVLOWAT:
		if (v < 0)
			v = INT32_MAX;
		store_relaxed(&sk->rcvlowat, v ? v : 1);
		return 0;
	case SO_PRIORITY:
		if ((v < 0 || v > 6) && !capable(CAP_NET_ADMIN) && !capable(CAP_NET_RAW))
			return -EPERM;
		store_relaxed(&sk->priority, v);
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int sock_setsockopt(struct unix_sock *sk, int level, int name, uaddr_t val, int len)
{
	u32 flag;
	int v;

	if (len < 0)
		return -EINVAL;
	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	if (len < (int)sizeof(v))
		return -EINVAL;
	if (get_user(v, val))
		return -EFAULT;
	flag = flag_of(name);
	if (flag)
		return set_flag(sk, name, flag, v);
	switch (name) {
	case SO_LINGER:
		return set_linger(sk, val, len);
	case SO_RCVTIMEO:
		return set_timeout(&sk->rcvtimeo, val, len);
	case SO_SNDTIMEO:
		return set_timeout(&sk->sndtimeo, val, len);
	default:
		return set_int(sk, name, v);
	}
}

/* ---- getsockopt ---- */

union value {
	int i;
	struct linger linger;
	struct timeval tv;
	struct ucred cred;
};

static int get_int(struct unix_sock *sk, int name, int *v)
{
	switch (name) {
	case SO_TYPE:
		*v = sk->type;
		break;
	case SO_DOMAIN:
		*v = AF_UNIX;
		break;
	case SO_PROTOCOL:
		*v = 0;
		break;
	case SO_ERROR:
		*v = -unix_take_error(sk);
		break;
	case SO_ACCEPTCONN:
		*v = sock_load(&sk->state) == US_LISTEN;
		break;
	case SO_SNDBUF:
		*v = (int)sock_load(&sk->sndbuf);
		break;
	case SO_RCVBUF:
		*v = (int)sock_load(&sk->rcvbuf);
		break;
	case SO_RCVLOWAT:
		*v = load_relaxed(&sk->rcvlowat);
		break;
	case SO_SNDLOWAT:
		*v = 1;
		break;
	case SO_PRIORITY:
		*v = load_relaxed(&sk->priority);
		break;
	default:
		return -ENOPROTOOPT;
	}
	return 0;
}

static struct timeval timeout_of(const ktime_t *t)
{
	ktime_t ns = load_relaxed(t);

	return (struct timeval){.tv_sec = (time_t)(ns / NSEC_PER_SEC),
				.tv_usec = (suseconds_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC)};
}

/* Fills v: its size, or -ENOPROTOOPT. */
static int get_value(struct unix_sock *sk, int name, union value *v)
{
	u32 flag = flag_of(name);
	int err;

	if (flag) {
		v->i = sock_option(sk, flag);
		return sizeof(v->i);
	}
	switch (name) {
	case SO_LINGER:
		spin_lock(&sk->lock);
		v->linger = sk->linger;
		spin_unlock(&sk->lock);
		return sizeof(v->linger);
	case SO_RCVTIMEO:
		v->tv = timeout_of(&sk->rcvtimeo);
		return sizeof(v->tv);
	case SO_SNDTIMEO:
		v->tv = timeout_of(&sk->sndtimeo);
		return sizeof(v->tv);
	case SO_PEERCRED:
		spin_lock(&sk->lock);
		v->cred = sk->peercred;
		spin_unlock(&sk->lock);
		return sizeof(v->cred);
	default:
		err = get_int(sk, name, &v->i);
		return err ? err : (int)sizeof(v->i);
	}
}

static int sock_getsockopt(struct unix_sock *sk, int level, int name, uaddr_t val, uaddr_t ulen)
{
	union value v;
	int len, size;

	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	if (get_user(len, ulen))
		return -EFAULT;
	if (len < 0)
		return -EINVAL;
	memset(&v, 0, sizeof(v));
	size = get_value(sk, name, &v);
	if (size < 0)
		return size;
	len = min(len, size);
	if (len && copy_to_user(val, &v, (size_t)len))
		return -EFAULT;
	return put_user(len, ulen);
}

long sys_setsockopt(int fd, int level, int name, uaddr_t val, int len)
{
	struct unix_sock *sk;
	struct file *f;
	int err;

	if (len < 0)
		return -EINVAL;
	sk = sock_of_fd(fd, &f);
	if (IS_ERR(sk))
		return PTR_ERR(sk);
	err = sock_setsockopt(sk, level, name, val, len);
	file_put(f);
	return err;
}

long sys_getsockopt(int fd, int level, int name, uaddr_t val, uaddr_t len)
{
	struct unix_sock *sk;
	struct file *f;
	int err;

	sk = sock_of_fd(fd, &f);
	if (IS_ERR(sk))
		return PTR_ERR(sk);
	err = sock_getsockopt(sk, level, name, val, len);
	file_put(f);
	return err;
}
