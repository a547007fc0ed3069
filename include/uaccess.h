/*
 * Access to the current task's memory (or another mm's). User pointers are checked against
 * TASK_SIZE, so the stub area can't be reached. Results: 0 or -EFAULT.
 */
#ifndef HEDDLE_UACCESS_H
#define HEDDLE_UACCESS_H

#include "types.h"
#include <sys/uio.h>

struct mm;

must_check int copy_from_user(void *to, uaddr_t from, size_t n);
must_check int copy_to_user(uaddr_t to, const void *from, size_t n);
/*
 * The only one that may be called with spinlocks: it doesn't grow a stack. Who gets -EFAULT tries
 * the other one without.
 */
must_check int copy_from_user_nofault(void *to, uaddr_t from, size_t n);
/*
 * A structure that may grow: usize bytes of the user's. What is behind ksize must be zero (-E2BIG);
 * what is missing is zero. The least and the largest usize are the caller's to check.
 */
must_check int copy_struct_from_user(void *to, size_t ksize, uaddr_t from, size_t usize);
must_check int copy_to_mm(struct mm *mm, uaddr_t to, const void *from, size_t n);
/* As much as can be copied; bytes copied (0 at a bad first byte). */
size_t copy_from_user_partial(void *to, uaddr_t from, size_t n);
size_t copy_to_user_partial(uaddr_t to, const void *from, size_t n);
/*
 * From and to the memory of a mm that needn't be current's: no stack grows. Bytes until the first
 * place where its own tasks couldn't do it; 0 also while it has no memory, because of an exec.
 * Takes mm->lock: may sleep.
 */
must_check size_t read_remote_vm(struct mm *mm, void *to, uaddr_t from, size_t n);
must_check size_t write_remote_vm(struct mm *mm, uaddr_t to, const void *from, size_t n);
/*
 * Copies a string of at most size - 1 bytes and ends it; its length; -EFAULT; -ENAMETOOLONG if it
 * does not end in time.
 */
must_check ssize_t strncpy_from_user(char *to, uaddr_t from, size_t size);
/*
 * A path of at most PATH_MAX - 1 bytes in fresh memory (kfree it). ERR_PTR(-EFAULT, -ENAMETOOLONG,
 * -ENOMEM).
 */
must_check char *path_from_user(uaddr_t from);
bool access_ok(uaddr_t addr, size_t n); /* below TASK_SIZE, no wrap */

/*
 * The current call writes to [addr, addr + n) at most: if a trampoline brought it and that is
 * memory where a write can't fail, the task puts the first piece there by itself when it goes on.
 * For the call in hand. May sleep.
 */
void uaccess_expect_out(uaddr_t addr, size_t n);

#define get_user(var, uptr) copy_from_user(&(var), (uptr), sizeof(var))
#define put_user(var, uptr)                                                                        \
	({                                                                                         \
		__typeof__(var) pu_v = (var);                                                      \
		copy_to_user((uptr), &pu_v, sizeof(pu_v));                                         \
	})

/*
 * A place to copy to or from: user memory of the current mm in pieces, or kernel memory; or
 * something that gives what is to be copied from it. Advances as it is used.
 */
struct iov_iter {
	bool kernel;				       /* iov_base are kernel addresses */
	struct iovec *iov;			       /* current piece */
	int nr;					       /* pieces left */
	size_t off;				       /* consumed of the current piece */
	size_t count;				       /* bytes left in all */
	struct iovec single;			       /* for one piece */
	struct iovec *alloc;			       /* freed by iov_iter_done */
	size_t (*give)(void *arg, void *to, size_t n); /* NULL: it is memory */
	void *arg;
};
must_check int iov_iter_user(struct iov_iter *it, uaddr_t base,
			     size_t len); /* -EFAULT if out of range */
/*
 * The user's array of n iovecs (kfree it; NULL if n is 0), addresses unchecked. ERR_PTR(-EINVAL: n
 * > 1024, a negative length; -EFAULT, -ENOMEM).
 */
must_check struct iovec *iovec_from_user(uaddr_t iov, unsigned long n);
/*
 * The same as a place to copy to or from: -EFAULT too for what is out of range. It is cut where
 * Linux cuts a transfer.
 */
must_check int iov_iter_user_iov(struct iov_iter *it, uaddr_t iov, unsigned long n);
void iov_iter_kernel(struct iov_iter *it, void *base, size_t len);
/*
 * For copy_from_iter() alone: len bytes, which give() puts where they are wanted. It may sleep, and
 * give fewer.
 */
void iov_iter_giver(struct iov_iter *it, size_t (*give)(void *arg, void *to, size_t n), void *arg,
		    size_t len);
void iov_iter_done(struct iov_iter *it);
static inline size_t iov_iter_count(const struct iov_iter *it)
{
	return it->count;
}
/* The guest's memory that comes next in one piece: its length; 0: it isn't the guest's. */
size_t iov_iter_user_piece(const struct iov_iter *it, uaddr_t *addr);
/*
 * The kernel's memory, in one piece, that is all that comes; NULL: it is the guest's, or in pieces.
 */
static inline void *iov_iter_kernel_piece(const struct iov_iter *it)
{
	const struct iovec *v = it->iov ? it->iov : &it->single;

	return it->kernel && v->iov_len - it->off == it->count ? (u8 *)v->iov_base + it->off : NULL;
}
/* Bytes copied; fewer than n only at a bad address or the end of the iterator. */
must_check size_t copy_to_iter(const void *from, size_t n, struct iov_iter *it);
must_check size_t copy_from_iter(void *to, size_t n, struct iov_iter *it);
size_t zero_iter(size_t n, struct iov_iter *it);
void iov_iter_advance(struct iov_iter *it, size_t n);
/* Steps back n bytes which were consumed just before (only what this iterator consumed). */
void iov_iter_revert(struct iov_iter *it, size_t n);

#endif
