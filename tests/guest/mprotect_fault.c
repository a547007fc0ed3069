/* mprotect: what each protection lets through, splitting, system calls on protected memory. */
#include "t.h"

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)

static sigjmp_buf env;

static void jump(int sig)
{
	(void)sig;
	siglongjmp(env, 1);
}

static bool can_read(volatile char *p)
{
	t_handle(SIGSEGV, jump);
	if (sigsetjmp(env, 1))
		return false;
	(void)*p;
	return true;
}

static bool can_write(volatile char *p)
{
	t_handle(SIGSEGV, jump);
	if (sigsetjmp(env, 1))
		return false;
	*p = *p;
	return true;
}

static bool can_run(volatile char *p)
{
	t_handle(SIGSEGV, jump);
	if (sigsetjmp(env, 1))
		return false;
	((void (*)(void))p)();
	return true;
}

static volatile char *pages(size_t n)
{
	volatile char *p = MUST(mmap(NULL, n * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	for (size_t i = 0; i < n; i++)
		p[i * PAGE] = (char)0xc3; /* ret */
	return p;
}

TEST(each_protection_allows_what_it_says)
{
	volatile char *p = pages(1);

	MUST(mprotect((void *)p, PAGE, PROT_NONE));
	CHECK(!can_read(p) && !can_write(p) && !can_run(p));
	MUST(mprotect((void *)p, PAGE, PROT_READ));
	CHECK(can_read(p) && !can_write(p) && !can_run(p));
	MUST(mprotect((void *)p, PAGE, RW));
	CHECK(can_read(p) && can_write(p) && !can_run(p));
	MUST(mprotect((void *)p, PAGE, PROT_READ | PROT_EXEC));
	CHECK(can_read(p) && !can_write(p) && can_run(p));
	MUST(mprotect((void *)p, PAGE, RW | PROT_EXEC));
	CHECK(can_read(p) && can_write(p) && can_run(p));
}

TEST(write_only_memory_can_be_read)
{
	volatile char *p = pages(1);

	MUST(mprotect((void *)p, PAGE, PROT_WRITE));
	CHECK(can_write(p) && can_read(p));
}

TEST(contents_survive_protection_changes)
{
	volatile char *p = pages(1);

	p[100] = 'k';
	MUST(mprotect((void *)p, PAGE, PROT_NONE));
	MUST(mprotect((void *)p, PAGE, PROT_READ));
	CHECK_EQ(p[100], 'k');
}

TEST(middle_of_a_mapping_can_be_protected_and_merged_again)
{
	volatile char *p = pages(5);

	for (int round = 0; round < 20; round++) {
		MUST(mprotect((void *)(p + 2 * PAGE), PAGE, PROT_READ));
		CHECK(can_write(p + PAGE) && !can_write(p + 2 * PAGE) && can_write(p + 3 * PAGE));
		MUST(mprotect((void *)(p + PAGE), 3 * PAGE, PROT_NONE));
		CHECK(can_read(p) && !can_read(p + PAGE) && !can_read(p + 3 * PAGE) &&
		      can_read(p + 4 * PAGE));
		MUST(mprotect((void *)p, 5 * PAGE, RW));
		CHECK(can_write(p + 2 * PAGE));
	}
}

TEST(change_stops_at_a_hole_but_holds_before_it)
{
	volatile char *p = pages(4);

	MUST(munmap((void *)(p + 2 * PAGE), PAGE));
	CHECK_ERR(mprotect((void *)p, 4 * PAGE, PROT_READ), ENOMEM);
	CHECK(!can_write(p) && !can_write(p + PAGE));
	CHECK(can_write(p + 3 * PAGE));
}

TEST(shared_mapping_of_a_read_only_file_cannot_become_writable)
{
	volatile char *p;
	int fd;

	t_cd_tmpdir();
	t_write_file("f", "text");
	fd = MUST(open("f", O_RDONLY));
	p = MUST(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	CHECK_ERR(mprotect((void *)p, PAGE, RW), EACCES);
	p = MUST(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	MUST(mprotect((void *)p, PAGE, RW));
	CHECK(can_write(p));
}

TEST(system_calls_honour_protections)
{
	volatile char *p = pages(1);
	int fd[2];

	MUST(pipe(fd));
	CHECK_EQ(write(fd[1], "abcd", 4), 4);
	MUST(mprotect((void *)p, PAGE, PROT_READ));
	CHECK_ERR(read(fd[0], (void *)p, 4), EFAULT);
	CHECK_EQ(write(fd[1], (void *)p, 4), 4);
	MUST(mprotect((void *)p, PAGE, PROT_NONE));
	CHECK_ERR(write(fd[1], (void *)p, 4), EFAULT);
	MUST(mprotect((void *)p, PAGE, RW));
	CHECK_EQ(read(fd[0], (void *)p, 4), 4);
	CHECK_EQ(p[0], 'a');
}

TEST(write_fault_handler_as_garbage_collectors_use_it)
{
	volatile char *p = pages(64);
	volatile int faults = 0;

	MUST(mprotect((void *)p, 64 * PAGE, PROT_READ));
	for (size_t i = 0; i < 64; i++) {
		if (!can_write(p + i * PAGE)) {
			faults++;
			MUST(mprotect((void *)(p + i * PAGE), PAGE, RW));
		}
		p[i * PAGE] = (char)i;
	}
	CHECK_EQ(faults, 64);
	for (size_t i = 0; i < 64; i++)
		CHECK_EQ(p[i * PAGE], (char)i);
}

TEST(own_code_stays_read_only)
{
	CHECK(!can_write((volatile char *)(void *)can_run));
}

TEST(stack_is_not_executable)
{
	volatile char code[64];

	code[0] = (char)0xc3;
	CHECK(!can_run(code));
}

TEST(heap_is_not_executable)
{
	volatile char *p = malloc(64);

	p[0] = (char)0xc3;
	CHECK(!can_run(p));
}
