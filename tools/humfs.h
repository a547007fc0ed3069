/* What the commands on a humfs share. */
#ifndef HEDDLE_TOOLS_HUMFS_H
#define HEDDLE_TOOLS_HUMFS_H

#include "kernel/fs/humfs/format.h"
#include "tools/tools.h"

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
/* A new file in place of what is there. -errno. */
int meta_write(int dirfd, const char *name, const struct humfs_meta *m);
/* Removes a name and all below it. -errno. */
int remove_tree(int dirfd, const char *name);
/* Descriptors for deep trees. */
void raise_descriptors(void);

int humfs_create(int argc, char **argv);
int humfs_info(int argc, char **argv);
int humfs_check(int argc, char **argv);
int humfs_import(int argc, char **argv);
int humfs_export(int argc, char **argv);

#endif
