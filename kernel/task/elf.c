/* ELF parsing. Everything in the file is hostile: offsets and sizes are checked before use. */
#include "kernel/task/elf.h"
#include "alloc.h"
#include "fs.h"
#include <string.h>
#include <sys/mman.h>

#define ADDR_MAX 0x7fff00000000UL

int elf_check_header(const Elf64_Ehdr *eh)
{
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) || eh->e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh->e_machine != EM_X86_64)
		return -ENOEXEC;
	if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)
		return -ENOEXEC;
	if (eh->e_phentsize != sizeof(Elf64_Phdr) || eh->e_phnum < 1 || eh->e_phnum > ELF_MAX_PHDRS)
		return -ENOEXEC;
	return 0;
}

static int add_load(struct elf_image *im, const Elf64_Phdr *ph)
{
	uaddr_t slack = ph->p_vaddr & ~PAGE_MASK;
	struct elf_load *l;

	if (!ph->p_memsz)
		return 0;
	if (ph->p_filesz > ph->p_memsz || ph->p_vaddr > ADDR_MAX ||
	    ph->p_memsz > ADDR_MAX - ph->p_vaddr || ph->p_offset > INT64_MAX - ph->p_filesz)
		return -EINVAL;
	if ((ph->p_offset & ~PAGE_MASK) != slack && ph->p_filesz)
		return -EINVAL;
	if (im->nloads == ELF_MAX_LOADS)
		return -ENOMEM;
	if (im->nloads && ph->p_vaddr < im->load[im->nloads - 1].mem_end)
		return -EINVAL; /* the standard wants them in order */
	l = &im->load[im->nloads++];
	l->start = ph->p_vaddr - slack;
	l->file_end = ph->p_vaddr + ph->p_filesz;
	l->mem_end = ph->p_vaddr + ph->p_memsz;
	l->offset = ph->p_filesz ? ph->p_offset - slack : 0;
	l->prot = (ph->p_flags & PF_R ? PROT_READ : 0) | (ph->p_flags & PF_W ? PROT_WRITE : 0) |
		  (ph->p_flags & PF_X ? PROT_EXEC : 0);
	return 0;
}

static void note_layout(struct elf_image *im, const Elf64_Phdr *ph)
{
	uaddr_t file_end = ph->p_vaddr + ph->p_filesz;

	if (im->nloads == 1 || (ph->p_vaddr & PAGE_MASK) < im->low)
		im->low = ph->p_vaddr & PAGE_MASK;
	im->high = max(im->high, PAGE_ALIGN(ph->p_vaddr + ph->p_memsz));
	im->brk = max(im->brk, ph->p_vaddr + ph->p_memsz);
	if (ph->p_flags & PF_X) {
		if (!im->code_end)
			im->code_start = ph->p_vaddr;
		im->code_end = max(im->code_end, file_end);
	}
	im->data_start = max(im->data_start, ph->p_vaddr);
	im->data_end = max(im->data_end, file_end);
	if (im->eh.e_phoff >= ph->p_offset && im->eh.e_phoff < ph->p_offset + ph->p_filesz)
		im->phdr = im->eh.e_phoff - ph->p_offset + ph->p_vaddr;
}

int elf_parse(struct elf_image *im, const Elf64_Ehdr *eh, const Elf64_Phdr *phdrs)
{
	int err = elf_check_header(eh);

	if (err)
		return err;
	memset(im, 0, sizeof(*im));
	im->eh = *eh;
	im->exec_stack = false;
	for (int i = 0; i < eh->e_phnum; i++) {
		const Elf64_Phdr *ph = &phdrs[i];

		if (ph->p_type == PT_GNU_STACK)
			im->exec_stack = ph->p_flags & PF_X;
		if (ph->p_type != PT_LOAD)
			continue;
		err = add_load(im, ph);
		if (err)
			return err;
		if (ph->p_memsz)
			note_layout(im, ph);
	}
	return im->nloads ? 0 : -ENOEXEC;
}

int elf_read_head(struct file *file, struct elf_head *head)
{
	ssize_t n = kernel_read(file, head->bytes, sizeof(head->bytes), 0);

	head->len = max(n, 0);
	return min(n, 0);
}

static bool read_at(struct file *file, const struct elf_head *head, void *to, size_t n, u64 off)
{
	if (off > head->len || n > head->len - off)
		return kernel_read(file, to, n, off) == (ssize_t)n;
	memcpy(to, head->bytes + off, n);
	return true;
}

static int read_interp(struct file *file, const struct elf_head *head, const Elf64_Phdr *ph, int n,
		       struct elf_image *im)
{
	for (int i = 0; i < n; i++, ph++) {
		if (ph->p_type != PT_INTERP)
			continue;
		if (ph->p_filesz < 2 || ph->p_filesz > sizeof(im->interp))
			return -ENOEXEC;
		if (!read_at(file, head, im->interp, ph->p_filesz, ph->p_offset))
			return -EIO;
		return im->interp[ph->p_filesz - 1] ? -ENOEXEC : 0;
	}
	return 0;
}

int elf_read(struct file *file, const struct elf_head *head, struct elf_image *im)
{
	Elf64_Phdr *ph = NULL;
	Elf64_Ehdr eh;
	size_t size;
	int err;

	if (!read_at(file, head, &eh, sizeof(eh), 0))
		return -ENOEXEC;
	err = elf_check_header(&eh);
	if (err)
		return err;
	size = eh.e_phnum * sizeof(*ph);
	ph = kmalloc(size);
	if (!ph)
		return -ENOMEM;
	if (!read_at(file, head, ph, size, eh.e_phoff))
		err = -ENOEXEC;
	if (!err)
		err = elf_parse(im, &eh, ph);
	if (!err)
		err = read_interp(file, head, ph, eh.e_phnum, im);
	kfree(ph);
	return err;
}
