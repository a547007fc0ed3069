/*
 * Path walks.
 *
 * A walk begins with references on nothing but a directory that it was given by descriptor. It
 * enters RCU mode (rcu_enter) and steps from dentry to dentry by the hash, touching no shared
 * memory for writing. When it meets something that has to sleep (a name that isn't cached, a
 * symlink, a file system that wants to be asked) or comes to its end, it leaves RCU mode (unlazy):
 * it takes references on where it stands, unless that has died meanwhile, in which case everything
 * starts again; the third time
 * (`careful`) it takes references at each step, which can't fail for ever, since a pinned
 * directory's names can be loaded anew.
 *
 * Symlinks are not followed recursively: the link's text is put before what remains of the path.
 *
 * A walk holds no lock while it steps; d_lookup_or_load() locks the directory for a miss. Renames
 * don't disturb it: it sees each name either before or after them.
 */
#include "vfs.h"

#define MAX_LINKS 40
#define SCOPED (LOOKUP_BENEATH | LOOKUP_IN_ROOT)

/* ---- RCU mode and references ---- */

static void rcu_enter(struct walk *w)
{
	if (w->rcu)
		return;
	rcu_read_lock();
	w->rcu = true;
}

static void rcu_leave(struct walk *w)
{
	if (!w->rcu)
		return;
	rcu_read_unlock();
	w->rcu = false;
	if (!w->root_held)
		w->root_known = false;
}

static bool path_tryget(const struct path *p)
{
	if (!mnt_tryget(p->mnt))
		return false;
	if (d_tryget(p->dentry))
		return true;
	rcu_read_unlock(); /* mnt_put() may sleep; the walk is over anyway */
	mnt_put(p->mnt);
	rcu_read_lock();
	return false;
}

/*
 * Leaves RCU mode with references on cur (and on root, where it matters where the root was).
 * -EWALKAGAIN.
 */
static int unlazy(struct walk *w)
{
	struct path old = w->held;

	if (!w->rcu)
		return 0;
	if (w->root_known && !w->root_held) {
		if (!path_tryget(&w->root)) {
			rcu_leave(w);
			return -EWALKAGAIN;
		}
		w->root_held = true;
	}
	if (w->cur.dentry == old.dentry && w->cur.mnt == old.mnt) {
		rcu_leave(w);
		return 0;
	}
	if (!path_tryget(&w->cur)) {
		rcu_leave(w);
		return -EWALKAGAIN;
	}
	w->held = w->cur;
	rcu_leave(w);
	path_put(&old);
	return 0;
}

/* What current's fs context says; in RCU mode without references. */
static void peek_fs(struct walk *w, struct path *out, bool root)
{
	struct task *t = vfs_task();
	struct fs_context *fs = t ? t->fs : NULL;

	rcu_enter(w);
	if (!fs) {
		*out = (struct path){root_mount, root_mount->root};
		return;
	}
	spin_lock(&fs->lock);
	*out = root ? fs->root : fs->pwd;
	spin_unlock(&fs->lock);
}

/* Where ".." and "/" end: w->root. Enters RCU mode. */
static void need_root(struct walk *w)
{
	rcu_enter(w);
	if (w->root_known)
		return;
	peek_fs(w, &w->root, true);
	w->root_known = true;
}

/* ---- steps ---- */

/* Over the mounts on cur. Enters RCU mode if there are any. -EXDEV. */
static int cross_mounts(struct walk *w)
{
	struct mount *m;

	while (load_acquire(&w->cur.dentry->mounted)) {
		rcu_enter(w);
		m = mount_lookup(w->cur.mnt, w->cur.dentry);
		if (!m)
			break;
		if (w->flags & LOOKUP_NO_XDEV)
			return -EXDEV;
		w->cur = (struct path){m, m->root};
	}
	return 0;
}

/* May names be looked up in cur? */
static int may_lookup(struct walk *w)
{
	struct inode *dir = d_inode(w->cur.dentry);
	int err;

	if (!S_ISDIR(dir->mode))
		return -ENOTDIR;
	if (!dir->ops || !dir->ops->permission)
		return generic_permission(dir, MAY_EXEC, w->cred);
	err = unlazy(w);
	return err ? err : dir->ops->permission(dir, MAY_EXEC, w->cred);
}

