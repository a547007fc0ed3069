/* Absurd addresses, lengths and flags for the calls on memory. */
#include "hostile.h"

#include <sys/prctl.h>

#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

static const unsigned long bad_addr[] = {0x7ffffffff000ul,     0x800000000000ul,
					 0x4141414141414000ul, 0xffff800000000000ul,
					 0xffffffff81000000ul, 0xfffffffffffff000ul};
#define N_BAD (sizeof(bad_addr) / sizeof(*bad_addr))

TEST(mmap_fixed_outside_user_space_is_enomem)
{
	for (size_t i = 0; i < N_BAD; i++)
		EXPECT_ERR(SYS(mmap, bad_addr[i], 4096, RW, ANON | MAP_FIXED, -1, 0), ENOMEM);
}

TEST(mmap_hint_outside_user_space_is_only_a_hint)
{
	for (size_t i = 0; i < N_BAD; i++) {
		char *p = MUST(mmap((void *)bad_addr[i], 4096, RW, ANON, -1, 0));

		CHECK((unsigned long)p < 0x7ffffffff000ul);
		*p = 1;
	}
}

TEST(mmap_of_no_bytes_is_einval)
{
	EXPECT_ERR(SYS(mmap, NULL, 0, RW, ANON, -1, 0), EINVAL);
}

TEST(mmap_of_more_than_the_address_space_is_enomem)
{
	EXPECT_ERR(SYS(mmap, NULL, 1ul << 47, RW, ANON, -1, 0), ENOMEM);
	EXPECT_ERR(SYS(mmap, NULL, 1ul << 62, RW, ANON, -1, 0), ENOMEM);
	EXPECT_ERR(SYS(mmap, NULL, 1ul << 63, RW, ANON, -1, 0), ENOMEM);
	EXPECT_ERR(SYS(mmap, NULL, -1ul, RW, ANON, -1, 0), ENOMEM);
	EXPECT_ERR(SYS(mmap, NULL, -4096ul, RW, ANON, -1, 0), ENOMEM);
}

TEST(mmap_without_shared_or_private_is_einval)
{
	EXPECT_ERR(SYS(mmap, NULL, 4096, RW, MAP_ANONYMOUS, -1, 0), EINVAL);
	EXPECT_ERR(SYS(mmap, NULL, 4096, RW, 0, -1, 0), EBADF);
}

TEST(mmap_at_an_odd_offset_is_einval)
{
	int fd = MUST(open("/proc/self/exe", O_RDONLY));

	EXPECT_ERR(SYS(mmap, NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 1), EINVAL);
	EXPECT_ERR(SYS(mmap, NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 2048), EINVAL);
}

TEST(mmap_offset_that_overflows_is_refused)
{
	int fd = MUST(open("/proc/self/exe", O_RDONLY));

	EXPECT_ERR(SYS(mmap, NULL, 8192, PROT_READ, MAP_PRIVATE, fd, -4096l), EOVERFLOW);
}

TEST(mmap_of_bad_descriptors_fails)
{
	int fd[2];

	EXPECT_ERR(mmap(NULL, 4096, RW, MAP_PRIVATE, -1, 0), EBADF);
	EXPECT_ERR(mmap(NULL, 4096, RW, MAP_PRIVATE, 999, 0), EBADF);
	MUST(pipe(fd));
	EXPECT_ERR(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd[0], 0), ENODEV);
	MUST(fd[0] = open("/tmp", O_RDONLY));
	EXPECT_ERR(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd[0], 0), ENODEV);
}

TEST(mmap_fixed_at_an_odd_address_is_einval)
{
	char *p = MUST(mmap(NULL, 8192, RW, ANON, -1, 0));

	EXPECT_ERR(mmap(p + 1, 4096, RW, ANON | MAP_FIXED, -1, 0), EINVAL);
	EXPECT_ERR(mmap(p + 2048, 4096, RW, ANON | MAP_FIXED, -1, 0), EINVAL);
}

TEST(munmap_of_absurd_ranges_is_einval)
{
	char *p = MUST(mmap(NULL, 4096, RW, ANON, -1, 0));

	EXPECT_ERR(SYS(munmap, p + 1, 4096), EINVAL);
	EXPECT_ERR(SYS(munmap, p, 0), EINVAL);
	EXPECT_ERR(SYS(munmap, p, -1ul), EINVAL);
	EXPECT_ERR(SYS(munmap, p, 1ul << 63), EINVAL);
	for (size_t i = 0; i < N_BAD; i++)
		EXPECT_ERR(SYS(munmap, bad_addr[i], 4096), EINVAL);
	*p = 1;
}

