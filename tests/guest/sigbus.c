/* SIGBUS: access behind the end of a mapped file. */
#include "t.h"

#include <ucontext.h>

#define PAGE 4096ul

static sigjmp_buf env;
static siginfo_t info;
static volatile int got;

static void note(int sig, siginfo_t *si, void *ctx)
{
	(void)ctx;
	got = sig;
	info = *si;
	siglongjmp(env, 1);
}

#define FAULT(...)                                                                                 \
	do {                                                                                       \
		t_handle_info(SIGBUS, note);                                                       \
		t_handle_info(SIGSEGV, note);                                                      \
		got = 0;                                                                           \
		if (!sigsetjmp(env, 1)) {                                                          \
			__VA_ARGS__;                                                               \
		}                                                                                  \
	} while (0)

static int file_of(off_t size)
{
	int fd = MUST(open(t_tmpdir(), O_RDWR | O_TMPFILE, 0600));

	MUST(ftruncate(fd, size));
	return fd;
}

static void check_beyond_end(int fd, int flags)
{
	volatile char *p = MUST(mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0));

	FAULT((void)p[PAGE - 1]);
	CHECK_EQ(got, 0);
	FAULT((void)p[PAGE + 3]);
	CHECK_EQ(got, SIGBUS);
	CHECK_EQ(info.si_code, BUS_ADRERR);
	CHECK(info.si_addr == (void *)&p[PAGE + 3]);
	FAULT(p[2 * PAGE] = 1);
	CHECK_EQ(got, SIGBUS);
	CHECK(info.si_addr == (void *)&p[2 * PAGE]);
}

TEST(shared_mapping_beyond_the_end_of_a_file)
{
	check_beyond_end(file_of(100), MAP_SHARED);
}

TEST(private_mapping_beyond_the_end_of_a_file)
{
	check_beyond_end(file_of(100), MAP_PRIVATE);
}

TEST(mapping_beyond_the_end_of_a_memfd)
{
	int fd = MUST(memfd_create("x", 0));

	MUST(ftruncate(fd, 100));
	check_beyond_end(fd, MAP_SHARED);
}

TEST(mapping_of_an_empty_file)
{
	volatile char *p = MUST(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file_of(0), 0));

	FAULT((void)p[0]);
	CHECK_EQ(got, SIGBUS);
}

TEST(truncated_file_loses_its_mapped_pages)
{
	int fd = file_of(2 * PAGE);
	volatile char *p = MUST(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));

	p[PAGE] = 1;
	MUST(ftruncate(fd, 10));
	FAULT((void)p[PAGE]);
	CHECK_EQ(got, SIGBUS);
	FAULT((void)p[0]);
	CHECK_EQ(got, 0);
	MUST(ftruncate(fd, 2 * PAGE));
	FAULT((void)p[PAGE]);
	CHECK_EQ(got, 0);
	CHECK_EQ(p[PAGE], 0);
}

TEST(copied_private_page_survives_when_the_file_grows_again)
{
	int fd = file_of(2 * PAGE);
	volatile char *p = MUST(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));

	p[0] = 7;
	MUST(ftruncate(fd, PAGE));
	CHECK_EQ(p[0], 7);
	FAULT((void)p[PAGE]);
	CHECK_EQ(got, SIGBUS);
}

TEST(system_call_beyond_the_end_of_a_file_is_efault)
{
	int fd = file_of(0), pipe_fd[2];
	char *p = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));

	MUST(pipe(pipe_fd));
	CHECK_ERR(write(pipe_fd[1], p, 16), EFAULT);
	CHECK_EQ(write(pipe_fd[1], "x", 1), 1);
	CHECK_ERR(read(pipe_fd[0], p, 1), EFAULT);
}

TEST(unhandled_sigbus_kills)
{
	volatile char *p = MUST(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file_of(0), 0));

	CHECK_KILLED(IN_CHILD(_exit(p[0])), SIGBUS);
}
