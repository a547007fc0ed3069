/*
 * Not every host file system can tell whether an access would wait for a disk (RWF_NOWAIT). One
 * that can't is asked once in each directory, not once for each handle. O_DIRECT is another
 * question: ext4 answers that one about writes, too.
 */
#include "fh/handle.h"

#include "fs.h"
#include "os/hostfile.h"

static bool asks_as_others(const struct fh *h)
{
	return !(h->flags & O_DIRECT);
}

static void cant_tell(struct fh *h, bool write)
{
	store_relaxed(write ? &h->no_nowait_write : &h->no_nowait, true);
}

/* Not if another one is mounted on the file. */
static bool on_same_fs(int fd, struct fh *dir)
{
	struct kstat file, in;
	int dirfd = get_fh(dir);
	bool same;

	if (dirfd < 0)
		return false;
	same = !host_fstat(fd, &file) && !host_fstat(dirfd, &in) && file.dev == in.dev;
	put_fh(dir);
	return same;
}

void handle_cant_tell(struct fh *h, bool write)
{
	struct fh_place *p = asks_as_others(h) ? handle_place(h) : NULL;

	cant_tell(h, write);
	if (p && on_same_fs(h->fd, p->dir))
		cant_tell(p->dir, write);
	fh_place_put(p);
}

/* A hint: a file system that is mounted on the file is not looked for. */
void handle_read_was(struct fh *h, bool slow)
{
	struct fh_place *p;

	if (load_relaxed(&h->slow_read) == slow)
		return;
	store_relaxed(&h->slow_read, slow);
	p = asks_as_others(h) ? handle_place(h) : NULL;
	if (p)
		store_relaxed(&p->dir->slow_read, slow);
	fh_place_put(p);
}

void handle_learn(struct fh *h, const struct fh *dir)
{
	if (!asks_as_others(h))
		return;
	h->no_nowait = load_relaxed(&dir->no_nowait);
	h->slow_read = load_relaxed(&dir->slow_read);
	h->no_nowait_write = load_relaxed(&dir->no_nowait_write);
}
