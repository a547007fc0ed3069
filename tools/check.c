/*
 * heddle humfs check: do data and metadata agree?
 *
 * Data decides what is there. Its metadata may be missing, malformed, of another type, or not
 * shared as the data's names share it: that is damage. What no data belongs to is left over from
 * operations that were cut off; so is a rename in the journal, which is completed. The kernel is
 * killed without damage, see docs/filesystems.md.
 */
#include "tools/humfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <sys/xattr.h>

/* As fsck(8) has it. */
#define STATUS_REPAIRED 1
#define STATUS_LEFT 4

/* Numbers of inodes to what was found with them first; open addressing, key 0 is none. */
struct table {
	struct entry {
		ino_t key, value;
		char *path; /* owned */
	} * entries;
	size_t n, room; /* room is a power of two */
};

struct check {
	struct humfs h;
	bool repair, quiet;
	u64 files, used;
	u64 damaged, leftover, unrepaired;
	struct table by_data; /* data with several names: its metadata, its first name */
	struct table by_meta; /* metadata with several names: its data */
};

static void say(struct check *c, const char *path, const char *what, int err)
{
	if (err)
		c->unrepaired++;
	if (err)
		complain("%s: %s: not repaired: %s", *path ? path : "/", what, strerror(-err));
	else if (!c->quiet) {
		print_escaped(stdout, *path ? path : "/");
		printf(": %s%s\n", what, c->repair ? ": repaired" : "");
	}
}

static void damage(struct check *c, const char *path, const char *what, int err)
{
	c->damaged++;
	say(c, path, what, err);
}

static void leftover(struct check *c, const char *path, const char *what, int err)
{
	c->leftover++;
	say(c, path, what, err);
}

/* ---- hard links ---- */

static struct entry *slot_of(const struct table *t, ino_t key)
{
	size_t i = key * 0x9e3779b97f4a7c15ULL >> 20;

	for (i &= t->room - 1; t->entries[i].key && t->entries[i].key != key;
	     i = (i + 1) & (t->room - 1))
		;
	return &t->entries[i];
}

static void table_grow(struct table *t)
{
	struct table old = *t;

	t->room = old.room ? old.room * 2 : 256;
	t->entries = calloc(t->room, sizeof(*t->entries));
	if (!t->entries)
		die("out of memory");
	for (size_t i = 0; i < old.room; i++)
		if (old.entries[i].key)
			*slot_of(t, old.entries[i].key) = old.entries[i];
	free(old.entries);
}

static void table_free(struct table *t)
{
	for (size_t i = 0; i < t->room; i++)
		free(t->entries[i].path);
	free(t->entries);
}

/* What was found with the key first: now, if it wasn't there. */
static const struct entry *table_first(struct table *t, ino_t key, ino_t value, const char *path)
{
	struct entry *e;

	if (t->n * 2 >= t->room)
		table_grow(t);
	e = slot_of(t, key);
	if (!e->key) {
		*e = (struct entry){key, value, xstrdup(path)};
		t->n++;
	}
	return e;
}

/* ---- one file ---- */

static struct humfs_meta default_meta(const struct stat *data)
{
	u32 mode = S_ISLNK(data->st_mode) ? S_IFLNK | 0777 : data->st_mode & (S_IFMT | 0777);

	return humfs_meta_of(mode, 0, 0, data->st_rdev);
}

/* Metadata for itself alone, not shared any more. */
static int copy_meta(struct check *c, int fmeta, const char *name)
{
	struct humfs_meta m;
	int err = meta_read(fmeta, name, &m);

	return err ? err : meta_write(c->h.base, fmeta, name, &m);
}

/* Names of one file share its metadata, and nobody else does. True: it is the file's first name. */
static bool check_links(struct check *c, int fmeta, const char *name, const char *path,
			const struct stat *data)
{
	const struct entry *e;
	struct stat meta;
	int err = fstatat(fmeta, name, &meta, AT_SYMLINK_NOFOLLOW);

	if (!err && meta.st_nlink > 1) {
		e = table_first(&c->by_meta, meta.st_ino, data->st_ino, path);
		if (e->value != data->st_ino) {
			err = c->repair ? copy_meta(c, fmeta, name) : 0;
			damage(c, path, "its metadata is another file's too", err);
			err = fstatat(fmeta, name, &meta, AT_SYMLINK_NOFOLLOW);
		}
	}
	if (data->st_nlink == 1)
		return true;
	e = table_first(&c->by_data, data->st_ino, err ? 0 : meta.st_ino, path);
	if (!strcmp(e->path, path))
		return true;
	if (!err && e->value != meta.st_ino)
		damage(c, path, "its metadata is not that of its other names",
		       c->repair ? meta_link(c->h.base, c->h.fmeta, e->path, fmeta, name) : 0);
	return false;
}

