/* Access to guest memory: checks, copies by the host, and iterators. */
#include "uaccess.h"
#include "alloc.h"
#include "engine.h"
#include "fs.h"
#include "lock.h"
#include "mm.h"
#include "patch.h"
#include "task.h"
#include <limits.h>
#include <string.h>

#define IOV_MAX_ 1024

bool access_ok(uaddr_t addr, size_t n)
{
	return n <= TASK_SIZE && addr <= TASK_SIZE - n;
}

/* The host mm to copy with, or NULL: no mm, or one that exec has emptied. */
static struct host_mm *host_of(struct mm *mm)
{
	return mm ? load_acquire(&mm->host) : NULL;
}

/* Looks at the mappings only where a stack can be, since most failures are bad addresses. */
static bool may_grow(struct mm *mm, uaddr_t addr)
{
	return mm == current->mm && addr >= mm->mmap_base && addr < mm->stack_top &&
	       mm_grow_stack(mm, addr);
}

void uaccess_expect_out(uaddr_t addr, size_t n)
{
	struct task *t = current;

	if (!n || !context_may_copy_out(t->ctx, 1))
		return;
	if (t->writable_seq == load_acquire(&t->mm->map_seq) && addr >= t->writable_start &&
	    addr < t->writable_end)
		t->copy_out = true;
	else
		t->copy_out = mm_writable(t->mm, addr, &t->writable_start, &t->writable_end,
					  &t->writable_seq);
}

/* The context whose slot may have what is copied from or to mm; NULL: none has. */
static struct context *slot_context(struct mm *mm)
{
	return mm == current->mm ? current->ctx : NULL;
}

/* Leaves n bytes for the task to put to `to`. False: it can't. */
static bool leave_out(struct mm *mm, uaddr_t to, const void *from, size_t n)
{
	struct task *t = current;

	if (!t->copy_out || mm != t->mm || to < t->writable_start || to > t->writable_end ||
	    n > t->writable_end - to || t->writable_seq != load_acquire(&mm->map_seq) ||
	    !context_may_copy_out(t->ctx, n))
		return false;
	context_copy_out(t->ctx, to, from, n);
	return true;
}

/* The kernel is to see [addr, addr + n) as the task will. */
static bool settle_out(struct mm *mm, uaddr_t addr, size_t n)
{
	struct context *c = slot_context(mm);

	return !c || !context_copy_pending(c, addr, n) || context_copy_flush(c);
}

enum direction { TO_USER, FROM_USER };

/* Is it done by what came with the call, or goes with its answer? */
static bool by_slot(struct mm *mm, void *buf, uaddr_t addr, size_t n, enum direction dir)
{
	struct context *c = slot_context(mm);

	return c &&
	       (dir == TO_USER ? leave_out(mm, addr, buf, n) : context_copy_in(c, buf, addr, n));
}

/* One contiguous range, up to where it fails. The bytes copied. */
static size_t copy_some(struct mm *mm, void *buf, uaddr_t addr, size_t n, enum direction dir)
{
	struct host_mm *hm = host_of(mm);

	if (!hm || !settle_out(mm, addr, n))
		return 0;
	if (by_slot(mm, buf, addr, n, dir))
		return n;
	return dir == TO_USER ? host_mm_write(hm, addr, buf, n) : host_mm_read(hm, buf, addr, n);
}

/*
 * The same; where it fails below a stack that may grow, grows it and goes on. A place that still
 * fails then does so for another reason: it can't be read, or the host processes are gone. Takes
 * mm->lock: may sleep.
 */
static size_t copy_range(struct mm *mm, void *buf, uaddr_t addr, size_t n, enum direction dir)
{
	size_t done, grown = n;

	might_sleep("a copy that may grow a stack");
	done = copy_some(mm, buf, addr, n, dir);
	while (done < n && grown != done && may_grow(mm, addr + done)) {
		grown = done;
		done += copy_some(mm, (u8 *)buf + done, addr + done, n - done, dir);
	}
	return done;
}

