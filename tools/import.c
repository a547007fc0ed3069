/* heddle humfs import: adds what is in a tar archive. */
#include "tools/humfs.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/* A directory, open in all three trees. */
struct where {
	int data, fmeta, dmeta;
};

struct dir_time {
	char *path;
	struct timespec mtime;
};

struct import {
	struct humfs h;
	struct archive *a;
	struct progress bar;
	char *parent; /* path of the directory that `at` is; NULL: none */
	struct where at;
	struct dir_time *times; /* set at the end, when nothing is made in them any more */
	size_t ntimes, times_room;
	u64 refused;
};

static void refuse(struct import *im, const char *path, const char *why)
{
	im->refused++;
	complain("%s: skipped: %s", path, why);
}

/* ---- paths ---- */

/*
 * Without ./ and / in front, double and final slashes; NULL: it has "..", which nobody needs. Fresh
 * memory; "" is the root.
 */
static char *clean_path(const char *p)
{
	char *out = xmalloc(strlen(p) + 1), *o = out;
	size_t n;

	for (; *p; p += n) {
		while (*p == '/')
			p++;
		n = strcspn(p, "/");
		if (!n || (n == 1 && *p == '.'))
			continue;
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			free(out);
			return NULL;
		}
		if (o > out)
			*o++ = '/';
		memcpy(o, p, n);
		o += n;
	}
	*o = '\0';
	return out;
}

static void where_close(struct where *w)
{
	close(w->data);
	close(w->fmeta);
	close(w->dmeta);
}

static int mkdir_here(int dirfd, const char *name)
{
	int err;

	if (mkdirat(dirfd, name, 0777) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	err = remove_tree(dirfd, name);
	return err ? err : mkdirat(dirfd, name, 0777) ? -errno : 0;
}

/* Metadata first, see docs/filesystems.md. -errno. */
static int make_dir(struct import *im, const struct where *w, const char *name,
		    const struct humfs_meta *m)
{
	char dname[NAME_MAX + 1];
	int fd, err = humfs_dir_name(name, dname);

	if (!err)
		err = mkdir_here(w->fmeta, name);
	if (!err)
		err = mkdir_here(w->dmeta, dname);
	if (err)
		return err;
	fd = open_dir(w->dmeta, dname);
	if (fd < 0)
		return -errno;
	err = meta_write(im->h.base, fd, HUMFS_DIR_FILE, m);
	close(fd);
	return err ? err : mkdirat(w->data, name, 0777) ? -errno : 0;
}

static int where_enter(const struct where *up, const char *name, struct where *w)
{
	char dname[NAME_MAX + 1];
	int err = humfs_dir_name(name, dname);

	if (err)
		return err;
	w->data = open_dir(up->data, name);
	if (w->data < 0)
		return -errno;
	w->fmeta = open_dir(up->fmeta, name);
	w->dmeta = open_dir(up->dmeta, dname);
	if (w->fmeta < 0 || w->dmeta < 0)
		die("%s: the humfs is damaged: run heddle humfs check", name);
	return 0;
}

/* One step down; a directory that the archive hasn't brought is root's. */
static int step_down(struct import *im, struct where *w, const char *name)
{
	const struct humfs_meta m = {.mode = 0755};
	struct where next;
	int err = where_enter(w, name, &next);

	if (err == -ENOENT) {
		err = make_dir(im, w, name, &m);
		if (!err)
			err = where_enter(w, name, &next);
	}
	if (err)
		return err;
	where_close(w);
	*w = next;
	return 0;
}

static void leave_parent(struct import *im)
{
	if (!im->parent)
		return;
	where_close(&im->at);
	free(im->parent);
	im->parent = NULL;
}

/*
 * im->at becomes the directory of the path, whose last name is returned. NULL and -errno in *err.
 */
static const char *go_to_parent(struct import *im, const char *path, int *err)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char *parent = slash ? xasprintf("%.*s", (int)(slash - path), path) : xstrdup("");
	char *rest = parent, *part, *copy;

	if (im->parent && !strcmp(im->parent, parent)) {
		free(parent);
		return name;
	}
	leave_parent(im);
	im->at = (struct where){dup(im->h.data), dup(im->h.fmeta), dup(im->h.dmeta)};
	copy = rest = xstrdup(parent);
	*err = 0;
	while (!*err && (part = strsep(&rest, "/")))
		if (*part)
			*err = step_down(im, &im->at, part);
	free(copy);
	if (!*err) {
		im->parent = parent;
		return name;
	}
	where_close(&im->at);
	free(parent);
	return NULL;
}

