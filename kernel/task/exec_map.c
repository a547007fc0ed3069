/*
 * The second half of exec: an empty mm gets the program, its interpreter, a stack and what lies on
 * it.
 */
#include "alloc.h"
#include "commit.h"
#include "cred.h"
#include "dev.h"
#include "fs.h"
#include "host.h"
#include "kernel/mm/vma.h"
#include "kernel/mm/stack.h"
#include "kernel/task/exec.h"
#include "mm.h"
#include "stub/layout.h"
#include "task.h"
#include <asm/unistd_64.h>
#include <linux/auxvec.h>
#include <linux/personality.h>
#include <string.h>
#include <sys/mman.h>

#define PIE_BASE 0x555555554000UL
#define STACK_INITIAL (128UL << 10)  /* beyond what exec itself puts there */
#define STACK_ROOM_MIN (128UL << 20) /* what mmap leaves free below the top, for stacks to grow */
#define STACK_ROOM_MAX (64UL << 30)

/* `bits` random bits, in pages; 0 with ADDR_NO_RANDOMIZE. */
static u64 random_pages(int bits)
{
	u64 r;

	if (current->personality & ADDR_NO_RANDOMIZE)
		return 0;
	host_random(&r, sizeof(r));
	return (r & ((1UL << bits) - 1)) << PAGE_SHIFT;
}

static void layout(struct mm *mm)
{
	u64 room = min(max(current->tg->rlim[RLIMIT_STACK].rlim_cur, STACK_ROOM_MIN),
		       STACK_ROOM_MAX);

	mm->stack_top = STUB_VDSO_AREA - PAGE_SIZE - random_pages(22);
	mm->mmap_base = mm->stack_top - PAGE_ALIGN(room) - STACK_GUARD_GAP - random_pages(16);
}

/* ---- segments ---- */

/*
 * Collects the host's calls for all of the new image, to have them made at one go, since each batch
 * costs two switches of the host.
 */
struct mapper {
	struct mm *mm;
	struct file *file[2]; /* the program, its interpreter or NULL */
	struct batch b;
	uaddr_t clear[BATCH_MAX]; /* where to zero up to the end of the page */
	int nclear;
};

static int file_target(struct mapper *m, int i, struct mmap_target *t)
{
	struct file *f = m->file[i];
	int err = f->ops->mmap
			  ? f->ops->mmap(f, PROT_READ | PROT_EXEC, MAP_PRIVATE, 0, PAGE_SIZE, t)
			  : -ENODEV;

	if (err)
		return err;
	for (int k = 0; k < m->b.n; k++)
		if (m->b.op[k].args[4] == (i ? BATCH_FD2 : BATCH_FD))
			m->b.op[k].args[5] += t->offset;
	return t->anonymous ? -ENOEXEC : 0;
}

static int run_batch(struct mapper *m)
{
	struct mmap_target t[2] = {{.hostfd = -1}, {.hostfd = -1}};
	int err = 0;

	for (int i = 0; i < 2 && !err; i++)
		if (m->file[i])
			err = file_target(m, i, &t[i]);
	if (!err) {
		m->b.hostfd = t[0].hostfd;
		m->b.hostfd2 = t[1].hostfd;
		mutex_lock(&m->mm->stub_lock);
		err = host_mm_run(m->mm->host, &m->b, NULL, NULL);
		mutex_unlock(&m->mm->stub_lock);
	}
	for (int i = 0; i < 2; i++)
		if (t[i].done)
			t[i].done(&t[i]);
	return err;
}

/* Has the host do what was collected. */
static int flush(struct mapper *m)
{
	static const u8 zeros[PAGE_SIZE];
	int err = run_batch(m);

	for (int i = 0; i < m->nclear && !err; i++)
		err = copy_to_mm(m->mm, m->clear[i], zeros, PAGE_SIZE - (m->clear[i] & ~PAGE_MASK));
	batch_init(&m->b);
	m->nclear = 0;
	return err;
}

/*
 * A part of the image. It is in the table before the host has it: should the host refuse, the
 * process ends. file: an index, or -1 for anonymous memory.
 */
static int add_part(struct mapper *m, uaddr_t start, uaddr_t end, int prot, u32 flags, int file,
		    u64 off)
{
	static const u64 fds[] = {-1, BATCH_FD, BATCH_FD2};
	struct vma v = {.start = start,
			.end = end,
			.flags = flags | VM_MAYWRITE | (prot & PROT_READ ? VM_READ : 0) |
				 (prot & PROT_WRITE ? VM_WRITE : 0) |
				 (prot & PROT_EXEC ? VM_EXEC : 0)};
	int err = m->b.n == BATCH_MAX ? flush(m) : 0;

	if (!err)
		err = vma_reserve(m->mm, 3);
	if (!err && vma_accountable(v.flags))
		err = mm_charge(m->mm, (end - start) >> PAGE_SHIFT);
	if (err)
		return err;
	if (file >= 0) {
		v.file = file_get(m->file[file]);
		v.pgoff = off;
	}
	batch_add(&m->b, __NR_mmap, start, end - start, prot,
		  MAP_PRIVATE | MAP_FIXED | (file < 0 ? MAP_ANONYMOUS : 0), fds[file + 1], off);
	vma_cut(m->mm, start, end);
	vma_insert(m->mm, &v);
	mm_settle(m->mm);
	return 0;
}