int copy_to_mm(struct mm *mm, uaddr_t to, const void *from, size_t n)
{
	return access_ok(to, n) && copy_range(mm, (void *)from, to, n, TO_USER) == n ? 0 : -EFAULT;
}

int copy_from_user(void *to, uaddr_t from, size_t n)
{
	return access_ok(from, n) && copy_range(current->mm, to, from, n, FROM_USER) == n ? 0
											  : -EFAULT;
}

int copy_from_user_nofault(void *to, uaddr_t from, size_t n)
{
	return access_ok(from, n) && copy_some(current->mm, to, from, n, FROM_USER) == n ? 0
											 : -EFAULT;
}

int copy_struct_from_user(void *to, size_t ksize, uaddr_t from, size_t usize)
{
	size_t known = min(ksize, usize), n;
	u8 rest[32];

	if (copy_from_user(to, from, known))
		return -EFAULT;
	memset((u8 *)to + known, 0, ksize - known);
	for (size_t off = known; off < usize; off += n) {
		n = min(usize - off, sizeof(rest));
		if (copy_from_user(rest, from + off, n))
			return -EFAULT;
		for (size_t i = 0; i < n; i++)
			if (rest[i])
				return -E2BIG;
	}
	return 0;
}

int copy_to_user(uaddr_t to, const void *from, size_t n)
{
	return copy_to_mm(current->mm, to, from, n);
}

size_t copy_from_user_partial(void *to, uaddr_t from, size_t n)
{
	return from >= TASK_SIZE
		       ? 0
		       : copy_range(current->mm, to, from, min(n, TASK_SIZE - from), FROM_USER);
}

size_t copy_to_user_partial(uaddr_t to, const void *from, size_t n)
{
	return to >= TASK_SIZE
		       ? 0
		       : copy_range(current->mm, (void *)from, to, min(n, TASK_SIZE - to), TO_USER);
}

/*
 * exec by the only user takes the host mm away, with the lock, for a program that the caller may
 * have no right to see. The mm that has it then is stale until it is rid of the old program, which
 * may not have been dumpable while the new one is.
 */
static size_t copy_remote(struct mm *mm, void *buf, uaddr_t addr, size_t n, enum direction dir)
{
	size_t done;

	if (addr >= TASK_SIZE)
		return 0;
	down_read(&mm->lock);
	done = mm->stale ? 0 : copy_some(mm, buf, addr, min(n, TASK_SIZE - addr), dir);
	if (dir == FROM_USER)
		patch_conceal(mm, buf, addr, done);
	up_read(&mm->lock);
	return done;
}

size_t read_remote_vm(struct mm *mm, void *to, uaddr_t from, size_t n)
{
	return copy_remote(mm, to, from, n, FROM_USER);
}

size_t write_remote_vm(struct mm *mm, uaddr_t to, const void *from, size_t n)
{
	return copy_remote(mm, (void *)from, to, n, TO_USER);
}

/*
 * In steps that end at page boundaries: the string may end right before an unmapped page. The first
 * step is short, as most strings are.
 */
ssize_t strncpy_from_user(char *to, uaddr_t from, size_t size)
{
	size_t done = 0, step = 128, came;

	came = current->ctx ? context_string_in(current->ctx, to, from, size) : 0;
	if (came)
		return came - 1;
	while (done < size) {
		size_t k = min(min(size - done, step), PAGE_SIZE - ((from + done) & ~PAGE_MASK));
		size_t got = copy_from_user_partial(to + done, from + done, k);
		char *end = memchr(to + done, 0, got);

		if (end)
			return end - to;
		if (got < k)
			return -EFAULT;
		done += k;
		step = PAGE_SIZE;
	}
	return -ENAMETOOLONG;
}

