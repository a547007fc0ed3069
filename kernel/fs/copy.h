/* What calls share that move data from one file to another: copy.c, splice.c. */
#ifndef FS_COPY_H
#define FS_COPY_H

#include "vfs.h"

/* One end of a copy. */
struct copy_end {
	struct file *file;
	u64 pos;
	bool own; /* pos is the file's own: put back afterwards */
};

/* pos: the guest's variable at upos, or the file's own if that is NULL. -EFAULT. */
must_check int copy_pos_begin(struct copy_end *e, uaddr_t upos);
must_check int copy_pos_end(struct copy_end *e, uaddr_t upos);
/* For inotify: bytes were copied. */
void copy_notify(struct file *in, struct file *out);

#endif