/*
 * Has `d` been moved out of what a bind mount shows? Then ".." must not lead up there. Under RCU.
 */
static bool escaped(const struct mount *m, const struct dentry *d)
{
	if (!m || m->root == m->sb->root)
		return false;
	while (d != m->root) {
		const struct dentry *up = rcu_dereference(d->parent);

		if (up == d)
			return true;
		d = up;
	}
	return false;
}

static int step_up(struct walk *w)
{
	int err;

	need_root(w);
	for (;;) {
		struct mount_at *at;

		if (w->cur.dentry == w->root.dentry && w->cur.mnt == w->root.mnt) {
			if (w->flags & LOOKUP_BENEATH)
				return -EXDEV;
			break;
		}
		if (!w->cur.mnt || w->cur.dentry != w->cur.mnt->root) {
			if (escaped(w->cur.mnt, w->cur.dentry))
				return -ENOENT;
			w->cur.dentry = rcu_dereference(w->cur.dentry->parent);
			break;
		}
		at = rcu_dereference(w->cur.mnt->at);
		if (!at)
			break;
		if (w->flags & LOOKUP_NO_XDEV)
			return -EXDEV;
		w->cur = (struct path){at->parent, at->point};
	}
	err = cross_mounts(w);
	if (err)
		return err;
	/*
	 * Something was moved while we were below: we can't tell whether that was still below the
	 * root.
	 */
	if (w->flags & SCOPED && (w->rename_seq != __atomic_load_n(&rename_seq, __ATOMIC_SEQ_CST) ||
				  w->mount_seq != __atomic_load_n(&mount_seq, __ATOMIC_SEQ_CST)))
		return -EAGAIN;
	return w->careful ? unlazy(w) : 0;
}

/* Stands at {mnt, d}, whose references are taken over. */
static void land(struct walk *w, struct mount *mnt, struct dentry *d)
{
	struct path old = w->held;

	rcu_leave(w);
	w->held = w->cur = (struct path){mnt, d};
	path_put(&old);
}

/* ---- symlinks ---- */

/* Puts the link's text before the rest of the path. */
static int put_before(struct walk *w, const char *text)
{
	char *buf = kmalloc(strlen(text) + strlen(w->rest) + 1);

	if (!buf)
		return -ENOMEM;
	strcpy(stpcpy(buf, text), w->rest);
	kfree(w->buf);
	w->buf = buf;
	w->rest = buf;
	return 0;
}

static int jump_to_root(struct walk *w)
{
	if (w->flags & LOOKUP_BENEATH)
		return -EXDEV;
	/*
	 * Linux compares with the root only if the walk has met it before: an absolute link on a
	 * relative path is refused.
	 */
	if (w->flags & LOOKUP_NO_XDEV && (!w->root_known || w->root.mnt != w->cur.mnt))
		return -EXDEV;
	need_root(w);
	w->cur = w->root;
	return 0;
}

static int follow_magic(struct walk *w, struct dentry *d)
{
	struct mount *mnt = NULL, *from = w->cur.mnt;
	struct dentry *to = NULL;
	int err = -ELOOP;

	if (!(w->flags & LOOKUP_NO_MAGICLINKS))
		err = d->inode->ops->follow(d->inode, &mnt, &to);
	d_put(d);
	if (err)
		return err;
	land(w, mnt, to);
	if (w->flags & SCOPED || (w->flags & LOOKUP_NO_XDEV && mnt != from))
		return -EXDEV;
	return 0;
}

static int follow_text(struct walk *w, struct dentry *d)
{
	char *text = ERR_PTR(-EINVAL);
	int err;

	if (d->inode->ops->readlink)
		text = d->inode->ops->readlink(d->inode);
	d_put(d);
	if (IS_ERR(text))
		return PTR_ERR(text);
	err = *text ? put_before(w, text) : -ENOENT;
	if (!err && *text == '/')
		err = jump_to_root(w);
	kfree(text);
	return err;
}

/*
 * cur, referenced, is the directory of the link d (+1, taken over). Afterwards it is where the rest
 * of the path begins.
 */
static int follow_link(struct walk *w, struct dentry *d)
{
	struct path link = {w->cur.mnt, d};

	if (w->flags & LOOKUP_NO_SYMLINKS || ++w->links > MAX_LINKS) {
		d_put(d);
		return -ELOOP;
	}
	path_accessed(&link);
	return d->inode->ops->follow ? follow_magic(w, d) : follow_text(w, d);
}