char *path_from_user(uaddr_t from)
{
	char small[256], *path;
	ssize_t n = strncpy_from_user(small, from, sizeof(small));

	if (n >= 0) {
		path = kmemdup(small, n + 1);
		return path ? path : ERR_PTR(-ENOMEM);
	}
	if (n != -ENAMETOOLONG)
		return ERR_PTR(n);
	path = kmalloc(PATH_MAX);
	if (!path)
		return ERR_PTR(-ENOMEM);
	n = strncpy_from_user(path, from, PATH_MAX);
	if (n >= 0)
		return path;
	kfree(path);
	return ERR_PTR(n);
}

/* ---- iterators ---- */

/*
 * Iterators are used under locks that come before mm->lock, so the stack grows as far as the range
 * needs it now. Not where it has been: what fails there, has been unmapped.
 */
static void grow_for(uaddr_t addr, size_t len)
{
	struct mm *mm = current->mm;

	if (len && addr >= mm->mmap_base && addr < load_relaxed(&mm->stack_low))
		(void)!mm_grow_stack(mm, addr); /* then the copy fails */
}

int iov_iter_user(struct iov_iter *it, uaddr_t base, size_t len)
{
	if (!access_ok(base, len))
		return -EFAULT;
	grow_for(base, len);
	iov_iter_kernel(it, (void *)base, len);
	it->kernel = false;
	return 0;
}

void iov_iter_kernel(struct iov_iter *it, void *base, size_t len)
{
	*it = (struct iov_iter){.kernel = true, .nr = 1, .count = len, .single = {base, len}};
	it->iov = NULL; /* means &single, so that the iterator can be copied */
}

void iov_iter_giver(struct iov_iter *it, size_t (*give)(void *arg, void *to, size_t n), void *arg,
		    size_t len)
{
	*it = (struct iov_iter){.kernel = true, .count = len, .give = give, .arg = arg};
}

struct iovec *iovec_from_user(uaddr_t iov, unsigned long n)
{
	struct iovec *v;
	int err = 0;

	if (n > IOV_MAX_)
		return ERR_PTR(-EINVAL);
	if (!n)
		return NULL;
	v = kmalloc(n * sizeof(*v));
	if (!v)
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(v, iov, n * sizeof(*v)))
		err = -EFAULT;
	for (unsigned long i = 0; i < n && !err; i++)
		if ((ssize_t)v[i].iov_len < 0)
			err = -EINVAL;
	if (!err)
		return v;
	kfree(v);
	return ERR_PTR(err);
}

int iov_iter_user_iov(struct iov_iter *it, uaddr_t iov, unsigned long n)
{
	struct iovec *v = iovec_from_user(iov, n);
	size_t total = 0;

	*it = (struct iov_iter){0};
	if (IS_ERR(v))
		return PTR_ERR(v);
	it->iov = it->alloc = v;
	it->nr = n;
	for (unsigned long i = 0; i < n; i++) {
		size_t len = it->iov[i].iov_len;

		if (!access_ok((uaddr_t)it->iov[i].iov_base, len)) {
			iov_iter_done(it);
			return -EFAULT;
		}
		grow_for((uaddr_t)it->iov[i].iov_base, len);
		/* Linux cuts a transfer at MAX_RW_COUNT. */
		len = min(len, (size_t)(INT_MAX & PAGE_MASK) - total);
		it->iov[i].iov_len = len;
		total += len;
	}
	it->count = total;
	return 0;
}

void iov_iter_done(struct iov_iter *it)
{
	kfree(it->alloc);
	it->alloc = NULL;
}

static struct iovec *piece(struct iov_iter *it)
{
	return it->iov ? it->iov : &it->single;
}

void iov_iter_advance(struct iov_iter *it, size_t n)
{
	n = min(n, it->count);
	it->count -= n;
	n += it->off;
	while (it->nr && n >= piece(it)->iov_len) {
		if (it->nr == 1 && n == piece(it)->iov_len)
			break; /* stay at the end of the last piece, so that it can be reverted */
		n -= piece(it)->iov_len;
		it->iov++;
		it->nr--;
	}
	it->off = n;
}

