/* What the commands on a humfs share. */
#ifndef HEDDLE_TOOLS_HUMFS_H
#define HEDDLE_TOOLS_HUMFS_H

#include "kernel/fs/humfs/format.h"
#include "tools/tools.h"

#include <sys/stat.h>

struct humfs {
	const char *dir;
	int base;		/* locked */
	int data, fmeta, dmeta; /* O_PATH */
	struct humfs_super super;
	bool unclean; /* it has a journal: its last use was cut off */
};

/* Dies if it isn't one, or somebody uses it; with write, if anybody does. */
void humfs_open(struct humfs *h, const char *dir, bool write);
/* Dies unless its last use came to its end. */
void humfs_must_be_clean(const struct humfs *h);
/* From now on it counts as in use, until humfs_finish(), which writes what is used. */
void humfs_begin(struct humfs *h);
void humfs_finish(struct humfs *h);

/* Opens a directory by one name in another, never through a symlink. -1 and errno. */
int open_dir(int dirfd, const char *name);
/* 0, or -EUCLEAN, -ENOENT or another error of the host. */
int meta_read(int dirfd, const char *name, struct humfs_meta *m);
/* A new file in place of what is there, in one step; base: the humfs. -errno. */
int meta_write(int base, int dirfd, const char *name, const struct humfs_meta *m);
/* The same with one more name of the file that `with` is in withfd. -errno. */
int meta_link(int base, int withfd, const char *with, int dirfd, const char *name);
/* Removes a name and all below it. -errno. */
int remove_tree(int dirfd, const char *name);
/* A directory on the way down a humfs; the tree's depth isn't ours to choose. */
struct humfs_level {
	struct humfs_level *up, *down;
	union {
		struct {
			int data, fmeta, dmeta; /* open while the walk is here or near */
		};
		int fd[3];
	};
	struct humfs_id {
		dev_t dev;
		ino_t ino;
	} id[3]; /* those that aren't open */
	size_t depth, path_len;
	struct names names; /* in data */
	size_t next;
};
/* Takes the descriptors. The caller fills in the names. */
struct humfs_level *level_new(struct humfs_level *up, int data, int fmeta, int dmeta,
			      const char *path);
struct walker {
	/* The new level, or l again: nothing below it is visited. */
	struct humfs_level *(*dir)(void *arg, struct humfs_level *l, const char *name,
				   const char *path);
	void (*file)(void *arg, const struct humfs_level *l, const char *name, const char *path,
		     const struct stat *st);
};
/* Visits what is below l, which may be NULL, and ends its levels. Dies of the host's errors. */
void walk_tree(struct humfs_level *l, const struct walker *w, void *arg);
/* Descriptors for deep trees. */
void raise_descriptors(void);

int humfs_check(int argc, char **argv);
int humfs_import(int argc, char **argv);
int humfs_export(int argc, char **argv);

#endif
