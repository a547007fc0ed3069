/* Copy-on-write after fork, with many pages, shared mappings between them, and deep families. */
#include "t.h"

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)

static unsigned char *pages(size_t n, int flags)
{
	return MUST(mmap(NULL, n * PAGE, RW, flags | MAP_ANONYMOUS, -1, 0));
}

TEST(thousand_private_pages_are_copied_when_written)
{
	size_t n = 1000;
	unsigned char *p = pages(n, MAP_PRIVATE);

	for (size_t i = 0; i < n; i++)
		p[i * PAGE] = (unsigned char)i;
	pid_t pid = SPAWN({
		for (size_t i = 0; i < n; i++) {
			CHECK_EQ(p[i * PAGE], (unsigned char)i);
			p[i * PAGE] = 0xaa;
		}
		for (size_t i = 0; i < n; i++)
			CHECK_EQ(p[i * PAGE], 0xaa);
	});
	CHECK_EXITED(t_wait(pid), 0);
	for (size_t i = 0; i < n; i++)
		CHECK_EQ(p[i * PAGE], (unsigned char)i);
}

TEST(parent_writes_are_not_seen_by_the_child)
{
	struct t_gate written = t_gate();
	unsigned char *p = pages(100, MAP_PRIVATE);

	memset(p, 1, 100 * PAGE);
	pid_t pid = SPAWN({
		t_gate_pass(&written);
		for (size_t i = 0; i < 100 * PAGE; i++)
			CHECK_EQ(p[i], 1);
	});
	memset(p, 2, 100 * PAGE);
	t_gate_open(&written);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(shared_pages_between_private_ones_stay_shared)
{
	unsigned char *p = pages(9, MAP_PRIVATE);

	for (int i = 1; i < 9; i += 2)
		MUST(mmap(p + (size_t)i * PAGE, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
			  -1, 0));
	CHECK_EXITED(IN_CHILD(for (size_t i = 0; i < 9; i++) p[i * PAGE] = 5), 0);
	for (size_t i = 0; i < 9; i++)
		CHECK_EQ(p[i * PAGE], i % 2 ? 5 : 0);
}

TEST(six_generations_each_see_their_own_page)
{
	unsigned char *p = pages(1, MAP_PRIVATE);
	int status;

	*p = 0;
	for (int depth = 0; depth < 6; depth++) {
		pid_t pid = MUST(fork());

		if (pid) {
			status = t_wait(pid);
			CHECK_EQ(*p, depth);
			CHECK_EXITED(status, 0);
			if (depth)
				_exit(0);
			return;
		}
		*p = (unsigned char)(depth + 1);
	}
	_exit(0);
}

TEST(private_file_mapping_is_copied_when_written)
{
	int fd = MUST(open(t_tmpdir(), O_RDWR | O_TMPFILE, 0600));
	char *p, c;

	CHECK_EQ(write(fd, "file", 4), 4);
	p = MUST(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));
	CHECK_EXITED(IN_CHILD({
			     p[0] = 'c';
			     CHECK_EQ(p[1], 'i');
		     }),
		     0);
	CHECK_EQ(p[0], 'f');
	p[0] = 'p';
	CHECK_EQ(pread(fd, &c, 1, 0), 1);
	CHECK_EQ(c, 'f');
}

TEST(page_first_touched_after_fork_is_apart)
{
	struct t_gate a = t_gate(), b = t_gate();
	unsigned char *p = pages(1, MAP_PRIVATE);
	pid_t pid = SPAWN({
		*p = 7;
		t_gate_open(&a);
		t_gate_pass(&b);
		CHECK_EQ(*p, 7);
	});

	t_gate_pass(&a);
	CHECK_EQ(*p, 0);
	*p = 8;
	t_gate_open(&b);
	CHECK_EXITED(t_wait(pid), 0);
	CHECK_EQ(*p, 8);
}

TEST(system_call_that_writes_makes_a_copy_too)
{
	unsigned char *p = pages(1, MAP_PRIVATE);
	int fd[2];

	MUST(pipe(fd));
	strcpy((char *)p, "old");
	CHECK_EXITED(IN_CHILD({
			     CHECK_EQ(write(fd[1], "new", 3), 3);
			     CHECK_EQ(read(fd[0], p, 3), 3);
			     CHECK_STR((char *)p, "new");
		     }),
		     0);
	CHECK_STR((char *)p, "old");
}

TEST(wipeonfork_and_dontfork_are_honoured)
{
	unsigned char *wiped = pages(1, MAP_PRIVATE), *gone = pages(1, MAP_PRIVATE);

	*wiped = *gone = 9;
	MUST(madvise(wiped, PAGE, MADV_WIPEONFORK));
	MUST(madvise(gone, PAGE, MADV_DONTFORK));
	CHECK_EXITED(IN_CHILD(CHECK_EQ(*wiped, 0)), 0);
	CHECK_KILLED(IN_CHILD(_exit(*(volatile unsigned char *)gone)), SIGSEGV);
	CHECK_EQ(*wiped, 9);
	CHECK_EQ(*gone, 9);
	MUST(madvise(wiped, PAGE, MADV_KEEPONFORK));
	CHECK_EXITED(IN_CHILD(CHECK_EQ(*wiped, 9)), 0);
}

TEST(protection_changes_stay_in_their_process)
{
	unsigned char *p = pages(2, MAP_PRIVATE);

	CHECK_EXITED(IN_CHILD({
			     MUST(mprotect(p, PAGE, PROT_READ));
			     MUST(munmap(p + PAGE, PAGE));
		     }),
		     0);
	p[0] = p[PAGE] = 1;
	MUST(mprotect(p, PAGE, PROT_NONE));
	CHECK_KILLED(IN_CHILD(p[0] = 1), SIGSEGV);
}

TEST(twenty_children_write_the_same_pages)
{
	unsigned char *p = pages(64, MAP_PRIVATE);
	struct t_gate go = t_gate();
	pid_t pid[20];

	memset(p, 1, 64 * PAGE);
	for (int k = 0; k < 20; k++)
		pid[k] = SPAWN({
			t_gate_pass(&go);
			memset(p, k + 2, 64 * PAGE);
			for (size_t i = 0; i < 64 * PAGE; i += 511)
				CHECK_EQ(p[i], k + 2);
		});
	for (int k = 0; k < 20; k++)
		t_gate_open(&go);
	for (int k = 0; k < 20; k++)
		CHECK_EXITED(t_wait(pid[k]), 0);
	for (size_t i = 0; i < 64 * PAGE; i += 511)
		CHECK_EQ(p[i], 1);
}
