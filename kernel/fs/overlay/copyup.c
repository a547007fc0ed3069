/*
 * From the lower layer into memory: opening lower files, and copying contents when a file is first
 * changed.
 */
#include "kernel/fs/overlay/overlay_priv.h"

#include "alloc.h"
#include "kernel/fs/layer.h"

#define COPY_CHUNK (128 * 1024UL)

struct file *ovl_open_lower(struct inode *inode, int flags)
{
	return layer_open(ovl_i(inode)->lower, flags);
}

struct file *ovl_lower_file(struct inode *inode)
{
	struct ovl_inode *oi = ovl_i(inode);
	struct file *f = load_acquire(&oi->lower_file), *extra = NULL;

	if (f)
		return f;
	f = ovl_open_lower(inode, O_RDONLY);
	if (IS_ERR(f))
		return f;
	spin_lock(&inode->spin);
	if (oi->lower_file) {
		extra = f;
		f = oi->lower_file;
	} else {
		store_release(&oi->lower_file, f);
	}
	spin_unlock(&inode->spin);
	if (extra)
		file_put(extra);
	return f;
}

static int copy_contents(struct inode *inode, struct memdata *data, u64 upto)
{
	struct file *lower = ovl_lower_file(inode);
	struct mem_limit *limit = ovl_limit(inode);
	struct iov_iter it;
	char *buf;
	u64 off = 0;
	ssize_t n;
	int err = 0;

	if (IS_ERR(lower))
		return PTR_ERR(lower);
	if (upto > MEMDATA_BUFFER_MAX)
		err = memdata_make_memfd(data, limit, upto);
	buf = kmalloc(COPY_CHUNK);
	if (!buf)
		err = -ENOMEM;
	while (!err && off < upto) {
		if (layer_copier_dies()) {
			err = -EINTR;
			break;
		}
		off = layer_next_data(lower, off); /* holes stay */
		if (off >= upto)
			break;
		n = kernel_read(lower, buf, min(COPY_CHUNK, upto - off), off);
		if (n <= 0) { /* shorter than it was: the rest is zero */
			err = n;
			break;
		}
		for (ssize_t done = 0, w; done < n && !err; done += w) {
			iov_iter_kernel(&it, buf + done, n - done);
			w = memdata_write(data, limit, upto, &it, off + done);
			if (w <= 0)
				err = w ? w : -ENOSPC;
		}
		off += n;
	}
	kfree(buf);
	return err;
}

int ovl_copy_up(struct inode *inode, u64 upto)
{
	struct ovl_inode *oi = ovl_i(inode);
	struct memdata *data;
	int err = 0;

	if (oi->data)
		return 0;
	data = kzalloc(sizeof(*data));
	if (!data)
		return -ENOMEM;
	upto = min(upto, inode->size);
	if (upto)
		err = copy_contents(inode, data, upto);
	if (err) {
		memdata_free(data, ovl_limit(inode));
		kfree(data);
		return err;
	}
	store_release(&oi->data, data);
	ovl_pin(inode);
	return 0;
}
