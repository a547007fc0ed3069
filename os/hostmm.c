/*
 * Host address spaces: how they come and go, their slots, and the host processes of threads. What
 * their keepers are ordered to do is in batch.c.
 */
#include "os/hostmm_priv.h"
#include "alloc.h"
#include "cpu.h"
#include "engine.h"
#include "host.h"
#include "ktime.h"
#include "log.h"
#include "os/context.h"
#include "os/fault.h"
#include "os/fdpass.h"
#include "os/tramp.h"
#include "os/vdso.h"
#include "os/zygote.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS_TOTAL (2 * HOST_MM_MAX + EXTRA_SLOTS)
#define SLOTS_KEPT 128 /* slots that keep their pages for the next guest */

struct zygote_fds keeper_fds;

static struct {
	struct stub_ctl *ctl;	       /* control pages of all, writable here only */
	u8 *slots;		       /* slots of all */
	struct host_mm *template;      /* empty: what exec copies */
	struct spinlock template_lock; /* serialises its batches */
	uaddr_t vdso;
	size_t vdso_size;
	pid_t kernel_pid;     /* constant after boot */
	struct spinlock lock; /* rank OS: the id maps */
	u64 id_used[HOST_MM_MAX / 64];
	u64 extra_used[EXTRA_SLOTS / 64];
	u32 id_hint, extra_hint; /* nothing is free below */
	struct lost_slot {
		int slot; /* where it is mapped */
		u32 next;
	} lost[EXTRA_SLOTS]; /* by the lock of the host mm that has it */
} os;

/* ---- numbers ---- */

/* The lowest free one. */
static int bit_alloc(u64 *map, u32 nbits, u32 *hint)
{
	for (u32 w = *hint / 64; w < nbits / 64; w++) {
		if (~map[w]) {
			u32 b = __builtin_ctzll(~map[w]);

			map[w] |= 1ULL << b;
			*hint = w * 64 + b;
			return w * 64 + b;
		}
	}
	return -EAGAIN;
}

static void bit_free(u64 *map, u32 bit, u32 *hint)
{
	map[bit / 64] &= ~(1ULL << bit % 64);
	*hint = min(*hint, bit);
}

void *slot_alias(u32 global_slot)
{
	return os.slots + (size_t)global_slot * SLOT_SIZE;
}

/*
 * Nothing that a guest left in its slots may be seen by the next. When they are given back, by the
 * reaper, not when they are taken, while a task waits. The lowest, which most guests have, keep
 * their pages: clearing those is cheaper than to unmap them everywhere.
 */
static void slots_wipe(u32 first, u32 n)
{
	u8 *slots = slot_alias(first);
	size_t size = n * SLOT_SIZE;
	unsigned char resident[2 * SLOT_SIZE / PAGE_SIZE];

	if (first % (2 * HOST_MM_MAX) >= SLOTS_KEPT || mincore(slots, size, resident)) {
		madvise(slots, size, MADV_REMOVE);
		return;
	}
	for (size_t i = 0; i < size / PAGE_SIZE; i++)
		if (resident[i] & 1)
			memset(slots + i * PAGE_SIZE, 0, PAGE_SIZE);
}

/* The signal stack that the new process installs, as a stack_t behind the READY word. */
static void slot_prepare(u32 global_slot, int slot)
{
	u8 *s = slot_alias(global_slot);
	stack_t ss = {.ss_sp = (void *)(slot_addr(slot) + SLOT_SIGSTACK),
		      .ss_size = SLOT_SIGSTACK_SIZE};

	memcpy(s + 8, &ss, sizeof(ss));
	store_release((u32 *)s, 0);
}

/*
 * Extra slots that no task has any more. They are still mapped, for all that runs there to write:
 * so they remain the host mm's, for its next tasks, and others get them after its end.
 */
static struct lost_slot *lost_slot(u32 global_slot)
{
	return &os.lost[global_slot - 2 * HOST_MM_MAX];
}

static void slot_lose(struct host_mm *hm, int slot, u32 global_slot)
{
	spin_lock(&hm->lock);
	*lost_slot(global_slot) = (struct lost_slot){slot, hm->lost};
	hm->lost = global_slot;
	spin_unlock(&hm->lock);
}