size_t iov_iter_user_piece(const struct iov_iter *it, uaddr_t *addr)
{
	const struct iovec *v = it->iov ? it->iov : &it->single;

	if (it->kernel || !it->count)
		return 0;
	*addr = (uaddr_t)v->iov_base + it->off;
	return min(v->iov_len - it->off, it->count);
}

void iov_iter_revert(struct iov_iter *it, size_t n)
{
	it->count += n;
	while (n > it->off) {
		n -= it->off;
		it->iov--;
		it->nr++;
		it->off = it->iov->iov_len;
	}
	it->off -= n;
}

/* The next pieces of at most n bytes in all, as host iovecs. Their number. */
static int gather(struct iov_iter *it, struct iovec *out, int max, size_t n, size_t *bytes)
{
	struct iovec *v = piece(it);
	size_t off = it->off;
	int cnt = 0;

	*bytes = 0;
	for (int i = 0; i < it->nr && cnt < max && *bytes < n; i++, off = 0) {
		size_t k = min(v[i].iov_len - off, n - *bytes);

		if (!k)
			continue;
		out[cnt++] = (struct iovec){(u8 *)v[i].iov_base + off, k};
		*bytes += k;
	}
	return cnt;
}

static size_t copy_kernel(const struct iovec *v, int cnt, u8 *buf, enum direction dir)
{
	size_t done = 0;

	for (int i = 0; i < cnt; done += v[i++].iov_len)
		if (dir == TO_USER)
			memcpy(v[i].iov_base, buf + done, v[i].iov_len);
		else
			memcpy(buf + done, v[i].iov_base, v[i].iov_len);
	return done;
}

static size_t copy_many(struct host_mm *hm, const struct iovec *v, int cnt, u8 *buf,
			enum direction dir)
{
	for (int i = 0; i < cnt; i++)
		if (!settle_out(current->mm, (uaddr_t)v[i].iov_base, v[i].iov_len))
			return 0;
	return dir == TO_USER ? host_mm_writev(hm, v, cnt, buf) : host_mm_readv(hm, buf, v, cnt);
}

static size_t copy_iter(struct iov_iter *it, u8 *buf, size_t n, enum direction dir)
{
	struct host_mm *hm = it->kernel ? NULL : host_of(current->mm);
	size_t done = 0;

	n = min(n, it->count);
	if (!it->kernel && !hm)
		return 0;
	while (done < n) {
		struct iovec v[16];
		size_t bytes, got;
		int cnt = gather(it, v, ARRAY_SIZE(v), n - done, &bytes);

		if (it->kernel)
			got = copy_kernel(v, cnt, buf + done, dir);
		else if (cnt == 1)
			got = copy_some(current->mm, buf + done, (uaddr_t)v->iov_base, v->iov_len,
					dir);
		else
			got = copy_many(hm, v, cnt, buf + done, dir);
		iov_iter_advance(it, got);
		done += got;
		if (got < bytes)
			break;
	}
	return done;
}

size_t copy_to_iter(const void *from, size_t n, struct iov_iter *it)
{
	return copy_iter(it, (u8 *)from, n, TO_USER);
}

size_t copy_from_iter(void *to, size_t n, struct iov_iter *it)
{
	if (it->give) {
		n = it->give(it->arg, to, min(n, it->count));
		it->count -= n;
		return n;
	}
	return copy_iter(it, to, n, FROM_USER);
}

static const u8 zeros[PAGE_SIZE];

size_t zero_iter(size_t n, struct iov_iter *it)
{
	size_t done = 0;

	while (done < n && it->count) {
		size_t k = min(n - done, sizeof(zeros)), got = copy_to_iter(zeros, k, it);

		done += got;
		if (got < k)
			break;
	}
	return done;
}
