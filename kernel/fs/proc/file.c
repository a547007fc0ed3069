/*
 * Regular files of /proc. The text is made when a read begins at the start, and kept for the reads
 * that follow: who reads in pieces gets one consistent text, and who seeks back to 0 gets a fresh
 * one.
 */
#include "alloc.h"
#include "kernel/fs/proc/proc_priv.h"
#include "log.h"
#include <limits.h>
#include <string.h>

#define STORE_MAX 4096u

/* file->priv. */
struct proc_file {
	struct mutex lock; /* rank SEQ */
	struct seq text;   /* lock */
	bool ready;	   /* lock */
};

/* Makes the text. Under pf->lock, or before others can see the file. */
static int make_text(struct file *f, struct proc_file *pf)
{
	const struct proc_inode *pi = proc_i(f->inode);
	struct proc_ctx c;
	int err = proc_ctx_get(&c, pi);

	if (err)
		return -ESRCH;
	pf->text.len = 0;
	err = pi->entry->show(&pf->text, &c);
	/*
	 * Asked afterwards: if the task has executed another program meanwhile, the text may be of
	 * that.
	 */
	if (!err && pi->entry->flags & PROC_PRIVATE)
		err = proc_may_read(f, c.task);
	proc_ctx_put(&c);
	if (!err && pf->text.failed)
		err = -ENOMEM;
	if (err)
		seq_destroy(&pf->text);
	else
		seq_fit(&pf->text);
	pf->ready = !err;
	return err;
}

static int check_access(const struct proc_inode *pi)
{
	struct proc_ctx c;
	int err;

	err = proc_ctx_get(&c, pi);
	if (err)
		return -ESRCH;
	if (pi->entry->flags & PROC_PRIVATE)
		err = proc_may_trace(c.task);
	proc_ctx_put(&c);
	return err;
}

static int proc_open(struct inode *inode, struct file *f)
{
	const struct proc_inode *pi = proc_i(inode);
	struct proc_file *pf;
	int err = check_access(pi);

	if (err)
		return err;
	pf = kzalloc(sizeof(*pf));
	if (!pf)
		return -ENOMEM;
	mutex_init(&pf->lock, "proc file", RANK_SEQ);
	seq_init(&pf->text);
	if (pi->entry->flags & PROC_EARLY)
		err = make_text(f, pf);
	if (err) {
		seq_destroy(&pf->text);
		kfree(pf);
		return err;
	}
	f->priv = pf;
	return 0;
}

static void proc_release(struct file *f)
{
	struct proc_file *pf = f->priv;

	seq_destroy(&pf->text);
	kfree(pf);
}

static bool wants_fresh(const struct proc_file *pf, const struct proc_inode *pi, u64 pos)
{
	return !pf->ready || (pos == 0 && !(pi->entry->flags & PROC_EARLY));
}

static ssize_t proc_read(struct file *f, struct iov_iter *to, u64 *pos)
{
	const struct proc_inode *pi = proc_i(f->inode);
	struct proc_file *pf = f->priv;
	ssize_t n = 0;
	size_t left;

	if (!pi->entry->show)
		return -EINVAL;
	mutex_lock(&pf->lock);
	if (wants_fresh(pf, pi, *pos))
		n = make_text(f, pf);
	if (!n && *pos < pf->text.len && iov_iter_count(to)) {
		left = min(pf->text.len - (size_t)*pos, iov_iter_count(to));
		n = copy_to_iter(pf->text.buf + *pos, left, to);
		*pos += n;
		if (!n)
			n = -EFAULT;
	}
	mutex_unlock(&pf->lock);
	return n;
}

/* One write is one value. */
static ssize_t proc_write(struct file *f, struct iov_iter *from, u64 *pos)
{
	const struct proc_inode *pi = proc_i(f->inode);
	size_t n = iov_iter_count(from);
	struct proc_ctx c;
	char *text;
	int err = 0;

	if (!pi->entry->store)
		return -EIO;
	if (n > STORE_MAX)
		return -EINVAL;
	text = kmalloc(n + 1);
	if (!text)
		return -ENOMEM;
	if (copy_from_iter(text, n, from) != n)
		err = -EFAULT;
	text[n] = '\0';
	if (!err && proc_ctx_get(&c, pi))
		err = -ESRCH;
	if (!err) {
		err = pi->entry->store(&c, text, n);
		proc_ctx_put(&c);
	}
	kfree(text);
	if (err)
		return err;
	*pos += n;
	return n;
}

static s64 proc_llseek(struct file *f, s64 off, int whence)
{
	if (whence == SEEK_CUR && __builtin_add_overflow(off, (s64)f->pos, &off))
		return -EOVERFLOW;
	if ((whence != SEEK_SET && whence != SEEK_CUR) || off < 0)
		return -EINVAL;
	f->pos = off;
	return off;
}

const struct file_operations proc_file_fops = {
	.open = proc_open,
	.release = proc_release,
	.read = proc_read,
	.write = proc_write,
	.llseek = proc_llseek,
};

/* ---- links ---- */

static char *path_text(const struct path *p)
{
	size_t size = PATH_MAX + 32;
	char *buf = kmalloc(size), *name, *text;

	if (!buf)
		return ERR_PTR(-ENOMEM);
	name = path_name(p, buf, size);
	text = IS_ERR(name) ? name : kstrdup(name);
	kfree(buf);
	return text ? text : ERR_PTR(-ENOMEM);
}

static int magic_path(const struct proc_entry *e, const struct proc_ctx *c, struct path *p)
{
	int err = proc_may_trace(c->task);

	return err ? err : e->path(c, p);
}

char *proc_readlink(struct inode *inode)
{
	const struct proc_inode *pi = proc_i(inode);
	struct proc_ctx c;
	struct path p;
	char *text;
	int err = proc_ctx_get(&c, pi);

	if (err)
		return ERR_PTR(err);
	if (pi->entry->readlink) {
		text = pi->entry->readlink(&c);
	} else {
		err = magic_path(pi->entry, &c, &p);
		text = err ? ERR_PTR(err) : path_text(&p);
		if (!err)
			path_put(&p);
	}
	proc_ctx_put(&c);
	return text;
}

int proc_follow(struct inode *inode, struct mount **mnt, struct dentry **d)
{
	const struct proc_inode *pi = proc_i(inode);
	struct proc_ctx c;
	struct path p;
	int err = proc_ctx_get(&c, pi);

	if (err)
		return err;
	err = magic_path(pi->entry, &c, &p);
	if (!err) {
		*mnt = p.mnt;
		*d = p.dentry;
	}
	proc_ctx_put(&c);
	return err;
}

/* ---- parsing ---- */

int proc_parse_number(const char *name, size_t len)
{
	long n = 0;

	if (!len || len > 10 || (name[0] == '0' && len > 1))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		n = n * 10 + name[i] - '0';
	}
	return n < INT_MAX ? n : -1;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

int proc_parse_long(const char *text, long lo, long hi, long *out)
{
	bool negative;
	long n = 0;

	while (is_space(*text))
		text++;
	negative = *text == '-';
	text += negative;
	if (*text < '0' || *text > '9')
		return -EINVAL;
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(n, 10L, &n) ||
		    __builtin_add_overflow(n, *text - '0', &n))
			return -ERANGE;
	while (is_space(*text))
		text++;
	if (*text)
		return -EINVAL;
	if (negative)
		n = -n;
	if (n < lo || n > hi)
		return -EINVAL;
	*out = n;
	return 0;
}
