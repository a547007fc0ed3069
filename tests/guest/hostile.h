/*
 * hostile.h: pointers that no call may accept.
 *
 *	BAD_IN(name, call)      call reads memory at p; EFAULT for every p that can't be read
 *	BAD_OUT(name, call)     call writes to p; the same, and for memory that is only readable
 *	BAD_STREAM(name, setup, call)  writes to p and may stop early, as read() does
 *	BAD_WORD(name, setup, call)    reads at p, which is aligned, and may stop early
 *
 * The macros declare a whole behaviour. The forms with "setup" run these statements once before.
 */
#ifndef GUEST_HOSTILE_H
#define GUEST_HOSTILE_H

#include "t.h"

#define HOSTILE_PAGE 4096ul

struct hostile_ptr {
	const char *what;
	void *p;
};

#define HOSTILE_MAX 16

/* A page with the protection (a hole where prot is -1) between two pages full of 'a'. */
static inline char *hostile_page(int prot)
{
	char *p = MUST(mmap(NULL, 3 * HOSTILE_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	memset(p, 'a', 3 * HOSTILE_PAGE);
	if (prot < 0)
		MUST(munmap(p + HOSTILE_PAGE, HOSTILE_PAGE));
	else
		MUST(mprotect(p + HOSTILE_PAGE, HOSTILE_PAGE, prot));
	return p + HOSTILE_PAGE;
}

enum hostile_use {
	HOSTILE_READ,	/* the kernel reads at p, more than one byte */
	HOSTILE_WRITE,	/* the kernel writes at p, more than one byte */
	HOSTILE_STREAM, /* the kernel writes at p and may stop early: one good byte counts as
			   success */
	HOSTILE_WORD,	/* the kernel reads an aligned word */
};

/*
 * Fills the table with pointers that are bad for the use. NULL is not among them: it often means
 * "none".
 */
static inline int hostile_ptrs(struct hostile_ptr *table, enum hostile_use use)
{
	char *hole = hostile_page(-1);
	int n = 0;

	table[n++] = (struct hostile_ptr){"page zero", (void *)8ul};
	table[n++] = (struct hostile_ptr){"unmapped", hole};
	table[n++] = (struct hostile_ptr){"PROT_NONE", hostile_page(PROT_NONE)};
	table[n++] = (struct hostile_ptr){"last user page", (void *)0x7fffffffe000ul};
	table[n++] = (struct hostile_ptr){"last user bytes", (void *)0x7fffffffeff8ul};
	table[n++] = (struct hostile_ptr){"end of user space", (void *)0x7ffffffff000ul};
	table[n++] = (struct hostile_ptr){"first non-canonical", (void *)0x800000000000ul};
	table[n++] = (struct hostile_ptr){"non-canonical", (void *)0x4141414141414140ul};
	table[n++] = (struct hostile_ptr){"kernel half", (void *)0xffff800000000000ul};
	table[n++] = (struct hostile_ptr){"kernel text", (void *)0xffffffff81000000ul};
	table[n++] = (struct hostile_ptr){"last page", (void *)0xfffffffffffff000ul};
	table[n++] = (struct hostile_ptr){"minus eight", (void *)-8ul};
	if (use == HOSTILE_READ || use == HOSTILE_WRITE)
		table[n++] = (struct hostile_ptr){"runs into a hole", hole - 1};
	if (use == HOSTILE_WRITE || use == HOSTILE_STREAM)
		table[n++] = (struct hostile_ptr){"read-only", hostile_page(PROT_READ)};
	return n;
}

/* A file without a name, of 16 bytes of text. */
static inline int text_file(void)
{
	int fd = MUST(open(t_tmpdir(), O_RDWR | O_TMPFILE, 0600));

	CHECK(write(fd, "0123456789abcdef", 16) == 16);
	return fd;
}

#define HOSTILE_(name, use, setup, call)                                                           \
	TEST(name)                                                                                 \
	{                                                                                          \
		struct hostile_ptr table[HOSTILE_MAX];                                             \
		int n = hostile_ptrs(table, use);                                                  \
		setup;                                                                             \
		for (int i = 0; i < n; i++) {                                                      \
			char *p = table[i].p;                                                      \
			t_context = table[i].what;                                                 \
			EXPECT_ERR(call, EFAULT);                                                  \
		}                                                                                  \
	}

#define BAD_IN(name, call) HOSTILE_(name, HOSTILE_READ, , call)
#define BAD_OUT(name, call) HOSTILE_(name, HOSTILE_WRITE, , call)
#define BAD_IN_WITH(name, setup, call) HOSTILE_(name, HOSTILE_READ, setup, call)
#define BAD_OUT_WITH(name, setup, call) HOSTILE_(name, HOSTILE_WRITE, setup, call)
#define BAD_STREAM(name, setup, call) HOSTILE_(name, HOSTILE_STREAM, setup, call)
#define BAD_WORD(name, setup, call) HOSTILE_(name, HOSTILE_WORD, setup, call)

#define SYS(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

#endif