/* Its number in the slots file, wiped; 0: there is none. */
static u32 slot_find(struct host_mm *hm, int *slot)
{
	u32 global_slot;

	spin_lock(&hm->lock);
	global_slot = hm->lost;
	if (global_slot) {
		*slot = lost_slot(global_slot)->slot;
		hm->lost = lost_slot(global_slot)->next;
	}
	spin_unlock(&hm->lock);
	if (global_slot)
		slots_wipe(global_slot, 1);
	return global_slot;
}

/* Nobody runs in hm any more. */
static void slots_free(struct host_mm *hm)
{
	int slot;
	u32 n;

	slots_wipe(2 * hm->id, 2);
	while ((n = slot_find(hm, &slot))) {
		spin_lock(&os.lock);
		bit_free(os.extra_used, n - 2 * HOST_MM_MAX, &os.extra_hint);
		spin_unlock(&os.lock);
	}
}

/* ---- copies ---- */

static struct host_mm *host_mm_alloc(void)
{
	struct host_mm *hm = host_process_alloc(sizeof(*hm));

	if (!hm)
		return ERR_PTR(-EAGAIN);
	spin_lock(&os.lock);
	hm->id = bit_alloc(os.id_used, HOST_MM_MAX, &os.id_hint);
	spin_unlock(&os.lock);
	if (hm->id < 0) {
		host_process_free(hm);
		return ERR_PTR(-EAGAIN);
	}
	hm->ctl = os.ctl + hm->id;
	hm->keeper_core = -1;
	hm->slots_end = 2;
	hm->slot_used[0] = 3;
	spin_init(&hm->lock, "host_mm", RANK_OS);
	CDS_INIT_LIST_HEAD(&hm->parked);
	CDS_INIT_LIST_HEAD(&hm->tasks);
	slot_prepare(2 * hm->id + 1, 1);
	host_task_info(hm, 1, NULL);
	hm->ctl->kernel_pid = os.kernel_pid;
	hm->ctl->task_flags = engine->setup->filter_flags;
	hm->ctl->task_filter = engine->setup->filter;
	fdpass_prepare(hm);
	hm->ctl->task_sigmask = engine->setup->takes_kicks ? 1ULL << (SIG_KICK - 1) : 0;
	return hm;
}

/*
 * Orders, what they point to, and what tasks may know of themselves: up to the last that there was.
 */
static void ctl_wipe(struct host_mm *hm)
{
	memset(hm->ctl, 0, CTL_INFO + min(hm->slots_end, INFO_MAX) * INFO_SIZE);
}

static void host_mm_free(struct host_mm *hm)
{
	host_mm_tramps_forget(hm);
	slots_free(hm);
	ctl_wipe(hm);
	spin_lock(&os.lock);
	bit_free(os.id_used, hm->id, &os.id_hint);
	spin_unlock(&os.lock);
	host_process_free(hm);
}

static void keeper_reaped(void *arg, const struct host_usage *u)
{
	(void)u;
	host_mm_free(arg);
}

/* Its descriptors are the keeper's until it closes them: see task_start in stub/stub.S. */
#define TASK_CLONE_FLAGS (CLONE_VM | CLONE_PARENT | CLONE_FILES | CLONE_FS)

static void op_add_task_clone(struct stub_ctl *ctl, int slot)
{
	op_add(ctl, OPF_TASK, SYS_clone, TASK_CLONE_FLAGS, slot_addr(slot) + SLOT_SIZE, 0, 0, 0,
	       slot_addr(slot));
}

static struct host_task *host_task_new(struct host_mm *hm, int slot, u32 global_slot)
{
	struct host_task *ht = host_process_alloc(sizeof(*ht));

	if (ht)
		*ht = (struct host_task){.hm = hm,
					 .slot = slot,
					 .global_slot = global_slot,
					 .core = -1,
					 .listener = -1,
					 .fresh = true,
					 .clean_fp = true};
	return ht;
}

