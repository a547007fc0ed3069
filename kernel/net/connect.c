/* Connections: listen, connect and accept of stream and seqpacket sockets, pairs, shutdown. */
#include "alloc.h"
#include "poll.h"
#include "task.h"
#include "unix.h"

static void set(u32 *p, u32 v)
{
	store_release(p, v);
}

int unix_listen(struct unix_sock *sk, int backlog)
{
	int err = 0;

	if (!is_stream_like(sk))
		return -EOPNOTSUPP;
	if ((unsigned)backlog > BACKLOG_MAX)
		backlog = BACKLOG_MAX;
	spin_lock(&sk->lock);
	if (!sk->addr || sk->state == US_CONNECTED) {
		err = -EINVAL;
	} else {
		set(&sk->backlog, (u32)backlog);
		set(&sk->state, US_LISTEN);
		unix_cred_now(&sk->peercred);
	}
	spin_unlock(&sk->lock);
	if (!err)
		wake_up_all(&sk->space_wait); /* the queue may have become longer */
	return err;
}

static bool may_connect_now(const struct unix_sock *other)
{
	return !unix_queue_full(other) || sock_load(&other->state) != US_LISTEN;
}

/* Both ends of the new connection know each other. Under the locks of listener and sk. */
static void join(struct unix_sock *sk, struct unix_sock *embryo, struct unix_sock *listener)
{
	embryo->peer = unix_get(sk);
	embryo->state = US_CONNECTED;
	unix_cred_now(&embryo->peercred);
	embryo->options = sock_option(listener, OPT_PASSCRED) ? OPT_PASSCRED : 0;
	embryo->addr = listener->addr;
	__atomic_fetch_add(&embryo->addr->refs, 1, __ATOMIC_RELAXED);
	sk->peercred = listener->peercred;
	sk->peer = unix_get(embryo);
	set(&sk->state, US_CONNECTED);
}

static int state_error(const struct unix_sock *sk)
{
	switch (sock_load(&sk->state)) {
	case US_CLOSED:
		return 0;
	case US_CONNECTED:
		return -EISCONN;
	default:
		return -EINVAL;
	}
}

/*
 * One try. 0; -EAGAIN: the queue is full; -ESTALE: the listener is gone, look again; -ECONNREFUSED,
 * -EISCONN, -EINVAL.
 */
static int try_connect(struct unix_sock *sk, struct unix_sock *listener, struct skb *skb)
{
	struct skb_section s;
	int err;

	if (skb_begin(listener, skb, &s)) /* locks the listener; an embryo carries no files */
		return -ECONNREFUSED;
	if (listener->dead)
		err = -ESTALE;
	else if (listener->state != US_LISTEN || (listener->shutdown & SHUT_MASK_RCV))
		err = -ECONNREFUSED;
	else if (unix_queue_full(listener))
		err = -EAGAIN;
	else
		err = state_error(sk); /* so it isn't a listener, and the order below has no loop */
	if (!err) {
		spin_lock_nested(&sk->lock); /* a listener before those who connect to it */
		err = state_error(sk);
		if (!err) {
			join(sk, skb->embryo, listener);
			skb_queue(&s);
			listener->queue_scm++;
		}
		spin_unlock(&sk->lock);
	}
	skb_end(&s);
	return err;
}

static int wait_for_listener(struct unix_sock *listener, ktime_t deadline)
{
	int err = sock_wait(&listener->space_wait, may_connect_now(listener), deadline, true);

	if (err && may_connect_now(listener)) /* a wake-up may have been spent on us */
		wake_up_poll(&listener->space_wait, SOCK_OUT);
	return err;
}

static int connect_with(struct unix_sock *sk, struct sockaddr_un *name, int len, struct skb *skb,
			ktime_t deadline)
{
	struct unix_sock *listener;
	int err;

	for (;;) {
		listener = unix_find(name, len, sk->type);
		if (IS_ERR(listener))
			return (int)PTR_ERR(listener);
		err = try_connect(sk, listener, skb);
		if (!err) {
			wake_up_poll(&listener->in_wait, SOCK_IN);
			unix_sigio_in(listener, POLL_IN);
		} else if (err == -EAGAIN && deadline) {
			err = wait_for_listener(listener, deadline) ?: -ESTALE;
		}
		unix_put(listener);
		if (err != -ESTALE)
			return err;
	}
}

