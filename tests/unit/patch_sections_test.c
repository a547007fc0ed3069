/*
 * Functions by what a program's file says: descriptions of all encodings, symbols, and files that
 * lie.
 * objects: kernel/patch/sections.o
 */
#include "fs.h"
#include "kernel/patch/patch_priv.h"
#include "unit.h"
#include <string.h>

void *kmalloc(size_t size)
{
	return malloc(size);
}

void kfree(void *p)
{
	free(p);
}

static int rests;

void cond_resched(void)
{
	rests++;
}

/* The file. */
static u8 bytes[1 << 18];
static size_t size;

ssize_t kernel_read(struct file *f, void *buf, size_t n, u64 pos)
{
	(void)f;
	if (pos > size)
		return 0;
	n = min(n, size - pos);
	memcpy(buf, bytes + pos, n);
	return n;
}

static void put(const void *p, size_t n)
{
	memcpy(bytes + size, p, n);
	size += n;
}

static void put32(u32 v)
{
	put(&v, sizeof(v));
}

static void put64(u64 v)
{
	put(&v, sizeof(v));
}

#define LOADED 0x500000UL /* the frames */
#define BIAS 0x10000UL

/* A CIE with this augmentation and data; its offset. */
static size_t put_cie(u8 version, const char *augmentation, const void *data, u8 data_size)
{
	size_t at = size, len = 4 + 1 + strlen(augmentation) + 1 + 3;

	if (*augmentation == 'z')
		len += 1 + data_size;
	put32(len);
	put32(0);
	put(&version, 1);
	put(augmentation, strlen(augmentation) + 1);
	put("\1\x78\x10", 3); /* code and data alignment, return register */
	if (*augmentation == 'z') {
		put(&data_size, 1);
		put(data, data_size);
	}
	return at;
}

/* An FDE with addresses of 4 bytes relative to where they stand. */
static void put_fde(size_t cie, uaddr_t start, u32 range)
{
	put32(12);
	put32(size - cie);
	put32(start - (LOADED + size));
	put32(range);
}

static struct function frames(uaddr_t addr)
{
	struct nearby n = {.addr = addr};

	frames_near(bytes, size, LOADED, BIAS, &n);
	return n.f;
}

START_TEST(functions_next_to_an_address_are_kept_in_any_order)
{
	static const struct {
		uaddr_t start;
		u64 size;
	} f[] = {{0x1000, 0x10}, {0x1020, 0x18}, {0x1040, 0x20}, {0x1060, 8}, {0x1080, 0}};
	static const int orders[][5] = {{0, 1, 2, 3, 4},
					{4, 3, 2, 1, 0},
					{2, 0, 4, 1, 3},
					{1, 2, 0, 4, 3},
					{3, 1, 4, 0, 2}};

	for (size_t o = 0; o < 5; o++) {
		struct nearby n = {.addr = 0x1050};

		for (int i = 0; i < 10; i++) /* each twice */
			nearby_add(&n, f[orders[o][i % 5]].start, f[orders[o][i % 5]].size);
		ck_assert_uint_eq(n.f.start, 0x1040);
		ck_assert_uint_eq(n.f.end, 0x1060);
		ck_assert_uint_eq(n.f.next, 0x1060);
		ck_assert_uint_eq(n.f.prev_start, 0x1020);
		ck_assert_uint_eq(n.f.prev_end, 0x1038);
	}
}
END_TEST

START_TEST(sizes_that_are_unknown_or_differ)
{
	struct nearby n = {.addr = 0x1050};

	nearby_add(&n, 0x1040, 0);
	ck_assert_uint_eq(n.f.end, 0x1040);
	nearby_add(&n, 0x1040, 0x20);
	nearby_add(&n, 0x1040, 0x18);
	nearby_add(&n, 0x1040, 0);
	ck_assert_uint_eq(n.f.end, 0x1060);
	/* One that starts inside hides it. */
	nearby_add(&n, 0x1048, 0);
	ck_assert_uint_eq(n.f.start, 0x1048);
	ck_assert_uint_eq(n.f.end, 0x1048);
	/* No addresses of a guest's. */
	nearby_add(&n, 0, 0x2000);
	nearby_add(&n, TASK_SIZE, 1);
	nearby_add(&n, ~0UL, ~0UL);
	nearby_add(&n, 0x1049, ~0UL);
	ck_assert_uint_eq(n.f.start, 0x1049);
	ck_assert_uint_eq(n.f.end, 0x1049);
	ck_assert_uint_eq(n.f.next, 0);
}
END_TEST

