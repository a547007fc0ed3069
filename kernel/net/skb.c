/* Messages: their memory, and their way into and out of a queue. */
#include "alloc.h"
#include "cred.h"
#include "poll.h"
#include "task.h"
#include "unix.h"

/* What a message counts: data and bookkeeping, by and large as Linux counts it. */
static u32 truesize_of(size_t len)
{
	return (u32)(256 + max((size_t)512, ROUND_UP(len + 320, (size_t)512)));
}

static bool may_send(const struct unix_sock *sk)
{
	return sock_load(&sk->wmem) < sock_load(&sk->sndbuf) ||
	       (sock_load(&sk->shutdown) & SHUT_MASK_SEND) || load_acquire(&sk->err);
}

/*
 * Waits for room in the send buffer. Several senders may find the same room: it is exceeded by one
 * message each.
 */
static int wait_room(struct unix_sock *sk, ktime_t deadline)
{
	int err;

	for (;;) {
		err = unix_take_error(sk);
		if (err)
			return err;
		if (sock_load(&sk->shutdown) & SHUT_MASK_SEND)
			return -EPIPE;
		if (may_send(sk))
			return 0;
		unix_sigio_want_room(sk);
		if (may_send(sk))
			continue;
		err = sock_wait(&sk->out_wait, may_send(sk), deadline, false);
		if (err)
			return err;
	}
}

struct skb *skb_alloc(struct unix_sock *sk, size_t len, ktime_t deadline)
{
	struct skb *skb;
	int err = wait_room(sk, deadline);

	if (err)
		return ERR_PTR(err);
	skb = kmalloc(sizeof(*skb) + len);
	if (!skb)
		return ERR_PTR(-ENOBUFS);
	*skb = (struct skb){.from = unix_get(sk), .truesize = truesize_of(len), .len = (u32)len};
	__atomic_fetch_add(&sk->wmem, skb->truesize, __ATOMIC_RELAXED);
	return skb;
}

struct skb *skb_alloc_embryo(struct unix_sock *embryo)
{
	struct skb *skb = kzalloc(sizeof(*skb));

	if (skb)
		skb->embryo = embryo;
	return skb;
}

/* Gives its sender the room back, and wakes it when much is free. */
static void uncharge(struct skb *skb)
{
	struct unix_sock *from = skb->from;

	__atomic_fetch_sub(&from->wmem, skb->truesize, __ATOMIC_ACQ_REL);
	if (unix_writable(from)) {
		wake_up_poll(&from->out_wait, SOCK_OUT);
		unix_sigio_room(from);
	}
	unix_put(from);
}

void skb_free(struct skb *skb)
{
	if (skb->flying) {
		unix_gc_lock();
		scm_land(skb->scm.files);
		unix_gc_unlock();
	}
	scm_drop(&skb->scm);
	if (skb->from)
		uncharge(skb);
	if (skb->embryo)
		unix_put(skb->embryo);
	kfree(skb);
}

int skb_begin(struct unix_sock *to, struct skb *skb, struct skb_section *s)
{
	int err;

	*s = (struct skb_section){.to = to, .skb = skb, .gc = skb->scm.files != NULL};
	if (s->gc) {
		unix_gc_lock();
		err = scm_fly(skb->scm.files);
		if (err) {
			unix_gc_unlock();
			return err;
		}
		skb->flying = true;
	}
	spin_lock(&to->lock);
	return 0;
}

void skb_queue(struct skb_section *s)
{
	struct unix_sock *to = s->to;

	cds_list_add_tail(&s->skb->link, &to->queue);
	if (s->gc)
		to->queue_scm++;
	store_relaxed(&to->queue_bytes, to->queue_bytes + s->skb->len);
	store_release(&to->queue_len, to->queue_len + 1);
	s->skb = NULL; /* a reader's now */
}

void skb_end(struct skb_section *s)
{
	spin_unlock(&s->to->lock);
	if (s->skb && s->gc) {
		scm_land(s->skb->scm.files);
		s->skb->flying = false;
	}
	if (s->gc)
		unix_gc_unlock();
}

void skb_take(struct unix_sock *sk, struct skb *skb)
{
	bool gc = skb->flying;

	if (gc)
		unix_gc_lock();
	spin_lock(&sk->lock);
	cds_list_del(&skb->link);
	if (gc)
		sk->queue_scm--;
	store_relaxed(&sk->queue_bytes, sk->queue_bytes - (skb->len - skb->off));
	store_release(&sk->queue_len, sk->queue_len - 1);
	spin_unlock(&sk->lock);
	if (gc) {
		scm_land(skb->scm.files);
		skb->flying = false;
		unix_gc_unlock();
	}
}

struct scm_files *skb_take_files(struct unix_sock *sk, struct skb *skb)
{
	struct scm_files *files = skb->scm.files;

	if (!files)
		return NULL;
	unix_gc_lock();
	spin_lock(&sk->lock);
	sk->queue_scm--;
	skb->scm.files = NULL;
	skb->flying = false;
	spin_unlock(&sk->lock);
	scm_land(files);
	unix_gc_unlock();
	return files;
}

void skb_advance(struct unix_sock *sk, struct skb *skb, u32 n)
{
	spin_lock(&sk->lock);
	skb->off += n;
	store_relaxed(&sk->queue_bytes, sk->queue_bytes - n);
	spin_unlock(&sk->lock);
}

void skb_name(const struct skb *skb, struct sock_msg *m)
{
	if (m->want_name && load_acquire(&skb->from->addr))
		m->namelen = unix_name_of(skb->from, &m->storage);
}

void skb_add_creds(struct skb *skb, const struct unix_sock *to)
{
	const struct cred *c = current->cred;

	if (skb->scm.has_creds ||
	    (to->file && !sock_option(to, OPT_PASSCRED) && !sock_option(skb->from, OPT_PASSCRED)))
		return;
	skb->scm.creds = (struct ucred){.pid = tg_nr(current->tg), .uid = c->uid, .gid = c->gid};
	skb->scm.has_creds = true;
}
