/* heddle humfs: opening one, create, info, and which command it is. */
#include "tools/humfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_SIZE (4ULL << 30)
#define SUPERBLOCK_NEW HUMFS_SUPERBLOCK ".new"

int open_dir(int dirfd, const char *name)
{
	return openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void raise_descriptors(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

/* ---- metadata ---- */

int meta_read(int dirfd, const char *name, struct humfs_meta *m)
{
	char text[HUMFS_META_MAX + 1];
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return errno == ELOOP || errno == ENXIO ? -EUCLEAN : -errno;
	n = read(fd, text, sizeof(text));
	if (n < 0)
		n = errno == EISDIR ? -EUCLEAN : -errno;
	close(fd);
	return n < 0 ? (int)n : humfs_meta_parse(text, n, m);
}

/* What a tool that was killed has left may be one more name of metadata that is in use. */
static int forget_new(int base)
{
	return unlinkat(base, HUMFS_METADATA_NEW, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* Who is killed before this has changed nothing, after it everything. */
static int put_new(int base, int dirfd, const char *name)
{
	int err;

	if (renameat(base, HUMFS_METADATA_NEW, dirfd, name) == 0)
		return 0;
	if (errno != EISDIR)
		return -errno;
	err = remove_tree(dirfd, name);
	return err ? err : renameat(base, HUMFS_METADATA_NEW, dirfd, name) ? -errno : 0;
}

int meta_write(int base, int dirfd, const char *name, const struct humfs_meta *m)
{
	char text[HUMFS_META_SIZE];
	int fd, err = forget_new(base);

	if (err)
		return err;
	fd = openat(base, HUMFS_METADATA_NEW, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	humfs_meta_format(m, text);
	errno = EIO;
	err = write(fd, text, sizeof(text)) == sizeof(text) ? 0 : -errno;
	close(fd);
	return err ? err : put_new(base, dirfd, name);
}

int meta_link(int base, int withfd, const char *with, int dirfd, const char *name)
{
	int err = forget_new(base);

	if (err)
		return err;
	if (linkat(withfd, with, base, HUMFS_METADATA_NEW, 0) < 0)
		return -errno;
	return put_new(base, dirfd, name);
}

/* Recursion is as deep as the tree: orphans are shallow, and raise_descriptors() was called. */
int remove_tree(int dirfd, const char *name)
{
	struct names l;
	int fd, err = 0;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	fd = open_dir(dirfd, name);
	if (fd < 0)
		return -errno;
	l = names_of(fd, name);
	for (size_t i = 0; i < l.n && !err; i++)
		err = remove_tree(fd, l.name[i]);
	names_free(&l);
	close(fd);
	if (!err && unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
		err = -errno;
	return err;
}

/* ---- opening ---- */

static ssize_t read_file(int dirfd, const char *name, char *buf, size_t size)
{
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, buf, size);
	close(fd);
	return n;
}

void humfs_open(struct humfs *h, const char *dir, bool write)
{
	char text[HUMFS_SUPER_MAX + 1];
	struct stat st;
	ssize_t n;
	int err;

	raise_descriptors();
	*h = (struct humfs){.dir = dir};
	h->base = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (h->base < 0)
		die("%s: %m", dir);
	n = read_file(h->base, HUMFS_SUPERBLOCK, text, sizeof(text));
	if (n < 0)
		die("%s: not a humfs: %s: %m", dir, HUMFS_SUPERBLOCK);
	err = humfs_super_parse(text, n, &h->super);
	if (err)
		die("%s: the superblock is %s", dir,
		    err == -EINVAL ? "of a version or format that is not known" : "malformed");
	if (flock(h->base, (write ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0)
		die("%s: %s", dir, errno == EWOULDBLOCK ? "in use" : strerror(errno));
	h->data = open_dir(h->base, HUMFS_DATA);
	h->fmeta = open_dir(h->base, HUMFS_FILE_METADATA);
	h->dmeta = open_dir(h->base, HUMFS_DIR_METADATA);
	if (h->data < 0 || h->fmeta < 0 || h->dmeta < 0)
		die("%s: not a humfs: one of its directories is missing", dir);
	h->unclean = fstatat(h->base, HUMFS_JOURNAL, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

void humfs_must_be_clean(const struct humfs *h)
{
	if (h->unclean)
		die("%s: its last use was cut off; run heddle humfs check --repair %s", h->dir,
		    h->dir);
}

static void super_write(int base, const struct humfs_super *s, const char *dir)
{
	char text[HUMFS_SUPER_MAX];
	size_t n = humfs_super_format(s, text);
	int fd = openat(base, SUPERBLOCK_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0 || write(fd, text, n) != (ssize_t)n || fsync(fd) < 0 || close(fd) < 0 ||
	    renameat(base, SUPERBLOCK_NEW, base, HUMFS_SUPERBLOCK) < 0)
		die("%s: %s: %m", dir, HUMFS_SUPERBLOCK);
}

void humfs_begin(struct humfs *h)
{
	int fd = openat(h->base, HUMFS_JOURNAL, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

	if (fd < 0)
		die("%s: %s: %m", h->dir, HUMFS_JOURNAL);
	close(fd);
}

void humfs_finish(struct humfs *h)
{
	int err = forget_new(h->base);

	if (err)
		die("%s: %s: %s", h->dir, HUMFS_METADATA_NEW, strerror(-err));
	if (syncfs(h->base) < 0)
		die("%s: %m", h->dir);
	super_write(h->base, &h->super, h->dir);
	if (unlinkat(h->base, HUMFS_JOURNAL, 0) < 0 && errno != ENOENT)
		die("%s: %s: %m", h->dir, HUMFS_JOURNAL);
}

/* ---- create, info ---- */

static int humfs_create(int argc, char **argv)
{
	static const char *const parts[] = {HUMFS_DATA, HUMFS_FILE_METADATA, HUMFS_DIR_METADATA};
	struct humfs_super s = {0, DEFAULT_SIZE};
	struct humfs_meta root = {.mode = 0755};
	const char *dir = NULL;
	struct names l;
	int base, fd, err;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--size") && i + 1 < argc)
			s.total = parse_size(argv[++i]);
		else if (!strncmp(argv[i], "--size=", 7))
			s.total = parse_size(argv[i] + 7);
		else if (!dir && argv[i][0] != '-')
			dir = argv[i];
		else
			die("%s: use heddle humfs create DIR [--size SIZE]", argv[i]);
	}
	if (!dir)
		die("use heddle humfs create DIR [--size SIZE]");
	if (mkdir(dir, 0777) < 0 && errno != EEXIST)
		die("%s: %m", dir);
	base = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (base < 0)
		die("%s: %m", dir);
	l = names_of(base, dir);
	if (l.n)
		die("%s: not empty", dir);
	names_free(&l);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (mkdirat(base, parts[i], 0777) < 0)
			die("%s/%s: %m", dir, parts[i]);
	fd = open_dir(base, HUMFS_DIR_METADATA);
	err = fd < 0 ? -errno : meta_write(base, fd, HUMFS_DIR_FILE, &root);
	if (err)
		die("%s: %s", dir, strerror(-err));
	close(fd);
	super_write(base, &s, dir); /* last: before it this is no humfs */
	close(base);
	return 0;
}

static int humfs_info(int argc, char **argv)
{
	struct humfs h;
	const struct humfs_super *s = &h.super;

	if (argc != 2)
		die("use heddle humfs info DIR");
	humfs_open(&h, argv[1], false);
	printf("format     humfs version 2, shadow_fs\n");
	printf("total      %lu (%s)\n", s->total, show_size(s->total));
	printf("used       %lu (%s, %.1f %%)\n", s->used, show_size(s->used),
	       s->total ? 100.0 * s->used / s->total : 0.0);
	printf("state      %s\n",
	       h.unclean ? "its last use was cut off: heddle humfs check --repair" : "clean");
	return 0;
}

/* ---- which ---- */

static const struct humfs_verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;
} verbs[] = {
	{"create", humfs_create, "DIR [--size SIZE]          an empty humfs (4G)"},
	{"import", humfs_import, "DIR <TAR                   adds what is in a tar archive"},
	{"export", humfs_export, "DIR >TAR                   writes a tar archive"},
	{"check", humfs_check, "DIR [--repair] [--quiet]   looks whether data and metadata agree"},
	{"info", humfs_info, "DIR                        size and state"},
};

static void usage(FILE *f)
{
	fputs("Usage: heddle humfs COMMAND DIR ...\n"
	      "A root file system with owners, modes and devices in a directory of an ordinary user.\n\n",
	      f);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(f, "  heddle humfs %-6s %s\n", verbs[i].name, verbs[i].usage);
	fputs("\nheddle run -r humfs:DIR, or -v humfs:DIR:TARGET, uses it.\n", f);
}

int humfs_command(int argc, char **argv)
{
	static char name[40];

	tool_name = "humfs";
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		usage(stdout);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs) && argc > 1; i++) {
		if (strcmp(verbs[i].name, argv[1]))
			continue;
		snprintf(name, sizeof(name), "humfs %s", argv[1]);
		tool_name = name;
		return verbs[i].run(argc - 1, argv + 1);
	}
	usage(stderr);
	return 2;
}
