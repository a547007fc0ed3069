/*
 * Places in the layers, and copying up.
 *
 * What is copied up is made in work/, with attributes and contents, and then renamed to where it
 * belongs, so that nobody ever finds half of it; its directories first. That goes one at a time,
 * but for the contents of files, which take long: each file has one copier.
 */
#include "kernel/fs/overlaydir/overlaydir.h"

#include "alloc.h"
#include "kernel/fs/layer.h"

#include <string.h>

#define COPY_CHUNK (128 * 1024UL)

struct odir_place *odir_place_new(struct odir_place *parent, const char *name, struct inode *lower,
				  struct inode *upper)
{
	size_t n = strlen(name) + 1;
	struct odir_place *p = kmalloc(sizeof(*p) + n);

	if (!p) {
		if (lower)
			inode_put(lower);
		if (upper)
			inode_put(upper);
		return NULL;
	}
	if (parent)
		__atomic_add_fetch(&parent->refs, 1, __ATOMIC_RELAXED);
	*p = (struct odir_place){.refs = 1, .parent = parent, .lower = lower, .upper = upper};
	mutex_init(&p->filling, "overlay copy of a file", RANK_COPY_FILL);
	memcpy(p->name, name, n);
	return p;
}

/* A loop: a chain of directories may end here. */
void odir_place_put(struct odir_place *p)
{
	struct odir_place *parent;

	while (p && !__atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL)) {
		parent = p->parent;
		if (p->lower)
			inode_put(p->lower);
		if (p->upper)
			inode_put(p->upper);
		kfree(p);
		p = parent;
	}
}

int odir_copy_attrs(struct inode *to, const struct kstat *st)
{
	struct iattr a = {
		.valid = ATTR_UID | ATTR_GID | ATTR_ATIME | ATTR_MTIME,
		.mode = st->mode,
		.uid = st->uid,
		.gid = st->gid,
		.atime = st->atime,
		.mtime = st->mtime,
	};

	if (!S_ISLNK(st->mode))
		a.valid |= ATTR_MODE;
	return upper_setattr(to, &a);
}

static int copy_bytes(struct file *from, struct file *to, u64 upto)
{
	char *buf = kmalloc(COPY_CHUNK);
	struct iov_iter it;
	u64 off = 0, pos;
	ssize_t n = 0, done;

	if (!buf)
		return -ENOMEM;
	while (off < upto) {
		if (layer_copier_dies()) {
			n = -EINTR;
			break;
		}
		off = layer_next_data(from, off); /* holes stay */
		if (off >= upto)
			break;
		n = kernel_read(from, buf, min(COPY_CHUNK, upto - off), off);
		if (n <= 0) /* shorter than it was: the rest is zero */
			break;
		for (ssize_t at = 0; at < n; at += done) {
			iov_iter_kernel(&it, buf + at, n - at);
			pos = off + at;
			done = to->ops->write(to, &it, &pos);
			if (done <= 0) {
				kfree(buf);
				return done ? (int)done : -ENOSPC;
			}
		}
		off += n;
	}
	kfree(buf);
	return n < 0 ? (int)n : 0;
}

static int copy_contents(struct inode *lower, struct inode *to, u64 upto)
{
	struct iattr a = {.valid = ATTR_SIZE, .size = upto};
	struct file *from, *f;
	int err;

	from = layer_open(lower, O_RDONLY);
	if (IS_ERR(from))
		return PTR_ERR(from);
	f = layer_open(to, O_RDWR);
	if (IS_ERR(f)) {
		file_put(from);
		return PTR_ERR(f);
	}
	err = copy_bytes(from, f, upto);
	if (!err)
		err = upper_setattr(to, &a);
	file_put(f);
	file_put(from);
	return err;
}

/* Fills in what was just made in work/. */
static int fill(const struct odir_place *p, struct inode *made, u64 upto)
{
	struct kstat st;
	int err = upper_getattr(p->lower, &st);

	if (!err && S_ISREG(st.mode))
		err = copy_contents(p->lower, made, min(upto, st.size));
	if (!err)
		err = odir_copy_xattrs(p->lower, made);
	return err ? err : odir_copy_attrs(made, &st);
}

