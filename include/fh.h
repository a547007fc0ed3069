/*
 * Host file handles: reference-counted handles of host files and directories whose descriptor may
 *be reclaimed at any time while nobody has it pinned, and is reopened (and verified to be the same
 *file) when next used.
 *
 *	int fd = get_fh(h);      pins; reopens if it must; the descriptor or -errno (-ESTALE: not
 *the same file any more; -ENFILE: all descriptors are in use, for a second; -EAGAIN: somebody on
 *the host has a lease for a minute; others as of open)
 *	... use fd ...
 *	put_fh(h);               unpins
 *
 * Nothing outside fh/ and os/ keeps or passes on a host descriptor of a file beyond such a pair
 *(scripts/lint looks for it).
 *
 *	        open                      clock hand: unpinned, not used lately
 *	(new) ---------> OPEN ----------------------------------> BUSY, close ---> CLOSED
 *	                  ^  |  get_fh(): pins + 1, lock-free                        |
 *	                  |  v                                                       | get_fh()
 *	                 OPEN, pinned  <-------------- same file? -- BUSY, open <----+
 *	                                                    no: CLOSED, -ESTALE
 *
 * One atomic word holds the state and the number of pins. While it says OPEN, pinning is one
 *compare-and-exchange (acquire: the descriptor was stored before, with release), and closing begins
 *with one too (OPEN, not used lately and no pins -> BUSY): so a descriptor that somebody uses is
 *never closed, and there is no moment between the check and the use. Unpinning is a full barrier,
 *since it then looks whether somebody waits for a descriptor. Only the one who made the word BUSY
 *touches fd; others sleep on the word. BUSY never spans a sleep of a task, only one host call or
 *two, so sleeping on it in the host stalls a CPU no longer than a spinlock would.
 *
 * Reclaimed is what is unpinned and could be opened again, in order of use, when more descriptors
 *are open than the budget has or the host has none left. Never reclaimed are roots, files without a
 *name (memfd, O_TMPFILE, unlinked), and files whose permissions would not let us open them again.
 *Fifos, devices and sockets of the host are never opened; host locks and leases are never taken
 *(the guest's are the kernel's own business). Positions are the kernel's too, so closing loses
 *none; where a directory is read is a cookie.
 */
#ifndef HEDDLE_FH_H
#define HEDDLE_FH_H

#include "types.h"
#include "uaccess.h"
#include <dirent.h>
#include <sys/stat.h>
#include <urcu/list.h>

struct fh;
struct kstat;

must_check int fh_init(void); /* budget from RLIMIT_NOFILE */

/* A handle on the directory or file at a host path; the root of a hostfs. ERR_PTR. */
must_check struct fh *fh_open_root(const char *host_path);
/*
 * What tells one host file from another that took its name. btime_ns 0: the host file system has
 * none that counts.
 */
struct fh_id {
	dev_t dev;
	u64 ino, btime_ns;
};
struct fh_id fh_id_of(const struct kstat *st);
bool fh_same_id(const struct fh_id *a, const struct fh_id *b);
/*
 * Opens `name` (one component, no slash; O_NOFOLLOW always added) in dir. flags: O_PATH for
 * anything, O_RDONLY|O_DIRECTORY, O_RDWR ... The handle remembers (dir, name) for reopening and
 * holds a reference on dir. ERR_PTR.
 */
must_check struct fh *fh_open_at(struct fh *dir, const char *name, int flags, u32 mode);
/* Where a file can be found: immutable, shared by reference. */
struct fh_place {
	u32 refs;	/* atomic */
	struct fh *dir; /* +1 */
	char name[];	/* one component, not ".." */
};
must_check struct fh_place *fh_place_new(struct fh *dir, const char *name); /* ERR_PTR */
struct fh_place *fh_place_get(struct fh_place *p);
void fh_place_put(struct fh_place *p); /* may be NULL */
bool fh_is_place(const struct fh_place *p, const struct fh *dir, const char *name); /* NULL isn't */
/*
 * A handle of a file that is known to be there, or was: get_fh() opens it, and fails with -ESTALE
 * if that is another file. The first get_fh() has the host's errors of open (-EACCES ...). flags
 * without those that create or truncate. NULL: no memory.
 */
must_check struct fh *fh_known(struct fh_place *p, int flags, const struct fh_id *id);
/*
 * Another handle of the same file, which may have no name: it keeps its descriptor. flags: O_RDONLY
 * ... ERR_PTR.
 */
must_check struct fh *fh_open_again(struct fh *h, int flags);
/*
 * A new memfd (sealable), which has no name on the host: it keeps its descriptor, within the
 * budget. ERR_PTR.
 */
must_check struct fh *fh_memfd(const char *name);
void fh_put(struct fh *h);	    /* drops the reference; closes with the last */
struct fh *fh_get(struct fh *h);    /* another reference (not a pin) */
bool fh_shared(const struct fh *h); /* are there other references? May be old news */
/* It has another place now: reopening goes by that. */
void fh_moved(struct fh *h, struct fh_place *p);
/*
 * The same under a spinlock: the place that it had is the caller's to put. NULL: it had none, or
 * this one.
 */
must_check struct fh_place *fh_set_place(struct fh *h, struct fh_place *p);
/*
 * It is about to lose its last name: it keeps its descriptor for good. Before unlinking. -errno: it
 * can't be opened to keep it.
 */
must_check int fh_unlinked(struct fh *h);
/* The same of one that is pinned. Here and in fh_named() the caller may hold a spinlock. */
void fh_keep(struct fh *h);
bool fh_kept(const struct fh *h); /* Does it keep its descriptor, for whatever reason? */
/* It has kept its name, or has a new one (fh_moved): it may be reclaimed again. */
void fh_named(struct fh *h);
/*
 * Its owner or permissions may have changed, or it was made with some that don't let us open it:
 * decides whether it may be reclaimed. Pinned.
 */
