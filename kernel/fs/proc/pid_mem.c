/* /proc/PID/cmdline, environ, auxv: what lies in the process's own memory. */
#include "kernel/fs/proc/proc_priv.h"
#include "mm.h"
#include "uaccess.h"
#include <string.h>

/* Appends what can be read of [from, to). mm->lock is held for reading, so its host side stays. */
static void append_memory(struct seq *s, struct mm *mm, uaddr_t from, uaddr_t to)
{
	while (from < to) {
		size_t n = min(to - from, (u64)65536), got;
		char *p = seq_reserve(s, n);

		if (!p)
			return;
		got = mm->host ? host_mm_read(mm->host, p, from, n) : 0;
		s->len += got;
		if (got < n)
			return;
		from += n;
	}
}

/*
 * The arguments, with their NULs. A program that has overwritten the last one shows a title of its
 * own, which ends at the first NUL and may go on into what was the environment.
 */
static void append_args(struct seq *s, struct mm *mm)
{
	size_t n;

	if (mm->arg_start >= mm->arg_end || mm->arg_end > TASK_SIZE)
		return;
	append_memory(s, mm, mm->arg_start, mm->arg_end);
	if (!s->len || s->len < mm->arg_end - mm->arg_start || s->buf[s->len - 1] == '\0')
		return;
	n = strnlen(s->buf, s->len);
	if (n < s->len) {
		s->len = n + 1;
		return;
	}
	if (mm->env_start != mm->arg_end || mm->env_end < mm->env_start || mm->env_end > TASK_SIZE)
		return;
	append_memory(s, mm, mm->env_start, min(mm->env_end, mm->env_start + PAGE_SIZE));
	n = strnlen(s->buf, s->len);
	s->len = min(n + 1, s->len);
}

int proc_show_cmdline(struct seq *s, const struct proc_ctx *c)
{
	struct mm *mm = proc_mm_lock(c);

	if (!mm)
		return 0;
	append_args(s, mm);
	proc_mm_unlock(mm);
	return 0;
}

int proc_show_environ(struct seq *s, const struct proc_ctx *c)
{
	struct mm *mm = proc_mm_lock(c);

	if (!mm)
		return 0;
	if (mm->env_start < mm->env_end && mm->env_end <= TASK_SIZE)
		append_memory(s, mm, mm->env_start, mm->env_end);
	proc_mm_unlock(mm);
	return 0;
}

int proc_show_auxv(struct seq *s, const struct proc_ctx *c)
{
	struct mm *mm = proc_mm_lock(c);

	if (!mm)
		return 0;
	seq_write(s, mm->auxv, min((size_t)max(mm->auxv_len, 0), sizeof(mm->auxv)));
	proc_mm_unlock(mm);
	return 0;
}