static int add_segment(struct mapper *m, int file, const struct elf_load *l, uaddr_t bias)
{
	uaddr_t start = l->start + bias, file_end = l->file_end + bias,
		mem_end = PAGE_ALIGN(l->mem_end + bias);
	uaddr_t mapped = start;
	int err = 0;

	if (l->file_end > l->start) {
		mapped = PAGE_ALIGN(file_end);
		err = add_part(m, start, mapped, l->prot, 0, file, l->offset);
		if (!err && l->mem_end > l->file_end && file_end != mapped && l->prot & PROT_WRITE)
			m->clear[m->nclear++] = file_end;
	}
	if (!err && mem_end > mapped)
		err = add_part(m, mapped, mem_end, l->prot, 0, -1, 0);
	return err;
}

static int add_elf(struct mapper *m, int file, const struct elf_image *elf, uaddr_t bias)
{
	int err = 0;

	for (int i = 0; i < elf->nloads && !err; i++)
		err = add_segment(m, file, &elf->load[i], bias);
	return err;
}

/*
 * What is to be added to the image's addresses. All of it lies below the place for mappings then:
 * nothing of the kernel's, no stack.
 */
static int choose_bias(struct mm *mm, const struct elf_image *elf, bool is_interp, uaddr_t *bias)
{
	size_t span = elf->high - elf->low;
	uaddr_t at;

	*bias = 0;
	if (elf->eh.e_type == ET_EXEC)
		return elf->low < MMAP_MIN_ADDR || elf->high > mm->mmap_base ? -ENOMEM : 0;
	at = is_interp || elf->interp[0] == 0 ? 0 : PIE_BASE + random_pages(28);
	if (!at) { /* interpreters, and static PIE, go where mmap puts things */
		at = vma_gap_down(mm, span, MMAP_MIN_ADDR, mm->mmap_base);
		if (!at)
			return -ENOMEM;
	}
	if (span > mm->mmap_base || at > mm->mmap_base - span)
		return -ENOMEM;
	*bias = at - elf->low;
	return 0;
}

static int add_program(struct mapper *m, struct exec_image *im)
{
	struct mm *mm = m->mm;
	struct elf_image *e = im->elf;
	uaddr_t bias, ibias;
	int err = choose_bias(mm, e, false, &bias);

	if (!err)
		err = add_elf(m, 0, e, bias);
	if (err)
		return err;
	im->entry = e->eh.e_entry + bias;
	im->phdr = e->phdr ? e->phdr + bias : 0;
	mm->code_start = e->code_start + bias;
	mm->code_end = e->code_end + bias;
	mm->data_start = e->data_start + bias;
	mm->data_end = e->data_end + bias;
	mm->brk_start = mm->brk = PAGE_ALIGN(e->brk + bias) + random_pages(13);
	if (!im->interp)
		return 0;
	err = choose_bias(mm, im->interp_elf, true, &ibias);
	if (!err)
		err = add_elf(m, 1, im->interp_elf, ibias);
	im->base = ibias;
	im->entry = im->interp_elf->eh.e_entry + ibias;
	return err;
}

/* ---- the stack ---- */

static int add_stack(struct mapper *m, const struct exec_image *im)
{
	struct mm *mm = m->mm;
	/* strings, their pointers, the auxiliary vector, and room for the program to begin with */
	size_t size = PAGE_ALIGN(im->strings->len + 8UL * (im->strings->argc + im->strings->envc) +
				 3 * PAGE_SIZE) +
		      STACK_INITIAL;
	int prot = PROT_READ | PROT_WRITE | (im->elf->exec_stack ? PROT_EXEC : 0);

	mm->stack_low = mm->stack_top - size;
	return add_part(m, mm->stack_low, mm->stack_top, prot, VM_STACK | VM_GROWSDOWN, -1, 0);
}

/*
 * The vDSO is there already. What the host's is made of shows as [vvar]: to the guest it is what
 * [vdso] works with.
 */
static int insert_vdso(struct mm *mm)
{
	size_t size;
	uaddr_t vdso = host_mm_vdso(&size);
	int err = vdso ? vma_reserve(mm, 2) : 0;

	if (!vdso || err)
		return err;
	vma_insert(mm,
		   &(struct vma){.start = STUB_VDSO_AREA, .end = vdso, .flags = VM_READ | VM_VDSO});
	vma_insert(mm, &(struct vma){.start = vdso,
				     .end = vdso + size,
				     .flags = VM_READ | VM_EXEC | VM_VDSO});
	return 0;
}