/* ---- what an entry holds ---- */

static struct humfs_meta meta_of(struct archive_entry *e)
{
	return humfs_meta_of(archive_entry_mode(e), archive_entry_uid(e), archive_entry_gid(e),
			     archive_entry_rdev(e));
}

static struct timespec time_of(struct archive_entry *e)
{
	return (struct timespec){archive_entry_mtime(e), archive_entry_mtime_nsec(e)};
}

static void use(struct import *im, const char *path, u64 n)
{
	struct humfs_super *s = &im->h.super;

	if (n > s->total || s->used > s->total - n)
		die("%s: no room: %s of %s are used; the archive is imported up to here", path,
		    show_size(s->used), show_size(s->total));
	s->used += n;
}

static void write_contents(struct import *im, int fd, const char *path, struct archive_entry *e)
{
	const void *buf;
	size_t size;
	int64_t off;
	int ret;

	use(im, path, archive_entry_size(e));
	while ((ret = archive_read_data_block(im->a, &buf, &size, &off)) == ARCHIVE_OK) {
		for (size_t done = 0; done < size;) {
			ssize_t n = pwrite(fd, (const char *)buf + done, size - done, off + done);

			if (n < 0)
				die("%s: %m", path);
			done += n;
		}
		progress_show(&im->bar, archive_filter_bytes(im->a, -1));
	}
	if (ret != ARCHIVE_EOF)
		die("%s: %s", path, archive_error_string(im->a));
	if (ftruncate(fd, archive_entry_size(e)) < 0)
		die("%s: %m", path);
}

/* Those that humfs keeps, by the names that they have at the data. */
static void set_xattrs(struct import *im, const struct where *w, const char *name, const char *path,
		       struct archive_entry *e)
{
	char *link = NULL, host[HUMFS_XATTR_MAX + 1];
	const char *attr;
	const void *value;
	size_t size;
	int fd = -1;

	if (archive_entry_acl_types(e))
		complain("%s: its access control list is not kept", path);
	archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &attr, &value, &size) == ARCHIVE_OK) {
		if (fd < 0) {
			fd = openat(w->data, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
			link = xasprintf("/proc/self/fd/%d", fd);
		}
		if (humfs_xattr_to_host(attr, host))
			complain("%s: its extended attribute %s is not kept", path, attr);
		else if (setxattr(link, host, value, size, 0) < 0)
			complain("%s: its extended attribute %s is not kept: %m", path, attr);
	}
	free(link);
	if (fd >= 0)
		close(fd);
}

/* ---- entries ---- */

