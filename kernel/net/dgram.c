/* Data of datagram and seqpacket sockets, and connecting datagram sockets. */
#include "poll.h"
#include "task.h"
#include "unix.h"

/*
 * Datagrams may come from anybody, unless the receiver is connected to somebody else. Under
 * other->lock.
 */
static bool may_send_to(const struct unix_sock *sk, const struct unix_sock *other)
{
	return !other->peer || other->peer == sk;
}

/* ---- writability: room at the peer ---- */

/*
 * While the peer's queue is full, poll has this waiter stand in the peer's space_wait; it passes
 * wake-ups on to those who poll us. It leaves when poll finds room, and when the peer changes.
 */
static bool relay_wake(struct waiter *w, u32 events)
{
	struct unix_sock *sk = caa_container_of(w, struct unix_sock, relay);

	wake_up_nr_nested(&sk->out_wait, 1, SOCK_OUT);
	return true;
}

struct unix_sock *dgram_relay_stop(struct unix_sock *sk)
{
	struct unix_sock *to = sk->relay_to;

	if (to)
		wait_remove(&sk->relay);
	sk->relay_to = NULL;
	return to;
}

static bool full_for(const struct unix_sock *sk, const struct unix_sock *other)
{
	return load_relaxed(&other->peer) != sk && unix_queue_full(other);
}

bool dgram_peer_has_room(struct unix_sock *sk)
{
	struct unix_sock *other, *old = NULL;
	bool room = true;

	spin_lock(&sk->lock);
	other = sk->peer;
	if (other && other != sk && full_for(sk, other)) {
		if (sk->relay_to != other) {
			old = dgram_relay_stop(sk);
			sk->relay = (struct waiter){.fn = relay_wake};
			sk->relay_to = unix_get(other);
			wait_add(&other->space_wait, &sk->relay);
		}
		smp_mb();
		room = !full_for(sk, other);
	} else {
		old = dgram_relay_stop(sk);
	}
	spin_unlock(&sk->lock);
	if (old)
		unix_put(old);
	return room;
}

/* ---- connecting ---- */

/*
 * sk was connected to old and isn't any more. If that loses messages, old learns it if it is
 * connected to us.
 */
static void disconnected(struct unix_sock *sk, struct unix_sock *old)
{
	CDS_LIST_HEAD(taken);
	struct skb *skb, *tmp;
	bool lost, mutual;

	mutex_lock(&sk->read_mutex);
	while (sock_load(&sk->queue_len)) {
		spin_lock(&sk->lock);
		skb = skb_first(sk);
		spin_unlock(&sk->lock);
		if (!skb)
			break;
		skb_take(sk, skb);
		cds_list_add_tail(&skb->link, &taken);
	}
	mutex_unlock(&sk->read_mutex);
	lost = !cds_list_empty(&taken);
	/*
	 * Without the mutex: releasing the last reference to a file takes locks that come before
	 * it.
	 */
	cds_list_for_each_entry_safe(skb, tmp, &taken, link)
		skb_free(skb);
	wake_up_all(&sk->space_wait);
	spin_lock(&old->lock);
	mutual = !old->dead && old->peer == sk;
	if (mutual && lost)
		store_release(&old->err, ECONNRESET);
	if (mutual)
		store_release(&old->state, US_CLOSED);
	spin_unlock(&old->lock);
	if (mutual && lost) {
		unix_wake_state(old);
		kill_fasync(&old->async, POLL_ERR);
	}
}

/*
 * Sets sk's peer to other (NULL: none; takes the reference), only in place of `expected` if that
 * isn't NULL. 0, -ESTALE: other is dead, -EPERM: other is connected elsewhere, -ENOTCONN: the peer
 * isn't the expected one.
 */
static int set_peer(struct unix_sock *sk, struct unix_sock *other, const struct unix_sock *expected)
{
	struct unix_sock *old, *relay;
	int err = 0;

	unix_lock_two(sk, other);
	if (expected && sk->peer != expected)
		err = -ENOTCONN;
	else if (other && other->dead)
		err = -ESTALE;
	else if (other && !may_send_to(sk, other))
		err = -EPERM;
	if (err) {
		unix_unlock_two(sk, other);
		return err;
	}
	old = sk->peer;
	store_relaxed(&sk->peer, other);
	store_release(&sk->state, other ? US_CONNECTED : US_CLOSED);
	if (other)
		store_release(&other->state, US_CONNECTED);
	relay = dgram_relay_stop(sk);
	unix_unlock_two(sk, other);
	if (relay)
		unix_put(relay);
	if (!old)
		return 0;
	if (old != other)
		disconnected(sk, old);
	unix_put(old);
	return 0;
}

