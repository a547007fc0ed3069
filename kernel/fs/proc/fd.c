/* /proc/PID/fd and fdinfo. */
#include "alloc.h"
#include "kernel/fs/proc/proc_priv.h"
#include <dirent.h>
#include <stdio.h>
#include <string.h>

static struct file *ctx_file(const struct proc_ctx *c)
{
	struct files *files = task_files_get(c->task);
	struct file *f = NULL;

	if (files) {
		f = files_lookup(files, c->fd);
		files_put(files);
	}
	return f;
}

static int fd_path(const struct proc_ctx *c, struct path *out)
{
	struct file *f = ctx_file(c);

	if (!f)
		return -ENOENT;
	*out = f->path;
	path_get(out);
	file_put(f);
	return 0;
}

/* The lines that all have, then what the kind of file adds. */
static int show_fdinfo(struct seq *s, const struct proc_ctx *c)
{
	struct files *files = task_files_get(c->task);
	struct file *f = files ? files_lookup(files, c->fd) : NULL;
	u32 flags;

	if (f) {
		flags = file_flags(f);
		if (files_cloexec(files, c->fd))
			flags |= O_CLOEXEC;
		seq_printf(s, "pos:\t%lld\nflags:\t0%o\nmnt_id:\t%d\nino:\t%llu\n",
			   (long long)load_relaxed(&f->pos), flags,
			   f->path.mnt ? f->path.mnt->id : 0, (unsigned long long)f->inode->ino);
	}
	if (f && f->ops && f->ops->show_fdinfo) {
		char *p = seq_reserve(s, 65536);

		if (p) {
			*p = '\0';
			f->ops->show_fdinfo(f, p, 65536);
			s->len += strlen(p);
		}
	}
	if (f)
		file_put(f);
	if (files)
		files_put(files);
	return f ? 0 : -ENOENT;
}

/* Links show by their mode what the descriptor is open for. */
static const struct proc_entry links[4] = {
	{.name = "", .mode = S_IFLNK, .path = fd_path, .flags = PROC_PRIVATE},
	{.name = "", .mode = S_IFLNK | 0500, .path = fd_path, .flags = PROC_PRIVATE},
	{.name = "", .mode = S_IFLNK | 0300, .path = fd_path, .flags = PROC_PRIVATE},
	{.name = "", .mode = S_IFLNK | 0700, .path = fd_path, .flags = PROC_PRIVATE},
};
static const struct proc_entry info_entry = PROC_FILE("", 0444, show_fdinfo,
						      .flags = PROC_PRIVATE | PROC_EARLY);

static const struct proc_entry *link_for(const struct file *f)
{
	return &links[f->mode & FMODE_PATH ? 0 : f->mode & (FMODE_READ | FMODE_WRITE)];
}

bool proc_is_fd(const struct proc_entry *e)
{
	return e == &info_entry || (e >= links && e < links + ARRAY_SIZE(links));
}

bool proc_fd_valid(const struct proc_ctx *c, u32 mode)
{
	struct file *f = ctx_file(c);
	bool valid;

	if (!f)
		return false;
	valid = !S_ISLNK(mode) || link_for(f)->mode == mode;
	file_put(f);
	return valid;
}

static struct inode *lookup(struct inode *dir, const char *name, size_t len, bool info)
{
	const struct proc_inode *pi = proc_i(dir);
	const struct proc_entry *e = &info_entry;
	struct inode *inode;
	struct proc_ctx c;
	struct file *f;
	int fd = proc_parse_number(name, len);

	if (fd < 0 || proc_ctx_get(&c, pi))
		return ERR_PTR(-ENOENT);
	c.fd = fd;
	f = ctx_file(&c);
	if (f) {
		if (!info)
			e = link_for(f);
		file_put(f);
	}
	proc_ctx_put(&c);
	if (!f)
		return ERR_PTR(-ENOENT);
	inode = proc_new_inode(dir->sb, e, pi->pid, pi->thread, fd);
	if (!IS_ERR(inode) && !info)
		inode->size = 64; /* as Linux has it */
	return inode;
}

static void iterate(struct inode *dir, struct dir_context *dc, const struct proc_entry *e)
{
	const struct proc_inode *pi = proc_i(dir);
	struct files *files = NULL;
	struct proc_ctx c;
	int fd = -1;

	if (proc_ctx_get(&c, pi))
		return;
	if (!proc_may_trace(c.task))
		files = task_files_get(c.task);
	proc_ctx_put(&c);
	if (!files)
		return;
	while ((fd = files_next(files, max(fd + 1, (int)(dc->pos - PROC_NAMES_POS)))) >= 0) {
		char name[16];
		int n = snprintf(name, sizeof(name), "%d", fd);

		if (!dc->emit(dc, name, n, proc_ino(pi->pid->nr, pi->thread, e, fd),
			      IFTODT(e->mode), PROC_NAMES_POS + fd + 1))
			break;
	}
	files_put(files);
}

static struct inode *fd_lookup(struct inode *dir, const char *name, size_t len)
{
	return lookup(dir, name, len, false);
}

static struct inode *fdinfo_lookup(struct inode *dir, const char *name, size_t len)
{
	return lookup(dir, name, len, true);
}

static void fd_iterate(struct inode *dir, struct dir_context *dc)
{
	iterate(dir, dc, &links[3]);
}

static void fdinfo_iterate(struct inode *dir, struct dir_context *dc)
{
	iterate(dir, dc, &info_entry);
}

const struct proc_names proc_fd_names = {fd_lookup, fd_iterate};
const struct proc_names proc_fdinfo_names = {fdinfo_lookup, fdinfo_iterate};
