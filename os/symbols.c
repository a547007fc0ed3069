/*
 * Names for addresses of the kernel itself, from the symbol table of the binary that runs. Only
 * panics want them.
 */
#include "log.h"
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

extern const Elf64_Ehdr __ehdr_start; /* by the linker: where the binary was loaded */

/*
 * The file as it lies in memory. It is our own and was good enough to be started; only its ends are
 * checked.
 */
static const Elf64_Ehdr *image;
static size_t image_size;
static const Elf64_Sym *syms;
static size_t sym_count;
static const char *names;

static bool inside(u64 off, u64 size)
{
	return off <= image_size && size <= image_size - off;
}

static void find_table(void)
{
	const char *base = (const char *)image;
	const Elf64_Shdr *sh = (const void *)(base + image->e_shoff);
	unsigned i;

	if (!inside(image->e_shoff, (u64)image->e_shnum * sizeof(*sh)))
		return;
	for (i = 0; i < image->e_shnum; i++) {
		const Elf64_Shdr *str;

		if (sh[i].sh_type != SHT_SYMTAB || sh[i].sh_link >= image->e_shnum)
			continue;
		str = &sh[sh[i].sh_link];
		if (!inside(sh[i].sh_offset, sh[i].sh_size) ||
		    !inside(str->sh_offset, str->sh_size))
			continue;
		syms = (const void *)(base + sh[i].sh_offset);
		sym_count = sh[i].sh_size / sizeof(*syms);
		names = base + str->sh_offset;
	}
}

static void load(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p;

	if (fd < 0)
		return;
	if (!fstat(fd, &st) && (size_t)st.st_size >= sizeof(*image)) {
		p = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p != MAP_FAILED) {
			image = p;
			image_size = st.st_size;
			find_table();
		}
	}
	close(fd);
}

static const Elf64_Sym *find(u64 addr)
{
	size_t i;

	for (i = 0; i < sym_count; i++) {
		const Elf64_Sym *s = &syms[i];

		if (ELF64_ST_TYPE(s->st_info) == STT_FUNC && addr >= s->st_value &&
		    addr - s->st_value < s->st_size)
			return s;
	}
	return NULL;
}

const char *kernel_symbol(const void *addr, char *buf, size_t size)
{
	u64 a = (uintptr_t)addr;
	const Elf64_Sym *s;

	if (!image)
		load();
	if (image && image->e_type == ET_DYN)
		a -= (uintptr_t)&__ehdr_start;
	s = find(a);
	if (s)
		snprintf(buf, size, "%s+%#lx", names + s->st_name,
			 (unsigned long)(a - s->st_value));
	else
		snprintf(buf, size, "%p", addr);
	return buf;
}
