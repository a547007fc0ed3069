/*
 * The life of a socket: made by socket(), socketpair() or, without a file, by a connect; shut down
 * when its file goes; freed when no peer, message or lookup refers to it any more.
 */
#include "alloc.h"
#include "cred.h"
#include "poll.h"
#include "task.h"
#include "unix.h"

struct unix_sock *unix_alloc(int type)
{
	struct unix_sock *sk = kzalloc(sizeof(*sk));

	if (!sk)
		return NULL;
	sk->refs = 1;
	sk->type = type;
	spin_init(&sk->lock, "socket", RANK_UNIX_SOCK);
	mutex_init(&sk->read_mutex, "socket readers", RANK_SOCK);
	wait_queue_init(&sk->in_wait);
	wait_queue_init(&sk->out_wait);
	wait_queue_init(&sk->space_wait);
	fasync_list_init(&sk->async);
	CDS_INIT_LIST_HEAD(&sk->queue);
	CDS_INIT_LIST_HEAD(&sk->name_link);
	CDS_INIT_LIST_HEAD(&sk->gc_link);
	sk->backlog = DGRAM_QUEUE_MAX;
	sk->sndbuf = sk->rcvbuf = BUF_DEFAULT;
	sk->rcvlowat = 1;
	sk->peercred = (struct ucred){.pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1};
	return sk;
}

struct unix_sock *unix_get(struct unix_sock *sk)
{
	__atomic_fetch_add(&sk->refs, 1, __ATOMIC_RELAXED);
	return sk;
}

void unix_put(struct unix_sock *sk)
{
	if (__atomic_sub_fetch(&sk->refs, 1, __ATOMIC_ACQ_REL))
		return;
	if (sk->addr)
		unix_addr_put(sk->addr);
	kfree(sk);
}

struct file *unix_file_alloc(int type, int flags)
{
	struct file *f;

	f = file_open_anon_inode("socket", S_IFSOCK | 0777, &socket_ops, NULL,
				 O_RDWR | (flags & O_NONBLOCK));
	if (!IS_ERR(f) && type != SOCK_STREAM)
		f->mode |= FMODE_NOSIGPIPE;
	return f;
}

void unix_graft(struct unix_sock *sk, struct file *f)
{
	f->priv = sk;
	spin_lock(&sk->lock);
	sk->file = f;
	spin_unlock(&sk->lock);
}

struct unix_sock *unix_peer_get(struct unix_sock *sk)
{
	struct unix_sock *peer;

	spin_lock(&sk->lock);
	peer = sk->peer ? unix_get(sk->peer) : NULL;
	spin_unlock(&sk->lock);
	return peer;
}

void unix_lock_two(struct unix_sock *a, struct unix_sock *b)
{
	if (a == b || !b) {
		spin_lock(&a->lock);
		return;
	}
	spin_lock(a < b ? &a->lock : &b->lock);
	spin_lock_nested(a < b ? &b->lock : &a->lock); /* the higher address second */
}

void unix_unlock_two(struct unix_sock *a, struct unix_sock *b)
{
	spin_unlock(&a->lock);
	if (b && b != a)
		spin_unlock(&b->lock);
}

void unix_wake_state(struct unix_sock *sk)
{
	wake_up_all(&sk->in_wait);
	wake_up_all(&sk->out_wait);
}

void unix_sigio_in(struct unix_sock *sk, int code)
{
	if (fasync_wanted(&sk->async) && !sock_load(&sk->sleeping_readers))
		kill_fasync(&sk->async, code);
}

/* As everything else about O_ASYNC, it isn't remembered for who turns that on later. */
void unix_sigio_want_room(struct unix_sock *sk)
{
	if (!fasync_wanted(&sk->async))
		return;
	store_relaxed(&sk->async_room, true);
	smp_mb(); /* before the caller looks again */
}

void unix_sigio_room(struct unix_sock *sk)
{
	if (fasync_wanted(&sk->async) &&
	    __atomic_exchange_n(&sk->async_room, false, __ATOMIC_RELAXED))
		kill_fasync(&sk->async, POLL_OUT);
}

bool unix_writable(const struct unix_sock *sk)
{
	return sock_load(&sk->state) != US_LISTEN &&
	       (u64)sock_load(&sk->wmem) * 4 <= sock_load(&sk->sndbuf);
}

bool unix_queue_full(const struct unix_sock *sk)
{
	return sock_load(&sk->queue_len) > sock_load(&sk->backlog);
}

