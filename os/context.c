/* Contexts: a guest thread's register state and the host process that it runs in. */
#include "os/context.h"
#include "alloc.h"
#include "cpu.h"
#include "hostio.h"
#include "ktime.h"
#include "log.h"
#include <cpuid.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

const struct engine_ops *engine;

size_t xstate_size(void)
{
	static size_t known; /* the same value whoever computes it */
	size_t size = load_relaxed(&known);
	unsigned a, b, c, d;

	if (!size) {
		__cpuid_count(0xd, 0, a, b, c, d);
		size = b;
		store_relaxed(&known, size);
	}
	return size;
}

#define XFEATURE_DYNAMIC (1ull << 18) /* XTILEDATA */

/*
 * CPUID is slow in virtual machines (it leaves them), so this runs once; every thread computes the
 * same.
 */
size_t xstate_frame(u64 *features)
{
	static u64 known_features;
	static u32 known_size;
	u32 a, b, c, d, size = 512 + 64;
	u64 f;

	if (!load_acquire(&known_size)) {
		__cpuid(1, a, b, c, d);
		if (!(c & bit_OSXSAVE)) {
			f = 3; /* x87, SSE */
			size = 512;
		} else {
			__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
			f = (a | (u64)d << 32) & ~XFEATURE_DYNAMIC;
		}
		for (int i = 2; i < 63; i++) {
			if (!(f & 1ull << i))
				continue;
			__cpuid_count(
				13, i, a, b, c,
				d); /* leaf 13: where a feature lies in the uncompacted format */
			size = max(size, b + a);
		}
		store_relaxed(&known_features, f);
		store_release(&known_size, size);
	}
	*features = load_relaxed(&known_features);
	return load_relaxed(&known_size);
}

int context_probe(char *why, size_t size)
{
	u64 features;

	if (xstate_frame(&features) > 512)
		return 0;
	snprintf(why, size, "the CPU has no XSAVE, or the virtual machine hides it");
	return -ENOSYS;
}

/*
 * The initial state: x87 control word 0x37f, MXCSR 0x1f80, everything else zero and marked as such.
 */
void xstate_initial(void *xs, size_t size)
{
	memset(xs, 0, size);
	*(u16 *)xs = 0x37f;
	*(u32 *)((u8 *)xs + 24) = 0x1f80;
}

static struct context *context_new(struct host_mm *hm, struct host_task *ht)
{
	struct context *c = kzalloc(sizeof(*c));

	if (!c)
		return NULL;
	c->hm = hm;
	c->ht = ht;
	c->regs.cs = USER_CS;
	c->regs.ss = USER_DS;
	c->regs.eflags = EFLAGS_FIXED;
	c->regs.orig_rax = ~0UL;
	c->regs_valid = c->regs_dirty = true;
	c->bound = ht->attached;
	return c;
}

struct context *context_create(struct host_mm *hm, struct host_task *ht)
{
	struct context *c = context_new(hm, ht);
	int err = -ENOMEM;

	if (c && (ht->clean_fp || context_reset_xstate(c) == 0)) {
		err = ht->fresh ? engine->adopt(ht) : 0;
		if (!err)
			return c;
	}
	if (c)
		kfree(c->xstate);
	kfree(c);
	host_task_kill(hm, ht);
	return ERR_PTR(err);
}

int host_mm_fork(struct host_mm *parent, struct host_mm **hm, struct host_task **ht)
{
	*hm = parent ? NULL : spare_take(ht);
	return *hm ? 0 : host_mm_copy(parent, hm, ht);
}

_Static_assert(offsetof(struct stub_info, egid) == offsetof(struct context_ids, egid) &&
		       offsetof(struct stub_info, cpu) == sizeof(struct context_ids),
	       "struct stub_info");

void context_died(struct context *c)
{
	c->dead = true;
	if (!c->died_status)
		c->died_status = SIGKILL;
}

