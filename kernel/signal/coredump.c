/*
 * Core dumps: an ELF file "core" in the working directory, with the registers of the thread that
 * died and the memory that can't be found in files. As on Linux, WCOREDUMP is reported only if the
 * file was written, under the conditions of core(5): RLIMIT_CORE, a dumpable process, and a file
 * that is a regular one of the process's own, with one name.
 */
#include "signal_priv.h"

#include "alloc.h"
#include "cred.h"
#include "fs.h"
#include "kernel/fs/vfs.h"
#include "mm.h"
#include "patch.h"
#include "uaccess.h"
#include <elf.h>
#include <string.h>
#define user host_user /* cred.h has a struct user too */
#include <sys/procfs.h>
#include <sys/user.h>
#undef user

#define CHUNK (16 * PAGE_SIZE)
#define MAX_SEGMENTS 65000
#define NT_SIGINFO_ 0x53494749

struct segment {
	u64 start, end;
	u32 prot;
	bool dumped;
};

struct dump {
	struct file *f;
	u64 pos, limit;	     /* bytes; holes don't count */
	u64 written, length; /* how much of it isn't a hole; where the last such piece ends */
	struct segment *seg;
	int nr_segs;
	u8 *buf; /* CHUNK */
};

/* ---- writing ---- */

static int put(struct dump *d, const void *p, size_t n)
{
	struct iov_iter it;
	ssize_t done;

	if (fatal_signal_pending(current))
		return -EINTR;
	if (n > d->limit || d->written > d->limit - n)
		return -EFBIG;
	d->written += n;
	while (n) {
		iov_iter_kernel(&it, (void *)p, n);
		done = d->f->ops->write(d->f, &it, &d->pos);
		iov_iter_done(&it);
		if (done <= 0)
			return done ? (int)done : -EIO;
		p = (const u8 *)p + done;
		n -= (size_t)done;
	}
	d->length = d->pos;
	return 0;
}

/* A hole of n bytes. */
static int skip(struct dump *d, size_t n)
{
	if (fatal_signal_pending(current))
		return -EINTR;
	d->pos += n;
	return 0;
}

/* What ends in a hole gets its length by its last byte. */
static int put_end(struct dump *d)
{
	if (d->pos == d->length)
		return 0;
	d->pos--;
	return put(d, "", 1);
}

static int put_padding(struct dump *d, u64 align)
{
	size_t n = (size_t)(ROUND_UP(d->pos, align) - d->pos);

	memset(d->buf, 0, n);
	return put(d, d->buf, n);
}

static int put_note(struct dump *d, u32 type, const void *desc, u32 size)
{
	const char *name = type == NT_PRSTATUS || type == NT_PRPSINFO || type == NT_PRFPREG ||
					   type == NT_AUXV || type == NT_SIGINFO_
				   ? "CORE"
				   : "LINUX";
	Elf64_Nhdr h = {.n_namesz = (u32)strlen(name) + 1, .n_descsz = size, .n_type = type};
	char padded[8] = "";
	int err;

	stpcpy(padded, name);
	err = put(d, &h, sizeof(h));
	if (!err)
		err = put(d, padded, sizeof(padded));
	if (!err)
		err = put(d, desc, size);
	return err ? err : put_padding(d, 4);
}

static u32 note_size(u32 desc)
{
	return (u32)(sizeof(Elf64_Nhdr) + 8 + ROUND_UP(desc, 4));
}

/* ---- notes ---- */

static void fill_status(struct task *t, struct elf_prstatus *s, int sig)
{
	_Static_assert(sizeof(s->pr_reg) == sizeof(struct pt_regs), "registers");

	memset(s, 0, sizeof(*s));
	s->pr_info.si_signo = s->pr_cursig = (short)sig;
	s->pr_sigpend = t->pending.set;
	s->pr_sighold = t->blocked;
	s->pr_pid = t->tid;
	s->pr_ppid = t->tg->parent ? tg_nr(t->tg->parent) : 0;
	s->pr_pgrp = t->tg->pgrp->nr;
	s->pr_sid = t->tg->session->nr;
	s->pr_fpvalid = 1;
	memcpy(&s->pr_reg, engine->regs(t->ctx), sizeof(s->pr_reg));
}

