/*
 * The ELF parser: what real programs look like, and what hostile ones may.
 * objects: kernel/task/elf.o
 */
#include "kernel/task/elf.h"
#include "alloc.h"
#include "fs.h"
#include "unit.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static struct elf_image im;

/* Only elf_read() needs these, which is not under test here. */
void *kmalloc(size_t size)
{
	return malloc(size);
}

void kfree(void *p)
{
	free(p);
}

ssize_t kernel_read(struct file *f, void *buf, size_t n, u64 pos)
{
	return -EIO;
}

static Elf64_Ehdr header(int type, int phnum)
{
	Elf64_Ehdr eh = {.e_type = type,
			 .e_machine = EM_X86_64,
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = phnum,
			 .e_phoff = 64};

	memcpy(eh.e_ident, ELFMAG, SELFMAG);
	eh.e_ident[EI_CLASS] = ELFCLASS64;
	return eh;
}

static Elf64_Phdr load(u64 vaddr, u64 offset, u64 filesz, u64 memsz, u32 flags)
{
	return (Elf64_Phdr){.p_type = PT_LOAD,
			    .p_vaddr = vaddr,
			    .p_offset = offset,
			    .p_filesz = filesz,
			    .p_memsz = memsz,
			    .p_flags = flags};
}

START_TEST(segments_are_page_aligned_and_the_break_follows_the_last)
{
	Elf64_Ehdr eh = header(ET_DYN, 3);
	Elf64_Phdr ph[] = {load(0, 0, 0x1234, 0x1234, PF_R),
			   load(0x2000, 0x2000, 0x100, 0x100, PF_R | PF_X),
			   load(0x3ef0, 0x2ef0, 0x200, 0x1000, PF_R | PF_W)};

	ck_assert_int_eq(elf_parse(&im, &eh, ph), 0);
	ck_assert_int_eq(im.nloads, 3);
	ck_assert_uint_eq(im.load[2].start, 0x3000);
	ck_assert_uint_eq(im.load[2].offset, 0x2000);
	ck_assert_uint_eq(im.load[2].file_end, 0x40f0);
	ck_assert_int_eq(im.load[1].prot, PROT_READ | PROT_EXEC);
	ck_assert_uint_eq(im.low, 0);
	ck_assert_uint_eq(im.high, 0x5000);
	ck_assert_uint_eq(im.brk, 0x4ef0);
	ck_assert_uint_eq(im.phdr, 64);
	ck_assert_uint_eq(im.code_start, 0x2000);
}
END_TEST

START_TEST(what_is_no_elf_of_ours_is_enoexec)
{
	Elf64_Ehdr eh = header(ET_DYN, 1);

	eh.e_machine = EM_AARCH64;
	ck_assert_int_eq(elf_check_header(&eh), -ENOEXEC);
	eh = header(ET_REL, 1);
	ck_assert_int_eq(elf_check_header(&eh), -ENOEXEC);
	eh = header(ET_EXEC, 0);
	ck_assert_int_eq(elf_check_header(&eh), -ENOEXEC);
	eh = header(ET_EXEC, 1);
	eh.e_ident[EI_CLASS] = ELFCLASS32;
	ck_assert_int_eq(elf_check_header(&eh), -ENOEXEC);
	eh = header(ET_EXEC, 1);
	eh.e_phentsize = 12;
	ck_assert_int_eq(elf_check_header(&eh), -ENOEXEC);
}
END_TEST

START_TEST(broken_segments_are_refused)
{
	Elf64_Ehdr eh = header(ET_EXEC, 1), two = header(ET_EXEC, 2);
	Elf64_Phdr ph = load(0x400000, 0, 0x2000, 0x1000, PF_R);
	Elf64_Phdr overlap[] = {load(0x400000, 0, 0x1000, 0x3000, PF_R),
				load(0x401000, 0x1000, 0x1000, 0x1000, PF_R)};

	ck_assert_int_eq(elf_parse(&im, &eh, &ph), -EINVAL); /* file larger than memory */
	ph = load(~0UL - 0x1000, 0, 0x10, 0x2000, PF_R);
	ck_assert_int_eq(elf_parse(&im, &eh, &ph), -EINVAL); /* wraps */
	ph = load(0x400000, ~0UL, 0x1000, 0x1000, PF_R);
	ck_assert_int_eq(elf_parse(&im, &eh, &ph), -EINVAL); /* offset */
	ph = load(0x400000, 0x10, 0x1000, 0x1000, PF_R);
	ck_assert_int_eq(elf_parse(&im, &eh, &ph), -EINVAL); /* not congruent */
	ck_assert_int_eq(elf_parse(&im, &two, overlap), -EINVAL);
	ph = load(0x400000, 0, 0, 0, PF_R);
	ck_assert_int_eq(elf_parse(&im, &eh, &ph), -ENOEXEC); /* nothing to load */
}
END_TEST

START_TEST(random_headers_never_do_harm)
{
	static Elf64_Phdr ph[ELF_MAX_PHDRS];
	Elf64_Ehdr eh;

	srand(2);
	for (int round = 0; round < 20000; round++) {
		eh = header(ET_DYN, 1 + rand() % 40);
		for (int i = 0; i < eh.e_phnum; i++) {
			unsigned char *b = (unsigned char *)&ph[i];

			for (size_t k = 0; k < sizeof(*ph); k++)
				b[k] = rand() % 4 ? 0 : rand();
			ph[i].p_type = rand() % 3 ? PT_LOAD : rand();
		}
		if (elf_parse(&im, &eh, ph))
			continue;
		ck_assert_int_le(im.nloads, ELF_MAX_LOADS);
		for (int i = 0; i < im.nloads; i++) {
			ck_assert_uint_le(im.load[i].file_end, im.load[i].mem_end);
			ck_assert_uint_le(im.load[i].mem_end, im.high);
			ck_assert_uint_eq(im.load[i].start % PAGE_SIZE, 0);
		}
	}
}
END_TEST

UNIT_MAIN("ELF", segments_are_page_aligned_and_the_break_follows_the_last,
	  what_is_no_elf_of_ours_is_enoexec, broken_segments_are_refused,
	  random_headers_never_do_harm)