START_TEST(descriptions_as_compilers_write_them)
{
	size_t cie;
	struct function f;

	size = 0;
	cie = put_cie(1, "zR", "\x1b", 1);
	put_fde(cie, 0x401000, 0x30);
	put_fde(cie, 0x401040, 0x21);
	cie = put_cie(1, "zPLR", "\x03\0\0\0\0\x03\x1b", 7);
	put_fde(cie, 0x401070, 0x10);
	cie = put_cie(3, "zRS", "\x1b", 1); /* a signal frame */
	put_fde(cie, 0x400ff0, 9);
	put32(0);
	f = frames(0x401050);
	ck_assert_uint_eq(f.start, 0x401040);
	ck_assert_uint_eq(f.end, 0x401061);
	ck_assert_uint_eq(f.next, 0x401070);
	ck_assert_uint_eq(f.prev_start, 0x401000);
	ck_assert_uint_eq(f.prev_end, 0x401030);
	f = frames(0x401000);
	ck_assert_uint_eq(f.start, 0x401000);
	ck_assert_uint_eq(f.prev_start, 0x400ff0);
	ck_assert_uint_eq(f.prev_end, 0x400ff9);
	f = frames(0x400fef);
	ck_assert_uint_eq(f.start, 0);
	ck_assert_uint_eq(f.next, 0x400ff0);
}
END_TEST

/* Where a function is that has this encoding and value. */
static uaddr_t encoded(int encoding, size_t value_size, u64 value)
{
	u8 e = encoding;
	size_t cie;

	size = 0;
	cie = encoding < 0 ? put_cie(1, "", NULL, 0) : put_cie(1, "zR", &e, 1);
	put32(4 + 2 * value_size);
	put32(size - cie);
	put(&value, value_size);
	put(&(u64){0x10}, value_size);
	return frames(TASK_SIZE - 1).start;
}

START_TEST(encodings_of_addresses)
{
	u64 here;

	ck_assert_uint_eq(encoded(-1, 8, 0x401000), BIAS + 0x401000);
	ck_assert_uint_eq(encoded(0x00, 8, 0x401000), BIAS + 0x401000);
	ck_assert_uint_eq(encoded(0x03, 4, 0x401000), BIAS + 0x401000);
	ck_assert_uint_eq(encoded(0x03, 4, 0xf0001000), BIAS + 0xf0001000);
	ck_assert_uint_eq(encoded(0x0b, 4, 0x401000), BIAS + 0x401000);
	ck_assert_uint_eq(encoded(0x0b, 4, 0xfffff000), BIAS - 0x1000);
	ck_assert_uint_eq(encoded(0x04, 8, 0x401000), BIAS + 0x401000);
	encoded(0x1c, 8, 0);
	here = LOADED + size - 16;
	ck_assert_uint_eq(encoded(0x1c, 8, 0x1000), here + 0x1000);
	ck_assert_uint_eq(encoded(0x1c, 8, -0x1000), here - 0x1000);
	/* Through memory, by LEB128, relative to data, omitted: none of them is known. */
	ck_assert_uint_eq(encoded(0x9b, 4, 0x1000), 0);
	ck_assert_uint_eq(encoded(0x01, 4, 0x1000), 0);
	ck_assert_uint_eq(encoded(0x3b, 4, 0x1000), 0);
	ck_assert_uint_eq(encoded(0xff, 8, 0x401000), 0);
}
END_TEST

START_TEST(descriptions_that_lie)
{
	size_t cie, end;

	/* Augmentations that nobody knows, without an end, longer than the record. */
	for (int i = 0; i < 5; i++) {
		static const char *const names[] = {"eh", "zX", "R", "zRLLLLLLLLLLLLLLLLLLLLLLLL",
						    "zRP"};

		size = 0;
		cie = put_cie(1, names[i], "\x1b\x00", 2);
		put_fde(cie, 0x401000, 0x30);
		ck_assert_msg(!frames(0x401010).start, "%s", names[i]);
	}
	/* Another version; a description that is none. */
	size = 0;
	cie = put_cie(4, "zR", "\x1b", 1);
	put_fde(cie, 0x401000, 0x30);
	put_fde(size - 20, 0x401000, 0x30); /* that of the FDE before */
	ck_assert_uint_eq(frames(0x401010).start, 0);
	/* Outside of it. */
	size = 0;
	cie = put_cie(1, "zR", "\x1b", 1);
	put_fde(size + 4096, 0x401000, 0x30);
	put_fde(-4096, 0x401000, 0x30);
	put_fde(size - 0x7fffffff, 0x401000, 0x30);
	ck_assert_uint_eq(frames(0x401010).start, 0);
	/* Cut off anywhere: what is whole counts. */
	size = 0;
	cie = put_cie(1, "zR", "\x1b", 1);
	put_fde(cie, 0x401000, 0x30);
	end = size;
	for (size = 0; size < end; size++)
		ck_assert_uint_eq(frames(0x401010).start, 0);
	ck_assert_uint_eq(frames(0x401010).start, 0x401000);
	/* Lengths that lead away, or nowhere. */
	for (int i = 0; i < 4; i++) {
		static const u32 lengths[] = {0, 3, 0xffffffff, 0xfffffffe};

		size = 0;
		put32(lengths[i]);
		cie = put_cie(1, "zR", "\x1b", 1);
		put_fde(cie, 0x401000, 0x30);
		ck_assert_uint_eq(frames(0x401010).start, 0);
	}
}
END_TEST

