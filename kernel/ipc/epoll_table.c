/* The items of an eventpoll, by file and descriptor. */
#include "alloc.h"
#include "epoll_priv.h"

#define MIN_BUCKETS 8u

static u32 hash_of(const struct file *file, int fd)
{
	u64 h = ((u64)(uintptr_t)file >> 6) + (u64)(u32)fd * 0x9e3779b97f4a7c15ULL;

	return (u32)((h * 0x9e3779b97f4a7c15ULL) >> 32);
}

static struct cds_list_head *bucket_of(const struct ep_table *t, const struct file *file, int fd)
{
	return &t->buckets[hash_of(file, fd) & (t->nr_buckets - 1)];
}

static int grow(struct ep_table *t)
{
	struct ep_table bigger = {.nr_buckets = t->nr_buckets ? t->nr_buckets * 4 : MIN_BUCKETS};
	struct epitem *epi, *tmp;

	bigger.buckets = kmalloc(bigger.nr_buckets * sizeof(*bigger.buckets));
	if (!bigger.buckets)
		return -ENOMEM;
	for (u32 i = 0; i < bigger.nr_buckets; i++)
		CDS_INIT_LIST_HEAD(&bigger.buckets[i]);
	for (u32 i = 0; i < t->nr_buckets; i++)
		cds_list_for_each_entry_safe(epi, tmp, &t->buckets[i], hash_link)
			cds_list_move(&epi->hash_link, bucket_of(&bigger, epi->file, epi->fd));
	kfree(t->buckets);
	t->buckets = bigger.buckets;
	t->nr_buckets = bigger.nr_buckets;
	return 0;
}

int ep_table_add(struct ep_table *t, struct epitem *epi)
{
	if (t->nr_items >= 2 * t->nr_buckets && grow(t) && !t->nr_buckets)
		return -ENOMEM; /* without memory to grow a table that is there gets slow, not full
				 */
	cds_list_add(&epi->hash_link, bucket_of(t, epi->file, epi->fd));
	t->nr_items++;
	return 0;
}

struct epitem *ep_table_find(const struct ep_table *t, const struct file *file, int fd)
{
	struct epitem *epi;

	if (!t->nr_items)
		return NULL;
	cds_list_for_each_entry(epi, bucket_of(t, file, fd), hash_link)
		if (epi->file == file && epi->fd == fd)
			return epi;
	return NULL;
}

void ep_table_del(struct ep_table *t, struct epitem *epi)
{
	cds_list_del(&epi->hash_link);
	t->nr_items--;
}

int ep_table_each(const struct ep_table *t, int (*fn)(struct epitem *epi, void *arg), void *arg)
{
	struct epitem *epi, *tmp;
	int r;

	for (u32 i = 0; t->nr_items && i < t->nr_buckets; i++) {
		cds_list_for_each_entry_safe(epi, tmp, &t->buckets[i], hash_link) {
			r = fn(epi, arg);
			if (r)
				return r;
		}
	}
	return 0;
}

void ep_table_destroy(struct ep_table *t)
{
	kfree(t->buckets);
	*t = (struct ep_table){0};
}
