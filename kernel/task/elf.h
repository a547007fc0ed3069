/* ELF images: parsed by elf.c, mapped by exec_map.c. */
#ifndef HEDDLE_KERNEL_TASK_ELF_H
#define HEDDLE_KERNEL_TASK_ELF_H

#include "types.h"
#include <elf.h>

#define ELF_MAX_PHDRS 512
#define ELF_MAX_LOADS 64

struct file;

/* A loadable segment, page-aligned; addresses relative to the load bias. */
struct elf_load {
	uaddr_t start, file_end, mem_end; /* of the mapping; bytes that come from the file end at
					     file_end (not aligned) */
	u64 offset;			  /* page-aligned */
	int prot;
};

struct elf_image {
	Elf64_Ehdr eh;
	struct elf_load load[ELF_MAX_LOADS];
	int nloads;
	uaddr_t low, high; /* the page-aligned span of all segments */
	uaddr_t phdr;	   /* address of the program headers, relative; 0 if none is loaded there */
	uaddr_t brk;	   /* end of the highest segment */
	uaddr_t code_start, code_end, data_start, data_end;
	char interp[256]; /* "" : none */
	bool exec_stack;
};

/*
 * Parses headers in a buffer; phdrs is the table. 0, -ENOEXEC for what is no ELF of ours, -EINVAL
 * for a broken one. Pure: no I/O.
 */
must_check int elf_check_header(const Elf64_Ehdr *eh);
must_check int elf_parse(struct elf_image *im, const Elf64_Ehdr *eh, const Elf64_Phdr *phdrs);
/* The beginning of a file: usually all that exec has to know of it. */
struct elf_head {
	size_t len;
	char bytes[1024];
};
must_check int elf_read_head(struct file *file, struct elf_head *head);
/* Parses a file's headers, of which some may lie behind its head. -ENOMEM, -EIO too. */
must_check int elf_read(struct file *file, const struct elf_head *head, struct elf_image *im);

#endif