static void aux(struct mm *mm, u64 type, u64 value)
{
	u64 *p = mm->auxv + mm->auxv_len / sizeof(u64);

	p[0] = type;
	p[1] = value;
	mm->auxv_len += 2 * sizeof(u64);
}

static void fill_auxv(struct mm *mm, const struct exec_image *im, uaddr_t random, uaddr_t platform,
		      uaddr_t execfn)
{
	const struct cred *c = im->cred;

	mm->auxv_len = 0;
	if (host_mm_vdso(NULL))
		aux(mm, AT_SYSINFO_EHDR, host_mm_vdso(NULL));
	aux(mm, AT_MINSIGSTKSZ, host_auxv(AT_MINSIGSTKSZ));
	aux(mm, AT_HWCAP, host_auxv(AT_HWCAP)); /* CPUID would tell, but leaves a virtual machine */
	aux(mm, AT_PAGESZ, PAGE_SIZE);
	aux(mm, AT_CLKTCK, 100);
	aux(mm, AT_PHDR, im->phdr);
	aux(mm, AT_PHENT, sizeof(Elf64_Phdr));
	aux(mm, AT_PHNUM, im->elf->eh.e_phnum);
	aux(mm, AT_BASE, im->base);
	aux(mm, AT_FLAGS, 0);
	aux(mm, AT_ENTRY, im->elf->eh.e_entry + (im->phdr - im->elf->phdr));
	aux(mm, AT_UID, c->uid);
	aux(mm, AT_EUID, c->euid);
	aux(mm, AT_GID, c->gid);
	aux(mm, AT_EGID, c->egid);
	aux(mm, AT_SECURE, im->secure);
	aux(mm, AT_RANDOM, random);
	aux(mm, AT_HWCAP2, host_auxv(AT_HWCAP2));
	aux(mm, AT_EXECFN, execfn);
	aux(mm, AT_PLATFORM, platform);
	aux(mm, AT_NULL, 0);
}

/*
 * Pointers to the strings that start at addr, NULL behind the last; the next free place in the
 * vector.
 */
static u64 *string_pointers(u64 *out, const char *buf, size_t *off, int n, uaddr_t addr)
{
	for (int i = 0; i < n; i++) {
		*out++ = addr + *off;
		*off += strlen(buf + *off) + 1;
	}
	*out++ = 0;
	return out;
}

/*
 * Top of the stack, downwards: file name, strings, platform, random bytes; then argc, pointers and
 * auxv, aligned. Made here in whole, and copied at one go.
 */
static int fill_stack(struct mm *mm, struct exec_image *im)
{
	struct exec_strings *s = im->strings;
	size_t namelen = strlen(im->filename) + 1, off = 0, size;
	uaddr_t execfn = mm->stack_top - 8 - namelen, strings = execfn - s->len, env, platform,
		random;
	u8 *stack;
	u64 *p;
	int err;

	platform = ((strings - random_pages(1) / 2) & ~15UL) - 16;
	random = platform - 16;
	down_write(&mm->lock);
	fill_auxv(mm, im, random, platform, execfn);
	up_write(&mm->lock);
	im->sp = (random - 8 * (1 + s->argc + 1 + s->envc + 1) - mm->auxv_len) & ~15UL;
	size = mm->stack_top - im->sp;
	stack = kzalloc(size);
	if (!stack)
		return -ENOMEM;
	p = (u64 *)stack;
	*p++ = s->argc;
	p = string_pointers(p, s->buf, &off, s->argc, strings);
	env = strings + off;
	p = string_pointers(p, s->buf, &off, s->envc, strings);
	memcpy(p, mm->auxv, mm->auxv_len);
	host_random(stack + (random - im->sp), 16);
	strcpy((char *)stack + (platform - im->sp), "x86_64");
	memcpy(stack + (strings - im->sp), s->buf, s->len);
	memcpy(stack + (execfn - im->sp), im->filename, namelen);
	err = copy_to_mm(mm, im->sp, stack, size);
	kfree(stack);
	/* /proc shows the strings when they are there. */
	down_write(&mm->lock);
	mm->arg_start = strings;
	mm->arg_end = mm->env_start = env;
	mm->env_end = strings + off;
	up_write(&mm->lock);
	return err;
}

static int map_all(struct mapper *m, struct exec_image *im)
{
	struct mm *mm = m->mm;
	int err;

	layout(mm);
	batch_init(&m->b);
	if (mm->stale)
		batch_add_clear(&m->b);
	err = add_stack(m, im);
	if (!err)
		err = insert_vdso(mm);
	if (!err)
		err = add_program(m, im);
	if (!err)
		err = flush(m);
	if (!err)
		mm->stale = false;
	return err;
}

int exec_map(struct mm *mm, struct exec_image *im)
{
	struct mapper *m = kmalloc(sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	m->mm = mm;
	m->file[0] = im->file;
	m->file[1] = im->interp;
	m->nclear = 0;
	down_write(&mm->lock);
	err = map_all(m, im);
	up_write(&mm->lock);
	kfree(m);
	return err ? err : fill_stack(mm, im);
}
