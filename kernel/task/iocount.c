/*
 * What processes read and wrote by calls, for /proc/PID/io. Each task counts for itself; sums are
 * made when asked for, or when it ends.
 */
#include "task.h"

void io_count_add(struct io_count *sum, const struct io_count *io)
{
	sum->rchar += io->rchar;
	sum->wchar += io->wchar;
	sum->syscr += io->syscr;
	sum->syscw += io->syscw;
}

void io_count_fold_locked(struct task *t)
{
	io_count_add(&t->tg->io, &t->io);
}

void io_count_group(struct thread_group *tg, struct io_count *sum)
{
	struct task *t;

	spin_lock(&tg->siglock);
	*sum = tg->io;
	cds_list_for_each_entry(t, &tg->threads, group_link)
		if (!t->times_folded)
			io_count_add(sum, &t->io);
	spin_unlock(&tg->siglock);
}
