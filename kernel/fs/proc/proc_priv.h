/*
 * /proc is tables: a row for each name in a directory. Private to kernel/fs/proc/.
 */
#ifndef HEDDLE_PROC_PRIV_H
#define HEDDLE_PROC_PRIV_H

#include "fs.h"
#include "kernel/fs/proc/seq.h"
#include "proc.h"
#include "task.h"

/*
 * Whom a file is about. Without a task for the files of the whole system; with references for as
 * long as the context lives.
 */
struct proc_ctx {
	struct task *task;	 /* +1; NULL: none */
	struct thread_group *tg; /* of task */
	bool thread;		 /* below task/: of this thread alone */
	int fd;			 /* below fd/ and fdinfo/: descriptor; in sysfs: CPU */
};

struct proc_inode;
struct proc_entry;

/* Names that aren't in a table: processes, descriptors, threads. */
struct proc_names {
	/* The inode of a name (+1), or -ENOENT. */
	struct inode *(*lookup)(struct inode *dir, const char *name, size_t len);
	/* Emits names from dc->pos - PROC_NAMES_POS on. */
	void (*iterate)(struct inode *dir, struct dir_context *dc);
};
/* Cookies of names in tables are below, those of proc_names from here on. */
#define PROC_NAMES_POS 256u

struct proc_entry {
	const char *name; /* NULL ends a table */
	u32 mode;	  /* with its type */
	u32 flags;	  /* PROC_* */
	int (*show)(struct seq *s, const struct proc_ctx *c);
	/* What was written, NUL-terminated. 0 or -errno. */
	int (*store)(const struct proc_ctx *c, char *text, size_t n);
	char *(*readlink)(const struct proc_ctx *c); /* symlinks: fresh text or ERR_PTR */
	int (*path)(const struct proc_ctx *c, struct path *out); /* magic links: +1 */
	const struct proc_entry *children;			 /* directories */
	const struct proc_names *names;				 /* the same */
	const struct file_operations
		*fops; /* files that aren't text: these, and none of the above */
};
#define PROC_PRIVATE 1u /* only for who may trace the task */
#define PROC_EARLY                                                                                 \
	2u /* the text is made at open, because making it takes locks that rank above the          \
	      position's */

/* Rows. */
#define PROC_FILE(n, m, fn, ...)                                                                   \
	{                                                                                          \
		.name = (n), .mode = S_IFREG | (m), .show = (fn), ##__VA_ARGS__                    \
	}
#define PROC_FOPS(n, m, ops)                                                                       \
	{                                                                                          \
		.name = (n), .mode = S_IFREG | (m), .fops = (ops)                                  \
	}
#define PROC_LINK(n, fn)                                                                           \
	{                                                                                          \
		.name = (n), .mode = S_IFLNK | 0777, .readlink = (fn)                              \
	}
#define PROC_MAGIC(n, fn)                                                                          \
	{                                                                                          \
		.name = (n), .mode = S_IFLNK | 0777, .path = (fn), .flags = PROC_PRIVATE           \
	}
#define PROC_DIR(n, m, rows, ...)                                                                  \
	{                                                                                          \
		.name = (n), .mode = S_IFDIR | (m), .children = (rows), ##__VA_ARGS__              \
	}

/* inode->priv. Constant. */
struct proc_inode {
	const struct proc_entry *entry;
	struct pid *pid; /* +1: of the task; NULL: none */
	bool thread;
	int fd;
};
static inline struct proc_inode *proc_i(const struct inode *inode)
{
	return inode->priv;
}

/* inode.c: +1, or ERR_PTR(-ENOMEM). pid is borrowed; NULL for none. */
must_check struct inode *proc_new_inode(struct super_block *sb, const struct proc_entry *e,
					struct pid *pid, bool thread, int fd);
/* A super block of tables; ops has proc_evict(). sysfs is one too. ERR_PTR. */
must_check struct super_block *proc_make_super(const struct fs_type *type, const char *source,
					       const struct super_ops *ops,
					       const struct proc_entry *root);
