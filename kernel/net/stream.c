/* Data of stream sockets. */
#include "poll.h"
#include "task.h"
#include "unix.h"
#include <string.h>

#define CHUNK_MAX 65536u

/* ---- sending ---- */

/* How much of a write goes into one message: at least two fit the send buffer. */
static size_t chunk_of(const struct unix_sock *sk, size_t left)
{
	size_t half = max(sock_load(&sk->sndbuf), SNDBUF_MIN) / 2 - 64;

	return min(left, min(half, (size_t)CHUNK_MAX));
}

static int queue_to_peer(struct unix_sock *sk, struct unix_sock *peer, struct skb *skb)
{
	struct skb_section s;
	int err;

	err = skb_begin(peer, skb, &s);
	if (err)
		return err;
	if (peer->dead || (peer->shutdown & SHUT_MASK_RCV)) {
		err = -EPIPE;
	} else {
		skb_add_creds(skb, peer);
		skb_queue(&s);
	}
	skb_end(&s);
	if (!err) {
		wake_up_poll(&peer->in_wait, SOCK_IN);
		unix_sigio_in(peer, POLL_IN);
	}
	return err;
}

/* One piece, with whatever scm holds (which it takes). Bytes. */
static ssize_t send_chunk(struct unix_sock *sk, struct unix_sock *peer, struct sock_msg *m,
			  size_t n, ktime_t deadline)
{
	struct skb *skb = skb_alloc(sk, n, deadline);
	int err;

	if (IS_ERR(skb))
		return PTR_ERR(skb);
	skb->scm = m->scm;
	m->scm.files = NULL;
	if (copy_from_iter(skb->data, n, m->it) != n)
		err = -EFAULT;
	else
		err = queue_to_peer(sk, peer, skb);
	if (err) {
		skb_free(skb);
		return err;
	}
	return (ssize_t)n;
}

ssize_t stream_send(struct unix_sock *sk, struct sock_msg *m)
{
	ktime_t deadline = sock_deadline(sk->sndtimeo, m->flags & MSG_DONTWAIT);
	struct unix_sock *peer;
	size_t done = 0;
	ssize_t n = 0;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (m->namelen)
		return sock_load(&sk->state) == US_CONNECTED ? -EISCONN : -EOPNOTSUPP;
	peer = unix_peer_get(sk);
	if (!peer)
		return -ENOTCONN;
	if (sock_load(&sk->shutdown) & SHUT_MASK_SEND)
		n = -EPIPE;
	while (n >= 0 && iov_iter_count(m->it)) {
		n = send_chunk(sk, peer, m, chunk_of(sk, iov_iter_count(m->it)), deadline);
		if (n > 0)
			done += (size_t)n;
	}
	unix_put(peer);
	return done ? (ssize_t)done : n;
}

/* ---- receiving ---- */

/* One call of recv. */
struct stream_read {
	struct unix_sock *sk;
	struct sock_msg *m;
	bool peek;
	struct skb *last; /* peeking: went through this one */
	size_t copied, target;
	ktime_t deadline;
	bool first_seen;
};

/* The next message, which stays as long as read_mutex is held; NULL: none. */
static struct skb *next_skb(struct stream_read *r)
{
	struct unix_sock *sk = r->sk;
	struct skb *skb;

	spin_lock(&sk->lock);
	if (!r->last)
		skb = skb_first(sk);
	else if (r->last->link.next == &sk->queue)
		skb = NULL;
	else
		skb = cds_list_entry(r->last->link.next, struct skb, link);
	spin_unlock(&sk->lock);
	return skb;
}

/*
 * Nothing is there. 0: more may be now; 1: that's it; or an error. Drops read_mutex while it
 * sleeps.
 */
static int wait_for_data(struct stream_read *r)
{
	struct unix_sock *sk = r->sk;
	int err;

	if (r->copied >= r->target || (r->peek && r->copied))
		return 1;
	/*
	 * The other end queues nothing after it has shut us down or reset us: so look at the queue
	 * again behind that.
	 */
	if (((sock_load(&sk->shutdown) & SHUT_MASK_RCV) || load_acquire(&sk->err)) && next_skb(r))
		return 0;
	err = unix_take_error(sk);
	if (err)
		return err;
	if (sock_load(&sk->shutdown) & SHUT_MASK_RCV)
		return 1;
	if (!r->deadline)
		return -EAGAIN;
	mutex_unlock(&sk->read_mutex);
	__atomic_fetch_add(&sk->sleeping_readers, 1, __ATOMIC_RELAXED);
	err = sock_wait(&sk->in_wait, unix_readable(sk), r->deadline, false);
	__atomic_fetch_sub(&sk->sleeping_readers, 1, __ATOMIC_RELAXED);
	mutex_lock(&sk->read_mutex);
	return err;
}

/* Pieces of several writers are told apart only where the reader asked who they are. */
static bool same_sender(struct stream_read *r, const struct skb *skb)
{
	struct sock_msg *m = r->m;

	if (!r->first_seen) {
		r->first_seen = true;
		m->scm.has_creds = skb->scm.has_creds;
		m->scm.creds = skb->scm.creds;
		skb_name(skb, m);
		return true;
	}
	if (!sock_option(r->sk, OPT_PASSCRED))
		return true;
	return m->scm.has_creds == skb->scm.has_creds &&
	       (!m->scm.has_creds ||
		!memcmp(&m->scm.creds, &skb->scm.creds, sizeof(skb->scm.creds)));
}

/*
 * What was copied from skb is taken off. True if the call ends with it, because it carried files.
 */
static bool consume(struct stream_read *r, struct skb *skb, size_t n)
{
	bool files = skb->scm.files;

	if (r->peek) {
		if (files)
			scm_peek(r->m, skb);
		r->last = skb;
		return files;
	}
	if (files)
		r->m->scm.files = skb_take_files(r->sk, skb);
	skb_advance(r->sk, skb, (u32)n);
	if (skb->off == skb->len) {
		skb_take(r->sk, skb);
		skb_free(skb);
	}
	return files;
}

/* With read_mutex held. 0 or why it ended. */
static int read_loop(struct stream_read *r)
{
	struct iov_iter *it = r->m->it;
	struct skb *skb;
	size_t n;
	int err;

	do {
		while (!(skb = next_skb(r))) {
			err = wait_for_data(r);
			if (err)
				return err > 0 ? 0 : err;
		}
		if (!same_sender(r, skb))
			return 0;
		n = min((size_t)(skb->len - skb->off), iov_iter_count(it));
		if (copy_to_iter(skb->data + skb->off, n, it) != n)
			return -EFAULT;
		r->copied += n;
		if (consume(r, skb, n))
			return 0;
	} while (iov_iter_count(it));
	return 0;
}

ssize_t stream_recv(struct unix_sock *sk, struct sock_msg *m)
{
	size_t want = iov_iter_count(m->it);
	struct stream_read r = {
		.sk = sk,
		.m = m,
		.peek = m->flags & MSG_PEEK,
		.target = m->flags & MSG_WAITALL ? want : min((size_t)sk->rcvlowat, want),
		.deadline = sock_deadline(sk->rcvtimeo, m->flags & MSG_DONTWAIT),
	};
	int err;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (sock_load(&sk->state) != US_CONNECTED)
		return -EINVAL;
	if (!r.target)
		r.target = 1;
	mutex_lock(&sk->read_mutex);
	err = read_loop(&r);
	mutex_unlock(&sk->read_mutex);
	return r.copied ? (ssize_t)r.copied : err;
}
