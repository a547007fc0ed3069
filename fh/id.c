/*
 * What tells one host file from another that took its name: device, inode number and, where the
 * host has it, the time of birth. An overlay of the host, which any container's root is, has one,
 * but that changes when the host copies the file up: when it is first opened for writing, or
 * something in the directory changes first. There it tells nothing.
 */
#include "fh/handle.h"

#include "fs.h"
#include "ktime.h"
#include "os/hostfile.h"

#include <linux/magic.h>
#include <sys/sysmacros.h>

/*
 * Devices that were met by a descriptor. What there is no room for any more counts as no overlay.
 */
static struct {
	dev_t dev;
	bool overlay;
} met[64];
static u32 nr_met; /* a; met_lock to add */
static struct spinlock met_lock = SPINLOCK_INIT("fh devices", RANK_FH);

/* True: it was met, or can't be one. An overlay's devices are of no driver. */
static bool is_known(dev_t dev, bool *overlay)
{
	u32 n = load_acquire(&nr_met);

	*overlay = false;
	if (major(dev))
		return true;
	for (u32 i = 0; i < n; i++)
		if (met[i].dev == dev) {
			*overlay = met[i].overlay;
			return true;
		}
	return false;
}

static void meet(int fd, dev_t dev)
{
	struct kstatfs fs;
	bool overlay;

	if (is_known(dev, &overlay) || host_fstatfs(fd, &fs))
		return;
	spin_lock(&met_lock);
	if (!is_known(dev, &overlay) && nr_met < ARRAY_SIZE(met)) {
		met[nr_met].dev = dev;
		met[nr_met].overlay = fs.type == OVERLAYFS_SUPER_MAGIC;
		store_release(&nr_met, nr_met + 1);
	}
	spin_unlock(&met_lock);
}

struct fh_id fh_id_of(const struct kstat *st)
{
	struct fh_id id = {.dev = st->dev, .ino = st->ino};
	bool overlay;

	(void)is_known(st->dev, &overlay);
	if (st->has_btime && !overlay)
		id.btime_ns = (u64)st->btime.tv_sec * NSEC_PER_SEC + st->btime.tv_nsec;
	return id;
}

/* One of them may be older than what is known of the device. */
bool fh_same_id(const struct fh_id *a, const struct fh_id *b)
{
	return a->dev == b->dev && a->ino == b->ino &&
	       (a->btime_ns == b->btime_ns || !a->btime_ns || !b->btime_ns);
}

int handle_id(int fd, struct fh_id *id)
{
	struct kstat st;
	int err = host_fstat(fd, &st);

	if (err)
		return err;
	meet(fd, st.dev);
	*id = fh_id_of(&st);
	return 0;
}
