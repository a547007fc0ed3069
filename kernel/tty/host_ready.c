/* Readiness of a host descriptor that several parties wait for. */
#include "console.h"
#include "event.h"
#include <poll.h>

static void fire(void *arg, u32 events)
{
	struct host_ready *r = arg;
	u32 fired;

	/* Trouble concerns everybody. */
	if (events & (POLLERR | POLLHUP))
		events |= POLLIN | POLLOUT;
	spin_lock(&r->lock);
	fired = r->wanted & events;
	r->wanted &= ~fired;
	if (r->wanted)
		event_watch_arm(r->watch, r->wanted);
	spin_unlock(&r->lock);
	if (fired)
		r->fn(r->arg, fired);
}

int host_ready_init(struct host_ready *r, int fd, void (*fn)(void *arg, u32 events), void *arg)
{
	spin_init(&r->lock, "host ready", RANK_MISC);
	r->fn = fn;
	r->arg = arg;
	r->watch = event_watch_add(fd, 0, fire, r);
	if (!IS_ERR(r->watch))
		return 0;
	if (PTR_ERR(r->watch) != -EPERM)
		return PTR_ERR(r->watch);
	r->watch = NULL;
	return 0;
}

bool host_ready_want(struct host_ready *r, u32 events)
{
	if (!r->watch)
		return false;
	spin_lock(&r->lock);
	r->wanted |= events;
	event_watch_arm(r->watch, r->wanted);
	spin_unlock(&r->lock);
	return true;
}