/* What has our prefix must be something else with it. link: the file, or a link to it. */
static void check_xattrs(struct check *c, const char *link, const char *path, bool follow)
{
	char names[65536];
	ssize_t n = follow ? listxattr(link, names, sizeof(names))
			   : llistxattr(link, names, sizeof(names));

	for (char *p = names; n > 0 && p < names + n; p += strlen(p) + 1) {
		int err = 0;

		if (strncmp(p, HUMFS_XATTR, strlen(HUMFS_XATTR)) || humfs_xattr_of_host(p))
			continue;
		if (c->repair && (follow ? removexattr(link, p) : lremovexattr(link, p)) < 0)
			err = -errno;
		leftover(c, path, "it has an extended attribute that means nothing", err);
	}
}

static void check_file(void *arg, const struct humfs_level *l, const char *name, const char *path,
		       const struct stat *data)
{
	struct check *c = arg;
	struct humfs_meta m;
	int fmeta = l->fmeta, err = meta_read(fmeta, name, &m);
	char *link;
	u32 mode;

	if (!err)
		err = humfs_meta_mode(&m, data->st_mode, &mode);
	if (err) {
		m = default_meta(data);
		damage(c, path, "its metadata is missing or malformed",
		       c->repair ? meta_write(c->h.base, fmeta, name, &m) : 0);
	}
	link = xasprintf("/proc/self/fd/%d/%s", l->data, name);
	check_xattrs(c, link, path, false);
	free(link);
	c->files++;
	if (check_links(c, fmeta, name, path, data) && S_ISREG(data->st_mode))
		c->used += data->st_size;
}

/* ---- directories ---- */

/* A directory that has to be there. The descriptor, or -errno. */
static int need_dir(struct check *c, int dirfd, const char *name, const char *path)
{
	int fd = open_dir(dirfd, name), err = 0;

	if (fd >= 0)
		return fd;
	if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
		return -errno;
	if (!c->repair) {
		damage(c, path, "its directory of metadata is missing", 0);
		return -ENOENT;
	}
	err = remove_tree(dirfd, name);
	if (!err && mkdirat(dirfd, name, 0777) < 0)
		err = -errno;
	if (!err)
		fd = open_dir(dirfd, name);
	damage(c, path, "its directory of metadata is missing", err);
	return err ? err : fd;
}

static void check_own_meta(struct check *c, int dmeta, const char *path, const struct stat *data)
{
	struct humfs_meta m;
	int err = meta_read(dmeta, HUMFS_DIR_FILE, &m);
	u32 mode;

	if (!err)
		err = humfs_meta_mode(&m, data->st_mode, &mode);
	if (!err)
		return;
	m = default_meta(data);
	err = c->repair ? meta_write(c->h.base, dmeta, HUMFS_DIR_FILE, &m) : 0;
	damage(c, path, "its metadata is missing or malformed", err);
}

