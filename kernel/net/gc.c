/*
 * Sockets in flight, and the collector of those that can't be reached any more. A socket whose only
 * references are messages, all of which wait in the queues of such sockets, will never be received:
 * its queue is emptied, and then nothing refers to it.
 *
 * Runs when a socket was released while others are in flight; with many of them not at each
 * release, so that the work stays proportional. What it finds: of the sockets in flight, candidates
 * are those to whose file only messages refer. References that come from candidates' own queues are
 * not counted; who then still has one is reachable from outside, and so is what its queue holds.
 * The rest is garbage.
 *
 * unix_gc_mutex is held while messages with files are queued or taken off, and by the collector: so
 * nothing of this moves, and a candidate can't become reachable, while it looks. Message queues are
 * walked under each socket's lock.
 */
#include "cred.h"
#include "lock.h"
#include "task.h"
#include "unix.h"
#include <linux/capability.h>

#define FEW 1024u	      /* up to so many in flight it runs at each release */
#define RELEASES_PER_SOCK 16u /* else one run for every nr_socks / 16 releases */

static struct mutex unix_gc_mutex; /* rank UNIX_GC */
static CDS_LIST_HEAD(in_flight);   /* unix_gc_mutex: gc_link */
static u32 nr_socks;		   /* unix_gc_mutex; atomic reads */
static u32 nr_files;		   /* unix_gc_mutex: passed files under way, with repetitions */
static u32 releases;		   /* unix_gc_mutex: since the last run */

void unix_gc_init(void)
{
	mutex_init(&unix_gc_mutex, "unix gc", RANK_UNIX_GC);
}

void unix_gc_lock(void)
{
	mutex_lock(&unix_gc_mutex);
}

void unix_gc_unlock(void)
{
	mutex_unlock(&unix_gc_mutex);
}

static bool too_many(const struct user *u, int n)
{
	u64 limit = load_relaxed(&current->tg->rlim[RLIMIT_NOFILE].rlim_cur);

	if (nr_files + (u32)n > MAX_IN_FLIGHT)
		return true;
	return u->in_flight_files > limit && !capable(CAP_SYS_RESOURCE) && !capable(CAP_SYS_ADMIN);
}

int scm_fly(struct scm_files *files)
{
	struct user *u = current->cred->user;

	if (too_many(u, files->n))
		return -ETOOMANYREFS;
	files->user = user_get(u);
	u->in_flight_files += (u32)files->n;
	nr_files += (u32)files->n;
	for (int i = 0; i < files->n; i++) {
		struct unix_sock *sk = sock_of_file(files->f[i]);

		if (sk && !sk->in_flight++) {
			cds_list_add_tail(&sk->gc_link, &in_flight);
			store_relaxed(&nr_socks, nr_socks + 1);
		}
	}
	return 0;
}

void scm_land(struct scm_files *files)
{
	files->user->in_flight_files -= (u32)files->n;
	user_put(files->user);
	files->user = NULL;
	nr_files -= (u32)files->n;
	for (int i = 0; i < files->n; i++) {
		struct unix_sock *sk = sock_of_file(files->f[i]);

		if (sk && !--sk->in_flight) {
			cds_list_del_init(&sk->gc_link);
			store_relaxed(&nr_socks, nr_socks - 1);
		}
	}
}

/* ---- the collector; under unix_gc_mutex ---- */

static void each_in_queue(struct unix_sock *sk, void (*fn)(struct unix_sock *child, void *arg),
			  void *arg)
{
	struct unix_sock *child;
	struct skb *skb;

	cds_list_for_each_entry(skb, &sk->queue, link) {
		if (skb->embryo && skb->embryo->queue_scm) {
			spin_lock_nested(&skb->embryo->lock); /* a listener before the connections
								 in its queue */
			each_in_queue(skb->embryo, fn, arg); /* not deeper: those have no embryos */
			spin_unlock(&skb->embryo->lock);
		}
		for (int i = 0; skb->flying && i < skb->scm.files->n; i++) {
			child = sock_of_file(skb->scm.files->f[i]);
			if (child && child->gc_candidate)
				fn(child, arg);
		}
	}
}

/* Calls fn for each candidate that a message to sk carries, once for each time. */
static void each_child(struct unix_sock *sk, void (*fn)(struct unix_sock *child, void *arg),
		       void *arg)
{
	spin_lock(&sk->lock);
	if (sk->queue_scm)
		each_in_queue(sk, fn, arg);
	spin_unlock(&sk->lock);
}

static void forget_one(struct unix_sock *child, void *arg)
{
	child->gc_outside--;
}

/* arg: the head of the list of those that are reachable, but whose queues were not looked at. */
static void reach(struct unix_sock *child, void *arg)
{
	struct unix_sock **work = arg;

	child->gc_candidate = false;
	child->gc_next = *work;
	*work = child;
}

static void find_garbage(void)
{
	struct unix_sock *sk, *work = NULL;

	cds_list_for_each_entry(sk, &in_flight, gc_link) {
		sk->gc_outside = sk->in_flight;
		sk->gc_candidate = load_acquire(&sk->file->refs) == sk->in_flight;
	}
	cds_list_for_each_entry(sk, &in_flight, gc_link)
		if (sk->gc_candidate)
			each_child(sk, forget_one, NULL);
	cds_list_for_each_entry(sk, &in_flight, gc_link)
		if (sk->gc_candidate && sk->gc_outside)
			reach(sk, &work);
	while ((sk = work)) {
		work = sk->gc_next;
		each_child(sk, reach, &work);
	}
}

/* Moves the messages with files of a queue that nobody will read to `dead`. Under its lock. */
static void empty_queue(struct unix_sock *sk, struct cds_list_head *dead)
{
	struct skb *skb, *tmp;

	cds_list_for_each_entry_safe(skb, tmp, &sk->queue, link) {
		if (skb->embryo) {
			spin_lock_nested(&skb->embryo->lock); /* as above */
			empty_queue(skb->embryo, dead);
			spin_unlock(&skb->embryo->lock);
		}
		if (!skb->flying)
			continue;
		cds_list_move(&skb->link, dead);
		sk->queue_scm--;
		store_relaxed(&sk->queue_bytes, sk->queue_bytes - (skb->len - skb->off));
		store_release(&sk->queue_len, sk->queue_len - 1);
	}
}

static void collect(struct cds_list_head *dead)
{
	struct unix_sock *sk;
	struct skb *skb;

	find_garbage();
	cds_list_for_each_entry(sk, &in_flight, gc_link) {
		if (!sk->gc_candidate)
			continue;
		sk->gc_candidate = false;
		spin_lock(&sk->lock);
		empty_queue(sk, dead);
		spin_unlock(&sk->lock);
	}
	cds_list_for_each_entry(skb, dead, link) {
		scm_land(skb->scm.files);
		skb->flying = false;
	}
}

void unix_gc_after_release(void)
{
	CDS_LIST_HEAD(dead);
	struct skb *skb, *tmp;

	if (!load_relaxed(&nr_socks))
		return;
	unix_gc_lock();
	if (nr_socks <= FEW || ++releases * RELEASES_PER_SOCK >= nr_socks) {
		releases = 0;
		collect(&dead);
	}
	unix_gc_unlock();
	cds_list_for_each_entry_safe(skb, tmp, &dead, link)
		skb_free(skb);
}
