/*
 * Eventpolls that watch eventpolls: no loops, chains of at most EP_MAX_DEPTH, and a bound on what
 * one wake-up sets off. Watches of eventpolls are added one at a time (nest_mutex), so while the
 * graph is looked at it only shrinks.
 *
 * Down: through the items, under each ep->mtx. An item's file can't go while the watcher's mtx is
 * held. Up: through file->epoll_links, under each file->lock (inner before outer: there are no
 * loops). A watcher's file can't go while its item is on the list.
 */
#include "epoll_priv.h"

static struct mutex nest_mutex; /* rank EPOLL, before any ep->mtx */
static u64 checks;		/* nest_mutex: the number of this check */

/* The watch that is asked for: target by ep. It isn't there yet, but counts. */
struct nest_check {
	struct eventpoll *ep, *target;
	bool count; /* second round: ways up, now that there is no loop */
	int budget; /* ways up that may still be found */
};

void ep_nest_init(void)
{
	mutex_init(&nest_mutex, "epoll nesting", RANK_EPOLL);
}

void ep_nest_lock(void)
{
	mutex_lock(&nest_mutex);
}

void ep_nest_unlock(void)
{
	mutex_unlock(&nest_mutex);
}

/* The longest chain of watchers that ends with ep, itself included. */
static int depth_up(struct eventpoll *ep)
{
	struct epitem *epi;
	int depth = 0;

	spin_lock_nested(&ep->file->lock); /* inner before outer */
	cds_list_for_each_entry(epi, &ep->file->epoll_links, file_link)
		depth = max(depth, depth_up(epi->ep));
	spin_unlock(&ep->file->lock);
	return depth + 1;
}

/* Takes the number of ways up from ep off the budget. False when that is spent. */
static bool count_up(struct eventpoll *ep, struct nest_check *c)
{
	struct epitem *epi;
	bool ok = true;

	if (ep == c->target)
		ok = --c->budget >= 0 && count_up(c->ep, c);
	spin_lock_nested(&ep->file->lock);
	cds_list_for_each_entry(epi, &ep->file->epoll_links, file_link) {
		ok = ok && --c->budget >= 0 && count_up(epi->ep, c);
		if (!ok)
			break;
	}
	spin_unlock(&ep->file->lock);
	return ok;
}

static int depth_down(struct eventpoll *ep, struct nest_check *c);

struct down {
	struct nest_check *c;
	int depth;
};

static int down_item(struct epitem *epi, void *arg)
{
	struct down *d = arg;
	int depth;

	if (!file_is_epoll(epi->file))
		return 0;
	depth = depth_down(epi->file->priv, d->c);
	if (depth < 0)
		return depth;
	d->depth = max(d->depth, depth);
	return 0;
}

/*
 * The longest chain of watched eventpolls that starts with ep. -ELOOP: c->ep is among them. In the
 * second round -EINVAL: too many ways up from one of them.
 */
static int depth_down(struct eventpoll *ep, struct nest_check *c)
{
	struct down d = {.c = c};
	int err;

	if (ep == c->ep)
		return -ELOOP;
	if (ep->visit == checks)
		return ep->visit_depth;
	c->budget = EP_MAX_PATHS;
	if (c->count && !count_up(ep, c))
		return -EINVAL;
	mutex_lock_nested(&ep->mtx); /* outer before inner */
	err = ep_table_each(&ep->table, down_item, &d);
	mutex_unlock(&ep->mtx);
	if (err)
		return err;
	ep->visit = checks;
	ep->visit_depth = d.depth + 1;
	return ep->visit_depth;
}

int ep_nest_check(struct eventpoll *ep, struct file *target)
{
	struct nest_check c = {.ep = ep, .target = target->priv};
	int down;

	checks++;
	down = depth_down(c.target, &c);
	if (down < 0)
		return down;
	if (down + depth_up(ep) > EP_MAX_DEPTH)
		return -ELOOP;
	checks++;
	c.count = true;
	down = depth_down(c.target, &c);
	return down < 0 ? down : 0;
}
