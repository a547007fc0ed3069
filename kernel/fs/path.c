/* From a path to its name. */
#include "vfs.h"

/* Fills a buffer from its end. */
struct name_buf {
	char *start, *at;
	bool full;
};

static void prepend(struct name_buf *b, const char *s, size_t len)
{
	if ((size_t)(b->at - b->start) < len) {
		b->full = true;
		return;
	}
	b->at -= len;
	memcpy(b->at, s, len);
}

/* Is it a name that nobody finds any more? */
static bool unlinked(const struct dentry *d)
{
	return !d_is_root(d) && !(d_flags(d) & DENTRY_HASHED);
}

/*
 * Names from p up to root (true), or to the top of its tree; not on when the buffer is full. Under
 * RCU.
 */
static bool names_up(struct name_buf *b, struct path p, const struct path *root)
{
	for (;;) {
		const struct dname *dn;
		struct mount_at *at;

		if (p.dentry == root->dentry && p.mnt == root->mnt)
			return true;
		if ((p.mnt && p.dentry == p.mnt->root) ||
		    rcu_dereference(p.dentry->parent) == p.dentry) {
			at = p.mnt ? rcu_dereference(p.mnt->at) : NULL;
			if (!at)
				return false;
			p = (struct path){at->parent, at->point};
			continue;
		}
		dn = rcu_dereference(p.dentry->dn);
		prepend(b, dn->str, dn->len);
		prepend(b, "/", 1);
		if (b->full)
			return true;
		p.dentry = rcu_dereference(p.dentry->parent);
	}
}

char *path_name_reach(const struct path *p, const struct path *root, char *buf, size_t size,
		      bool *reached)
{
	struct name_buf b;
	u32 seq, seq2;
	int tries = 0;

	*reached = false;
	if (p->dentry->flags & DENTRY_DISCONNECTED) {
		size_t len = strlen(p->dentry->name);

		return len < size ? memcpy(buf, p->dentry->name, len + 1) : ERR_PTR(-ENAMETOOLONG);
	}
	do {
		b = (struct name_buf){buf, buf + size, false};
		prepend(&b, "", 1);
		if (unlinked(p->dentry))
			prepend(&b, " (deleted)", 10);
		rcu_read_lock();
		seq = __atomic_load_n(&rename_seq, __ATOMIC_SEQ_CST) & ~1u;
		*reached = names_up(&b, *p, root);
		seq2 = __atomic_load_n(&rename_seq, __ATOMIC_SEQ_CST);
		rcu_read_unlock();
		/* A guest that does nothing but rename can have its mixture. */
	} while (seq != seq2 && ++tries < 100);
	if (!b.full && *b.at != '/')
		prepend(&b, "/", 1);
	return b.full ? ERR_PTR(-ENAMETOOLONG) : b.at;
}

char *path_name_root(const struct path *p, const struct path *root, char *buf, size_t size)
{
	bool reached;

	return path_name_reach(p, root, buf, size, &reached);
}

char *path_name(const struct path *p, char *buf, size_t size)
{
	struct path root;
	char *name;

	fs_get_root(&root);
	name = path_name_root(p, &root, buf, size);
	path_put(&root);
	return name;
}

static long getcwd_into(const struct path *pwd, char *buf, size_t bufsize, uaddr_t ubuf,
			size_t size)
{
	static const char outside[] = "(unreachable)";
	struct path root;
	bool reached;
	char *name;
	size_t len;

	if (unlinked(pwd->dentry))
		return -ENOENT;
	fs_get_root(&root);
	name = path_name_reach(pwd, &root, buf + strlen(outside), bufsize - strlen(outside),
			       &reached);
	path_put(&root);
	if (IS_ERR(name))
		return PTR_ERR(name);
	if (!reached) {
		name -= strlen(outside);
		memcpy(name, outside, strlen(outside));
	}
	len = strlen(name) + 1;
	if (len > PATH_MAX)
		return -ENAMETOOLONG;
	if (len > size)
		return -ERANGE;
	return copy_to_user(ubuf, name, len) ? -EFAULT : (long)len;
}

long sys_getcwd(uaddr_t ubuf, size_t size)
{
	const size_t bufsize = PATH_MAX + 32;
	char *buf = kmalloc(bufsize);
	struct path pwd;
	long ret;

	if (!buf)
		return -ENOMEM;
	fs_get_pwd(&pwd);
	ret = getcwd_into(&pwd, buf, bufsize, ubuf, size);
	path_put(&pwd);
	kfree(buf);
	return ret;
}
