/* heddle diff: what the layer of --overlay changes of the root below it. */
#include "tools/humfs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/* A directory of one layer; data -1: it hasn't this one; fmeta -1: a plain directory, no humfs. */
struct side {
	int data, fmeta, dmeta;
};

struct attrs {
	u32 mode, uid, gid;
	dev_t rdev;
};

struct level {
	struct level *up;
	struct side upper, lower;
	char *path;
	bool opaque;	    /* or one above it */
	struct names names; /* of the upper one */
	size_t next;
};

static const struct side none = {-1, -1, -1};

static void side_close(struct side *s)
{
	if (s->data >= 0)
		close(s->data);
	if (s->fmeta >= 0)
		close(s->fmeta);
	if (s->dmeta >= 0)
		close(s->dmeta);
}

static struct side side_enter(const struct side *s, const char *name)
{
	char dname[NAME_MAX + 1];
	struct side in = none;

	if (s->data < 0)
		return none;
	in.data = open_dir(s->data, name);
	if (in.data >= 0 && s->fmeta >= 0 && humfs_dir_name(name, dname) == 0) {
		in.fmeta = open_dir(s->fmeta, name);
		in.dmeta = open_dir(s->dmeta, dname);
		if (in.fmeta < 0 || in.dmeta < 0) {
			side_close(&in);
			in = none;
		}
	}
	return in;
}

static bool of_dir(const struct side *s, const char *name, struct humfs_meta *m)
{
	struct side in = side_enter(s, name);
	bool ok = in.dmeta >= 0 && meta_read(in.dmeta, HUMFS_DIR_FILE, m) == 0;

	side_close(&in);
	return ok;
}

/* False: there is nothing of that name (or it is damaged). */
static bool look(const struct side *s, const char *name, const char *path, struct attrs *a)
{
	struct humfs_meta m;
	struct stat st;

	if (s->data < 0 || fstatat(s->data, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	*a = (struct attrs){st.st_mode, st.st_uid, st.st_gid, st.st_rdev};
	if (s->fmeta < 0)
		return true;
	if ((S_ISDIR(st.st_mode) ? !of_dir(s, name, &m) : meta_read(s->fmeta, name, &m) != 0) ||
	    humfs_meta_mode(&m, st.st_mode, &a->mode)) {
		complain("%s: its metadata is missing or malformed", path);
		return false;
	}
	a->uid = m.uid;
	a->gid = m.gid;
	a->rdev = makedev(m.major, m.minor);
	return true;
}

static bool is_whiteout(const struct attrs *a)
{
	return S_ISCHR(a->mode) && !a->rdev;
}

static void tell(char how, const char *path, bool dir)
{
	printf("%c /", how);
	print_escaped(stdout, path);
	puts(dir ? "/" : "");
}

/* Linux's mark of a directory that hides the lower one of its name. */
static bool is_opaque(const struct side *s)
{
	static const char *const marks[] = {"trusted.overlay.opaque", "user.overlay.opaque"};
	char *link = xasprintf("/proc/self/fd/%d", s->data), host[HUMFS_XATTR_MAX + 1], value;
	bool found = false;

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		if (s->fmeta < 0)
			strcpy(host, marks[i]);
		else if (humfs_xattr_to_host(marks[i], host))
			continue;
		found |= getxattr(link, host, &value, 1) == 1 && value == 'y';
	}
	free(link);
	return found;
}

/* What the upper directory, which is opaque, hides. */
static void tell_hidden(const struct level *l)
{
	struct names n = names_of(l->lower.data, l->path);
	struct attrs a;
	struct stat st;

	for (size_t i = 0; i < n.n; i++) {
		char *path = join(l->path, n.name[i]);

		if (fstatat(l->upper.data, n.name[i], &st, AT_SYMLINK_NOFOLLOW) < 0 &&
		    look(&l->lower, n.name[i], path, &a))
			tell('D', path, S_ISDIR(a.mode));
		free(path);
	}
	names_free(&n);
}

/* Takes the sides and the path. */
static struct level *enter(struct level *up, struct side upper, struct side lower, char *path)
{
	struct level *l = xmalloc(sizeof(*l));

	*l = (struct level){
		up, upper, lower, path, false, names_of(upper.data, path), 0,
	};
	l->opaque = (up && up->opaque) || is_opaque(&upper);
	if (l->opaque && lower.data >= 0)
		tell_hidden(l);
	return l;
}

static struct level *leave(struct level *l)
{
	struct level *up = l->up;

	side_close(&l->upper);
	side_close(&l->lower);
	names_free(&l->names);
	free(l->path);
	free(l);
	return up;
}

static struct level *one(struct level *l, const char *name, char *path)
{
	struct attrs a, b;
	bool lower = look(&l->lower, name, path, &b), both_dirs;

	if (!look(&l->upper, name, path, &a)) {
		free(path);
		return l;
	}
	if (is_whiteout(&a)) {
		if (lower)
			tell('D', path, S_ISDIR(b.mode));
		free(path);
		return l;
	}
	both_dirs = lower && S_ISDIR(a.mode) && S_ISDIR(b.mode);
	if (!lower)
		tell('A', path, S_ISDIR(a.mode));
	else if (!both_dirs || a.mode != b.mode || a.uid != b.uid || a.gid != b.gid)
		tell('M', path, S_ISDIR(a.mode));
	if (S_ISDIR(a.mode)) {
		struct side in = side_enter(&l->upper, name);

		if (in.data >= 0)
			return enter(l, in, both_dirs ? side_enter(&l->lower, name) : none, path);
	}
	free(path);
	return l;
}

/* The root of a plain directory, or of the humfs in it. */
static struct side open_root(const char *dir, bool humfs)
{
	struct side s = none;
	struct humfs h;

	if (humfs) {
		humfs_open(&h, dir, false);
		return (struct side){h.data, h.fmeta, h.dmeta};
	}
	s.data = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s.data < 0)
		die("%s: %m", dir);
	return s;
}

static void usage(void)
{
	puts("Usage: heddle diff DIR [-r [humfs:]ROOT]\n"
	     "What the DIR of --overlay changes of the root below it, which is / or ROOT. In front of each name is\n"
	     "A (added), M (changed, contents or attributes) or D (gone).");
}

int diff_command(int argc, char **argv)
{
	const char *layer = NULL, *root = "/";
	struct side top, upper, lower;
	struct level *l;
	char *superblock;

	tool_name = "diff";
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		usage();
		return 0;
	}
	for (int i = 1; i < argc; i++) {
		if ((!strcmp(argv[i], "-r") || !strcmp(argv[i], "--root")) && i + 1 < argc)
			root = argv[++i];
		else if (!layer && argv[i][0] != '-')
			layer = argv[i];
		else
			die("%s: use heddle diff DIR [-r [humfs:]ROOT]", argv[i]);
	}
	if (!layer)
		die("use heddle diff DIR [-r [humfs:]ROOT]");
	raise_descriptors();
	superblock = join(layer, HUMFS_SUPERBLOCK);
	top = open_root(layer, access(superblock, F_OK) == 0);
	free(superblock);
	upper = side_enter(&top, "upper");
	if (upper.data < 0)
		die("%s: not the directory of an --overlay: it has no upper/", layer);
	lower = strncmp(root, "humfs:", 6) ? open_root(root, false) : open_root(root + 6, true);
	for (l = enter(NULL, upper, lower, xstrdup("")); l;) {
		const char *name;

		if (l->next == l->names.n) {
			l = leave(l);
			continue;
		}
		name = l->names.name[l->next++];
		l = one(l, name, join(l->path, name));
	}
	side_close(&top);
	return 0;
}