/* What is in the place of a new file goes; a directory must be empty. -errno. */
static int make_room(struct import *im, const struct where *w, const char *name)
{
	struct stat st;
	int err;

	if (fstatat(w->data, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? remove_tree(w->fmeta, name) : -errno;
	if (S_ISDIR(st.st_mode)) {
		char dname[NAME_MAX + 1];

		if (unlinkat(w->data, name, AT_REMOVEDIR) < 0)
			return -errno;
		err = humfs_dir_name(name, dname);
		return err ? err : remove_tree(w->dmeta, dname) ?: remove_tree(w->fmeta, name);
	}
	if (unlinkat(w->data, name, 0) < 0)
		return -errno;
	if (S_ISREG(st.st_mode) && st.st_nlink == 1)
		im->h.super.used -= min(im->h.super.used, (u64)st.st_size);
	return remove_tree(w->fmeta, name);
}

/* Its data couldn't be made: nor is it to have metadata. */
static int without_data(const struct where *w, const char *name, int err)
{
	unlinkat(w->fmeta, name, 0);
	return err;
}

static int put_file(struct import *im, const struct where *w, const char *name, const char *path,
		    struct archive_entry *e)
{
	struct humfs_meta m = meta_of(e);
	struct timespec times[2] = {time_of(e), time_of(e)};
	int fd, err = meta_write(im->h.base, w->fmeta, name, &m);

	if (err)
		return err;
	if (S_ISLNK(archive_entry_mode(e))) {
		if (symlinkat(archive_entry_symlink(e), w->data, name) < 0)
			return without_data(w, name, -errno);
	} else {
		fd = openat(w->data, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd < 0)
			return without_data(w, name, -errno);
		if (S_ISREG(archive_entry_mode(e)))
			write_contents(im, fd, path, e);
		close(fd);
	}
	set_xattrs(im, w, name, path, e);
	return utimensat(w->data, name, times, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

/* A second name of a file that the archive brought before: path, NULL if it leads elsewhere. */
static int put_link(struct import *im, const struct where *w, const char *name, const char *path)
{
	struct where here = {dup(w->data), dup(w->fmeta), dup(w->dmeta)};
	const char *target_name;
	int err = -EINVAL;

	/* im->at, which w is, moves to the target's directory. */
	leave_parent(im);
	target_name = path && *path ? go_to_parent(im, path, &err) : NULL;
	if (target_name) {
		err = linkat(im->at.fmeta, target_name, here.fmeta, name, 0) ? -errno : 0;
		if (!err && linkat(im->at.data, target_name, here.data, name, 0) < 0)
			err = without_data(&here, name, -errno);
	}
	where_close(&here);
	return err;
}

static void remember_time(struct import *im, const char *path, struct timespec t)
{
	if (im->ntimes == im->times_room) {
		im->times_room = im->times_room * 2 + 64;
		im->times = xrealloc(im->times, im->times_room * sizeof(*im->times));
	}
	im->times[im->ntimes++] = (struct dir_time){xstrdup(path), t};
}

static int put_dir(struct import *im, const struct where *w, const char *name, const char *path,
		   struct archive_entry *e)
{
	struct humfs_meta m = meta_of(e);
	struct where in = {-1, -1, -1};
	int err = where_enter(w, name, &in);

	if (err == -ENOTDIR || err == -ELOOP) {
		err = make_room(im, w, name);
		if (!err)
			err = -ENOENT;
	}
	if (err == -ENOENT) {
		err = make_dir(im, w, name, &m);
	} else if (!err) {
		err = meta_write(im->h.base, in.dmeta, HUMFS_DIR_FILE, &m);
		where_close(&in);
	}
	if (err)
		return err;
	set_xattrs(im, w, name, path, e);
	remember_time(im, path, time_of(e));
	return 0;
}

static int put_root(struct import *im, struct archive_entry *e)
{
	struct humfs_meta m = meta_of(e);

	remember_time(im, "", time_of(e));
	return S_ISDIR(archive_entry_mode(e))
		       ? meta_write(im->h.base, im->h.dmeta, HUMFS_DIR_FILE, &m)
		       : -EISDIR;
}

/* link: where its hard link leads to, as clean_path() has it; unused without one. */
static int put_entry(struct import *im, const char *path, const char *link, struct archive_entry *e)
{
	bool is_link = archive_entry_hardlink(e);
	const char *name;
	int err = 0;

	if (!*path)
		return put_root(im, e);
	if (is_link && link && !strcmp(link, path))
		return -EINVAL; /* to itself: what is there stays */
	name = go_to_parent(im, path, &err);
	if (!name)
		return err;
	if (!is_link && S_ISDIR(archive_entry_mode(e)))
		return put_dir(im, &im->at, name, path, e);
	err = make_room(im, &im->at, name);
	if (err)
		return err;
	return is_link ? put_link(im, &im->at, name, link) : put_file(im, &im->at, name, path, e);
}

static bool entry_ok(struct import *im, const char *path, struct archive_entry *e)
{
	struct humfs_meta m = meta_of(e), again;
	char text[HUMFS_META_SIZE];
	u32 type = archive_entry_mode(e) & S_IFMT;

	if (archive_entry_hardlink(e))
		return true;
	if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK && type != S_IFCHR &&
	    type != S_IFBLK && type != S_IFIFO && type != S_IFSOCK) {
		refuse(im, path, "of a type that is not known");
		return false;
	}
	if (archive_entry_uid(e) < 0 || archive_entry_uid(e) >= UINT32_MAX ||
	    archive_entry_gid(e) < 0 || archive_entry_gid(e) >= UINT32_MAX) {
		refuse(im, path, "its owner's number is out of range");
		return false;
	}
	humfs_meta_format(&m, text);
	if (humfs_meta_parse(text, sizeof(text), &again)) {
		refuse(im, path, "its device numbers are out of range");
		return false;
	}
	return true;
}

static void import_entry(struct import *im, struct archive_entry *e)
{
	const char *name = archive_entry_pathname(e), *link = archive_entry_hardlink(e);
	char *path = name ? clean_path(name) : NULL, *target = link ? clean_path(link) : NULL;
	int err;

	if (!path) {
		refuse(im, name ? name : "(no name)", "its path can't be had here");
		free(target);
		return;
	}
	if (entry_ok(im, path, e)) {
		err = put_entry(im, path, target, e);
		if (err == -ENOSPC || err == -EDQUOT || err == -EIO)
			die("%s: %s", path, strerror(-err));
		if (err)
			refuse(im, path, strerror(-err));
		else
			im->bar.files++;
	}
	free(target);
	free(path);
}

static void set_dir_times(struct import *im)
{
	for (size_t i = im->ntimes; i--;) {
		const struct dir_time *d = &im->times[i];
		struct timespec t[2] = {d->mtime, d->mtime};
		const char *name;
		int err = 0;

		if (!*d->path) {
			utimensat(im->h.base, HUMFS_DATA, t, AT_SYMLINK_NOFOLLOW);
		} else {
			name = go_to_parent(im, d->path, &err);
			/* A directory that the archive replaced later has no such time. */
			if (name)
				utimensat(im->at.data, name, t, AT_SYMLINK_NOFOLLOW);
		}
		free(d->path);
	}
	free(im->times);
}

int humfs_import(int argc, char **argv)
{
	struct import im = {0};
	struct archive_entry *e;
	struct stat st;
	int ret;

	if (argc != 2)
		die("use heddle humfs import DIR <TAR");
	humfs_open(&im.h, argv[1], true);
	humfs_must_be_clean(&im.h);
	im.a = archive_read_new();
	if (!im.a)
		die("out of memory");
	archive_read_support_filter_all(im.a);
	archive_read_support_format_tar(im.a);
	archive_read_support_format_gnutar(im.a);
	if (archive_read_open_fd(im.a, 0, 1 << 16) != ARCHIVE_OK)
		die("standard input is no tar archive: %s", archive_error_string(im.a));
	progress_start(&im.bar, "import",
		       fstat(0, &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : 0);
	humfs_begin(&im.h);
	while ((ret = archive_read_next_header(im.a, &e)) == ARCHIVE_OK || ret == ARCHIVE_WARN) {
		if (ret == ARCHIVE_WARN)
			complain("%s: %s", archive_entry_pathname(e), archive_error_string(im.a));
		import_entry(&im, e);
		progress_show(&im.bar, archive_filter_bytes(im.a, -1));
	}
	if (ret != ARCHIVE_EOF)
		complain("the archive is damaged: %s; what came before is imported",
			 archive_error_string(im.a));
	progress_end(&im.bar);
	set_dir_times(&im);
	leave_parent(&im);
	humfs_finish(&im.h);
	archive_read_free(im.a);
	return ret == ARCHIVE_EOF && !im.refused ? 0 : 1;
}
