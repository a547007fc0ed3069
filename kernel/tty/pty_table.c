/*
 * Which pty numbers are in use. A number stays taken until the last file and session have let go of
 * the pair.
 */
#include "alloc.h"
#include "pty.h"
#include "signals.h"
#include <stdio.h>

#define PTY_MAX 4096

static struct spinlock table_lock = SPINLOCK_INIT("pty table", RANK_PTYS);
static struct pty *table[PTY_MAX]; /* table_lock */

static bool has_output(struct tty *t)
{
	bool has;

	spin_lock(&t->lock);
	has = tty_out_ready(t);
	spin_unlock(&t->lock);
	return has;
}

static void wake_master(struct tty *t)
{
	struct pty *p = pty_of(t);

	wake_up_poll(&p->master_wait, POLLIN | POLLRDNORM | POLLHUP);
	if (fasync_wanted(&p->async) && has_output(t))
		kill_fasync(&p->async, POLL_IN);
}

bool pty_has_room(struct pty *p)
{
	struct tty *t = &p->tty;
	bool room;

	spin_lock(&t->lock);
	room = byteq_room(&t->in);
	spin_unlock(&t->lock);
	return room;
}

void pty_room(struct tty *t)
{
	struct pty *p = pty_of(t);

	if (fasync_wanted(&p->async) && pty_has_room(p) &&
	    __atomic_exchange_n(&p->async_room, false, __ATOMIC_RELAXED))
		kill_fasync(&p->async, POLL_OUT);
}

static void packet_news(struct tty *t, u8 status)
{
	struct pty *p = pty_of(t);
	bool news = false;

	spin_lock(&t->lock);
	if (p->packet) {
		if (status & (TIOCPKT_STOP | TIOCPKT_START))
			p->status &= ~(TIOCPKT_STOP | TIOCPKT_START);
		if (status & (TIOCPKT_DOSTOP | TIOCPKT_NOSTOP))
			p->status &= ~(TIOCPKT_DOSTOP | TIOCPKT_NOSTOP);
		p->status |= status;
		news = true;
	}
	spin_unlock(&t->lock);
	if (news)
		wake_up_poll(&p->master_wait, POLLIN | POLLRDNORM | POLLPRI);
}

static void destroy(struct tty *t)
{
	struct pty *p = pty_of(t);

	spin_lock(&table_lock);
	table[p->index] = NULL;
	spin_unlock(&table_lock);
	tty_free_state(t);
	kfree(p);
}

static const struct tty_driver pty_driver = {
	.output = wake_master,
	.room = pty_room,
	.packet = packet_news,
	.destroy = destroy,
};

static int reserve_index(struct pty *p)
{
	int index = 0;

	spin_lock(&table_lock);
	while (index < PTY_MAX && table[index])
		index++;
	if (index < PTY_MAX)
		table[index] = p;
	spin_unlock(&table_lock);
	return index < PTY_MAX ? index : -ENOSPC;
}

struct pty *pty_create(void)
{
	struct pty *p = kzalloc(sizeof(*p));
	int index;

	if (!p)
		return ERR_PTR(-ENOMEM);
	/* Whole before others can find it: refs 0 means "not yet" and "no more" to pty_find(). */
	tty_init(&p->tty, &pty_driver, 0);
	store_relaxed(&p->tty.refs, 0);
	wait_queue_init(&p->master_wait);
	fasync_list_init(&p->async);
	p->locked = true;
	index = reserve_index(p);
	if (index < 0) {
		kfree(p);
		return ERR_PTR(index);
	}
	p->index = index;
	p->tty.dev = makedev(PTS_MAJOR + index / 256, index % 256);
	snprintf(p->tty.name, sizeof(p->tty.name), "pts/%d", index);
	store_release(&p->tty.refs, 1);
	return p;
}

struct pty *pty_find(int index)
{
	struct pty *p = NULL;
	u32 refs = 0;

	if (index < 0 || index >= PTY_MAX)
		return NULL;
	spin_lock(&table_lock);
	p = table[index];
	if (p)
		refs = load_acquire(&p->tty.refs);
	while (refs && !__atomic_compare_exchange_n(&p->tty.refs, &refs, refs + 1, false,
						    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		;
	spin_unlock(&table_lock);
	return refs ? p : NULL;
}
