/*
 * Byte ranges: the arithmetic of record locks. Nothing here sleeps or allocates; the caller holds
 * inode->spin.
 */
#include "locks.h"

static bool overlap(const struct file_lock *a, const struct file_lock *b)
{
	return a->start <= b->end && b->start <= a->end;
}

static bool touch(const struct file_lock *a, const struct file_lock *b)
{
	return overlap(a, b) || a->end + 1 == b->start || b->end + 1 == a->start;
}

struct file_lock *range_conflict(struct range_list *list, const struct file_lock *want)
{
	struct file_lock *l;

	cds_list_for_each_entry(l, &list->head, link) {
		if (l->owner != want->owner && overlap(l, want) &&
		    (l->type == F_WRLCK || want->type == F_WRLCK))
			return l;
	}
	return NULL;
}

/* Keeps the list in order of start. */
static void insert(struct range_list *list, struct file_lock *l)
{
	struct file_lock *at;

	cds_list_for_each_entry(at, &list->head, link) {
		if (at->start > l->start)
			break;
	}
	/* Before `at`, which is the list's head at the end. */
	cds_list_add_tail(&l->link, &at->link);
	list->count++;
}

static void take_out(struct range_list *list, struct file_lock *l)
{
	cds_list_del(&l->link);
	list->count--;
}

static struct file_lock *take_spare(struct file_lock *spare[2])
{
	int i = spare[0] ? 0 : 1;
	struct file_lock *l = spare[i];

	spare[i] = NULL;
	return l;
}

/* Cuts the range of `w` out of l, which belongs to the same owner and has another type. */
static void cut(struct range_list *list, struct file_lock *l, const struct file_lock *w,
		struct file_lock *spare[2])
{
	bool left = l->start < w->start;
	bool right = l->end > w->end;

	if (left && right) {
		struct file_lock *tail = take_spare(spare);

		*tail = *l;
		tail->start = w->end + 1;
		l->end = w->start - 1;
		insert(list, tail);
	} else if (left) {
		l->end = w->start - 1;
	} else if (right) {
		take_out(list, l);
		l->start = w->end + 1;
		insert(list, l);
	} else {
		take_out(list, l);
		kfree(l);
	}
}

bool range_apply(struct range_list *list, const struct file_lock *want, struct file_lock *spare[2])
{
	struct file_lock w = *want, *l, *next, *mine;
	bool weaker = false;

	cds_list_for_each_entry_safe(l, next, &list->head, link) {
		if (l->owner != w.owner)
			continue;
		if (l->type == w.type) {
			if (!touch(l, &w))
				continue;
			w.start = min(w.start, l->start);
			w.end = max(w.end, l->end);
			take_out(list, l);
			kfree(l);
		} else if (overlap(l, want)) {
			if (w.type == F_UNLCK || l->type == F_WRLCK)
				weaker = true;
			cut(list, l, want, spare);
		}
	}
	if (w.type != F_UNLCK) {
		mine = take_spare(spare);
		*mine = w;
		insert(list, mine);
	}
	return weaker;
}

bool range_release(struct range_list *list, const void *owner)
{
	struct file_lock *l, *next;
	bool any = false;

	cds_list_for_each_entry_safe(l, next, &list->head, link) {
		if (l->owner != owner)
			continue;
		take_out(list, l);
		kfree(l);
		any = true;
	}
	return any;
}