TEST(munmap_of_a_hole_is_no_error)
{
	char *hole = hostile_page(-1);

	CHECK_EQ(munmap(hole, 4096), 0);
	CHECK_EQ(munmap(hole, 4096), 0);
	CHECK_EQ(SYS(munmap, 0, 4096), 0);
}

TEST(mprotect_of_absurd_ranges_fails)
{
	char *p = MUST(mmap(NULL, 4096, RW, ANON, -1, 0)), *hole = hostile_page(-1);

	EXPECT_ERR(SYS(mprotect, p + 1, 4096, PROT_READ), EINVAL);
	EXPECT_EQ(SYS(mprotect, p, 0, PROT_READ), 0);
	EXPECT_ERR(SYS(mprotect, hole, 4096, PROT_READ), ENOMEM);
	EXPECT_ERR(SYS(mprotect, p, -4096ul, PROT_READ), ENOMEM);
	EXPECT_ERR(SYS(mprotect, p, 4096, 0x1000000 | PROT_READ), EINVAL);
	for (size_t i = 0; i < N_BAD; i++)
		EXPECT_ERR(SYS(mprotect, bad_addr[i], 4096, PROT_READ), ENOMEM);
	*p = 1;
}

TEST(mremap_of_absurd_ranges_fails)
{
	char *p = MUST(mmap(NULL, 8192, RW, ANON, -1, 0)), *hole = hostile_page(-1);

	EXPECT_ERR(SYS(mremap, p + 1, 4096, 8192, MREMAP_MAYMOVE), EINVAL);
	EXPECT_ERR(SYS(mremap, p, 4096, 0, MREMAP_MAYMOVE), EINVAL);
	EXPECT_ERR(SYS(mremap, hole, 4096, 8192, MREMAP_MAYMOVE), EFAULT);
	EXPECT(SYS(mremap, p, 4096, 1ul << 47, MREMAP_MAYMOVE) == -1);
	EXPECT_ERR(SYS(mremap, p, 4096, 8192, 0x100), EINVAL);
	EXPECT_ERR(SYS(mremap, p, 4096, 4096, MREMAP_FIXED, hole), EINVAL);
	EXPECT_ERR(SYS(mremap, p, 8192, 8192, MREMAP_MAYMOVE | MREMAP_FIXED, p + 4096), EINVAL);
	EXPECT_ERR(SYS(mremap, p, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, hole + 1), EINVAL);
	EXPECT_ERR(SYS(mremap, p, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, -4096ul), EINVAL);
	EXPECT_ERR(SYS(mremap, p, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, 0x7ffffffff000ul),
		   EINVAL);
	p[0] = p[4096] = 1;
}

TEST(mremap_from_outside_user_space_is_efault)
{
	for (size_t i = 0; i < N_BAD; i++)
		EXPECT_ERR(SYS(mremap, bad_addr[i], 4096, 8192, MREMAP_MAYMOVE), EFAULT);
}

TEST(madvise_of_absurd_ranges_fails)
{
	char *p = MUST(mmap(NULL, 4096, RW, ANON, -1, 0)), *hole = hostile_page(-1);

	EXPECT_ERR(SYS(madvise, p + 1, 4096, MADV_DONTNEED), EINVAL);
	EXPECT_EQ(SYS(madvise, p, 0, MADV_DONTNEED), 0);
	EXPECT_ERR(SYS(madvise, p, 4096, 9999), EINVAL);
	EXPECT_ERR(SYS(madvise, hole, 4096, MADV_DONTNEED), ENOMEM);
	EXPECT_ERR(SYS(madvise, p, -1ul, MADV_DONTNEED), EINVAL);
	EXPECT_ERR(SYS(madvise, p, 1ul << 63, MADV_NORMAL), ENOMEM);
}

