/*
 * The host side by itself: zygote, keeper, and the ptrace engine, with a few bytes of guest code
 * and no kernel.
 */
#include "alloc.h"
#include "cpu.h"
#include "engine.h"
#include "hostmm.h"
#include "ktime.h"
#include "log.h"
#include "os/hostmm_priv.h"
#include "sched.h"
#include "unit.h"
#include <asm/unistd_64.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CODE 0x10000000UL
#define DATA 0x20000000UL

static void (*test_body)(void);

static void runner(void *arg)
{
	test_body();
	smp_stop();
	kthread_exit();
}

/* Runs body as a kthread on n CPUs. The kernel starts once a process. */
static void with_cpus(int n, void (*body)(void))
{
	static bool started;
	static struct kthread kt;

	ck_assert(!started);
	started = true;
	engine = &ptrace_engine;
	ck_assert_int_eq(smp_init(n), 0);
	host_processes_init();
	ck_assert_int_eq(host_mm_init(n), 0);
	ck_assert_int_eq(reaper_init(), 0);
	test_body = body;
	ck_assert_int_eq(kthread_init(&kt, "test", NULL, runner, NULL), 0);
	kthread_start(&kt);
	ck_assert_int_eq(smp_run(), 0);
}

static void load(struct host_mm *hm, const void *code, size_t n)
{
	struct batch b;

	batch_init(&b);
	batch_add(&b, __NR_mmap, CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	batch_add(&b, __NR_mmap, DATA, 4096, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ck_assert_int_eq(host_mm_run(hm, &b, NULL, NULL), 0);
	ck_assert_uint_eq(host_mm_write(hm, CODE, code, n), n);
}

static int run_one(struct host_mm *hm, u64 nr, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4)
{
	struct batch b;
	int done = 1, err;

	batch_init(&b);
	batch_add(&b, nr, a0, a1, a2, a3, a4, 0);
	err = host_mm_run(hm, &b, &done, NULL);
	ck_assert_int_eq(done, err ? 0 : 1);
	return err;
}

/* Whatever the kernel's callers have overlooked. */
static void check_refusals(struct host_mm *hm)
{
	static const u64 ranges[][2] = {{STUB_TEXT, 4096},   {STUB_TEXT - 4096, 4097},
					{STUB_CTL, 1},	     {STUB_SLOTS, 4096},
					{4096, STUB_BASE},   {4096, ~0UL},
					{~0UL - 4095, 4096}, {~0UL - 4095, 8192}};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		u64 at = ranges[i][0], n = ranges[i][1];

		ck_assert_int_eq(run_one(hm, __NR_mmap, at, n, PROT_READ,
					 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1),
				 -EFAULT);
		ck_assert_int_eq(run_one(hm, __NR_munmap, at, n, 0, 0, 0), -EFAULT);
		ck_assert_int_eq(run_one(hm, __NR_mprotect, at, n, PROT_READ | PROT_WRITE, 0, 0),
				 -EFAULT);
		ck_assert_int_eq(
			run_one(hm, __NR_mremap, CODE, 4096, n, MREMAP_MAYMOVE | MREMAP_FIXED, at),
			-EFAULT);
	}
	ck_assert_int_eq(run_one(hm, __NR_mincore, CODE, 4096, STUB_SLOTS, 0, 0), -EFAULT);
	ck_assert_int_eq(run_one(hm, __NR_munmap, CODE, STUB_BASE - CODE, 0, 0, 0), 0);
}

static void start_at(struct context *c, uaddr_t ip)
{
	struct pt_regs *r = engine->regs(c);

	r->rip = ip;
	r->rsp = DATA + 4096;
	engine->regs_changed(c);
}

static struct context *of_new_mm(struct host_mm *parent, struct host_mm **hm)
{
	struct host_task *ht;
	struct context *c;

	ck_assert_int_eq(host_mm_fork(parent, hm, &ht), 0);
	c = context_create(*hm, ht);
	ck_assert(!IS_ERR(c));
	return c;
}

static struct context *of_new_thread(struct host_mm *hm)
{
	struct host_task *ht = host_task_create(hm);
	struct context *c;

	ck_assert(!IS_ERR(ht));
	c = context_create(hm, ht);
	ck_assert(!IS_ERR(c));
	return c;
}

/* mov $39,%eax; syscall; mov %rax,%rbx; movb $1,(%rax); ... */
static const unsigned char code[] = {
	0xb8, 39,   0,	  0,	0,    0x0f, 0x05,    /* getpid */
	0x48, 0x89, 0xc3,			     /* mov %rax,%rbx */
	0xb8, 39,   0,	  0,	0,    0x0f, 0x05,    /* getpid */
	0xc6, 0x04, 0x25, 0x34, 0x12, 0,    0,	  1, /* movb $1,0x1234 */
};

static void hello(void)
{
	struct host_mm *hm, *hm2;
	struct context *c, *c2, *c3;
	struct batch b;
	struct event ev;
	u32 old;

	c = of_new_mm(NULL, &hm);
	load(hm, code, sizeof(code));
	start_at(c, CODE);
	engine->run(c, &ev);
	ck_assert_int_eq(ev.kind, EVENT_SYSCALL);
	ck_assert_uint_eq(ev.sys.nr, __NR_getpid);
	engine->set_result(c, 12345);
	engine->run(c, &ev);
	ck_assert_int_eq(ev.kind, EVENT_SYSCALL);
	ck_assert_uint_eq(engine->regs(c)->rbx, 12345);
	engine->set_result(c, 1);
	/* a copy, in the middle of it */
	c2 = of_new_mm(hm, &hm2);
	*engine->regs(c2) = *engine->regs(c);
	engine->regs_changed(c2);
	ck_assert_int_eq(context_copy_xstate(c2, c), 0);
	for (int i = 0; i < 2; i++) {
		struct context *x = i ? c2 : c;

		engine->run(x, &ev);
		ck_assert_int_eq(ev.kind, EVENT_FAULT);
		ck_assert_int_eq(ev.fault.signo, SIGSEGV);
		ck_assert_uint_eq(ev.fault.addr, 0x1234);
		ck_assert_uint_eq(ev.fault.cr2, 0x1234);
		ck_assert_uint_eq(ev.fault.trapno, 14);
		ck_assert_uint_eq(ev.fault.error_code, 6);
		ck_assert_uint_eq(engine->regs(x)->rip, CODE + 17);
		ck_assert_uint_eq(engine->regs(x)->rbx, 12345);
	}
	/* a thread, its reuse, and a hand-over */
	c3 = of_new_thread(hm);
	start_at(c3, CODE);
	engine->run(c3, &ev);
	ck_assert_int_eq(ev.kind, EVENT_SYSCALL);
	engine->set_result(c3, 7);
	engine->release(c3);
	engine->run(c3, &ev);
	ck_assert_int_eq(ev.kind, EVENT_SYSCALL);
	ck_assert_uint_eq(engine->regs(c3)->rbx, 7);
	context_destroy(c3);
	c3 = of_new_thread(hm);
	start_at(c3, CODE);
	engine->run(c3, &ev);
	ck_assert_int_eq(ev.kind, EVENT_SYSCALL);
	context_destroy(c3);
	/* the atomic operation, and its fault */
	ck_assert_int_eq(host_mm_cmpxchg32(hm, DATA, 0, 5, &old), 0);
	ck_assert_uint_eq(old, 0);
	ck_assert_int_eq(host_mm_cmpxchg32(hm, DATA, 0, 6, &old), 0);
	ck_assert_uint_eq(old, 5);
	ck_assert_int_eq(host_mm_cmpxchg32(hm, 0x1000, 0, 6, &old), -EFAULT);
	ck_assert_int_eq(host_mm_cmpxchg32(hm, DATA, 5, 6, &old), 0);
	batch_init(&b);
	batch_add_clear(&b);
	ck_assert_int_eq(host_mm_run(hm, &b, NULL, NULL), 0);
	ck_assert_uint_eq(host_mm_read(hm, &old, DATA, 4), 0);
	check_refusals(hm);
	context_destroy(c);
	context_destroy(c2);
	host_mm_destroy(hm);
	host_mm_destroy(hm2);
}

START_TEST(guest_code_runs_faults_forks_and_is_handed_over)
{
	with_cpus(1, hello);
}
END_TEST

UNIT_MAIN("engine", guest_code_runs_faults_forks_and_is_handed_over)