/* The first batch of a forked keeper. Its slots replace the parent's, whose further ones go. */
static void fork_prepare(struct host_mm *parent, struct host_mm *hm, int report)
{
	struct stub_ctl *ctl = hm->ctl;

	hm->seq = next_seq();
	ctl->seq = hm->seq;
	ctl->report_fd = KEEPER_FD_REPORT + report;
	ctl->nops = 0;
	op_add(ctl, 0, SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
	op_add(ctl, OPF_EXPECT, SYS_getppid, 0, 0, 0, 0, 0, 0)->expect = ctl->kernel_pid;
	for (int i = 0; i < hm->nr_areas; i++) {
		if (!hm->areas[i].base)
			continue;
		op_add(ctl, 0, SYS_mmap, hm->areas[i].base, TRAMP_AREA_SIZE, PROT_READ | PROT_EXEC,
		       MAP_SHARED | MAP_FIXED, KEEPER_FD_CTL, tramp_file_offset(hm, i));
		op_add(ctl, 0, SYS_madvise, hm->areas[i].base, TRAMP_AREA_SIZE, MADV_DONTFORK, 0, 0,
		       0);
	}
	op_add(ctl, 0, SYS_mmap, STUB_SLOTS, 2 * SLOT_SIZE, PROT_READ | PROT_WRITE,
	       MAP_SHARED | MAP_FIXED, KEEPER_FD_SLOTS, (u64)2 * hm->id * SLOT_SIZE);
	if (parent->slots_end > 2)
		op_add(ctl, 0, SYS_munmap, slot_addr(2), (u64)(parent->slots_end - 2) * SLOT_SIZE,
		       0, 0, 0, 0);
	op_add_task_clone(ctl, 1);
}

static int fork_run(struct host_mm *parent, struct host_mm *hm, pid_t *task)
{
	int report = report_index() + 1, done = 0, err;
	struct fault_batch fault;
	u32 last = 0;

	err = tramps_copy(hm, parent);
	if (err)
		return err;
	fork_prepare(parent, hm, report);
	fault = fault_batch_cut(hm->ctl);
	parent->ctl->nops = 0;
	parent->ctl->fork_off = (u64)hm->id * sizeof(struct stub_ctl);
	op_add(parent->ctl, OPF_FORK, SYS_clone, CLONE_PARENT, 0, 0, 0, 0, 0);
	err = load_relaxed(&parent->dead) ? -ESRCH : fault_inject(FAULT_batch_clone);
	if (err)
		return err;
	keeper_start(parent);
	/*
	 * The child's keeper answers last, so this CPU sleeps once, not twice; and little, should
	 * there be no child.
	 */
	shared_futex_wait(slot_alias(2 * hm->id), 0, ktime_mono() + 6 * NSEC_PER_MSEC);
	err = keeper_finish(parent, &done, &last);
	if (err) {
		hm->astray = true;
		return err;
	}
	err = batch_result(parent->ctl->nops, done, last);
	if (err)
		return err;
	hm->keeper = last;
	hm->keeper_core = parent->keeper_core;
	hm->fds_closed = parent->fds_closed;
	err = keeper_wait(hm, hm->keeper, keeper_fds.report[report], &done, &last);
	fault_batch_result(hm->ctl, fault, done, &last);
	if (!err)
		err = batch_result(hm->ctl->nops, done, last);
	*task = last;
	return err;
}

int host_mm_copy(struct host_mm *parent, struct host_mm **out, struct host_task **task)
{
	bool from_template = !parent;
	struct host_mm *hm = host_mm_alloc();
	struct host_task *ht;
	int err;

	if (IS_ERR(hm))
		return PTR_ERR(hm);
	ht = host_task_new(hm, 1, 2 * hm->id + 1);
	if (!ht) {
		host_mm_free(hm);
		return -EAGAIN;
	}
	if (from_template) {
		parent = os.template;
		spin_lock(&os.template_lock);
	}
	err = fork_run(parent, hm, &ht->pid);
	if (from_template)
		spin_unlock(&os.template_lock);
	if (err) {
		host_process_free(ht);
		if (hm->keeper)
			reap_later(&hm->corpse, hm->keeper, false, keeper_reaped, hm);
		else if (!hm->astray)
			host_mm_free(hm);
		return err;
	}
	ht->core = hm->keeper_core; /* inherited */
	cds_list_add(&ht->link, &hm->tasks);
	*out = hm;
	*task = ht;
	return 0;
}

/* ---- host processes of further threads ---- */

static struct host_task *parked_take(struct host_mm *hm)
{
	struct host_task *ht, *found = NULL;
	struct cpu *c = this_cpu();

	spin_lock(&hm->lock);
	cds_list_for_each_entry(ht, &hm->parked, link)
		if (!ht->attached || ht->attached == c) {
			found = ht;
			break;
		}
	if (found)
		cds_list_move(&found->link, &hm->tasks);
	spin_unlock(&hm->lock);
	return found;
}

/* One that nobody has. 0: there is none. */
static u32 slot_alloc(struct host_mm *hm, int *slot)
{
	u32 hint = 0;
	int extra;

	spin_lock(&hm->lock);
	*slot = bit_alloc(hm->slot_used, SLOT_MAX, &hint);
	spin_unlock(&hm->lock);
	if (*slot < 0)
		return 0;
	spin_lock(&os.lock);
	extra = bit_alloc(os.extra_used, EXTRA_SLOTS, &os.extra_hint);
	spin_unlock(&os.lock);
	if (extra >= 0)
		return 2 * HOST_MM_MAX + extra;
	spin_lock(&hm->lock);
	bit_free(hm->slot_used, *slot, &hint);
	spin_unlock(&hm->lock);
	return 0;
}

static struct host_task *slot_take(struct host_mm *hm)
{
	struct host_task *ht;
	int slot;
	u32 n = slot_find(hm, &slot);

	if (!n)
		n = slot_alloc(hm, &slot);
	if (!n)
		return ERR_PTR(-EAGAIN);
	ht = host_task_new(hm, slot, n);
	if (ht)
		return ht;
	slot_lose(hm, slot, n);
	return ERR_PTR(-EAGAIN);
}

/* Frees ht. */
static void slot_give(struct host_task *ht)
{
	if (ht->listener >= 0)
		close(ht->listener);
	else
		fdpass_forget(ht->pid);
	if (ht->global_slot >= 2 * HOST_MM_MAX)
		slot_lose(ht->hm, ht->slot, ht->global_slot);
	host_process_free(ht);
}

/* A parked one that this CPU traces or nobody, else a new one. */
struct host_task *host_task_create(struct host_mm *hm)
{
	struct host_task *ht = parked_take(hm);
	u32 last = 0;
	int err;

	if (ht)
		return ht;
	ht = slot_take(hm);
	if (IS_ERR(ht))
		return ht;
	slot_prepare(ht->global_slot, ht->slot);
	host_task_info(hm, ht->slot, NULL);
	hm->ctl->nops = 0;
	op_add(hm->ctl, 0, SYS_mmap, slot_addr(ht->slot), SLOT_SIZE, PROT_READ | PROT_WRITE,
	       MAP_SHARED | MAP_FIXED, KEEPER_FD_SLOTS, (u64)ht->global_slot * SLOT_SIZE);
	op_add_task_clone(hm->ctl, ht->slot);
	hm->slots_end = max(hm->slots_end, ht->slot + 1);
	err = keeper_run_all(hm, &last);
	if (err) {
		slot_give(ht);
		return ERR_PTR(err);
	}
	ht->pid = last;
	ht->core = hm->keeper_core; /* inherited */
	spin_lock(&hm->lock);
	cds_list_add(&ht->link, &hm->tasks);
	spin_unlock(&hm->lock);
	return ht;
}

bool host_task_keep(struct host_mm *hm)
{
	struct cpu *c = this_cpu();
	struct host_task *ht;
	int n = 0;

	spin_lock(&hm->lock);
	cds_list_for_each_entry(ht, &hm->parked, link) {
		if (!ht->attached)
			break;
		n += ht->attached == c;
	}
	spin_unlock(&hm->lock);
	return n < KEPT_MAX;
}

void host_task_park(struct host_mm *hm, struct host_task *ht)
{
	spin_lock(&hm->lock);
	cds_list_del(&ht->link);
	if (ht->attached)
		cds_list_add(&ht->link, &hm->parked);
	else
		cds_list_add_tail(&ht->link, &hm->parked);
	spin_unlock(&hm->lock);
}

void host_task_usage(const struct host_task *ht, struct host_usage *u)
{
	u->minflt -= min(u->minflt, ht->before.minflt);
	u->majflt -= min(u->majflt, ht->before.majflt);
}

static void host_task_reaped(void *arg, const struct host_usage *u)
{
	struct host_task *ht = arg;
	struct host_usage own = *u;

	host_task_usage(ht, &own);
	if (ht->ended)
		ht->ended(ht->ended_arg, &own);
	slot_give(ht);
}

/*
 * In a call that nobody answers, or stopped; that it is being spun for is only what its memory
 * says.
 */
static bool sleeps(const struct host_task *ht)
{
	return !ht->spun && (ht->listener >= 0 || !engine->setup->takes_kicks);
}

void host_task_kill(struct host_mm *hm, struct host_task *ht)
{
	spin_lock(&hm->lock);
	cds_list_del(&ht->link);
	spin_unlock(&hm->lock);
	if (ht->reaped)
		host_task_reaped(ht, &(struct host_usage){});
	else
		reap_later(&ht->corpse, ht->pid, sleeps(ht), host_task_reaped, ht);
}

void host_mm_destroy(struct host_mm *hm)
{
	struct host_task *ht, *next;

	ASSERT(cds_list_empty(&hm->tasks));
	cds_list_for_each_entry_safe(ht, next, &hm->parked, link)
		host_task_kill(hm, ht);
	reap_later(&hm->corpse, hm->keeper, !load_relaxed(&hm->dead), keeper_reaped,
		   hm); /* behind its tasks */
}

bool host_mm_alone(const struct host_mm *hm)
{
	return hm->slots_end == 2;
}

void host_task_wipe(struct host_task *ht)
{
	slots_wipe(ht->global_slot, 1);
	ht->copies = false;
	ht->save = 0;
	ht->out_len = ht->tries = 0;
}

bool host_mm_clear(struct host_mm *hm)
{
	struct batch b;

	if (load_relaxed(&hm->dead) || !host_mm_alone(hm) || !cds_list_empty(&hm->parked))
		return false;
	batch_init(&b);
	batch_add_clear(&b);
	return host_mm_run(hm, &b, NULL, NULL) == 0;
}

void host_mm_renew(struct host_mm *hm, struct host_task *ht)
{
	host_mm_tramps_forget(hm);
	memset(hm->ctl->ops, 0, sizeof(hm->ctl->ops));
	memset(hm->ctl->data, 0, sizeof(hm->ctl->data));
	host_task_info(hm, ht->slot, NULL);
	slots_wipe(2 * hm->id, 2);
	ht->clean_fp = ht->copies = ht->spun = ht->asked = ht->loading = false;
	ht->save = 0;
	ht->tries = 0;
	ht->spin = (struct spin){};
}

uaddr_t host_mm_vdso(size_t *size)
{
	if (size)
		*size = os.vdso_size;
	return os.vdso;
}

pid_t host_mm_keeper(const struct host_mm *hm)
{
	return hm->keeper;
}

/* ---- boot ---- */

/* Our vDSO at `to`, behind the host's. A host without one isn't an error: guests then find none. */
static int template_map_vdso(struct host_mm *hm, uaddr_t host_vdso, uaddr_t to)
{
	struct batch b;
	int err;

	batch_init(&b);
	b.hostfd = host_vdso ? vdso_image(host_vdso, &os.vdso_size) : -ENOSYS;
	if (b.hostfd < 0)
		return b.hostfd == -ENOSYS ? 0 : b.hostfd;
	batch_add(&b, SYS_mmap, to, os.vdso_size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED,
		  BATCH_FD, 0);
	err = host_mm_run(hm, &b, NULL, NULL);
	close(b.hostfd);
	if (!err)
		os.vdso = to;
	return err;
}

#define ZYGOTE_TRIES 64

/*
 * Where the host doesn't let it choose its layout, what is the host's lies in the way of the stub
 * now and then.
 */
static int template_start(struct host_mm *hm)
{
	for (int tries = 1;; tries++) {
		int done = 0, err;
		u32 last = 0;

		hm->keeper = zygote_start(&keeper_fds);
		if (hm->keeper < 0)
			return hm->keeper;
		/* When it answers, it has been executed, and its mappings are its own. */
		hm->ctl->nops = 0;
		err = keeper_run(hm, &done, &last);
		if (!err && zygote_fits(hm->keeper))
			return 0;
		if (tries == ZYGOTE_TRIES)
			return err ? err : -EADDRINUSE;
		kill(hm->keeper, SIGKILL);
		if (waitpid(hm->keeper, NULL, 0) < 0)
			return -errno;
		hm->keeper_core = -1;
		hm->ctl->seq = 0;
		store_relaxed(&hm->dead, false);
	}
}

/*
 * The zygote still has its own stack, and vvar and vDSO at places which the host chose: puts all in
 * order.
 */
static int template_arrange(struct host_mm *hm)
{
	struct zygote_map maps[8];
	struct stub_ctl *ctl = hm->ctl;
	static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIG_KICK};
	uaddr_t to = STUB_VDSO_AREA, host_vdso = 0;
	stack_t ss = {.ss_sp = (void *)(STUB_SLOTS + SLOT_SIGSTACK), .ss_size = SLOT_SIGSTACK_SIZE};
	int n, err;
	u32 last = 0;

	n = zygote_special_maps(hm->keeper, maps, ARRAY_SIZE(maps));
	if (n < 0)
		return n;
	ctl->nops = 0;
	op_add(ctl, 0, SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
	op_add(ctl, OPF_EXPECT, SYS_getppid, 0, 0, 0, 0, 0, 0)->expect = ctl->kernel_pid;
	op_add(ctl, 0, SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
	for (int i = 0; i < n; i++) {
		size_t len = maps[i].end - maps[i].start;

		op_add(ctl, 0, SYS_mremap, maps[i].start, len, len, MREMAP_MAYMOVE | MREMAP_FIXED,
		       to, 0);
		if (maps[i].vdso)
			host_vdso = to;
		to += len;
	}
	op_add(ctl, 0, SYS_munmap, 0, STUB_VDSO_AREA, 0, 0, 0, 0);
	op_add(ctl, 0, SYS_munmap, to, STUB_BASE - to, 0, 0, 0, 0);
	op_add(ctl, 0, SYS_munmap, STUB_END, HOST_TASK_SIZE - STUB_END, 0, 0, 0, 0);
	memcpy(ctl->data, &ss, sizeof(ss));
	op_add(ctl, 0, SYS_sigaltstack, STUB_CTL + CTL_DATA, 0, 0, 0, 0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (signals[i] != SIG_KICK || engine->setup->takes_kicks)
			op_add(ctl, 0, SYS_rt_sigaction, signals[i], engine->setup->sigaction, 0, 8,
			       0, 0);
	op_add(ctl, 0, SYS_rt_sigprocmask, SIG_SETMASK, STUB_CTL + CTL_TASK_SIGMASK, 0, 8, 0, 0);
	err = keeper_run_all(hm, &last);
	return err ? err : template_map_vdso(hm, host_vdso, to);
}

int host_mm_init(int ncpus)
{
	struct host_mm *hm;
	int err;

	os.kernel_pid = getpid();
	spin_init(&os.lock, "host_mm ids", RANK_OS);
	/* Held while a CPU waits for the template's fork; other execs wait for their turn. */
	spin_init(&os.template_lock, "template", RANK_TEMPLATE);
	err = zygote_fds_create(&keeper_fds, ncpus, (size_t)HOST_MM_MAX * sizeof(struct stub_ctl),
				(size_t)SLOTS_TOTAL * SLOT_SIZE);
	if (err)
		return err;
	os.ctl = mmap(NULL, HOST_MM_MAX * sizeof(struct stub_ctl), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_NORESERVE, keeper_fds.ctl, 0);
	os.slots = mmap(NULL, (size_t)SLOTS_TOTAL * SLOT_SIZE, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_NORESERVE, keeper_fds.slots, 0);
	if (os.ctl == MAP_FAILED || os.slots == MAP_FAILED)
		return -errno;
	err = zygote_fds_seal(&keeper_fds);
	if (err)
		return err;
	hm = host_mm_alloc();
	if (IS_ERR(hm))
		return PTR_ERR(hm);
	ASSERT(hm->id == 0);
	err = template_start(hm);
	if (err)
		return err;
	os.template = hm;
	return template_arrange(hm);
}
