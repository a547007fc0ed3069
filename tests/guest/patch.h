/*
 * System-call sites of our own, written apart from C so that it is known where each instruction
 * lies. Heddle turns sites that are used often into jumps (kernel/patch/); nothing of that may
 * show. Sites are of form A (`mov $nr, %eax; syscall`) or B (a bare `syscall`, or one behind `xor
 * %eax, %eax`, with padding between functions).
 */
#ifndef GUEST_PATCH_H
#define GUEST_PATCH_H

#include "t.h"

#define HOT 200 /* calls after which a site certainly is hot */

/* A function with padding behind it: 32 bytes in all if the code has up to 16. */
#define FUNCTION(name, code)                                                                       \
	__asm__(".text\n.p2align 5\n.globl " name "\n.type " name ", @function\n" name             \
		":\n.cfi_startproc\n" code "\n.cfi_endproc\n.size " name ", . - " name             \
		"\n.skip 16, 0x90\n.p2align 5\n")
#define FUNCTION_SIZE 32
#define STR_(x) #x
#define STR(x) STR_(x)

/* Form A: NAME calls nr. It takes what the call takes. */
#define SITE_A(name, nr)                                                                           \
	long name(long, ...);                                                                      \
	FUNCTION(#name, "mov $" STR(nr) ", %eax\nsyscall\nret")
/* Form B: the number comes in rax: call4() and its like. */
#define SITE_B(name)                                                                               \
	long name(long, ...);                                                                      \
	FUNCTION(#name, "syscall\nret")

/* Calls fn(a, b, c, d) with rax = nr, as a system call passes arguments. */
static inline long call4(const void *fn, long nr, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = 0;
	register long r9 __asm__("r9") = 0;

	/* The callee's return address must not hit our own red zone. */
	__asm__ volatile("sub $128, %%rsp; call *%[fn]; add $128, %%rsp"
			 : "+a"(nr)
			 : [fn] "r"(fn), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory", "cc");
	return nr;
}

static inline long call3(const void *fn, long nr, long a, long b, long c)
{
	return call4(fn, nr, a, b, c, 0);
}

static inline long call0(const void *fn, long nr)
{
	return call4(fn, nr, 0, 0, 0, 0);
}

/* Makes HOT calls which must give `want`. */
static inline void heat(const void *fn, long nr, long want)
{
	for (int i = 0; i < HOT; i++)
		CHECK_EQ(call0(fn, nr), want);
}

/* ---- the program's own file once more ---- */

extern const char __ehdr_start[];

/*
 * Where something of this program lies in its file: it's linked so that text keeps its distance
 * from the headers.
 */
static inline size_t offset_of(const void *p)
{
	return (size_t)((const char *)p - __ehdr_start);
}

static inline size_t image_size(void)
{
	struct stat st;

	MUST(stat(t_self(), &st));
	return ((size_t)st.st_size + 4095) & ~4095ul;
}

/* The program's own file once more, executable, from the ELF header on. */
static inline char *map_image(void *at, int flags, int fd)
{
	return MUST(mmap(at, image_size(), PROT_READ | PROT_EXEC, flags, fd, 0));
}

static inline int open_self(void)
{
	return MUST(open(t_self(), O_RDONLY | O_CLOEXEC));
}

static inline char *private_image(void)
{
	int fd = open_self();
	char *image = map_image(NULL, MAP_PRIVATE, fd);

	MUST(close(fd));
	return image;
}

#define IN(image, fn) ((image) + offset_of(fn))

#endif