void fh_check_reopen(struct fh *h);

/*
 * The path of h below top, as names are now: within buf. ERR_PTR(-ENAMETOOLONG, or -ESTALE: it
 * isn't below top).
 */
char *fh_path(struct fh *h, struct fh *top, char *buf, size_t size);
/*
 * flock(2) on an open directory or file, which keeps its descriptor from then on. -EWOULDBLOCK:
 * somebody else has it.
 */
must_check int fh_lock(struct fh *h, bool exclusive);

must_check int get_fh(struct fh *h);
void put_fh(struct fh *h);

/*
 * Operations; each pins for its own time. 0 or bytes, or -errno of the host. Cold data is read by
 * an I/O worker, and what would wait for a disk is written by one: these may sleep the task.
 */
ssize_t fh_pread(struct fh *h, void *buf, size_t n, u64 off);
ssize_t fh_pwrite(struct fh *h, const void *buf, size_t n, u64 off);
/*
 * Straight between file and iterator, through one buffer. eof: where the caller believes the file
 * to end (0: no idea): a short read up to there is not tried again.
 */
ssize_t fh_read_iter(struct fh *h, struct iov_iter *to, u64 off, u64 eof);
#define FH_APPEND UINT64_MAX /* as off: at the end, wherever that is by then */
ssize_t fh_write_iter(struct fh *h, struct iov_iter *from, u64 off);
/*
 * Can't the host tell whether reading would wait, so that fh_read_iter() has to be asked, not the
 * host with the guest's memory?
 */
bool fh_reads_cant_tell(const struct fh *h);
/*
 * Writing straight from the guest's memory: does it go to a worker at the moment, so that it can't?
 * And: it took so long.
 */
bool fh_writes_are_slow(const struct fh *h);
void fh_write_took(struct fh *h, u64 ns);
/*
 * Within the host, which may share the storage; share: only if it can, then all of it. Bytes
 * copied. May take long.
 */
ssize_t fh_copy_range(struct fh *in, u64 pos_in, struct fh *out, u64 pos_out, size_t n, bool share);
/* Both also give the error that the host had when it closed the descriptor meanwhile, once. */
int fh_fsync(struct fh *h, bool datasync);
int fh_flush(struct fh *h);  /* what close(2) tells: errors of writing that the host's file system
				finds then */
int fh_syncfs(struct fh *h); /* all of the host file system that it is on */
int fh_truncate(struct fh *h, u64 size);
int fh_fallocate(struct fh *h, int mode, u64 off, u64 len);
s64 fh_seek_data(struct fh *h, u64 off, int whence); /* SEEK_DATA, SEEK_HOLE */
int fh_stat(struct fh *h, struct kstat *st);
int fh_stat_at(struct fh *dir, const char *name, struct kstat *st); /* never follows */
struct kstatfs;
int fh_statfs(struct fh *h, struct kstatfs *st);
char *fh_readlink(struct fh *h); /* of a symlink, opened with O_PATH; fresh memory; ERR_PTR */
int fh_mkdir_at(struct fh *dir, const char *name, u32 mode);
int fh_mknod_at(struct fh *dir, const char *name, u32 mode, dev_t dev);
int fh_symlink_at(struct fh *dir, const char *name, const char *target);
int fh_unlink_at(struct fh *dir, const char *name, int flags); /* AT_REMOVEDIR */
/*
 * Renames. On success the caller calls fh_moved() for the handles that it has of what was renamed,
 * and then fh_move_end(m): without sleeping and without pinning anything, as others wait until the
 * handles have their new place. m NULL: there are no handles.
 */
struct fh_move {
	struct cds_list_head link;
	u64 nr;
};
must_check int fh_rename_at(struct fh *od, const char *on, struct fh *nd, const char *nn,
			    unsigned flags, struct fh_move *m);
void fh_move_end(struct fh_move *m);
/* Gives an open file another name, whatever it had; one made by O_TMPFILE its first. */
int fh_link_into(struct fh *h, struct fh *dir, const char *name);
/*
 * valid: ATTR_MODE, ATTR_UID, ATTR_GID, ATTR_ATIME and ATTR_MTIME (times[0], times[1]) of fs.h. h
 * may be an O_PATH handle.
 */
int fh_setattr(struct fh *h, u32 valid, u32 mode, u32 uid, u32 gid, const struct timespec times[2]);
/* Extended attributes; h may be an O_PATH handle. As xattr operations in fs.h. */
ssize_t fh_getxattr(struct fh *h, const char *name, void *value, size_t size);
ssize_t fh_listxattr(struct fh *h, char *names, size_t size);
int fh_setxattr(struct fh *h, const char *name, const void *value, size_t size, int flags);
int fh_add_seals(struct fh *h, unsigned seals); /* of a memfd */
int fh_get_seals(struct fh *h);
/*
 * One step of reading a directory: raw host getdents64 entries from cookie *pos (0: start), which
 * advances. Bytes in buf; 0: end. Calls on one handle are serialised by the caller.
 */
ssize_t fh_getdents(struct fh *h, void *buf, size_t size, u64 *pos);

/*
 * kernel/fs sets it at boot: forgets some names that nobody uses, and so the files that only they
 * keep; how many, 0: there are none. For who can't have a descriptor, from a task that may sleep.
 */
extern unsigned (*fh_forget_names)(void);

struct fh_stats {
	u64 open, pinned, handles, reclaimed, reopened, stale, waits, budget;
	u64 passed; /* on the way to what had to be opened first */
};
void fh_get_stats(struct fh_stats *s);
void fh_set_budget(u64 budget); /* tests */
u64 fh_ram_bytes(void);		/* of the host */

#endif