static void discard(struct odir_sb *os, const char *tmp, struct inode *made)
{
	if (upper_remove(os->work, tmp, made))
		trace("overlay: left in work", 0, 0);
	inode_put(made);
}

/* In work/, under a name of its own. */
static int make_copy(struct odir_sb *os, const struct odir_place *p, u64 upto,
		     char tmp[TMP_NAME_MAX], struct inode **made)
{
	char *target = NULL;
	int err;

	odir_tmp_name(os, tmp);
	if (S_ISLNK(p->lower->mode)) {
		target = p->lower->ops->readlink(p->lower);
		if (IS_ERR(target))
			return PTR_ERR(target);
	}
	err = upper_make(os->work, tmp, p->lower->mode, p->lower->rdev, target, made);
	kfree(target);
	if (err)
		return err;
	err = fill(p, *made, upto);
	if (err)
		discard(os, tmp, *made);
	return err;
}

/* The copy comes to where it belongs, or goes. copy_up is held. */
static int put_in_place(struct odir_sb *os, struct odir_place *p, const char *tmp,
			struct inode *made)
{
	int err;

	if (p->gone)
		err = upper_remove(os->work, tmp, made);
	else
		err = upper_rename(os->work, tmp, made, place_upper(p->parent), p->name, NULL, 0);
	if (err) {
		discard(os, tmp, made);
		return err;
	}
	store_release(&p->upper, made);
	odir_now_upper(os, p);
	return 0;
}

/* All but a regular file. copy_up is held. */
static int copy_one(struct odir_sb *os, struct odir_place *p)
{
	struct inode *made = NULL;
	char tmp[TMP_NAME_MAX];
	int err;

	if (p->gone)
		return -ESTALE; /* without a name only an open file remains what it is */
	err = make_copy(os, p, 0, tmp, &made);
	return err ? err : put_in_place(os, p, tmp, made);
}

/* Those that p is in, unless it is in none any more. copy_up is held. */
static int copy_parents(struct odir_sb *os, struct odir_place *p)
{
	struct odir_place *next;
	int err = 0;

	while (!err && !p->gone && !place_upper(p->parent)) {
		for (next = p->parent; !next->gone && !place_upper(next->parent);
		     next = next->parent)
			;
		err = copy_one(os, next);
	}
	return err;
}

/* Its one copier, or behind that one. What happens to the name meanwhile is seen at the end. */
static int copy_file(struct odir_sb *os, struct odir_place *p, u64 upto)
{
	struct inode *made = NULL;
	char tmp[TMP_NAME_MAX];
	int err = mutex_lock_killable(&p->filling);

	if (err)
		return err;
	if (place_upper(p))
		goto out;
	mutex_lock(&os->copy_up);
	err = copy_parents(os, p);
	mutex_unlock(&os->copy_up);
	if (!err)
		err = make_copy(os, p, upto, tmp, &made);
	if (err)
		goto out;
	mutex_lock(&os->copy_up);
	err = put_in_place(os, p, tmp, made);
	mutex_unlock(&os->copy_up);
out:
	mutex_unlock(&p->filling);
	return err;
}

struct inode *odir_copy_up(struct inode *inode, u64 upto)
{
	struct odir_sb *os = odir_sb(inode->sb);
	struct odir_place *p = odir_i(inode)->place;
	int err;

	if (place_upper(p))
		return place_upper(p);
	if (S_ISREG(inode->mode)) {
		err = copy_file(os, p, upto);
	} else {
		mutex_lock(&os->copy_up);
		err = copy_parents(os, p);
		if (!err && !place_upper(p))
			err = copy_one(os, p);
		mutex_unlock(&os->copy_up);
	}
	return err ? ERR_PTR(err) : place_upper(p);
}

bool odir_removal_begin(struct inode *inode)
{
	if (odir_upper(inode))
		return false;
	mutex_lock(&odir_sb(inode->sb)->copy_up);
	return true;
}

void odir_removal_end(struct inode *inode, bool held, bool gone)
{
	if (!held)
		return;
	if (gone)
		store_release(&odir_i(inode)->place->gone, true);
	mutex_unlock(&odir_sb(inode->sb)->copy_up);
}
