/*
 * The humfs format, version 2: texts from and to structs. Pure: shared by the file system and by
 * the tool that works on the host. docs/filesystems.md describes the files in which these texts
 * lie.
 */
#ifndef HEDDLE_HUMFS_FORMAT_H
#define HEDDLE_HUMFS_FORMAT_H

#include "types.h"

#include <limits.h>
#include <sys/stat.h>

/* Names in the directory of a humfs. */
#define HUMFS_SUPERBLOCK "superblock"
#define HUMFS_DATA "data"
#define HUMFS_FILE_METADATA "file_metadata"
#define HUMFS_DIR_METADATA "dir_metadata"
#define HUMFS_DIR_FILE "metadata"	  /* in each directory of dir_metadata */
#define HUMFS_METADATA_NEW "metadata.new" /* of a tool: about to replace metadata */
#define HUMFS_JOURNAL                                                                              \
	"journal" /* there while it is mounted for writing; ours, not of the old format */

/* What is known of a file beside its data. */
struct humfs_meta {
	u32 mode; /* permissions, set-id and sticky bits: 12 bits */
	u32 uid, gid;
	char type; /* 'c', 'b', 'p' or 's'; 0: what the data is: regular file, directory, symlink */
	u32 major, minor; /* 'c' and 'b' */
};

/*
 * What we write is padded with blanks to this size, so that one write in place replaces the whole.
 * Old tools split at blanks.
 */
#define HUMFS_META_SIZE 48
#define HUMFS_META_MAX 128 /* longer texts are malformed */

void humfs_meta_format(const struct humfs_meta *m, char out[HUMFS_META_SIZE]);
/* -EUCLEAN: malformed. */
must_check int humfs_meta_parse(const char *text, size_t len, struct humfs_meta *m);
/* The metadata of a file with this mode (type bits and all), owner and device. */
struct humfs_meta humfs_meta_of(u32 mode, u32 uid, u32 gid, dev_t dev);
/*
 * The mode with type bits, given the type of what lies in data/: for devices, fifos and sockets an
 * empty regular file, or, where an old tool has made a humfs of a plain tree, the thing itself.
 * -EUCLEAN: they don't agree.
 */
must_check int humfs_meta_mode(const struct humfs_meta *m, u32 data_mode, u32 *mode);

/* Bytes; of regular files' sizes. */
struct humfs_super {
	u64 used, total;
};

#define HUMFS_SUPER_MAX 1024 /* longer texts are malformed */
/* -EINVAL: another version or format, or an unknown line; -EUCLEAN: malformed. */
must_check int humfs_super_parse(const char *text, size_t len, struct humfs_super *s);
size_t humfs_super_format(const struct humfs_super *s, char out[HUMFS_SUPER_MAX]);

/*
 * The name of a directory in dir_metadata. A directory called "metadata" would be where its
 * parent's metadata lies: that name, and those which are it and tildes, get one tilde more.
 * -ENAMETOOLONG.
 */
must_check int humfs_dir_name(const char *name, char out[NAME_MAX + 1]);
/* The way back, in place. */
void humfs_dir_name_back(char *name);

/*
 * Extended attributes by their names in the guest and at the data on the host. user.* are the same;
 * security.* and trusted.*, which an ordinary user may not set there, are user.humfs.security.* and
 * so on, and so are user.humfs.* themselves, that nobody can make the others of them.
 */
#define HUMFS_XATTR "user.humfs."
#define HUMFS_XATTR_MAX 255 /* of both, without the NUL */
/* -EOPNOTSUPP: no attribute of this kind is kept; -ERANGE: too long. */
must_check int humfs_xattr_to_host(const char *name, char out[HUMFS_XATTR_MAX + 1]);
/* The way back, a part of the argument; NULL: it isn't the guest's. */
const char *humfs_xattr_of_host(const char *host);

/*
 * The journal's record of a rename that is under way: which data file (its inode number on the
 * host) goes from where to where. The rename of the data is what decides; the metadata follows. Of
 * an exchange the numbers of what is exchanged tell how far it came.
 */
struct humfs_rename {
	u64 ino;
	bool exchange;
	u64 meta;	       /* exchange: the number of `from` in file_metadata/ */
	u64 from_dir, to_dir;  /* exchange: those in dir_metadata/, where they are directories */
	const char *from, *to; /* paths below data/ */
};

#define HUMFS_JOURNAL_MAX (64 * 1024)
#define HUMFS_JOURNAL_IDLE "idle  \n" /* overwrites the first word of a record */
/* The size, or -ENAMETOOLONG. */
ssize_t humfs_journal_format(const struct humfs_rename *r, char *out, size_t size);
/*
 * 1: a record, whose paths lie in text, and lead to names below data/; 0: none under way. text has
 * a NUL behind it.
 */
int humfs_journal_parse(const char *text, size_t len, struct humfs_rename *r);

#endif