static void context_free(struct context *c)
{
	if (c->owner_bound)
		store_release(c->owner_bound, 0);
	kfree(c->xstate);
	kfree(c);
}

void context_destroy(struct context *c)
{
	bool keep = !c->dead && !c->ht->fresh && !host_processes_scarce();

	if (keep && !host_task_keep(c->hm)) {
		/* One that never ran may be attached to a CPU that its creator has left. */
		keep = !c->bound || c->bound == this_cpu();
		if (keep)
			engine->release(c);
	}
	if (keep && !c->dead) {
		/*
		 * Left as it is, mostly stopped: the next thread on this CPU takes it over without
		 * a word to the host.
		 */
		c->ht->clean_fp = false;
		c->ht->save = 0;
		c->ht->attached = c->bound;
		host_task_park(c->hm, c->ht);
	} else {
		host_task_kill(c->hm, c->ht);
	}
	context_free(c);
}

void context_destroy_last(struct context *c, void (*ended)(void *arg, const struct host_usage *u),
			  void *arg)
{
	spare_make(); /* the next exec would have found this one */
	c->ht->ended = ended;
	c->ht->ended_arg = arg;
	host_task_kill(c->hm, c->ht); /* a tracee can be killed as it stands */
	context_free(c);
}

int context_copy_xstate(struct context *to, struct context *from)
{
	void *xs = kmalloc(xstate_size());
	int err;

	if (!xs)
		return -ENOMEM;
	err = engine->get_xstate(from, xs, xstate_size());
	if (err) {
		kfree(xs);
		return err;
	}
	kfree(to->xstate);
	to->xstate = xs;
	return 0;
}

int context_reset_xstate(struct context *c)
{
	void *xs = c->xstate ? c->xstate : kmalloc(xstate_size());

	if (!xs)
		return -ENOMEM;
	xstate_initial(xs, xstate_size());
	c->xstate = xs;
	return 0;
}

/* What its host process has used since it was made. */
static int usage_in_all(const struct context *c, struct host_usage *u)
{
	char path[40], buf[512], *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", c->ht->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	buf[max(n, 0)] = 0;
	p = strrchr(buf, ')'); /* behind the name: fields 3 and up of proc(5) */
	if (!p ||
	    sscanf(p + 1,
		   " %*c %*d %*d %*d %*d %*d %*u %lu %*u %lu %*u %*u %*u %*d %*d %*d %*d %*d %*d %*u %*u %lu",
		   &u->minflt, &u->majflt, &u->resident) != 3)
		return -EIO;
	return 0;
}

int context_usage(const struct context *c, struct host_usage *u)
{
	int err = usage_in_all(c, u);

	if (!err)
		host_task_usage(c->ht, u);
	return err;
}

bool context_recycle(struct context *c, void (*ended)(void *arg, const struct host_usage *u),
		     void *arg)
{
	struct host_mm *hm = c->hm;
	struct host_usage all, own;

	if (!engine->renew || c->dead || !spare_wanted() || usage_in_all(c, &all) ||
	    !host_mm_clear(hm) || engine->renew(c))
		return false;
	own = all;
	host_task_usage(c->ht, &own);
	ended(arg, &own);
	c->ht->before = all;
	context_free(c);
	spare_give(hm);
	return true;
}

bool context_exec(struct context *c)
{
	return host_mm_alone(c->hm) && engine->exec(c) == 0;
}

u64 host_process_sp(pid_t pid, const u64 args[6])
{
	char path[40], buf[256];
	u64 a[6], sp;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	buf[max(n, 0)] = 0;
	if (sscanf(buf, "%*d %lx %lx %lx %lx %lx %lx %lx", &a[0], &a[1], &a[2], &a[3], &a[4], &a[5],
		   &sp) != 7 ||
	    memcmp(a, args, sizeof(a)))
		return 0;
	return sp;
}