int dgram_connect(struct unix_sock *sk, struct sockaddr_un *name, int len)
{
	struct unix_sock *other;
	int err;

	if (len < (int)sizeof(sa_family_t))
		return -EINVAL;
	if (name->sun_family == AF_UNSPEC)
		return set_peer(sk, NULL, NULL);
	err = unix_check_addr(name, len);
	if (!err && sock_option(sk, OPT_PASSCRED))
		err = unix_autobind(sk);
	if (err)
		return err;
	do {
		other = unix_find(name, len, sk->type);
		if (IS_ERR(other))
			return (int)PTR_ERR(other);
		err = set_peer(sk, other, NULL);
		if (err)
			unix_put(other);
	} while (err == -ESTALE);
	return err;
}

/* ---- sending ---- */

/* One try to queue. -EAGAIN: full; -ESTALE: `to` is dead; -EPIPE, -EPERM, -ETOOMANYREFS. */
static int try_queue(struct unix_sock *sk, struct unix_sock *to, struct skb *skb)
{
	struct skb_section s;
	int err;

	err = skb_begin(to, skb, &s);
	if (err)
		return err;
	if (!may_send_to(sk, to))
		err = -EPERM;
	else if (to->dead)
		err = -ESTALE;
	else if (to->shutdown & SHUT_MASK_RCV)
		err = -EPIPE;
	else if (to != sk && to->peer != sk && unix_queue_full(to))
		err = -EAGAIN;
	if (!err) {
		skb_add_creds(skb, to);
		if (sock_option(to, OPT_STAMPS))
			skb->scm.stamp = ktime_real();
		skb_queue(&s);
	}
	skb_end(&s);
	if (!err) {
		wake_up_poll(&to->in_wait, SOCK_IN);
		unix_sigio_in(to, POLL_IN);
	}
	return err;
}

static bool may_queue(const struct unix_sock *to)
{
	return !unix_queue_full(to) || (sock_load(&to->shutdown) & SHUT_MASK_RCV);
}

static int wait_for_space(struct unix_sock *to, ktime_t deadline)
{
	int err = sock_wait(&to->space_wait, may_queue(to), deadline, true);

	if (err && deadline && may_queue(to)) /* a wake-up may have been spent on us */
		wake_up_poll(&to->space_wait, SOCK_OUT);
	return err;
}

/* The peer is dead: no peer any more, unless a connect was faster. */
static int lose_peer(struct unix_sock *sk, struct unix_sock *peer)
{
	if (sk->type == SOCK_SEQPACKET)
		return -EPIPE;
	return set_peer(sk, NULL, peer) ? -ECONNRESET : -ECONNREFUSED;
}

static int send_to(struct unix_sock *sk, struct unix_sock *to, struct skb *skb, ktime_t deadline)
{
	int err;

	for (;;) {
		err = try_queue(sk, to, skb);
		if (err != -EAGAIN)
			return err;
		err = wait_for_space(to, deadline);
		if (err)
			return err;
	}
}

/* Finds the receiver anew as long as it is found dead. */
static int route(struct unix_sock *sk, struct sock_msg *m, struct skb *skb, ktime_t deadline)
{
	struct unix_sock *to;
	int err;

	do {
		to = m->namelen ? unix_find(&m->name, m->namelen, sk->type) : unix_peer_get(sk);
		if (!to)
			return -ENOTCONN;
		if (IS_ERR(to))
			return (int)PTR_ERR(to);
		err = send_to(sk, to, skb, deadline);
		if (err == -ESTALE && !m->namelen)
			err = lose_peer(sk, to);
		unix_put(to);
	} while (err == -ESTALE);
	return err;
}

