/*
 * Batches: a keeper executes host system calls that are written into its control page. Everything
 * here trusts only what no guest can write: the control pages and the report descriptors. The word
 * on which the kernel waits for the end of a batch lies in a slot and may be forged, so the report
 * decides.
 */
#include "os/hostmm_priv.h"
#include "host.h"
#include "ktime.h"
#include "log.h"
#include "os/fault.h"
#include "os/fdpass.h"
#include "os/zygote.h"
#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static u32 last_seq; /* atomic: the last number given to a batch */

int shared_futex_wait(u32 *word, u32 val, ktime_t deadline)
{
	struct timespec ts = ns_to_timespec(deadline);

	return HOST_CALL(futex, syscall(SYS_futex, word, FUTEX_WAIT_BITSET, val, &ts, NULL,
					FUTEX_BITSET_MATCH_ANY));
}

void host_task_info(struct host_mm *hm, int slot, const struct stub_info *info)
{
	struct stub_info *to = hm->ctl->info + slot;

	if (slot >= INFO_MAX)
		return;
	if (info)
		memcpy(to, info, sizeof(*to));
	else
		memset(to, 0xff, sizeof(*to)); /* INFO_NONE */
}

static void shared_futex_wake(u32 *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

struct stub_op *op_add(struct stub_ctl *ctl, u64 flags, u64 nr, u64 a0, u64 a1, u64 a2, u64 a3,
		       u64 a4, u64 a5)
{
	struct stub_op *op = &ctl->ops[ctl->nops++];

	ASSERT(ctl->nops <= CTL_MAX_OPS &&
	       (flags & (OPF_CMPXCHG | OPF_CMPXCHG64) || keeper_may_call(nr)));
	*op = (struct stub_op){.nr = nr, .args = {a0, a1, a2, a3, a4, a5}, .flags = flags};
	return op;
}

/*
 * Numbers of batches are unique over all host mms, since they share the report descriptors: what
 * another one reported there last must not be taken for an answer. Never 0, which a new keeper
 * starts with.
 */
u32 next_seq(void)
{
	u32 seq;

	do
		seq = __atomic_add_fetch(&last_seq, 1, __ATOMIC_RELAXED);
	while (!seq);
	return seq;
}

/* Reads what batch `seq` reported on this CPU's descriptor: true if it is that batch's. */
static bool report_read(int fd, u32 seq, int *done, u32 *last)
{
	s64 r = lseek(fd, 0, SEEK_CUR);

	if (r < 0 || (u32)(r >> 38) != (seq & REPORT_SEQ_MASK))
		return false;
	*done = (r >> 32) & 0x3f;
	*last = (u32)r;
	return true;
}

#define KEEPER_CHECK (NSEC_PER_SEC / 4)

/*
 * Waits for the end of the batch. The word may lie (a guest's thread can write it), the report
 * can't: whatever the word says, each time it has changed the report is looked at, and now and then
 * that and whether the keeper lives: soon, since the word may have been put back before we slept.
 * -ESRCH: it died.
 */
int keeper_wait(struct host_mm *hm, pid_t keeper, int report, int *done, u32 *last)
{
	u32 *word = slot_alias(2 * hm->id);
	ktime_t step = NSEC_PER_MSEC, check = ktime_mono() + step;
	bool first = true;

	for (;;) {
		u32 w = load_acquire(word);

		if (w == hm->seq || !first) {
			if (report_read(report, hm->seq, done, last))
				return 0;
			if (ktime_mono() >= check) {
				if (process_is_dead(keeper))
					return -ESRCH;
				step = min(2 * step, KEEPER_CHECK);
				check = ktime_mono() + step;
			}
		}
		first = false;
		if (w == hm->seq) {
			/*
			 * Forged: undo the forgery, so that the real answer wakes us; the deadline
			 * covers the race.
			 */
			__atomic_compare_exchange_n(word, &w, w - 1, false, __ATOMIC_ACQ_REL,
						    __ATOMIC_RELAXED);
			w--;
		}
		shared_futex_wait(word, w, check);
	}
}

int report_index(void)
{
	struct cpu *c = this_cpu();

	return c ? 2 * c->id : keeper_fds.nreports - 2;
}

int batch_result(int n, int done, u32 last)
{
	if (done == n)
		return 0;
	return (s32)last < 0 && (s32)last >= -MAX_ERRNO ? (s32)last : -EIO;
}

/* Gives the keeper the operations that are in the control page. */
void keeper_start(struct host_mm *hm)
{
	struct cpu *c = this_cpu();

	host_task_pin(hm->keeper, &hm->keeper_core, c ? c->host_core : host_core_current());
	hm->ctl->report_fd = KEEPER_FD_REPORT + report_index();
	hm->seq = next_seq();
	store_release(&hm->ctl->seq, hm->seq);
	shared_futex_wake(&hm->ctl->seq);
}

/* How many of them succeeded, and the last result. -ESRCH: the keeper died. */
int keeper_finish(struct host_mm *hm, int *done, u32 *last)
{
	int err = keeper_wait(hm, hm->keeper, keeper_fds.report[report_index()], done, last);

	if (err)
		store_relaxed(&hm->dead, true);
	return err;
}

int keeper_run(struct host_mm *hm, int *done, u32 *last)
{
	struct fault_batch fault;
	int err;

	if (load_relaxed(&hm->dead))
		return -ESRCH;
	fault = fault_batch_cut(hm->ctl);
	keeper_start(hm);
	err = keeper_finish(hm, done, last);
	fault_batch_result(hm->ctl, fault, *done, last);
	return err;
}

/*
 * Runs what is in the control page: 0 if all of it succeeded, else the error of the call that
 * didn't.
 */
int keeper_run_all(struct host_mm *hm, u32 *last)
{
	int done = 0, err = keeper_run(hm, &done, last);

	return err ? err : batch_result(hm->ctl->nops, done, *last);
}

void batch_add(struct batch *b, u64 nr, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	ASSERT(b->n < BATCH_MAX);
	b->op[b->n].nr = nr;
	memcpy(b->op[b->n].args, (u64[]){a0, a1, a2, a3, a4, a5}, sizeof(b->op[0].args));
	b->n++;
}

void batch_add_clear(struct batch *b)
{
	batch_add(b, SYS_munmap, 0, STUB_VDSO_AREA, 0, 0, 0, 0);
	batch_add(b, SYS_munmap, STUB_VDSO_AREA + STUB_VDSO_AREA_SIZE,
		  STUB_BASE - STUB_VDSO_AREA - STUB_VDSO_AREA_SIZE, 0, 0, 0, 0);
}

/*
 * The keeper gets these descriptors, as its first free ones, and closes them behind the calls that
 * need them.
 */
static int op_add_fetch(struct host_mm *hm, const int *fds, int n)
{
	if (!hm->fds_closed)
		op_add(hm->ctl, OPF_EXPECT, SYS_close_range, keeper_fds.keeper_end, ~0U, 0, 0, 0,
		       0);
	hm->fds_closed = false;
	return fdpass_to_keeper(hm, fds, n);
}

static void op_add_close(struct host_mm *hm)
{
	op_add(hm->ctl, OPF_IGNORE | OPF_QUIET, SYS_close_range, keeper_fds.keeper_end, ~0U, 0, 0,
	       0, 0);
}

/* A batch that fetched some is over. */
static void fds_closed(struct host_mm *hm, int err)
{
	if (err)
		fdpass_failed();
	else
		hm->fds_closed = true;
}

static bool below_stub(uaddr_t addr, u64 len)
{
	return len <= STUB_BASE && addr <= STUB_BASE - PAGE_ALIGN(len);
}

/*
 * Does all that the call is about lie below the stub? Who orders it has checked that, each in its
 * own way; but a keeper that maps something over the stub is the guest's, so nobody's mistake may
 * bring it there.
 */
static bool in_reach(u64 nr, const u64 args[6])
{
	switch (nr) {
	case SYS_membarrier:
		return true;
	case SYS_mremap:
		if (args[3] & MREMAP_FIXED && !below_stub(args[4], args[2]))
			return false;
		break;
	case SYS_mincore:
		if (!below_stub(args[2], args[1] >> PAGE_SHIFT))
			return false;
		break;
	}
	return below_stub(args[0], args[1]);
}

int host_mm_run(struct host_mm *hm, const struct batch *b, int *done, u64 *last)
{
	struct stub_ctl *ctl = hm->ctl;
	u32 low = 0;
	int extra = 0, n = 0, err;

	if (done)
		*done = 0;
	for (int i = 0; i < b->n; i++)
		if (!in_reach(b->op[i].nr, b->op[i].args))
			return -EFAULT;
	ctl->nops = 0;
	if (b->hostfd >= 0) {
		err = op_add_fetch(hm, (int[]){b->hostfd, b->hostfd2}, b->hostfd2 >= 0 ? 2 : 1);
		if (err)
			return err;
		extra = ctl->nops;
	}
	for (int i = 0; i < b->n; i++) {
		struct stub_op *op = op_add(ctl, 0, b->op[i].nr, 0, 0, 0, 0, 0, 0);

		memcpy(op->args, b->op[i].args, sizeof(op->args));
		if (op->nr == SYS_mmap && op->args[4] == BATCH_FD)
			op->args[4] = keeper_fds.keeper_end;
		else if (op->nr == SYS_mmap && op->args[4] == BATCH_FD2)
			op->args[4] = keeper_fds.keeper_end + 1;
	}
	if (b->hostfd >= 0)
		op_add_close(hm);
	err = keeper_run(hm, &n, &low);
	if (!err)
		err = batch_result(ctl->nops, n, low);
	if (b->hostfd >= 0)
		fds_closed(hm, err);
	if (done)
		*done = max(0, min(n - extra, b->n));
	if (last)
		*last = low;
	return err;
}

ssize_t host_mm_file_io(struct host_mm *hm, int hostfd, uaddr_t addr, size_t n, u64 off, bool write)
{
	struct stub_ctl *ctl = hm->ctl;
	struct iovec iov = {(void *)addr, n};
	u32 result = 0;
	int err;

	if (n > HOST_MM_IO_MAX || addr >= TASK_SIZE || n > TASK_SIZE - addr)
		return -EFAULT;
	ctl->nops = 0;
	err = op_add_fetch(hm, &hostfd, 1);
	if (err)
		return err;
	memcpy(ctl->data, &iov, sizeof(iov));
	if (write)
		op_add(ctl, OPF_IGNORE, SYS_pwrite64, keeper_fds.keeper_end, addr, n, off, 0, 0);
	else
		op_add(ctl, OPF_IGNORE, SYS_preadv2, keeper_fds.keeper_end, STUB_CTL + CTL_DATA, 1,
		       off, 0, RWF_NOWAIT);
	op_add_close(hm);
	err = keeper_run_all(hm, &result);
	fds_closed(hm, err);
	return err ? err : (s32)result;
}

int host_mm_cmpxchg32(struct host_mm *hm, uaddr_t addr, u32 expect, u32 val, u32 *old)
{
	int done = 0, err;

	if (addr % 4 || addr >= TASK_SIZE)
		return -EFAULT;
	hm->ctl->nops = 0;
	op_add(hm->ctl, OPF_CMPXCHG, 0, addr, expect, val, 0, 0, 0);
	err = keeper_run(hm, &done, old);
	if (err)
		return err;
	return done == 1 ? 0 : -EFAULT;
}

int host_mm_text_write(struct host_mm *hm, uaddr_t addr, u64 old, u64 val)
{
	int err, done = 0;
	u32 was = 0;
	u64 now;

	if (addr % 8 || addr >= TASK_SIZE)
		return -EFAULT;
	hm->ctl->nops = 0;
	op_add(hm->ctl, 0, SYS_mprotect, addr & PAGE_MASK, PAGE_SIZE,
	       PROT_READ | PROT_WRITE | PROT_EXEC, 0, 0, 0);
	op_add(hm->ctl, OPF_CMPXCHG64, 0, addr, old, val, 0, 0, 0);
	err = keeper_run(hm, &done, &was);
	if (!err)
		err = done == 2 ? 0 : batch_result(2, done, was);
	if (!err && (host_mm_read(hm, &now, addr, sizeof(now)) != sizeof(now) || now != val))
		err = -EAGAIN;
	if (done) {
		hm->ctl->nops = 0;
		op_add(hm->ctl, 0, SYS_mprotect, addr & PAGE_MASK, PAGE_SIZE, PROT_READ | PROT_EXEC,
		       0, 0, 0);
		if (keeper_run_all(hm, &was) && !err)
			err = -EIO;
	}
	return err;
}