/* What no data belongs to. */
static void check_orphans(struct check *c, struct humfs_level *l, const char *in)
{
	struct names n = names_of(l->fmeta, in);
	struct stat st;
	char *path;

	for (size_t i = 0; i < n.n; i++) {
		if (fstatat(l->data, n.name[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		path = join(in, n.name[i]);
		leftover(c, path, "metadata without data",
			 c->repair ? remove_tree(l->fmeta, n.name[i]) : 0);
		free(path);
	}
	names_free(&n);
	n = names_of(l->dmeta, in);
	for (size_t i = 0; i < n.n; i++) {
		char *dname;

		if (!strcmp(n.name[i], HUMFS_DIR_FILE))
			continue;
		dname = xstrdup(n.name[i]);
		humfs_dir_name_back(dname);
		if (fstatat(l->data, dname, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)) {
			path = join(in, dname);
			leftover(c, path, "metadata of a directory that isn't there",
				 c->repair ? remove_tree(l->dmeta, n.name[i]) : 0);
			free(path);
		}
		free(dname);
	}
	names_free(&n);
}

/* Takes the descriptors. */
static struct humfs_level *enter(struct check *c, struct humfs_level *up, int data, int fmeta,
				 int dmeta, const char *path)
{
	struct humfs_level *l = level_new(up, data, fmeta, dmeta, path);
	struct stat st;
	char *link;

	if (fstat(data, &st) < 0)
		die("%s: %m", path);
	check_own_meta(c, dmeta, path, &st);
	link = xasprintf("/proc/self/fd/%d", data);
	check_xattrs(c, link, path, true);
	free(link);
	check_orphans(c, l, path);
	l->names = names_of(data, path);
	return l;
}

/* Into a subdirectory; l again, if its metadata can't be walked. */
static struct humfs_level *enter_sub(void *arg, struct humfs_level *l, const char *name,
				     const char *path)
{
	struct check *c = arg;
	char dname[NAME_MAX + 1];
	int data = open_dir(l->data, name), fmeta = -1, dmeta = -1;

	if (data < 0)
		die("%s: %m", path);
	c->files++;
	if (humfs_dir_name(name, dname) == 0) {
		fmeta = need_dir(c, l->fmeta, name, path);
		dmeta = need_dir(c, l->dmeta, dname, path);
	} else {
		damage(c, path, "its name is too long for a directory", -ENAMETOOLONG);
	}
	if (fmeta >= 0 && dmeta >= 0)
		return enter(c, l, data, fmeta, dmeta, path);
	close(data);
	if (fmeta >= 0)
		close(fmeta);
	if (dmeta >= 0)
		close(dmeta);
	return l;
}

static void check_tree(struct check *c)
{
	static const struct walker walker = {enter_sub, check_file};

	walk_tree(enter(c, NULL, dup(c->h.data), dup(c->h.fmeta), dup(c->h.dmeta), ""), &walker, c);
}

/* ---- the journal ---- */

/* The directory of a path below top, and the last name. -1 and errno. */
static int open_parent(int top, const char *path, const char **name, bool dir_names)
{
	char part[NAME_MAX + 1], dname[NAME_MAX + 1];
	int fd = dup(top), next;
	const char *slash;

	for (; fd >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
		if (slash == path || slash - path > NAME_MAX) {
			close(fd);
			errno = EUCLEAN;
			return -1;
		}
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		next = -1;
		if (!dir_names)
			next = open_dir(fd, part);
		else if (humfs_dir_name(part, dname) == 0)
			next = open_dir(fd, dname);
		close(fd);
		fd = next;
	}
	*name = path;
	return fd;
}

struct spot {
	int dir;
	const char *name;
	char buf[NAME_MAX + 1];
};

static void find_spot(struct spot *s, int top, const char *path, bool dir_names)
{
	s->dir = open_parent(top, path, &s->name, dir_names);
	if (s->dir >= 0 && dir_names) {
		if (humfs_dir_name(s->name, s->buf) == 0)
			s->name = s->buf;
		else
			s->dir = -1;
	}
}

static void spot_close(struct spot *s)
{
	if (s->dir >= 0)
		close(s->dir);
}

static u64 number_at(const struct spot *s)
{
	struct stat st;

	return fstatat(s->dir, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_ino : 0;
}

/* What is in the new place means nothing. */
static int move_over(const struct spot *from, const struct spot *to)
{
	int err;

	if (!number_at(from))
		return 0; /* it has gone already */
	err = remove_tree(to->dir, to->name);
	return err ? err : renameat(from->dir, from->name, to->dir, to->name) ? -errno : 0;
}

static int exchange(const struct spot *from, const struct spot *to)
{
	return renameat2(from->dir, from->name, to->dir, to->name, RENAME_EXCHANGE) ? -errno : 0;
}

static int follow_in_files(const struct humfs_rename *r, const struct spot *from,
			   const struct spot *to)
{
	if (!r->exchange)
		return move_over(from, to);
	return number_at(to) == r->meta ? 0 : exchange(from, to);
}

static int follow_in_dirs(const struct humfs_rename *r, bool is_dir, const struct spot *from,
			  const struct spot *to)
{
	if (!r->exchange)
		return is_dir ? move_over(from, to) : 0;
	if (r->from_dir && r->to_dir)
		return number_at(to) == r->from_dir ? 0 : exchange(from, to);
	if (r->from_dir)
		return number_at(to) == r->from_dir ? 0 : move_over(from, to);
	return !r->to_dir || number_at(from) == r->to_dir ? 0 : move_over(to, from);
}

/* In one tree of metadata. */
static int complete_in(int top, bool dir_names, const struct humfs_rename *r, bool is_dir)
{
	struct spot from, to;
	int err = -EUCLEAN;

	find_spot(&from, top, r->from, dir_names);
	find_spot(&to, top, r->to, dir_names);
	if (from.dir >= 0 && to.dir >= 0)
		err = dir_names ? follow_in_dirs(r, is_dir, &from, &to)
				: follow_in_files(r, &from, &to);
	spot_close(&from);
	spot_close(&to);
	return err;
}

/* The data has been renamed: so is the metadata, as far as it isn't yet. */
static int complete_rename(struct check *c, const struct humfs_rename *r, bool is_dir)
{
	int err = complete_in(c->h.fmeta, false, r, is_dir);

	return err ? err : complete_in(c->h.dmeta, true, r, is_dir);
}

static bool data_stat(struct check *c, const char *path, struct stat *st)
{
	struct spot s;
	bool there;

	find_spot(&s, c->h.data, path, false);
	there = s.dir >= 0 && fstatat(s.dir, s.name, st, AT_SYMLINK_NOFOLLOW) == 0;
	spot_close(&s);
	return there;
}

static void check_journal(struct check *c)
{
	int fd = openat(c->h.base, HUMFS_JOURNAL, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char *text = xmalloc(HUMFS_JOURNAL_MAX + 1);
	ssize_t n = fd < 0 ? -1 : read(fd, text, HUMFS_JOURNAL_MAX);
	struct humfs_rename r;
	struct stat st;

	if (n < 0)
		die("%s: %s: %m", c->h.dir, HUMFS_JOURNAL);
	close(fd);
	text[n] = '\0';
	if (humfs_journal_parse(text, n, &r) && data_stat(c, r.to, &st) && st.st_ino == r.ino)
		leftover(c, r.to, "its rename was cut off",
			 c->repair ? complete_rename(c, &r, S_ISDIR(st.st_mode)) : 0);
	free(text);
}

static void check_used(struct check *c)
{
	char *what;

	if (c->used == c->h.super.used)
		return;
	what = xasprintf("used is %lu, not %lu", c->used, c->h.super.used);
	if (c->h.unclean) {
		if (!c->quiet)
			printf("%s\n", what); /* as it has to be */
	} else {
		leftover(c, HUMFS_SUPERBLOCK, what, 0);
	}
	free(what);
	c->h.super.used = c->used;
}

int humfs_check(int argc, char **argv)
{
	struct check c = {0};
	const char *dir = NULL;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--repair"))
			c.repair = true;
		else if (!strcmp(argv[i], "--quiet"))
			c.quiet = true;
		else if (!dir && argv[i][0] != '-')
			dir = argv[i];
		else
			die("%s: use heddle humfs check DIR [--repair] [--quiet]", argv[i]);
	}
	if (!dir)
		die("use heddle humfs check DIR [--repair] [--quiet]");
	humfs_open(&c.h, dir, c.repair);
	if (c.repair)
		humfs_begin(&c.h);
	if (c.h.unclean)
		check_journal(&c);
	check_tree(&c);
	table_free(&c.by_data);
	table_free(&c.by_meta);
	check_used(&c);
	if (c.repair && !c.unrepaired)
		humfs_finish(&c.h);
	if (!c.quiet)
		printf("%s: %lu files, %s used of %s; damaged: %lu, left over: %lu%s\n", dir,
		       c.files, show_size(c.used), show_size(c.h.super.total), c.damaged,
		       c.leftover, c.h.unclean ? "; its last use was cut off" : "");
	if (c.unrepaired || (!c.repair && (c.damaged || c.leftover || c.h.unclean)))
		return STATUS_LEFT;
	return c.damaged || c.leftover || c.h.unclean ? STATUS_REPAIRED : 0;
}