int unix_connect(struct unix_sock *sk, struct sockaddr_un *name, int len, bool nonblock)
{
	struct unix_sock *embryo;
	struct skb *skb;
	int err;

	err = unix_check_addr(name, len);
	if (!err && sock_option(sk, OPT_PASSCRED))
		err = unix_autobind(sk);
	if (err)
		return err;
	embryo = unix_alloc(sk->type);
	if (!embryo)
		return -ENOMEM;
	skb = skb_alloc_embryo(embryo);
	if (!skb) {
		unix_put(embryo);
		return -ENOMEM;
	}
	err = connect_with(sk, name, len, skb, sock_deadline(sk->sndtimeo, nonblock));
	if (err)
		skb_free(skb);
	return err;
}

/* The first of the queue, or why there is none: -EAGAIN to wait. */
static struct unix_sock *try_accept(struct unix_sock *sk)
{
	struct unix_sock *embryo = NULL;
	struct skb *skb;
	int err = -EAGAIN;

	spin_lock(&sk->lock);
	skb = skb_first(sk);
	if (sk->state != US_LISTEN || (!skb && (sk->shutdown & SHUT_MASK_RCV))) {
		err = -EINVAL;
	} else if (skb) {
		embryo = skb->embryo;
		cds_list_del(&skb->link);
		sk->queue_scm--;
		set(&sk->queue_len, sk->queue_len - 1);
	}
	spin_unlock(&sk->lock);
	if (!embryo)
		return ERR_PTR(err);
	skb->embryo = NULL; /* the caller's reference now */
	skb_free(skb);
	wake_up_poll(&sk->space_wait, SOCK_OUT);
	return embryo;
}

static bool may_accept(const struct unix_sock *sk)
{
	return sock_load(&sk->queue_len) || (sock_load(&sk->shutdown) & SHUT_MASK_RCV);
}

struct unix_sock *unix_accept(struct unix_sock *sk, bool nonblock)
{
	ktime_t deadline = sock_deadline(sk->rcvtimeo, nonblock);
	struct unix_sock *embryo;
	int err;

	if (!is_stream_like(sk))
		return ERR_PTR(-EOPNOTSUPP);
	for (;;) {
		embryo = try_accept(sk);
		if (!IS_ERR(embryo) || PTR_ERR(embryo) != -EAGAIN)
			return embryo;
		err = sock_wait(&sk->in_wait, may_accept(sk), deadline, true);
		if (err) {
			if (deadline && may_accept(sk)) /* a wake-up may have been spent on us */
				wake_up_poll(&sk->in_wait, SOCK_IN);
			return ERR_PTR(err);
		}
	}
}

void unix_pair(struct unix_sock *a, struct unix_sock *b)
{
	a->peer = unix_get(b);
	b->peer = unix_get(a);
	unix_cred_now(&a->peercred);
	b->peercred = a->peercred;
	a->state = b->state = US_CONNECTED;
}

static void add_shutdown(struct unix_sock *sk, u32 mask)
{
	if (!mask)
		return;
	spin_lock(&sk->lock);
	set(&sk->shutdown, sk->shutdown | mask);
	spin_unlock(&sk->lock);
	unix_wake_state(sk);
}

int unix_shutdown(struct unix_sock *sk, int how)
{
	struct unix_sock *peer;
	u32 mask, peer_mask = 0;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	mask = (u32)how + 1;
	add_shutdown(sk, mask);
	peer = is_stream_like(sk) ? unix_peer_get(sk) : NULL;
	if (!peer)
		return 0;
	if (mask & SHUT_MASK_RCV)
		peer_mask |= SHUT_MASK_SEND;
	if (mask & SHUT_MASK_SEND)
		peer_mask |= SHUT_MASK_RCV;
	add_shutdown(peer, peer_mask);
	if (peer_mask & SHUT_MASK_RCV)
		unix_sigio_in(peer, peer_mask == SHUT_MASK_BOTH ? POLL_HUP : POLL_IN);
	unix_put(peer);
	return 0;
}
