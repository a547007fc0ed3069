/* mount(2) and umount2(2), and what /proc shows of the mount tree. */
#include "mount.h"

#define MS_MGC_MSK_ 0xffff0000u
#define MS_MGC_VAL_ 0xC0ED0000u
/* Flags of a mount that we keep; MS_SILENT and MS_RELATIME (the default) are accepted besides. */
#define MNT_FLAGS                                                                                  \
	(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_STRICTATIME)
#define MS_IGNORED (MS_SILENT | MS_RELATIME)

static int remount(const struct path *p, u64 flags)
{
	const u64 atime = MS_NOATIME | MS_NODIRATIME | MS_STRICTATIME;
	struct mount *m = p->mnt;
	int err = 0;

	if (flags & ~(u64)(MNT_FLAGS | MS_IGNORED | MS_REMOUNT | MS_BIND))
		return -EINVAL;
	if (!m || p->dentry != m->root)
		return -EINVAL;
	mutex_lock(&mount_mutex);
	if (!(flags & (atime | MS_RELATIME)))
		flags |= m->flags & atime;
	if (flags & MS_RDONLY && load_relaxed(&m->writers))
		err = -EBUSY;
	else
		store_relaxed(&m->flags, flags & MNT_FLAGS);
	mutex_unlock(&mount_mutex);
	return err;
}

static int mount_new(const struct path *p, const char *type_name, const char *source,
		     const char *options, u64 flags)
{
	const struct fs_type *type = fs_type_find(type_name);
	struct super_block *sb;
	int err;

	if (!type)
		return -ENODEV;
	if (!type->user_mountable)
		return -EPERM;
	if (flags & ~(u64)(MNT_FLAGS | MS_IGNORED))
		return -EINVAL;
	sb = type->mount(type, source, options, flags);
	if (IS_ERR(sb))
		return PTR_ERR(sb);
	err = mount_at(p, sb, sb->root, flags & MNT_FLAGS);
	sb_put(sb);
	return err;
}

static int mount_from(const struct path *to, const char *source, u64 flags)
{
	struct path from;
	int err;

	if (!source || !*source)
		return source ? -ENOENT : -EINVAL;
	err = path_lookup(AT_FDCWD, source, LOOKUP_FOLLOW, &from);
	if (err)
		return err;
	/* Other flags of a bind are ignored, as on Linux: they need a remount. */
	if (flags & MS_BIND)
		err = mount_bind(&from, to, flags & MS_REC);
	else
		err = mount_move(&from, to);
	path_put(&from);
	return err;
}

static int do_mount(const struct path *p, const char *source, const char *type, u64 flags,
		    const char *options)
{
	const u64 propagation = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;

	if (flags & MS_REMOUNT)
		return options && *options ? -EINVAL : remount(p, flags);
	if (flags & (MS_BIND | MS_MOVE))
		return mount_from(p, source, flags);
	if (flags & propagation) {
		/*
		 * Every mount is private: that may be asked for, and so may that nothing comes from
		 * it.
		 */
		flags &= ~(u64)(MS_REC | MS_SILENT);
		if ((flags != MS_PRIVATE && flags != MS_SLAVE) || !p->mnt ||
		    p->dentry != p->mnt->root)
			return -EINVAL;
		return 0;
	}
	if (!type)
		return -EINVAL;
	return mount_new(p, type, source, options, flags);
}

/* A string argument that may be NULL; at most a page. *out is kfree'd by the caller. */
static int string_from_user(uaddr_t from, char **out)
{
	char *s;
	ssize_t n;

	*out = NULL;
	if (!from)
		return 0;
	s = kmalloc(PAGE_SIZE);
	if (!s)
		return -ENOMEM;
	n = strncpy_from_user(s, from, PAGE_SIZE);
	if (n < 0) {
		kfree(s);
		return n == -ENAMETOOLONG ? -EINVAL : n;
	}
	*out = s;
	return 0;
}