TEST(msync_of_absurd_ranges_fails)
{
	char *p = MUST(mmap(NULL, 4096, RW, ANON, -1, 0)), *hole = hostile_page(-1);

	EXPECT_EQ(SYS(msync, p, 4096, MS_SYNC), 0);
	EXPECT_ERR(SYS(msync, p + 1, 4096, MS_SYNC), EINVAL);
	EXPECT_ERR(SYS(msync, p, 4096, MS_SYNC | MS_ASYNC), EINVAL);
	EXPECT_ERR(SYS(msync, p, 4096, 0x100), EINVAL);
	EXPECT_ERR(SYS(msync, hole, 4096, MS_SYNC), ENOMEM);
}

TEST(mincore_of_absurd_ranges_fails)
{
	char *p = MUST(mmap(NULL, 4096, RW, ANON, -1, 0)), *hole = hostile_page(-1);
	unsigned char vec[4];

	EXPECT_ERR(SYS(mincore, p + 1, 4096, vec), EINVAL);
	EXPECT_ERR(SYS(mincore, hole, 4096, vec), ENOMEM);
	EXPECT_ERR(SYS(mincore, 0xffff800000000000ul, 4096, vec), ENOMEM);
	EXPECT_ERR(SYS(mincore, p, 4096, 8ul), EFAULT);
}

TEST(brk_to_absurd_places_moves_nothing)
{
	long now = SYS(brk, 0);

	CHECK_EQ(SYS(brk, 1), now);
	CHECK_EQ(SYS(brk, -1ul), now);
	CHECK_EQ(SYS(brk, 0x800000000000ul), now);
	CHECK_EQ(SYS(brk, 0xffffffff81000000ul), now);
	CHECK_EQ(SYS(brk, 0), now);
}

TEST(memory_above_every_mapping_cannot_be_touched)
{
	static const unsigned long addr[] = {0x7fffffffe000ul, 0x7ffffffff000ul, 0x800000000000ul,
					     0xffff800000000000ul, -8ul};

	for (size_t i = 0; i < sizeof(addr) / sizeof(*addr); i++)
		CHECK_KILLED(IN_CHILD(*(volatile char *)addr[i] = 1), SIGSEGV);
}

TEST(jump_outside_of_user_space_is_sigsegv)
{
	static const unsigned long addr[] = {0, 0x7ffffffff000ul, 0x800000000000ul,
					     0xffffffff81000000ul};

	for (size_t i = 0; i < sizeof(addr) / sizeof(*addr); i++)
		CHECK_KILLED(IN_CHILD(((void (*)(void))addr[i])()), SIGSEGV);
}

TEST(stack_pointer_outside_of_user_space_is_sigsegv)
{
	static const unsigned long addr[] = {0, 8, 0x7ffffffff000ul, 0x800000000000ul, -4096ul};

	for (size_t i = 0; i < sizeof(addr) / sizeof(*addr); i++) {
		int status = IN_CHILD({
			__asm__ volatile("mov %0, %%rsp; push %%rax" ::"r"(addr[i]) : "memory");
			_exit(1);
		});

		/* A non-canonical stack access is a stack fault. */
		CHECK(WIFSIGNALED(status));
		CHECK(WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS);
	}
}

TEST(unmapping_everything_below_the_stack_only_kills_the_caller)
{
	pid_t pid = SPAWN({
		SYS(munmap, 0, 0x7ffffffff000ul);
		_exit(1);
	});

	CHECK_KILLED(t_wait(pid), SIGSEGV);
}

TEST(mapping_over_all_of_user_space_fails_or_only_kills_the_caller)
{
	pid_t pid = SPAWN({
		SYS(mmap, 4096, 0x7fffffffd000ul, PROT_NONE, ANON | MAP_FIXED | MAP_NORESERVE, -1,
		    0);
		_exit(0);
	});
	int status = t_wait(pid);

	CHECK(WIFSIGNALED(status) || WIFEXITED(status));
}

TEST(mapping_until_it_fails_leaves_a_working_process)
{
	CHECK_EXITED(IN_CHILD({
			     struct rlimit lim = {1ul << 30, 1ul << 30};
			     int n = 0;
			     MUST(setrlimit(RLIMIT_AS, &lim));
			     while (mmap(NULL, 8 << 20, PROT_READ, ANON, -1, 0) != MAP_FAILED)
				     CHECK(++n < 200);
			     CHECK(errno == ENOMEM && n > 100);
			     CHECK_EQ(getppid() > 0, 1);
			     _exit(3);
		     }),
		     3);
}
