/* For file systems on top of others: files of a layer's inodes, opened without a name. */
#ifndef HEDDLE_FS_LAYER_H
#define HEDDLE_FS_LAYER_H

#include "fs.h"

/* The layer's inode as an open file of its own, +1. ERR_PTR. */
must_check struct file *layer_open(struct inode *inode, int flags);
/* Where data goes on at or behind off; what lies between is a hole. UINT64_MAX: none does. */
u64 layer_next_data(struct file *f, u64 off);
/* Whoever copies a file from one layer to another has been killed: -EINTR. */
bool layer_copier_dies(void);

#endif