static void fill_info(struct task *t, struct elf_prpsinfo *p)
{
	struct mm *mm = t->mm;
	size_t n = min((size_t)(mm->arg_end - mm->arg_start), sizeof(p->pr_psargs) - 1), i;

	memset(p, 0, sizeof(*p));
	p->pr_sname = 'R';
	p->pr_nice = load_relaxed(&t->kt.nice);
	p->pr_uid = t->cred->uid;
	p->pr_gid = t->cred->gid;
	p->pr_pid = t->tid;
	p->pr_ppid = t->tg->parent ? tg_nr(t->tg->parent) : 0;
	p->pr_pgrp = t->tg->pgrp->nr;
	p->pr_sid = t->tg->session->nr;
	_Static_assert(sizeof(p->pr_fname) == TASK_COMM_LEN, "pr_fname");
	task_get_comm(t, p->pr_fname);
	n = copy_from_user_partial(p->pr_psargs, mm->arg_start, n);
	for (i = 0; i < n; i++)
		if (!p->pr_psargs[i])
			p->pr_psargs[i] = ' ';
}

struct notes {
	struct elf_prstatus status;
	struct elf_prpsinfo info;
	siginfo_t si;
	struct user_fpregs_struct fp;
};

static u32 notes_size(struct mm *mm)
{
	return note_size(sizeof(struct elf_prstatus)) + note_size(sizeof(struct elf_prpsinfo)) +
	       note_size(sizeof(siginfo_t)) + note_size((u32)mm->auxv_len) +
	       note_size(sizeof(struct user_fpregs_struct)) + note_size((u32)xstate_size());
}

static int put_notes(struct dump *d, int sig, const siginfo_t *si)
{
	struct task *t = current;
	struct notes *n = kzalloc(sizeof(*n));
	u8 *xs = kzalloc(xstate_size());
	int err = -ENOMEM;

	if (!n || !xs)
		goto out;
	fill_status(t, &n->status, sig);
	fill_info(t, &n->info);
	err = engine->get_xstate(t->ctx, xs, xstate_size());
	if (err < 0)
		goto out;
	memcpy(&n->fp, xs, sizeof(n->fp)); /* the same layout: FXSAVE's */
	err = put_note(d, NT_PRSTATUS, &n->status, sizeof(n->status));
	if (!err)
		err = put_note(d, NT_PRPSINFO, &n->info, sizeof(n->info));
	if (!err)
		err = put_note(d, NT_SIGINFO_, si, sizeof(*si));
	if (!err)
		err = put_note(d, NT_AUXV, t->mm->auxv, (u32)t->mm->auxv_len);
	if (!err)
		err = put_note(d, NT_PRFPREG, &n->fp, sizeof(n->fp));
	if (!err)
		err = put_note(d, NT_X86_XSTATE, xs, (u32)xstate_size());
out:
	kfree(n);
	kfree(xs);
	return err;
}

/* ---- memory ---- */

/*
 * As core(5) has it. A private mapping of a file counts as the process's own memory if the process
 * can have changed it.
 */
static bool wants_contents(const struct vma *v, u32 filter)
{
	if (v->flags & (VM_DONTDUMP | VM_VDSO | VM_TRAMP) || !(v->flags & (VM_READ | VM_WRITE)))
		return false;
	if (v->flags &
	    VM_SHARED) /* memory without a name: a file of ours, or one that was unlinked */
		return filter &
		       (v->file && v->file->inode->nlink ? CORE_FILE_SHARED : CORE_ANON_SHARED);
	if (filter & CORE_ANON_PRIVATE && (!v->file || v->flags & VM_WRITE))
		return true;
	return v->file && filter & CORE_FILE_PRIVATE;
}

static int snapshot(struct dump *d, struct mm *mm)
{
	u32 filter = load_relaxed(&mm->core_filter);
	int i;

	down_read(&mm->lock);
	d->nr_segs = min(mm->nr_vmas, MAX_SEGMENTS);
	d->seg = kcalloc((size_t)d->nr_segs + 1, sizeof(*d->seg));
	for (i = 0; d->seg && i < d->nr_segs; i++) {
		const struct vma *v = &mm->vmas[i];

		d->seg[i].start = v->start;
		d->seg[i].end = v->end;
		d->seg[i].prot = (v->flags & VM_READ ? PF_R : 0) |
				 (v->flags & VM_WRITE ? PF_W : 0) | (v->flags & VM_EXEC ? PF_X : 0);
		d->seg[i].dumped = wants_contents(v, filter);
	}
	up_read(&mm->lock);
	return d->seg ? 0 : -ENOMEM;
}