void proc_evict(struct inode *inode);
/* -ENOENT: the task is gone. */
must_check int proc_ctx_get(struct proc_ctx *c, const struct proc_inode *pi);
void proc_ctx_put(struct proc_ctx *c);
u64 proc_ino(pid_t pid, bool thread, const struct proc_entry *e, int fd);
int proc_inode_owner(struct task *t, u32 mode, racy_u32 *uid, racy_u32 *gid);
/* access.c: 0, -EACCES. */
must_check int proc_may_trace(struct task *t);
/*
 * May who opened f still look into t? It may have executed a set-id program since, and so may the
 * reader, whose output would tell: so a process that has opened its own file goes by the
 * credentials of then, once it has others.
 */
must_check int proc_may_read(const struct file *f, struct task *t);
/* fd.c: rows of descriptors, and whether one is still open with that access. */
bool proc_is_fd(const struct proc_entry *e);
bool proc_fd_valid(const struct proc_ctx *c, u32 mode);
/* file.c, inode.c, mem.c */
extern const struct file_operations proc_file_fops, proc_dir_fops, proc_mem_fops;
char *proc_readlink(struct inode *inode);
int proc_follow(struct inode *inode, struct mount **mnt, struct dentry **d);
/* A decimal number without sign or zeros in front, below INT_MAX; -1. */
int proc_parse_number(const char *name, size_t len);
/* Number of that text with white space around it; -EINVAL, -ERANGE. */
must_check int proc_parse_long(const char *text, long lo, long hi, long *out);

/* tables */
extern const struct proc_entry proc_root_table[], proc_pid_table[], proc_thread_table[],
	proc_sys_table[], proc_heddle_table[], proc_ns_table[];
extern const struct proc_entry proc_root, proc_pid_dir, proc_thread_dir;
extern const struct proc_names proc_pid_names, proc_thread_names, proc_fd_names, proc_fdinfo_names;

/* The mm of the task with its lock held for reading, +1; NULL if it has none (any more). */
struct mm *proc_mm_lock(const struct proc_ctx *c);
void proc_mm_unlock(struct mm *mm);

/* show functions, by file */
int proc_show_pid_stat(struct seq *s, const struct proc_ctx *c);
int proc_show_pid_statm(struct seq *s, const struct proc_ctx *c);
int proc_show_pid_status(struct seq *s, const struct proc_ctx *c);
int proc_show_pid_schedstat(struct seq *s, const struct proc_ctx *c);
int proc_show_cmdline(struct seq *s, const struct proc_ctx *c);
int proc_show_environ(struct seq *s, const struct proc_ctx *c);
int proc_show_auxv(struct seq *s, const struct proc_ctx *c);
void proc_maps_init(void);
int proc_show_maps(struct seq *s, const struct proc_ctx *c);
int proc_show_smaps(struct seq *s, const struct proc_ctx *c);
int proc_show_smaps_rollup(struct seq *s, const struct proc_ctx *c);
int proc_show_mounts(struct seq *s, const struct proc_ctx *c);
int proc_show_mountinfo(struct seq *s, const struct proc_ctx *c);
int proc_show_mountstats(struct seq *s, const struct proc_ctx *c);

int proc_show_cpuinfo(struct seq *s, const struct proc_ctx *c);
int proc_show_meminfo(struct seq *s, const struct proc_ctx *c);
int proc_show_stat(struct seq *s, const struct proc_ctx *c);
int proc_show_loadavg(struct seq *s, const struct proc_ctx *c);
int proc_show_vmstat(struct seq *s, const struct proc_ctx *c);

/* hostinfo.c: read once at boot, constant afterwards. */
struct host_info {
	char *cpu_block; /* of the first CPU in /proc/cpuinfo */
	char *cmdline;
};
extern struct host_info host_info;
/* Time on the CPUs, until now. */
struct cpu_times {
	u64 user, system, idle; /* ns */
};
void cpu_times_get(int cpu, struct cpu_times *t);

#endif