int unix_take_error(struct unix_sock *sk)
{
	if (!load_relaxed(&sk->err))
		return 0;
	return -__atomic_exchange_n(&sk->err, 0, __ATOMIC_ACQ_REL);
}

void unix_cred_now(struct ucred *c)
{
	const struct cred *cred = current->cred;

	*c = (struct ucred){.pid = tg_nr(current->tg), .uid = cred->euid, .gid = cred->egid};
}

ktime_t sock_deadline(ktime_t timeo, bool nonblock)
{
	ktime_t now;

	if (nonblock)
		return 0;
	if (!timeo)
		return KTIME_MAX;
	now = ktime_mono();
	return timeo > KTIME_MAX - 1 - now ? KTIME_MAX - 1 : now + timeo;
}

/* The other end of a connection learns that this one is gone. */
static void peer_gone(struct unix_sock *sk, struct unix_sock *peer, bool reset)
{
	if (is_stream_like(sk)) {
		spin_lock(&peer->lock);
		store_release(&peer->shutdown, SHUT_MASK_BOTH);
		if (reset)
			store_release(&peer->err, ECONNRESET);
		spin_unlock(&peer->lock);
		unix_wake_state(peer);
		unix_sigio_in(peer, POLL_HUP);
	}
	unix_put(peer);
}

static void drop_queue(struct cds_list_head *queue)
{
	struct skb *skb, *tmp;

	cds_list_for_each_entry_safe(skb, tmp, queue, link) {
		if (skb->embryo)
			unix_shut_down(skb->embryo, true);
		skb_free(skb);
	}
}

void unix_shut_down(struct unix_sock *sk, bool embryo)
{
	struct unix_sock *peer, *relay;
	struct cds_list_head queue;
	struct path path;
	bool reset;

	unix_unname(sk);
	CDS_INIT_LIST_HEAD(&queue);
	spin_lock(&sk->lock);
	sk->dead = true;
	sk->file = NULL;
	store_release(&sk->shutdown, SHUT_MASK_BOTH);
	store_release(&sk->state, US_CLOSED);
	reset = embryo || !cds_list_empty(&sk->queue);
	cds_list_splice(&sk->queue, &queue);
	CDS_INIT_LIST_HEAD(&sk->queue);
	store_release(&sk->queue_len, 0);
	sk->queue_scm = 0;
	peer = sk->peer;
	store_relaxed(&sk->peer, NULL);
	relay = dgram_relay_stop(sk);
	path = sk->path;
	sk->path = (struct path){NULL, NULL};
	spin_unlock(&sk->lock);

	wake_up_all(&sk->space_wait);
	if (relay)
		unix_put(relay);
	if (peer)
		peer_gone(sk, peer, reset);
	drop_queue(&queue);
	if (path.dentry)
		path_put(&path);
}

static u32 stream_events(struct unix_sock *sk)
{
	u32 events = 0;

	if (sock_load(&sk->state) == US_CLOSED)
		events |= POLLHUP;
	/* Also when the other side is gone: a write tells so. */
	if (unix_writable(sk))
		events |= SOCK_OUT;
	return events;
}

static u32 dgram_events(struct unix_sock *sk, const struct poll_table *pt)
{
	u32 events = 0;

	if (sk->type == SOCK_SEQPACKET && sock_load(&sk->state) == US_CLOSED)
		events |= POLLHUP;
	if (pt && !(pt->events & SOCK_OUT))
		return events;
	if (unix_writable(sk) && dgram_peer_has_room(sk))
		events |= SOCK_OUT;
	else
		unix_sigio_want_room(sk);
	return events;
}

u32 unix_poll(struct file *f, struct poll_table *pt)
{
	struct unix_sock *sk = f->priv;
	u32 events = 0, shut;

	if (pt && pt->queue) {
		poll_wait(pt, &sk->in_wait);
		if (pt->events & SOCK_OUT)
			poll_wait(pt, &sk->out_wait);
	}
	shut = sock_load(&sk->shutdown);
	if (load_acquire(&sk->err))
		events |= POLLERR;
	if (shut == SHUT_MASK_BOTH)
		events |= POLLHUP;
	if (shut & SHUT_MASK_RCV)
		events |= POLLRDHUP | POLLIN | POLLRDNORM;
	if (sock_load(&sk->queue_len))
		events |= POLLIN | POLLRDNORM;
	return events | (sk->type == SOCK_STREAM ? stream_events(sk) : dgram_events(sk, pt));
}