/* Steps from the directory cur, referenced, into d (+1, taken over). 0 or 1: see walk_enter(). */
static int step_into(struct walk *w, struct dentry *d, bool follow)
{
	struct inode *inode = d_inode(d);
	int err;

	if (!inode) {
		d_put(d);
		return -ENOENT;
	}
	if (S_ISLNK(inode->mode) && follow) {
		err = follow_link(w, d);
		return err ? err : 1;
	}
	land(w, mnt_get(w->cur.mnt), d);
	return cross_mounts(w);
}

/* Steps from cur by name. 0, or 1 if a symlink was followed instead. */
static int step(struct walk *w, const char *name, u32 len, bool follow)
{
	struct dentry *dir = w->cur.dentry, *d;
	struct inode *inode;
	int err;

	rcu_enter(w);
	d = w->careful ? NULL : d_find(dir, name, len);
	if (!d || d_wants_revalidate(dir, d)) {
		err = unlazy(w);
		if (err)
			return err;
		d = d_lookup_or_load(dir, name, len);
		return IS_ERR(d) ? PTR_ERR(d) : step_into(w, d, follow);
	}
	inode = d_inode(d);
	if (!inode)
		return -ENOENT;
	if (S_ISLNK(inode->mode) && follow) {
		if (!d_tryget(d))
			return -EWALKAGAIN;
		err = unlazy(w);
		if (err) {
			d_put(d);
			return err;
		}
		return step_into(w, d, follow);
	}
	w->cur.dentry = d;
	return cross_mounts(w);
}

/* ---- the whole way ---- */

static void walk_init(struct walk *w, const char *name, unsigned flags, const struct cred *cred)
{
	bool careful = w->careful;

	memset(w, 0, sizeof(*w));
	w->careful = careful;
	w->flags = flags;
	w->cred = cred;
	w->rest = name;
	w->mount_seq = __atomic_load_n(&mount_seq, __ATOMIC_SEQ_CST);
	w->rename_seq = __atomic_load_n(&rename_seq, __ATOMIC_SEQ_CST);
}

static int start_at_fd(struct walk *w, int dfd)
{
	struct file *f = fd_get_raw(dfd);
	int err = 0;

	if (!f)
		return -EBADF;
	if (*w->rest && !S_ISDIR(f->inode->mode)) {
		err = -ENOTDIR;
	} else {
		w->held = w->cur = f->path;
		path_get(&w->held);
	}
	file_put(f);
	return err;
}

static int walk_start(struct walk *w, int dfd)
{
	int err = 0;

	if (!*w->rest && !(w->flags & LOOKUP_EMPTY))
		return -ENOENT;
	if (*w->rest == '/' && !(w->flags & SCOPED)) {
		need_root(w);
		w->cur = w->root;
		return 0;
	}
	if (*w->rest == '/' && w->flags & LOOKUP_BENEATH)
		return -EXDEV;
	if (dfd == AT_FDCWD) {
		peek_fs(w, &w->cur, false);
		if (w->flags & SCOPED)
			err = unlazy(w);
	} else {
		err = start_at_fd(w, dfd);
	}
	if (!err && w->flags & SCOPED) {
		w->root = w->held;
		path_get(&w->root);
		w->root_known = w->root_held = true;
	}
	return err;
}

void walk_end(struct walk *w)
{
	rcu_leave(w);
	path_put(&w->held);
	if (w->root_held)
		path_put(&w->root);
	kfree(w->buf);
	w->buf = NULL;
}

static enum last_type component_type(const char *name, size_t len)
{
	if (name[0] != '.' || len > 2)
		return LAST_NORM;
	if (len == 1)
		return LAST_DOT;
	return name[1] == '.' ? LAST_DOTDOT : LAST_NORM;
}