static int put_headers(struct dump *d, u32 notes)
{
	Elf64_Ehdr e = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			    EV_CURRENT},
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(e),
		.e_ehsize = sizeof(e),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = (u16)(d->nr_segs + 1),
	};
	Elf64_Phdr p = {.p_type = PT_NOTE, .p_filesz = notes, .p_align = 4};
	u64 off;
	int err, i;

	p.p_offset = sizeof(e) + sizeof(p) * e.e_phnum;
	off = PAGE_ALIGN(p.p_offset + notes);
	err = put(d, &e, sizeof(e));
	if (!err)
		err = put(d, &p, sizeof(p));
	for (i = 0; i < d->nr_segs && !err; i++) {
		const struct segment *s = &d->seg[i];

		p = (Elf64_Phdr){.p_type = PT_LOAD,
				 .p_flags = s->prot,
				 .p_offset = off,
				 .p_vaddr = s->start,
				 .p_memsz = s->end - s->start,
				 .p_filesz = s->dumped ? s->end - s->start : 0,
				 .p_align = PAGE_SIZE};
		off += p.p_filesz;
		err = put(d, &p, sizeof(p));
	}
	return err;
}

static bool all_zeros(const u8 *p, size_t n)
{
	return !p[0] && !memcmp(p, p + 1, n - 1);
}

/*
 * Pages that can't be read are zeros, and zeros are holes: most of such memory was never touched.
 */
static int put_memory(struct dump *d)
{
	struct mm *mm = current->mm;
	size_t n, got;
	u64 at;
	int i, err;

	for (i = 0; i < d->nr_segs; i++) {
		if (!d->seg[i].dumped)
			continue;
		for (at = d->seg[i].start; at < d->seg[i].end; at += n) {
			n = (size_t)min(d->seg[i].end - at, CHUNK);
			got = copy_from_user_partial(d->buf, at, n);
			down_read(&mm->lock);
			patch_conceal(mm, d->buf, at, got);
			up_read(&mm->lock);
			memset(d->buf + got, 0, n - got);
			err = all_zeros(d->buf, n) ? skip(d, n) : put(d, d->buf, n);
			if (err)
				return err;
			cond_resched();
		}
	}
	return put_end(d);
}

static int write_core(struct dump *d, int sig, const siginfo_t *si)
{
	int err = snapshot(d, current->mm);

	if (!err)
		err = put_headers(d, notes_size(current->mm));
	if (!err)
		err = put_notes(d, sig, si);
	if (!err)
		err = put_padding(d, PAGE_SIZE);
	return err ? err : put_memory(d);
}

/* ---- the file ---- */

static struct file *open_core(void)
{
	struct file *f = file_open(AT_FDCWD, "core", O_CREAT | O_RDWR | O_NOFOLLOW | O_NONBLOCK,
				   0600);
	struct inode *i;

	if (IS_ERR(f))
		return f;
	i = f->inode;
	if (!S_ISREG(i->mode) || i->nlink != 1 || i->uid != current->cred->fsuid ||
	    !f->ops->write || do_truncate(&f->path, 0, f, 0)) {
		file_put(f);
		return ERR_PTR(-EPERM);
	}
	return f;
}

/* Nothing else happens in the group from now on: the others end. False: it is ending already. */
static bool end_others(struct task *t, int sig)
{
	struct thread_group *tg = t->tg;
	struct task *m;
	bool first;

	spin_lock(&tg->siglock);
	first = !tg->group_exit;
	if (first) {
		tg->group_exit = true;
		tg->group_exit_code = sig;
		stop_end_locked(tg, false);
		for_each_thread(m, tg)
			if (m != t)
				signals_kill_thread_locked(m);
	}
	spin_unlock(&tg->siglock);
	return first;
}

bool coredump(int sig, const siginfo_t *si)
{
	struct task *t = current;
	struct dump d = {.limit = t->tg->rlim[RLIMIT_CORE].rlim_cur};
	int err;

	if (d.limit < PAGE_SIZE || !mm_dumpable(t->mm))
		return false;
	if (!end_others(t, sig))
		return false;
	d.buf = kmalloc(CHUNK);
	d.f = d.buf ? open_core() : ERR_PTR(-ENOMEM);
	err = IS_ERR(d.f) ? (int)PTR_ERR(d.f) : write_core(&d, sig, si);
	if (!IS_ERR(d.f))
		file_put(d.f);
	kfree(d.seg);
	kfree(d.buf);
	if (err)
		return false;
	spin_lock(&t->tg->siglock);
	t->tg->group_exit_code |= 0x80;
	spin_unlock(&t->tg->siglock);
	return true;
}
