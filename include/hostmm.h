/*
 * Guest address spaces on the host: a keeper process each, which executes batches of register sets
 * (docs/architecture.md, "Host processes"). Batches of one host mm are serialised by the caller's
 * mm->stub_lock.
 */
#ifndef HEDDLE_HOSTMM_H
#define HEDDLE_HOSTMM_H

#include "types.h"

/* Guest addresses lie below this; the stub area and nothing else above. */
#define TASK_SIZE 0x7fffbff00000UL

struct host_mm;

/* Boot, in this order, before other threads exist. -errno. */
/* Before the kernel confines itself: looks what the host allows. The engine is known. */
void host_processes_init(void);
must_check int host_mm_init(int ncpus);
/*
 * How many tasks can be had at a time, each of them a process of its own: host processes are
 * limited.
 */
u32 host_tasks_max(void);
must_check int reaper_init(void);
/*
 * Starts the thread that makes address spaces for execs ahead of time, if the host has a core for
 * it.
 */
must_check int host_spare_init(void);
/*
 * Waits until those host processes are dead and accounted for that were killed so far. May sleep.
 */
void host_reaper_flush(void);

/* Ends every host process of it, the keeper last. Returns at once; the reaper collects them. */
void host_mm_destroy(struct host_mm *hm);
#define BATCH_MAX 32
struct batch {
	int n;
	struct {
		u64 nr, args[6];
	} op[BATCH_MAX];
	int hostfd;  /* >= 0: a descriptor of the kernel that mmap ops with BATCH_FD as their fd use
		      */
	int hostfd2; /* only with hostfd: another one, BATCH_FD2 */
};
#define BATCH_FD ((u64)-1000)
#define BATCH_FD2 ((u64)-1001)

static inline void batch_init(struct batch *b)
{
	b->n = 0;
	b->hostfd = b->hostfd2 = -1;
}
void batch_add(struct batch *b, u64 nr, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);
/*
 * Two operations that unmap everything below TASK_SIZE but the vDSO: for exec in an mm that it may
 * keep.
 */
void batch_add_clear(struct batch *b);
/*
 * Runs the batch; stops at the first call that fails and returns its -errno, with *done = calls
 * that succeeded. Result of the last call in *last.
 */
must_check int host_mm_run(struct host_mm *hm, const struct batch *b, int *done, u64 *last);

/*
 * Copies between the kernel and a guest's memory; bytes copied before the first bad address (never
 * past TASK_SIZE).
 */
size_t host_mm_read(struct host_mm *hm, void *to, uaddr_t from, size_t n);
size_t host_mm_write(struct host_mm *hm, uaddr_t to, const void *from, size_t n);
/*
 * Between a host file and a guest's memory, without a copy in between; serialised like batches. n
 * is at most HOST_MM_IO_MAX. Bytes, as the host's pread and pwrite; a read that would wait for a
 * disk: -EAGAIN, or -EOPNOTSUPP if the file can't tell.
 */
#define HOST_MM_IO_MAX (1UL << 20)
must_check ssize_t host_mm_file_io(struct host_mm *hm, int hostfd, uaddr_t addr, size_t n, u64 off,
				   bool write);
struct iovec;
/* Vectored: many guest ranges, one kernel buffer. */
size_t host_mm_readv(struct host_mm *hm, void *to, const struct iovec *from, int cnt);
size_t host_mm_writev(struct host_mm *hm, const struct iovec *to, int cnt, const void *from);
/* Atomic compare-and-exchange on a guest's 32-bit word, done by the keeper. 0 and *old; -EFAULT. */
must_check int host_mm_cmpxchg32(struct host_mm *hm, uaddr_t addr, u32 expect, u32 val, u32 *old);

/*
 * Trampolines of patched system-call sites (os/tramp.c); serialised like batches. An area at addr,
 * which is free guest memory of TRAMP_AREA_SIZE (stub/layout.h): its number, -ENOSPC or another
 * -errno. A site is patched when the trampoline's address, which host_mm_tramp_add() returns (or
 * -ENOSPC), is written there; it must be within reach of a 32-bit displacement.
 */
struct tramp_site {
	uaddr_t site; /* of the syscall instruction */
	uaddr_t pad;  /* 0: form A; else form B, its jump lies here */
	u32 nr;
};
must_check int host_mm_tramp_area(struct host_mm *hm, uaddr_t addr);
/* The guest unmaps that area. */
void host_mm_tramp_drop(struct host_mm *hm, int area);
/* exec: the program that the trampolines were for is gone. */
void host_mm_tramps_forget(struct host_mm *hm);
must_check long host_mm_tramp_add(struct host_mm *hm, int area, const struct tramp_site *s);
/*
 * Writes to memory that the guest can read and execute, in one piece: the 8 bytes at addr, a
 * multiple of 8, if they still are `old`. -EAGAIN: they aren't.
 */
must_check int host_mm_text_write(struct host_mm *hm, uaddr_t addr, u64 old, u64 val);

/*
 * Where the vDSO that guests see lies in every host mm (0: there is none), and its size. The host's
 * own lies below it.
 */
uaddr_t host_mm_vdso(size_t *size);
/* Resident pages etc. as the host sees them, for /proc: parsed from the keeper's statm. */
must_check int host_mm_statm(struct host_mm *hm, u64 pages[7]);
pid_t host_mm_keeper(const struct host_mm *hm);

#endif
