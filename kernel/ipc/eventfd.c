/* Event descriptors: a 64-bit counter that is added to by write and taken by read. */
#include "alloc.h"
#include "fs.h"
#include "syscalls.h"
#include "task.h"
#include <stdio.h>
#include <sys/eventfd.h>

#define EVENTFD_MAX (UINT64_MAX - 1)

/*
 * l lock   c constant
 */
struct eventfd {
	struct spinlock lock;	   /* rank MISC */
	u64 count;		   /* l; atomic reads */
	bool semaphore;		   /* c */
	u32 id;			   /* c: for fdinfo */
	struct wait_queue rd_wait; /* count > 0 */
	struct wait_queue wr_wait; /* room */
};

static u32 next_id; /* atomic */

static u64 count_now(const struct eventfd *e)
{
	return load_acquire(&e->count);
}

/* Takes what a read gets into *value. False: nothing there. */
static bool eventfd_take(struct eventfd *e, u64 *value)
{
	bool ok;

	spin_lock(&e->lock);
	ok = e->count > 0;
	*value = e->semaphore ? 1 : e->count;
	if (ok)
		store_release(&e->count, e->count - *value);
	spin_unlock(&e->lock);
	return ok;
}

static bool eventfd_add(struct eventfd *e, u64 value)
{
	bool ok;

	spin_lock(&e->lock);
	ok = EVENTFD_MAX - e->count >= value;
	if (ok)
		store_release(&e->count, e->count + value);
	spin_unlock(&e->lock);
	return ok;
}

static ssize_t evfd_read(struct file *f, struct iov_iter *to, u64 *pos)
{
	struct eventfd *e = f->priv;
	u64 value;

	if (iov_iter_count(to) < sizeof(value))
		return -EINVAL;
	while (!eventfd_take(e, &value)) {
		int err;

		if (file_nonblock(f))
			return -EAGAIN;
		err = wait_event_expr(&e->rd_wait, count_now(e) > 0, NULL);
		if (err)
			return err;
	}
	wake_up_poll(&e->wr_wait, POLLOUT);
	if (copy_to_iter(&value, sizeof(value), to) != sizeof(value))
		return -EFAULT;
	return sizeof(value);
}

static ssize_t evfd_write(struct file *f, struct iov_iter *from, u64 *pos)
{
	struct eventfd *e = f->priv;
	u64 value;

	if (iov_iter_count(from) < sizeof(value))
		return -EINVAL;
	if (copy_from_iter(&value, sizeof(value), from) != sizeof(value))
		return -EFAULT;
	if (value == UINT64_MAX)
		return -EINVAL;
	while (!eventfd_add(e, value)) {
		int err;

		if (file_nonblock(f))
			return -EAGAIN;
		err = wait_event_expr(&e->wr_wait, EVENTFD_MAX - count_now(e) >= value, NULL);
		if (err)
			return err;
	}
	wake_up_poll(&e->rd_wait, POLLIN);
	return sizeof(value);
}

static u32 eventfd_poll(struct file *f, struct poll_table *pt)
{
	struct eventfd *e = f->priv;
	u64 count;
	u32 events = 0;

	if (pt && pt->queue) {
		poll_wait(pt, &e->rd_wait);
		poll_wait(pt, &e->wr_wait);
	}
	count = count_now(e);
	if (count > 0)
		events |= POLLIN;
	if (count < EVENTFD_MAX)
		events |= POLLOUT;
	return events;
}

static void eventfd_release(struct file *f)
{
	kfree(f->priv);
}

static void eventfd_fdinfo(struct file *f, char *buf, size_t size)
{
	struct eventfd *e = f->priv;

	snprintf(buf, size, "eventfd-count: %16llx\neventfd-id: %u\neventfd-semaphore: %d\n",
		 (unsigned long long)count_now(e), e->id, e->semaphore);
}

static const struct file_operations eventfd_ops = {
	.read = evfd_read,
	.write = evfd_write,
	.llseek = noop_llseek,
	.poll = eventfd_poll,
	.release = eventfd_release,
	.show_fdinfo = eventfd_fdinfo,
};

long sys_eventfd2(unsigned int count, int flags)
{
	struct eventfd *e;
	struct file *f;

	if (flags & ~(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK))
		return -EINVAL;
	e = kzalloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	spin_init(&e->lock, "eventfd", RANK_MISC);
	wait_queue_init(&e->rd_wait);
	wait_queue_init(&e->wr_wait);
	e->count = count;
	e->semaphore = flags & EFD_SEMAPHORE;
	e->id = __atomic_fetch_add(&next_id, 1, __ATOMIC_RELAXED);
	f = file_open_anon("anon_inode:[eventfd]", &eventfd_ops, e,
			   O_RDWR | (flags & EFD_NONBLOCK));
	if (IS_ERR(f))
		kfree(e);
	return fd_add(f, flags & EFD_CLOEXEC);
}

long sys_eventfd(unsigned int count)
{
	return sys_eventfd2(count, 0);
}
