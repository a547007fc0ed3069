/*
 * The kernel's copies to and from stacks: those that are to grow, and those that can't be accessed.
 */
#include "t.h"

#include <sys/uio.h>

#define PAGE 4096UL
#define RW (PROT_READ | PROT_WRITE)

/* The lowest page of the stack's mapping: what lies in it nobody needs. */
static char *low_page(void)
{
	char *here = __builtin_frame_address(0), *p;

	p = (char *)(((uintptr_t)here & -PAGE) - 8 * PAGE);
	*(volatile char *)p = 1;
	return p;
}

TEST(copy_below_the_stack_grows_it)
{
	char *here = __builtin_frame_address(0), *p;
	int fd[2];

	p = (char *)(((uintptr_t)here & -PAGE) - 64 * PAGE);
	MUST(pipe(fd));
	MUST(write(fd[1], "x", 1));
	CHECK_EQ(read(fd[0], p, 1), 1);
	CHECK_EQ(*p, 'x');
}

TEST(vector_below_the_stack_grows_it)
{
	char *here = __builtin_frame_address(0), *p, buf[32];
	struct iovec iov[20];
	int fd[2];

	p = (char *)(((uintptr_t)here & -PAGE) - 64 * PAGE);
	for (int i = 0; i < 20; i++)
		iov[i] = (struct iovec){i < 16 ? buf + i : p + i, 1};
	MUST(pipe(fd));
	MUST(write(fd[1], "abcdefghijklmnopqrst", 20));
	CHECK_EQ(readv(fd[0], iov, 20), 20);
	CHECK_EQ(p[16], 'q');
}

TEST(inaccessible_stack_page_is_efault)
{
	char *p = low_page();
	int fd[2];

	MUST(pipe(fd));
	MUST(mprotect(p, PAGE, PROT_NONE));
	CHECK_ERR(write(fd[1], p, 1), EFAULT);
	MUST(write(fd[1], "x", 1));
	CHECK_ERR(read(fd[0], p, 1), EFAULT);
}

/* The processor reads what may be written; a kernel may say EFAULT. It must say something. */
TEST(write_only_stack_page_ends)
{
	char *p = low_page();
	int fd[2];

	MUST(pipe(fd));
	MUST(mprotect(p, PAGE, PROT_WRITE));
	CHECK(write(fd[1], p, 1) == 1 || errno == EFAULT);
	CHECK(writev(fd[1], &(struct iovec){p, 1}, 1) == 1 || errno == EFAULT);
}