static void put_symbol(u8 type, u16 section, u64 value, u64 n)
{
	Elf64_Sym s = {.st_info = type, .st_shndx = section, .st_value = value, .st_size = n};

	put(&s, sizeof(s));
}

START_TEST(symbols_of_functions_count)
{
	struct nearby n = {.addr = BIAS + 0x401050};

	size = 0;
	put_symbol(STT_NOTYPE, SHN_UNDEF, 0, 0);
	put_symbol(STT_FUNC, 1, 0x401060, 0x10);
	put_symbol(STT_FUNC, 1, 0x401040, 0x18);
	put_symbol(STT_GNU_IFUNC, 1, 0x401020, 0x11);
	put_symbol(STT_NOTYPE, 1, 0x401048, 0); /* a label */
	put_symbol(STT_OBJECT, 1, 0x401044, 0x20);
	put_symbol(STT_FUNC, SHN_UNDEF, 0x401050, 0x20);
	put_symbol(STT_FUNC, SHN_ABS, 0x401050, 0x20);
	put("half", 4);
	symbols_near(bytes, size, BIAS, &n);
	ck_assert_uint_eq(n.f.start, BIAS + 0x401040);
	ck_assert_uint_eq(n.f.end, BIAS + 0x401058);
	ck_assert_uint_eq(n.f.next, BIAS + 0x401060);
	ck_assert_uint_eq(n.f.prev_start, BIAS + 0x401020);
	ck_assert_uint_eq(n.f.prev_end, BIAS + 0x401031);
}
END_TEST

static Elf64_Ehdr eh;
static Elf64_Shdr sh[5];

#define NAMES "\0.eh_frame\0.symtab\0.names"

/* A file of names, frames (0x401000), symbols (0x402000) and dynamic symbols (0x403000). */
static void make_file(void)
{
	size_t cie;

	size = 0;
	memset(sh, 0, sizeof(sh));
	put(NAMES, sizeof(NAMES));
	sh[1] = (Elf64_Shdr){.sh_name = 19, .sh_type = SHT_STRTAB, .sh_size = size};
	sh[2] = (Elf64_Shdr){.sh_name = 1,
			     .sh_type = SHT_PROGBITS,
			     .sh_flags = SHF_ALLOC,
			     .sh_addr = LOADED - BIAS,
			     .sh_offset = size};
	/* put_fde() reckons from the start of the file */
	cie = put_cie(1, "zR", "\x1b", 1);
	put32(12);
	put32(size - cie);
	put32(0x401000 - (LOADED + size - sh[2].sh_offset));
	put32(0x30);
	sh[2].sh_size = size - sh[2].sh_offset;
	sh[3] = (Elf64_Shdr){
		.sh_type = SHT_DYNSYM, .sh_offset = size, .sh_size = sizeof(Elf64_Sym)};
	put_symbol(STT_FUNC, 1, 0x403000 - BIAS, 0x10);
	sh[4] = (Elf64_Shdr){
		.sh_type = SHT_SYMTAB, .sh_offset = size, .sh_size = sizeof(Elf64_Sym)};
	put_symbol(STT_FUNC, 1, 0x402000 - BIAS, 0x10);
	eh = (Elf64_Ehdr){
		.e_shentsize = sizeof(*sh), .e_shnum = 5, .e_shstrndx = 1, .e_shoff = size};
}

static struct function in_file(uaddr_t addr)
{
	struct nearby n = {.addr = addr};

	if (eh.e_shoff == size)
		put(sh, sizeof(sh));
	sections_near(NULL, &eh, BIAS, &n);
	return n.f;
}

