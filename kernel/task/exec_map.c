/* The second half of exec: an empty mm gets the program, its interpreter, a stack and what lies on it. */
#include "alloc.h"
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
#include <cpuid.h>
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

struct mapper {
	struct mm *mm;
	struct file *file;
	struct batch b;
	struct vma v[BATCH_MAX]; /* for the table, when the batch has run */
	int nv;
	uaddr_t clear[BATCH_MAX]; /* where to zero up to the end of the page */
	int nclear;
};

static void add_vma(struct mapper *m, uaddr_t start, uaddr_t end, int prot, u64 off, bool file)
{
	u32 flags = VM_MAYWRITE | (prot & PROT_READ ? VM_READ : 0) |
		    (prot & PROT_WRITE ? VM_WRITE : 0) | (prot & PROT_EXEC ? VM_EXEC : 0);

	m->v[m->nv++] = (struct vma){start, end, flags, file ? off : 0, file ? m->file : NULL};
}

static void add_segment(struct mapper *m, const struct elf_load *l, uaddr_t bias)
{
	uaddr_t start = l->start + bias, file_end = l->file_end + bias,
		mem_end = PAGE_ALIGN(l->mem_end + bias);
	uaddr_t mapped = start;

	if (l->file_end > l->start) {
		mapped = PAGE_ALIGN(file_end);
		batch_add(&m->b, __NR_mmap, start, mapped - start, l->prot, MAP_PRIVATE | MAP_FIXED,
			  BATCH_FD, l->offset);
		add_vma(m, start, mapped, l->prot, l->offset, true);
		if (l->mem_end > l->file_end && file_end != mapped && l->prot & PROT_WRITE)
			m->clear[m->nclear++] = file_end;
	}
	if (mem_end > mapped) {
		batch_add(&m->b, __NR_mmap, mapped, mem_end - mapped, l->prot,
			  MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
		add_vma(m, mapped, mem_end, l->prot, 0, false);
	}
}

static int run_mapper(struct mapper *m)
{
	struct mmap_target t = {.hostfd = -1};
	int err;

	err = m->file->ops->mmap ? m->file->ops->mmap(m->file, PROT_READ | PROT_EXEC, MAP_PRIVATE,
						      0, PAGE_SIZE, &t)
				 : -ENODEV;
	if (err)
		return err;
	if (t.anonymous)
		return -ENOEXEC;
	for (int i = 0; i < m->b.n; i++)
		if (m->b.op[i].args[4] == BATCH_FD)
			m->b.op[i].args[5] += t.offset;
	m->b.hostfd = t.hostfd;
	err = vma_reserve(m->mm, m->nv + 2);
	if (!err) {
		mutex_lock(&m->mm->stub_lock);
		err = host_mm_run(m->mm->host, &m->b, NULL, NULL);
		mutex_unlock(&m->mm->stub_lock);
	}
	if (t.done)
		t.done(&t);
	if (err)
		return err;
	for (int i = 0; i < m->nv; i++) {
		if (m->v[i].file)
			file_get(m->v[i].file);
		vma_cut(m->mm, m->v[i].start, m->v[i].end);
		vma_insert(m->mm, &m->v[i]);
	}
	for (int i = 0; i < m->nclear; i++) {
		size_t n = PAGE_SIZE - (m->clear[i] & ~PAGE_MASK);
		static const u8 zeros[PAGE_SIZE];

		if (copy_to_mm(m->mm, m->clear[i], zeros, n))
			return -EFAULT;
	}
	return 0;
}

/* Maps all segments of an image, in batches. */
static int map_elf(struct mm *mm, struct file *file, const struct elf_image *elf, uaddr_t bias)
{
	struct mapper *m = kmalloc(sizeof(*m));
	int err = 0;

	if (!m)
		return -ENOMEM;
	for (int i = 0; i < elf->nloads && !err;) {
		m->mm = mm;
		m->file = file;
		m->nv = m->nclear = 0;
		batch_init(&m->b);
		for (; i < elf->nloads && m->b.n + 2 <= BATCH_MAX; i++)
			add_segment(m, &elf->load[i], bias);
		err = run_mapper(m);
	}
	kfree(m);
	return err;
}

static int choose_bias(struct mm *mm, const struct elf_image *elf, bool is_interp, uaddr_t *bias)
{
	size_t span = elf->high - elf->low;
	uaddr_t at;

	*bias = 0;
	if (elf->eh.e_type == ET_EXEC)
		return elf->low < 0x10000 || elf->high > mm->mmap_base ? -ENOMEM : 0;
	at = is_interp || elf->interp[0] == 0 ? 0 : PIE_BASE + random_pages(28);
	if (!at) { /* interpreters, and static PIE, go where mmap puts things */
		at = vma_gap_down(mm, span, 0x10000, mm->mmap_base);
		if (!at)
			return -ENOMEM;
	}
	*bias = at - elf->low;
	return 0;
}

static int map_program(struct mm *mm, struct exec_image *im)
{
	struct elf_image *e = im->elf;
	uaddr_t bias, ibias;
	int err = choose_bias(mm, e, false, &bias);

	if (!err)
		err = map_elf(mm, im->file, e, bias);
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
		err = map_elf(mm, im->interp, im->interp_elf, ibias);
	im->base = ibias;
	im->entry = im->interp_elf->eh.e_entry + ibias;
	return err;
}

/* ---- the stack ---- */

static int map_stack(struct mm *mm, const struct exec_image *im)
{
	bool exec = im->elf->exec_stack;
	/* strings, their pointers, the auxiliary vector, and room for the program to begin with */
	size_t size = PAGE_ALIGN(im->strings->len + 8UL * (im->strings->argc + im->strings->envc) +
				 3 * PAGE_SIZE) +
		      STACK_INITIAL;
	int prot = PROT_READ | PROT_WRITE | (exec ? PROT_EXEC : 0);
	struct vma v = {.start = mm->stack_top - size,
			.end = mm->stack_top,
			.flags = VM_READ | VM_WRITE | VM_MAYWRITE | VM_STACK | VM_GROWSDOWN |
				 (exec ? VM_EXEC : 0)};
	size_t vdso_size;
	struct vma vvar = {.start = STUB_VDSO_AREA, .flags = VM_READ | VM_VDSO};
	struct vma vdso = {.flags = VM_READ | VM_EXEC | VM_VDSO};
	struct batch b;
	int err = vma_reserve(mm, 4);

	if (err)
		return err;
	batch_init(&b);
	batch_add(&b, __NR_mmap, v.start, v.end - v.start, prot,
		  MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
	mutex_lock(&mm->stub_lock);
	err = host_mm_run(mm->host, &b, NULL, NULL);
	mutex_unlock(&mm->stub_lock);
	if (err)
		return err;
	vma_insert(mm, &v);
	/* What the host's vDSO is made of shows as [vvar]: to the guest it is what [vdso] works with. */
	vvar.end = vdso.start = host_mm_vdso(&vdso_size);
	vdso.end = vdso.start + vdso_size;
	if (vdso.start) {
		vma_insert(mm, &vvar);
		vma_insert(mm, &vdso);
	}
	return 0;
}

static void aux(struct mm *mm, u64 type, u64 value)
{
	mm->auxv[mm->auxv_len++] = type;
	mm->auxv[mm->auxv_len++] = value;
}

static void fill_auxv(struct mm *mm, const struct exec_image *im, uaddr_t random, uaddr_t platform,
		      uaddr_t execfn)
{
	const struct cred *c = im->cred;
	unsigned a, b, ecx, edx = 0;

	__get_cpuid(1, &a, &b, &ecx, &edx);
	mm->auxv_len = 0;
	if (host_mm_vdso(NULL))
		aux(mm, AT_SYSINFO_EHDR, host_mm_vdso(NULL));
	aux(mm, AT_MINSIGSTKSZ, host_auxv(AT_MINSIGSTKSZ));
	aux(mm, AT_HWCAP, edx);
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

/* Pointers to the strings that start at addr, NULL behind the last; the next free place in the vector. */
static u64 *string_pointers(u64 *out, const char *buf, size_t *off, int n, uaddr_t addr)
{
	for (int i = 0; i < n; i++) {
		*out++ = addr + *off;
		*off += strlen(buf + *off) + 1;
	}
	*out++ = 0;
	return out;
}

/* Top of the stack, downwards: file name, strings, platform, random bytes; then argc, pointers and auxv, aligned. */
static int fill_stack(struct mm *mm, struct exec_image *im)
{
	struct exec_strings *s = im->strings;
	size_t namelen = strlen(im->filename) + 1, words, off = 0, bytes;
	uaddr_t top = mm->stack_top - 8, execfn, strings, platform, random;
	u8 random_bytes[16];
	u64 *v, *p;
	int err;

	execfn = top - namelen;
	strings = execfn - s->len;
	platform = ((strings - random_pages(1) / 2) & ~15UL) - 16;
	random = platform - 16;
	words = 1 + s->argc + 1 + s->envc + 1 + 44;
	v = kcalloc(words, 8);
	if (!v)
		return -ENOMEM;
	host_random(random_bytes, sizeof(random_bytes));
	fill_auxv(mm, im, random, platform, execfn);
	p = v;
	*p++ = s->argc;
	p = string_pointers(p, s->buf, &off, s->argc, strings);
	mm->arg_start = strings;
	mm->arg_end = mm->env_start = strings + off;
	p = string_pointers(p, s->buf, &off, s->envc, strings);
	mm->env_end = strings + off;
	memcpy(p, mm->auxv, mm->auxv_len * 8);
	mm->auxv_len *= 8;
	bytes = (u8 *)p + mm->auxv_len - (u8 *)v;
	im->sp = (random - bytes) & ~15UL;
	err = copy_to_mm(mm, im->sp, v, bytes) || copy_to_mm(mm, strings, s->buf, s->len) ||
	      copy_to_mm(mm, execfn, im->filename, namelen) ||
	      copy_to_mm(mm, platform, "x86_64", 7) || copy_to_mm(mm, random, random_bytes, 16);
	kfree(v);
	return err ? -EFAULT : 0;
}

int exec_map(struct mm *mm, struct exec_image *im)
{
	int err;

	down_write(&mm->lock);
	layout(mm);
	err = map_stack(mm, im);
	if (!err)
		err = map_program(mm, im);
	up_write(&mm->lock);
	return err ? err : fill_stack(mm, im);
}