static int check_send(struct unix_sock *sk, struct sock_msg *m)
{
	int err = 0;

	if (sk->type == SOCK_SEQPACKET) {
		err = unix_take_error(sk);
		if (!err && sock_load(&sk->state) != US_CONNECTED)
			err = -ENOTCONN;
		m->namelen = 0;
	}
	if (!err && (m->flags & MSG_OOB))
		err = -EOPNOTSUPP;
	if (!err && m->namelen)
		err = unix_check_addr(&m->name, m->namelen);
	if (!err && !m->namelen && !load_relaxed(&sk->peer))
		err = -ENOTCONN;
	if (!err && sock_option(sk, OPT_PASSCRED))
		err = unix_autobind(sk);
	if (!err && iov_iter_count(m->it) > sock_load(&sk->sndbuf) - 32)
		err = -EMSGSIZE;
	return err;
}

ssize_t dgram_send(struct unix_sock *sk, struct sock_msg *m)
{
	ktime_t deadline = sock_deadline(sk->sndtimeo, m->flags & MSG_DONTWAIT);
	size_t len = iov_iter_count(m->it);
	struct skb *skb;
	int err;

	err = check_send(sk, m);
	if (err)
		return err;
	skb = skb_alloc(sk, len, deadline);
	if (IS_ERR(skb))
		return PTR_ERR(skb);
	skb->scm = m->scm;
	m->scm.files = NULL;
	if (copy_from_iter(skb->data, len, m->it) != len)
		err = -EFAULT;
	else
		err = route(sk, m, skb, deadline);
	if (err) {
		skb_free(skb);
		return err;
	}
	return (ssize_t)len;
}

/* ---- receiving ---- */

/* The first message, with read_mutex held; or NULL and *err (0: the end), without it. */
static struct skb *wait_first(struct unix_sock *sk, ktime_t deadline, int *err)
{
	struct skb *skb;
	bool shut;

	for (;;) {
		mutex_lock(&sk->read_mutex);
		*err = unix_take_error(sk);
		shut = sock_load(&sk->shutdown) & SHUT_MASK_RCV;
		spin_lock(&sk->lock);
		skb = skb_first(sk);
		spin_unlock(&sk->lock);
		if (skb && !*err)
			return skb;
		mutex_unlock(&sk->read_mutex);
		if (*err)
			return NULL;
		if (shut) {
			*err = deadline || sk->type == SOCK_SEQPACKET ? 0 : -EAGAIN;
			return NULL;
		}
		*err = sock_wait(&sk->in_wait, unix_readable(sk), deadline, true);
		if (*err) {
			if (deadline && unix_readable(sk)) /* a wake-up may have been spent on us */
				wake_up_poll(&sk->in_wait, SOCK_IN);
			return NULL;
		}
	}
}

static ssize_t copy_out(struct unix_sock *sk, struct sock_msg *m, const struct skb *skb)
{
	size_t n = min(iov_iter_count(m->it), (size_t)skb->len);

	if (n < skb->len)
		m->out_flags |= MSG_TRUNC;
	if (copy_to_iter(skb->data, n, m->it) != n)
		return -EFAULT;
	m->scm.has_creds = skb->scm.has_creds;
	m->scm.creds = skb->scm.creds;
	if (sock_option(sk, OPT_STAMPS)) /* asked for after it was sent: it is from now */
		m->scm.stamp = skb->scm.stamp ? skb->scm.stamp : ktime_real();
	skb_name(skb, m);
	return m->flags & MSG_TRUNC ? (ssize_t)skb->len : (ssize_t)n;
}

ssize_t dgram_recv(struct unix_sock *sk, struct sock_msg *m)
{
	struct skb *skb;
	ssize_t n;
	int err;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (sk->type == SOCK_SEQPACKET && sock_load(&sk->state) != US_CONNECTED)
		return -ENOTCONN;
	skb = wait_first(sk, sock_deadline(sk->rcvtimeo, m->flags & MSG_DONTWAIT), &err);
	if (!skb)
		return err;
	if (m->flags & MSG_PEEK) {
		n = copy_out(sk, m, skb);
		if (n >= 0 && skb->scm.files)
			scm_peek(m, skb);
		mutex_unlock(&sk->read_mutex);
		return n;
	}
	skb_take(sk, skb);
	mutex_unlock(&sk->read_mutex);
	wake_up_poll(&sk->space_wait, SOCK_OUT);
	n = copy_out(sk, m, skb);
	if (n >= 0) {
		m->scm.files = skb->scm.files;
		skb->scm.files = NULL;
	}
	skb_free(skb);
	return n;
}