START_TEST(sections_are_found_by_name_and_type)
{
	make_file();
	ck_assert_uint_eq(in_file(0x401008).start, 0x401000);
	ck_assert_uint_eq(in_file(0x401008).next, 0x402000);
	ck_assert_uint_eq(in_file(0x402008).start, 0x402000);
	ck_assert_uint_eq(in_file(0x402008).prev_end, 0x401030);
	ck_assert_uint_eq(in_file(0x403008).start, 0x402000);
	/* No .symtab: then .dynsym is better than nothing. */
	make_file();
	sh[4].sh_type = SHT_NOTE;
	ck_assert_uint_eq(in_file(0x403008).start, 0x403000);
	make_file();
	sh[2].sh_type = SHT_NOBITS;
	ck_assert_uint_eq(in_file(0x401008).start, 0);
}
END_TEST

START_TEST(sections_that_lie)
{
	static const u64 offsets[] = {1 << 16, 1UL << 31, 1UL << 63, ~0UL};

	for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		make_file();
		sh[2].sh_offset = offsets[i];
		ck_assert_uint_eq(in_file(0x401008).start, 0);
		make_file();
		sh[2].sh_size = offsets[i];
		ck_assert_uint_eq(in_file(0x401008).start, 0);
		make_file();
		sh[2].sh_name = offsets[i];
		ck_assert_uint_eq(in_file(0x401008).start, 0);
		make_file();
		sh[1].sh_offset = offsets[i];
		ck_assert_uint_eq(in_file(0x401008).start, 0);
		make_file();
		eh.e_shoff = offsets[i];
		ck_assert_uint_eq(in_file(0x401008).start, 0);
	}
	make_file();
	eh.e_shstrndx = 5;
	ck_assert_uint_eq(in_file(0x401008).start, 0);
	make_file();
	eh.e_shentsize = 63;
	ck_assert_uint_eq(in_file(0x401008).start, 0);
	make_file();
	eh.e_shnum = 0;
	eh.e_shstrndx = 0;
	ck_assert_uint_eq(in_file(0x401008).start, 0);
	make_file();
	eh.e_shnum = 0xffff;
	ck_assert_uint_eq(in_file(0x401008).start, 0);
}
END_TEST

START_TEST(others_have_the_cpu_now_and_then)
{
	struct nearby n = {.addr = BIAS + 0x401050};
	size_t cie;

	size = 0;
	cie = put_cie(1, "zR", "\x1b", 1);
	for (int i = 0; i < 10000; i++)
		put_fde(cie, 0x401000 + i, 1);
	rests = 0;
	ck_assert_uint_eq(frames(0x401000).start, 0x401000);
	ck_assert_int_ge(rests, 2);
	size = 0;
	for (int i = 0; i < 10000; i++)
		put_symbol(STT_FUNC, 1, 0x401000 + i, 1);
	rests = 0;
	symbols_near(bytes, size, BIAS, &n);
	ck_assert_uint_eq(n.f.start, n.addr);
	ck_assert_int_ge(rests, 2);
}
END_TEST

/*
 * Any bytes, from a buffer of their size for the sake of checkers: whatever is found is an address
 * of a guest's.
 */
START_TEST(hostile_bytes_are_survived)
{
	u32 seed = 4711;

	for (int round = 0; round < 50000; round++) {
		struct nearby n = {.addr = 0x401010};
		size_t cie, len;
		u8 *copy;

		size = 0;
		cie = put_cie(1, round % 2 ? "zR" : "zPLR", "\x1b\0\0\0\0\x1b\x1b",
			      round % 2 ? 1 : 7);
		put_fde(cie, 0x401000, 0x30);
		put_fde(cie, 0x401040, 0x30);
		for (int i = 0; i < 1 + round % 7; i++) {
			seed = seed * 1103515245 + 12345;
			bytes[(seed >> 16) % size] = seed >> 8;
		}
		seed = seed * 1103515245 + 12345;
		len = round % 3 ? size : (seed >> 16) % size;
		copy = malloc(len ? len : 1);
		memcpy(copy, bytes, len);
		frames_near(copy, len, LOADED, BIAS, &n);
		symbols_near(copy, len, BIAS, &n);
		free(copy);
		ck_assert_uint_le(n.f.start, n.addr);
		ck_assert_uint_ge(n.f.end, n.f.start);
		ck_assert_uint_le(n.f.end, TASK_SIZE);
		ck_assert(!n.f.next || (n.f.next > n.addr && n.f.next < TASK_SIZE));
		ck_assert(!n.f.prev_start || n.f.prev_start < n.f.start);
	}
}
END_TEST

UNIT_MAIN("functions by a program's file", functions_next_to_an_address_are_kept_in_any_order,
	  sizes_that_are_unknown_or_differ, descriptions_as_compilers_write_them,
	  encodings_of_addresses, descriptions_that_lie, symbols_of_functions_count,
	  sections_are_found_by_name_and_type, sections_that_lie, others_have_the_cpu_now_and_then,
	  hostile_bytes_are_survived)