/* Walks all but the last component. */
static int to_last(struct walk *w)
{
	for (;;) {
		const char *start = w->rest, *name, *end, *next;
		int err;

		for (name = start; *name == '/'; name++)
			;
		if (!*name) {
			w->last_type = LAST_NONE;
			w->slashes = name != start;
			w->rest = name;
			return 0;
		}
		err = may_lookup(w);
		if (err)
			return err;
		for (end = name; *end && *end != '/'; end++)
			;
		if (end - name > NAME_MAX)
			return -ENAMETOOLONG;
		for (next = end; *next == '/'; next++)
			;
		w->last_type = component_type(name, end - name);
		w->rest = end;
		if (!*next) {
			w->last = name;
			w->last_len = end - name;
			w->slashes = next != end;
			return 0;
		}
		err = 0;
		if (w->last_type == LAST_NORM)
			err = step(w, name, end - name, true);
		else if (w->last_type == LAST_DOTDOT)
			err = step_up(w);
		if (err < 0)
			return err;
	}
}

/* The last component when it is no name. */
static int special(struct walk *w)
{
	int err = w->last_type == LAST_DOTDOT ? step_up(w) : 0;

	if (!err && w->slashes && !S_ISDIR(d_inode(w->cur.dentry)->mode))
		err = -ENOTDIR;
	return err;
}

static int walk_all(struct walk *w, int dfd)
{
	int err = walk_start(w, dfd);

	while (!err) {
		bool follow;

		err = to_last(w);
		if (err)
			break;
		if (w->last_type != LAST_NORM) {
			err = special(w);
			break;
		}
		follow = w->flags & LOOKUP_FOLLOW || w->slashes;
		err = step(w, w->last, w->last_len, follow);
		if (err < 0)
			break;
		if (!err) {
			if (w->slashes && !S_ISDIR(d_inode(w->cur.dentry)->mode))
				err = -ENOTDIR;
			break;
		}
		err = 0; /* a symlink's text is yet to be walked */
	}
	if (!err && w->flags & LOOKUP_DIRECTORY && !S_ISDIR(d_inode(w->cur.dentry)->mode))
		err = -ENOTDIR;
	if (!w->root_held)
		w->root_known = false; /* not needed any more */
	return err ? err : unlazy(w);
}

static int walk_dir(struct walk *w, int dfd)
{
	int err = walk_start(w, dfd);

	if (!err)
		err = to_last(w);
	return err ? err : unlazy(w);
}

/* Runs a walk, again if it must be. Afterwards cur is held, or all is undone. */
static int run(struct walk *w, int (*walk)(struct walk *w, int dfd), int dfd, const char *name,
	       unsigned flags, const struct cred *cred)
{
	int err;

	w->careful = false;
	for (int tries = 0;; tries++) {
		walk_init(w, name, flags, cred);
		err = walk(w, dfd);
		if (!err)
			return 0;
		walk_end(w);
		if (err != -EWALKAGAIN)
			return err;
		w->careful = tries >= 1;
	}
}

int walk_parent(struct walk *w, int dfd, const char *name, unsigned flags, const struct cred *cred)
{
	return run(w, walk_dir, dfd, name, flags, cred);
}

int walk_enter(struct walk *w, struct dentry *d, bool follow)
{
	int err;

	/*
	 * From here on something is held at each step: losing a race means to look again where we
	 * are.
	 */
	w->careful = true;
	err = step_into(w, d, follow || w->slashes);
	if (err == 1) {
		err = to_last(w);
		if (!err)
			err = unlazy(w);
		return err ? err : 1;
	}
	if (!err)
		err = unlazy(w);
	if (!err && w->slashes && !S_ISDIR(d_inode(w->cur.dentry)->mode))
		err = -ENOTDIR;
	return err;
}

int walk_special(struct walk *w)
{
	int err = special(w);

	return err ? err : unlazy(w);
}

int path_lookup_cred(int dfd, const char *name, unsigned flags, const struct cred *cred,
		     struct path *out)
{
	struct walk w;
	int err = run(&w, walk_all, dfd, name, flags, cred);

	if (err)
		return err;
	*out = w.held;
	w.held = (struct path){NULL, NULL};
	walk_end(&w);
	return 0;
}

int path_lookup(int dfd, const char *name, unsigned flags, struct path *out)
{
	return path_lookup_cred(dfd, name, flags, vfs_cred(), out);
}

int user_path_lookup(int dfd, uaddr_t uname, unsigned flags, struct path *out)
{
	char *name = path_from_user(uname);
	int err;

	if (IS_ERR(name))
		return PTR_ERR(name);
	err = path_lookup(dfd, name, flags, out);
	kfree(name);
	return err;
}