long sys_mount(uaddr_t source, uaddr_t target, uaddr_t type, unsigned long flags, uaddr_t data)
{
	char *ktype = NULL, *ksource = NULL, *kdata = NULL;
	struct path p;
	int err;

	err = string_from_user(type, &ktype);
	if (!err)
		err = string_from_user(source, &ksource);
	if (!err)
		err = string_from_user(data, &kdata);
	if (!err)
		err = user_path_lookup(AT_FDCWD, target, LOOKUP_FOLLOW, &p);
	if (!err) {
		if ((flags & MS_MGC_MSK_) == MS_MGC_VAL_)
			flags &= ~(unsigned long)MS_MGC_MSK_;
		err = capable(CAP_SYS_ADMIN) ? do_mount(&p, ksource, ktype, flags, kdata) : -EPERM;
		path_put(&p);
	}
	kfree(ktype);
	kfree(ksource);
	kfree(kdata);
	return err;
}

long sys_umount2(uaddr_t target, int flags)
{
	struct path p;
	int err;

	if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
		return -EINVAL;
	if (flags & MNT_EXPIRE) /* not implemented */
		return -EINVAL;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = user_path_lookup(AT_FDCWD, target, flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	err = mount_remove(&p, flags & MNT_DETACH);
	path_put(&p);
	return err;
}

/* ---- /proc ---- */

static void append(char *buf, size_t size, const char *s)
{
	size_t len = strlen(buf);

	snprintf(buf + len, size - len, "%s%s", len ? "," : "", s);
}

static void flags_text(u64 flags, char *buf, size_t size)
{
	static const struct {
		u64 flag;
		const char *name;
	} names[] = {
		{MS_NOSUID, "nosuid"},	 {MS_NODEV, "nodev"},		{MS_NOEXEC, "noexec"},
		{MS_NOATIME, "noatime"}, {MS_NODIRATIME, "nodiratime"},
	};

	snprintf(buf, size, "%s", flags & MS_RDONLY ? "ro" : "rw");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (flags & names[i].flag)
			append(buf, size, names[i].name);
	}
	if (!(flags & (MS_NOATIME | MS_STRICTATIME)))
		append(buf, size, "relatime");
}

struct show {
	char root[PATH_MAX], point[PATH_MAX], mnt_options[128], sb_options[512];
};

/* False if the mount lies outside of what `root` can see. */
static bool describe(struct mount *m, const struct path *root, struct show *s,
		     struct mount_info *mi)
{
	struct path top = {m, m->root}, inside = {NULL, m->root}, sb_root = {NULL, m->sb->root};
	bool reached;

	mi->point = path_name_reach(&top, root, s->point, sizeof(s->point), &reached);
	if (IS_ERR(mi->point) || !reached)
		return false;
	mi->root = path_name_root(&inside, &sb_root, s->root, sizeof(s->root));
	if (IS_ERR(mi->root))
		return false;
	mi->id = m->id;
	mi->parent_id = m->at ? m->at->parent->id : 1;
	mi->dev = m->sb->dev;
	mi->type = m->sb->type->name;
	mi->source = m->sb->source;
	flags_text(m->flags, s->mnt_options, sizeof(s->mnt_options));
	mi->mnt_options = s->mnt_options;
	snprintf(s->sb_options, sizeof(s->sb_options), "%s",
		 m->sb->flags & ST_RDONLY ? "ro" : "rw");
	if (m->sb->ops && m->sb->ops->show_options)
		m->sb->ops->show_options(m->sb, s->sb_options + 2, sizeof(s->sb_options) - 2);
	mi->sb_options = s->sb_options;
	return true;
}

int mounts_for_each(const struct path *root, int (*fn)(const struct mount_info *mi, void *arg),
		    void *arg)
{
	struct show *s = kmalloc(sizeof(*s));
	struct mount_info mi;
	struct mount *m;
	int err = 0;

	if (!s)
		return -ENOMEM;
	/* fn may sleep, but takes no path: it writes into a buffer. */
	mutex_lock(&mount_mutex);
	cds_list_for_each_entry(m, &mount_list, link) {
		if (!describe(m, root, s, &mi))
			continue;
		err = fn(&mi, arg);
		if (err)
			break;
	}
	mutex_unlock(&mount_mutex);
	kfree(s);
	return err;
}
