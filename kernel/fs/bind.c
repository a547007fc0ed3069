/* Bind mounts: a mount, or a tree of mounts, copied to another place. */
#include "mount.h"

struct copy {
	struct cds_list_head link;
	const struct mount *orig;
	struct mount *copy;
};

static bool is_below(const struct dentry *d, const struct dentry *top)
{
	bool below;

	rcu_read_lock();
	while (d != top && !d_is_root(d))
		d = rcu_dereference(d->parent);
	below = d == top;
	rcu_read_unlock();
	return below;
}

static struct copy *add_copy(struct cds_list_head *copies, const struct mount *orig,
			     struct dentry *root)
{
	struct copy *c = kmalloc(sizeof(*c));

	if (!c)
		return NULL;
	c->orig = orig;
	c->copy = mount_alloc(orig->sb, root, orig->flags);
	if (!c->copy) {
		kfree(c);
		return NULL;
	}
	cds_list_add_tail(&c->link, copies);
	return c;
}

/* Copies what is mounted on the originals of the list, which grows as it goes. */
static int copy_children(struct cds_list_head *copies)
{
	struct copy *c, *child;
	struct mount *m;
	int err;

	cds_list_for_each_entry(c, copies, link) {
		cds_list_for_each_entry(m, &c->orig->children, sibling) {
			struct path at = {c->copy, m->at->point};

			if (!is_below(m->at->point, c->copy->root))
				continue;
			child = add_copy(copies, m, m->root);
			if (!child)
				return -ENOMEM;
			err = mount_attach(child->copy, &at);
			if (err)
				return err;
		}
	}
	return 0;
}

static int bind_locked(struct cds_list_head *copies, const struct path *from, const struct path *to,
		       bool rec)
{
	struct path place = mount_topmost(to);
	struct copy *c;
	int err;

	if (!from->mnt || !mount_is_attached(from->mnt))
		return -EINVAL;
	err = mount_check_place(&place, from->dentry);
	if (err)
		return err;
	c = add_copy(copies, from->mnt, from->dentry);
	if (!c)
		return -ENOMEM;
	if (rec)
		err = copy_children(copies);
	if (!err)
		err = mount_attach(c->copy, &place);
	cds_list_for_each_entry(c, copies, link) {
		if (!err)
			err = mount_list_add(c->copy);
	}
	return err;
}

int mount_bind(const struct path *from, const struct path *to, bool rec)
{
	CDS_LIST_HEAD(copies);
	CDS_LIST_HEAD(gone);
	struct copy *c, *next;
	int err;

	mutex_lock(&mount_mutex);
	err = bind_locked(&copies, from, to, rec);
	if (err && !cds_list_empty(&copies)) {
		/*
		 * The last one may have failed to attach to another copy; the others hang below the
		 * first.
		 */
		c = cds_list_entry(copies.prev, struct copy, link);
		if (c->link.prev != &copies && !c->copy->at)
			mount_take_tree(c->copy, &gone);
		mount_take_tree(cds_list_first_entry(&copies, struct copy, link)->copy, &gone);
	}
	mutex_unlock(&mount_mutex);
	cds_list_for_each_entry_safe(c, next, &copies, link)
		kfree(c);
	mount_put_list(&gone);
	return err;
}