void context_set_owner(struct context *c, u32 *bound)
{
	c->owner_bound = bound;
	store_release(bound, c->bound != NULL);
}

int context_cpu(const struct context *c)
{
	return c->bound ? c->bound->id : -1;
}

void context_bind(struct context *c, struct cpu *cpu)
{
	c->bound = cpu;
	if (c->owner_bound)
		store_release(c->owner_bound, cpu != NULL);
}

pid_t context_host_pid(const struct context *c)
{
	return c->ht->pid;
}

void context_set_ids(struct context *c, const struct context_ids *ids)
{
	struct stub_info info = {.cpu = INFO_NONE};

	if (ids)
		memcpy(&info, ids, sizeof(*ids));
	host_task_info(c->hm, c->ht->slot, ids ? &info : NULL);
}

/* ---- what the engines share ---- */

bool is_fault_signal(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL || sig == SIGTRAP;
}

void regs_from_frame(struct pt_regs *r, const long long *g)
{
	r->r15 = g[REG_R15], r->r14 = g[REG_R14], r->r13 = g[REG_R13], r->r12 = g[REG_R12];
	r->rbp = g[REG_RBP], r->rbx = g[REG_RBX], r->r11 = g[REG_R11], r->r10 = g[REG_R10];
	r->r9 = g[REG_R9], r->r8 = g[REG_R8], r->rax = g[REG_RAX], r->rcx = g[REG_RCX];
	r->rdx = g[REG_RDX], r->rsi = g[REG_RSI], r->rdi = g[REG_RDI];
	r->rip = g[REG_RIP], r->eflags = g[REG_EFL], r->rsp = g[REG_RSP];
	r->orig_rax = ~0UL;
}

void syscall_from_regs(struct event *ev, const struct pt_regs *r, u64 nr)
{
	ev->kind = EVENT_SYSCALL;
	ev->sys.nr = nr;
	memcpy(ev->sys.args, (u64[]){r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9},
	       sizeof(ev->sys.args));
	ev->sys.ip = r->rip;
	ev->sys.sp = r->rsp;
}

bool slot_read(const struct host_task *ht, void *to, uaddr_t addr, size_t n)
{
	uaddr_t base = slot_addr(ht->slot);

	if (addr < base || addr > base + SLOT_SIZE - n)
		return false;
	memcpy(to, (u8 *)slot_alias(ht->global_slot) + (addr - base), n);
	return true;
}

/*
 * How many it has; it may inherit some from who started this kernel, as in a container. Hosts
 * before 5.9 only tell whether there are any.
 */
static unsigned long filters(pid_t pid)
{
	static const char number[] = "\nSeccomp_filters:\t", mode[] = "\nSeccomp:\t";
	unsigned long n = 0;
	char path[40], *text, *at;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	text = host_file_text(path);
	if (text && (at = strstr(text, number)))
		n = strtoul(at + strlen(number), NULL, 10);
	else if (text && (at = strstr(text, mode)))
		n = at[strlen(mode)] == '2';
	kfree(text);
	return n;
}

bool filter_installed(const struct host_task *ht)
{
	return filters(ht->pid) > filters(ht->hm->keeper);
}

bool wait_ready(struct host_task *ht)
{
	u32 *ready = slot_alias(ht->global_slot);
	ktime_t step = NSEC_PER_MSEC, look = ktime_mono() + step;

	/*
	 * The word may be forged, and what was there erased: what counts is where the engine finds
	 * the process then. Wake-ups may be forged as well, any number of them.
	 */
	while (!load_acquire(ready)) {
		(void)shared_futex_wait(ready, 0, look);
		if (ktime_mono() < look)
			continue;
		if (process_is_dead(ht->pid))
			return false;
		if (filter_installed(ht))
			break;
		step = min(step * 2, NSEC_PER_SEC);
		look = ktime_mono() + step;
	}
	ht->fresh = false;
	return true;
}
