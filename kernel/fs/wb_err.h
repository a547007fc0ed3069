/*
 * Errors of writing back. Whoever has the file below tells each of them once, to whoever calls
 * fsync first; the guest is told once for each open file that there was when it came, as Linux does
 * (errseq_t).
 */
#ifndef HEDDLE_FS_WB_ERR_H
#define HEDDLE_FS_WB_ERR_H

#include "fs.h"

/* Of an inode. s inode->spin   a atomic */
struct wb_err {
	u32 nr;	  /* s to set, a: how many there were */
	int last; /* s */
};

/* At open: what was before is not f's. */
static inline void wb_err_open(struct file *f, const struct wb_err *wb)
{
	f->wb_seen = load_relaxed(&wb->nr);
}

/*
 * At the end of fsync, or of a close that failed, which met err (0: none) below: what it returns.
 * wb: of f->inode.
 */
must_check static inline int wb_err_tell(struct file *f, struct wb_err *wb, int err)
{
	spin_lock(&f->inode->spin);
	if (err) {
		wb->last = err;
		store_relaxed(&wb->nr, wb->nr + 1);
	}
	if (__atomic_exchange_n(&f->wb_seen, wb->nr, __ATOMIC_RELAXED) != wb->nr)
		err = wb->last;
	spin_unlock(&f->inode->spin);
	return err;
}

#endif
