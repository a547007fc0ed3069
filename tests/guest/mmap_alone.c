/*
 * Changes of mappings by a process of one thread, whose host process may make such calls itself: they count at once, whatever signals come in
 * between, and however many there are.
 * test: cpus=1,2,2s,4,4m
 */
#include "t.h"
#include <sys/time.h>

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS)

static sigjmp_buf env;

static void jump(int sig)
{
	(void)sig;
	siglongjmp(env, 1);
}

static bool can_read(volatile char *p)
{
	if (sigsetjmp(env, 1))
		return false;
	(void)*p;
	return true;
}

static bool can_write(volatile char *p)
{
	if (sigsetjmp(env, 1))
		return false;
	*p = 'w';
	return true;
}

static char *pages(size_t n)
{
	return MUST(mmap(NULL, n * PAGE, RW, PRIVATE, -1, 0));
}

TEST(changes_count_at_once)
{
	t_handle(SIGSEGV, jump);
	for (int i = 0; i < 50; i++) {
		char *p = pages(4);

		CHECK(can_write(p + 2 * PAGE));
		MUST(mprotect(p + PAGE, 2 * PAGE, PROT_READ));
		CHECK(can_write(p) && !can_write(p + PAGE) && !can_write(p + 2 * PAGE) &&
		      can_write(p + 3 * PAGE));
		MUST(munmap(p + PAGE, PAGE));
		CHECK(!can_read(p + PAGE) && p[2 * PAGE] == 'w');
		MUST(munmap(p, 4 * PAGE));
		CHECK(!can_read(p) && !can_read(p + 3 * PAGE));
	}
}

TEST(a_fixed_mapping_replaces_what_was_there)
{
	char *p = pages(3);

	memset(p, 'x', 3 * PAGE);
	for (int i = 0; i < 50; i++) {
		CHECK(mmap(p + PAGE, PAGE, RW, PRIVATE | MAP_FIXED, -1, 0) == p + PAGE);
		CHECK_EQ(p[PAGE - 1], 'x');
		CHECK_EQ(p[PAGE], 0);
		CHECK_EQ(p[2 * PAGE], 'x');
		p[PAGE] = 'y';
	}
}

TEST(system_calls_see_the_change)
{
	char *p = pages(2);
	int fds[2];

	MUST(pipe(fds));
	for (int i = 0; i < 50; i++) {
		MUST(mprotect(p, PAGE, PROT_READ));
		MUST(write(fds[1], "z", 1));
		CHECK_ERR(read(fds[0], p, 1), EFAULT);
		MUST(mprotect(p, PAGE, RW));
		CHECK_EQ(read(fds[0], p, 1), 1);
		CHECK_EQ(*p, 'z');
		MUST(munmap(p, PAGE));
		CHECK_ERR(write(fds[1], p, 1), EFAULT);
		CHECK(mmap(p, PAGE, RW, PRIVATE | MAP_FIXED, -1, 0) == p);
	}
}

TEST(errors_are_those_of_the_call)
{
	char *p = pages(4);

	CHECK_ERR(munmap(p + 1, PAGE), EINVAL);
	CHECK_ERR(munmap(p, 0), EINVAL);
	CHECK_ERR(syscall(SYS_munmap, p, -1ul), EINVAL);
	CHECK_ERR(syscall(SYS_mprotect, p, PAGE, PROT_READ | 1ul << 40), EINVAL);
	MUST(munmap(p + PAGE, PAGE));
	CHECK_ERR(mprotect(p, 3 * PAGE, PROT_READ), ENOMEM);
	t_handle(SIGSEGV, jump);
	CHECK(!can_write(p) && can_write(p + 2 * PAGE));
	CHECK_EQ(munmap(p + PAGE, PAGE), 0);
	/* Bits of the upper half count for nothing here. */
	CHECK_EQ(syscall(SYS_mmap, p, PAGE, RW, PRIVATE | MAP_FIXED | 1ul << 40, -1, 0), (long)p);
	CHECK(can_write(p));
}

static volatile int alarms;

static void count(int sig)
{
	(void)sig;
	alarms++;
}

TEST(signals_may_come_in_between)
{
	struct itimerval it = {{0, 1000}, {0, 1000}};
	char *p = pages(4);

	t_handle(SIGSEGV, jump);
	t_handle_flags(SIGALRM, count, SA_RESTART);
	MUST(setitimer(ITIMER_REAL, &it, NULL));
	for (int i = 0; i < 300 || alarms < 20; i++) {
		CHECK_EQ(mprotect(p + PAGE, PAGE, PROT_READ), 0);
		CHECK(!can_write(p + PAGE) && can_write(p));
		CHECK_EQ(munmap(p + 2 * PAGE, PAGE), 0);
		CHECK(!can_read(p + 2 * PAGE));
		CHECK(mmap(p + PAGE, 2 * PAGE, RW, PRIVATE | MAP_FIXED, -1, 0) == p + PAGE);
		CHECK(p[PAGE] == 0 && can_write(p + PAGE) && can_write(p + 2 * PAGE));
	}
}

TEST(as_many_as_one_likes)
{
	char *p = pages(3);

	t_handle(SIGSEGV, jump);
	for (int i = 0; i < 24000; i++) {
		MUST(mprotect(p + PAGE, PAGE, i % 2 ? RW : PROT_READ));
		if (i % 1000 < 2)
			CHECK_EQ(can_write(p + PAGE), i % 2 == 1);
	}
}

TEST(a_child_has_the_changes)
{
	char *p = pages(2);

	for (int i = 0; i < 20; i++) {
		int status;

		p[0] = 'a';
		MUST(mprotect(p, PAGE, PROT_READ));
		MUST(munmap(p + PAGE, PAGE));
		status = IN_CHILD({
			t_handle(SIGSEGV, jump);
			_exit(can_write(p) || can_read(p + PAGE) || p[0] != 'a');
		});
		CHECK_EXITED(status, 0);
		CHECK(mmap(p, 2 * PAGE, RW, PRIVATE | MAP_FIXED, -1, 0) == p);
	}
}
