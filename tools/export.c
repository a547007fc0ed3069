/* heddle humfs export: writes a tar archive. */
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

struct export
{
	struct humfs h;
	struct archive *a;
	struct archive_entry_linkresolver *links;
	struct progress bar;
	u64 bytes, skipped;
};

static void skip(struct export *ex, const char *path, const char *why)
{
	ex->skipped++;
	complain("%s: skipped: %s", *path ? path : "/", why);
}

static void add_xattrs(struct archive_entry *e, const char *link)
{
	char names[65536], value[65536];
	ssize_t n = listxattr(link, names, sizeof(names)), size;

	for (char *p = names; n > 0 && p < names + n; p += strlen(p) + 1) {
		const char *name = humfs_xattr_of_host(p);

		if (!name)
			continue; /* the host's own, as security.selinux */
		size = getxattr(link, p, value, sizeof(value));
		if (size >= 0)
			archive_entry_xattr_add_entry(e, name, value, size);
	}
}

static void write_contents(struct export *ex, int fd, const char *path)
{
	static char buf[1 << 17];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		if (archive_write_data(ex->a, buf, n) != n)
			die("%s: %s", path, archive_error_string(ex->a));
		ex->bytes += n;
		progress_show(&ex->bar, ex->bytes);
	}
	if (n < 0)
		die("%s: %m", path);
}

/* ino: of the data, by which names of one file are found. */
static struct archive_entry *entry_of(const char *path, const struct humfs_meta *m, u32 mode,
				      const struct stat *st)
{
	struct archive_entry *e = archive_entry_new();
	char *name = *path ? xasprintf("./%s", path) : xstrdup("./");

	if (!e)
		die("out of memory");
	archive_entry_set_pathname(e, name);
	archive_entry_set_mode(e, mode);
	archive_entry_set_uid(e, m->uid);
	archive_entry_set_gid(e, m->gid);
	archive_entry_set_mtime(e, st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	archive_entry_set_nlink(e, S_ISDIR(mode) ? 1 : st->st_nlink);
	archive_entry_set_ino(e, st->st_ino);
	archive_entry_set_dev(e, st->st_dev);
	if (S_ISREG(mode))
		archive_entry_set_size(e, st->st_size);
	if (m->type == 'c' || m->type == 'b')
		archive_entry_set_rdev(e, makedev(m->major, m->minor));
	free(name);
	return e;
}

/* Takes the entry; fd: the contents, or -1. */
static void put(struct export *ex, struct archive_entry *e, int fd, const char *path)
{
	struct archive_entry *spare = NULL;

	archive_entry_linkify(ex->links, &e, &spare);
	if (archive_write_header(ex->a, e) < ARCHIVE_WARN)
		die("%s: %s", path, archive_error_string(ex->a));
	if (fd >= 0 && archive_entry_size(e) > 0)
		write_contents(ex, fd, path);
	archive_entry_free(e);
	ex->bar.files++;
}

static void export_file(void *arg, const struct humfs_level *l, const char *name, const char *path,
			const struct stat *st)
{
	struct export *ex = arg;
	struct humfs_meta m;
	struct archive_entry *e;
	char target[PATH_MAX], *link;
	int fd = -1, pin, err = meta_read(l->fmeta, name, &m);
	u32 mode;
	ssize_t n;

	if (!err)
		err = humfs_meta_mode(&m, st->st_mode, &mode);
	if (err) {
		skip(ex, path, "its metadata is missing or malformed");
		return;
	}
	if (S_ISSOCK(mode)) {
		skip(ex, path, "a socket, which tar can't hold");
		return;
	}
	e = entry_of(path, &m, mode, st);
	if (S_ISLNK(mode)) {
		n = readlinkat(l->data, name, target, sizeof(target) - 1);
		if (n < 0)
			die("%s: %m", path);
		target[n] = '\0';
		archive_entry_set_symlink(e, target);
	} else if (S_ISREG(mode)) {
		fd = openat(l->data, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			die("%s: %m", path);
	}
	pin = openat(l->data, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	link = xasprintf("/proc/self/fd/%d", pin);
	if (pin >= 0 && !S_ISLNK(mode))
		add_xattrs(e, link);
	free(link);
	close(pin);
	put(ex, e, fd, path);
	if (fd >= 0)
		close(fd);
}

/* Takes the descriptors. up again: its metadata is damaged, and all below it is skipped. */
static struct humfs_level *enter(struct export *ex, struct humfs_level *up, int data, int fmeta,
				 int dmeta, const char *path)
{
	struct humfs_level *l;
	struct humfs_meta m;
	struct archive_entry *e;
	struct stat st;
	char *link;

	if (data < 0 || fmeta < 0 || dmeta < 0 || fstat(data, &st) < 0 ||
	    meta_read(dmeta, HUMFS_DIR_FILE, &m) || m.type) {
		skip(ex, path, "its metadata is missing or malformed; so is all below it");
		close(data);
		close(fmeta);
		close(dmeta);
		return up;
	}
	e = entry_of(path, &m, S_IFDIR | m.mode, &st);
	link = xasprintf("/proc/self/fd/%d", data);
	add_xattrs(e, link);
	free(link);
	put(ex, e, -1, path);
	l = level_new(up, data, fmeta, dmeta, path);
	l->names = names_of(data, path);
	return l;
}

static struct humfs_level *enter_sub(void *arg, struct humfs_level *l, const char *name,
				     const char *path)
{
	struct export *ex = arg;
	char dname[NAME_MAX + 1];
	int dmeta = humfs_dir_name(name, dname) ? -1 : open_dir(l->dmeta, dname);

	return enter(ex, l, open_dir(l->data, name), open_dir(l->fmeta, name), dmeta, path);
}

static void export_tree(struct export *ex)
{
	static const struct walker walker = {enter_sub, export_file};

	walk_tree(enter(ex, NULL, dup(ex->h.data), dup(ex->h.fmeta), dup(ex->h.dmeta), ""), &walker,
		  ex);
}

int humfs_export(int argc, char **argv)
{
	struct export ex = {0};

	if (argc != 2)
		die("use heddle humfs export DIR >TAR");
	if (isatty(1))
		die("standard output is a terminal: use heddle humfs export %s >FILE", argv[1]);
	humfs_open(&ex.h, argv[1], false);
	humfs_must_be_clean(&ex.h);
	ex.a = archive_write_new();
	ex.links = archive_entry_linkresolver_new();
	if (!ex.a || !ex.links)
		die("out of memory");
	archive_write_set_format_pax(ex.a); /* times to the nanosecond */
	archive_write_add_filter_none(ex.a);
	archive_entry_linkresolver_set_strategy(ex.links, archive_format(ex.a));
	if (archive_write_open_fd(ex.a, 1) != ARCHIVE_OK)
		die("standard output: %s", archive_error_string(ex.a));
	progress_start(&ex.bar, "export", ex.h.super.used);
	export_tree(&ex);
	progress_end(&ex.bar);
	if (archive_write_close(ex.a) != ARCHIVE_OK)
		die("standard output: %s", archive_error_string(ex.a));
	archive_entry_linkresolver_free(ex.links);
	archive_write_free(ex.a);
	return ex.skipped ? 1 : 0;
}
