/*
 * mmap and munmap in all their forms.
 * test: quick=no
 */
#include "t.h"

#include <pthread.h>
#include <sched.h>

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static volatile char *anon(size_t n)
{
	return MUST(mmap(NULL, n * PAGE, RW, ANON, -1, 0));
}

static bool mapped(const volatile void *p)
{
	unsigned char vec;

	return mincore((void *)p, PAGE, &vec) == 0;
}

static int file_of(size_t n)
{
	int fd = MUST(open(t_tmpdir(), O_RDWR | O_TMPFILE, 0600));

	MUST(ftruncate(fd, (off_t)(n * PAGE)));
	for (size_t i = 0; i < n; i++) {
		char c = (char)('A' + i);

		CHECK(pwrite(fd, &c, 1, (off_t)(i * PAGE)) == 1);
	}
	return fd;
}

TEST(anonymous_memory_is_zero)
{
	volatile char *p = anon(16);

	for (size_t i = 0; i < 16 * PAGE; i++)
		CHECK_EQ(p[i], 0);
}

TEST(length_is_rounded_up_to_pages)
{
	volatile char *p = MUST(mmap(NULL, 1, RW, ANON, -1, 0));

	p[PAGE - 1] = 1;
	CHECK_EQ((unsigned long)p % PAGE, 0);
	MUST(munmap((void *)p, 1));
	CHECK(!mapped(p));
}

TEST(hint_is_followed_where_it_is_free)
{
	volatile char *p = anon(4);

	MUST(munmap((void *)p, 4 * PAGE));
	CHECK(mmap((void *)p, PAGE, RW, ANON, -1, 0) == (void *)p);
	CHECK(mmap((void *)p, PAGE, RW, ANON, -1, 0) != (void *)p);
}

TEST(fixed_mapping_replaces_what_is_there)
{
	volatile char *p = anon(3);

	p[0] = p[PAGE] = p[2 * PAGE] = 5;
	CHECK(mmap((void *)(p + PAGE), PAGE, RW, ANON | MAP_FIXED, -1, 0) == (void *)(p + PAGE));
	CHECK_EQ(p[0], 5);
	CHECK_EQ(p[PAGE], 0);
	CHECK_EQ(p[2 * PAGE], 5);
}

TEST(fixed_noreplace_fails_where_something_is)
{
	volatile char *p = anon(3);

	CHECK_ERR(mmap((void *)(p + PAGE), PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
	MUST(munmap((void *)(p + PAGE), PAGE));
	CHECK_ERR(mmap((void *)(p + PAGE), 2 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0),
		  EEXIST);
	CHECK(mmap((void *)(p + PAGE), PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) ==
	      (void *)(p + PAGE));
}

TEST(munmap_makes_a_hole)
{
	volatile char *p = anon(5);

	p[PAGE] = p[3 * PAGE] = 3;
	MUST(munmap((void *)(p + 2 * PAGE), PAGE));
	CHECK(mapped(p) && mapped(p + PAGE) && mapped(p + 3 * PAGE) && mapped(p + 4 * PAGE));
	CHECK(!mapped(p + 2 * PAGE));
	CHECK_EQ(p[PAGE] + p[3 * PAGE], 6);
}

TEST(munmap_spans_several_mappings_and_holes)
{
	volatile char *p = anon(9);

	MUST(mprotect((void *)(p + 2 * PAGE), PAGE, PROT_READ));
	MUST(munmap((void *)(p + 4 * PAGE), PAGE));
	MUST(mmap((void *)(p + 6 * PAGE), PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
		  -1, 0));
	MUST(munmap((void *)(p + PAGE), 7 * PAGE));
	CHECK(mapped(p) && mapped(p + 8 * PAGE));
	for (size_t i = 1; i < 8; i++)
		CHECK(!mapped(p + i * PAGE));
}

TEST(memory_mapped_again_is_zero)
{
	volatile char *p = anon(1);

	for (int i = 0; i < 20; i++) {
		CHECK_EQ(p[0], 0);
		p[0] = 1;
		MUST(munmap((void *)p, PAGE));
		CHECK(mmap((void *)p, PAGE, RW, ANON | MAP_FIXED, -1, 0) == (void *)p);
	}
}

TEST(private_file_mapping_reads_the_file_and_keeps_writes)
{
	int fd = file_of(3);
	volatile char *p = MUST(mmap(NULL, 3 * PAGE, RW, MAP_PRIVATE, fd, 0));
	char c;

	CHECK_EQ(p[0], 'A');
	CHECK_EQ(p[2 * PAGE], 'C');
	p[PAGE] = 'x';
	CHECK_EQ(pread(fd, &c, 1, PAGE), 1);
	CHECK_EQ(c, 'B');
	CHECK_EQ(p[PAGE], 'x');
}

TEST(file_mapping_starts_at_its_offset)
{
	volatile char *p = MUST(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file_of(3), 2 * PAGE));

	CHECK_EQ(p[0], 'C');
}

TEST(file_mapping_outlives_its_descriptor_and_name)
{
	volatile char *p;
	int fd;

	t_cd_tmpdir();
	t_write_file("f", "hello");
	fd = MUST(open("f", O_RDONLY));
	p = MUST(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	MUST(close(fd));
	MUST(unlink("f"));
	CHECK_EQ(p[4], 'o');
}

TEST(rest_of_the_last_page_of_a_file_is_zero)
{
	volatile char *p;
	int fd = MUST(open(t_tmpdir(), O_RDWR | O_TMPFILE, 0600));

	CHECK_EQ(write(fd, "abc", 3), 3);
	p = MUST(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
	CHECK_EQ(p[2], 'c');
	for (size_t i = 3; i < PAGE; i++)
		CHECK_EQ(p[i], 0);
	/* What is written there does not become part of the file. */
	p[10] = 'z';
	CHECK_EQ(lseek(fd, 0, SEEK_END), 3);
}

TEST(shared_anonymous_memory_is_shared_with_children)
{
	volatile char *p = MUST(mmap(NULL, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

	CHECK_EXITED(IN_CHILD(p[3 * PAGE] = 9), 0);
	CHECK_EQ(p[3 * PAGE], 9);
}

TEST(dev_zero_can_be_mapped)
{
	int fd = MUST(open("/dev/zero", O_RDWR));
	volatile char *a = MUST(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));
	volatile char *b = MUST(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));

	CHECK_EQ(a[7] + b[7], 0);
	CHECK_EXITED(IN_CHILD(a[7] = b[7] = 1), 0);
	CHECK_EQ(a[7], 0);
	CHECK_EQ(b[7], 1);
}

TEST(populate_is_taken)
{
	volatile char *p = MUST(mmap(NULL, 8 * PAGE, RW, ANON | MAP_POPULATE, -1, 0));
	unsigned char vec[8];

	MUST(mincore((void *)p, 8 * PAGE, vec));
	for (int i = 0; i < 8; i++)
		CHECK_EQ(vec[i] & 1, 1);
}

TEST(noreserve_maps_more_than_there_is)
{
	size_t len = 1ul << 40;
	volatile char *p = MUST(mmap(NULL, len, RW, ANON | MAP_NORESERVE, -1, 0));

	p[0] = p[len / 2] = p[len - 1] = 1;
	MUST(munmap((void *)p, len));
}

TEST(grows_down_mapping_grows)
{
	char *area = (char *)anon(4096 / 8);
	char *p;

	MUST(munmap(area, PAGE * 4096 / 8));
	p = MUST(mmap(area + 400 * PAGE, PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED, -1, 0));
	for (int i = 0; i < 10; i++)
		*(volatile char *)(p - (size_t)i * PAGE) = 1;
	CHECK(mapped(p - 9 * PAGE));
}

TEST(address_space_limit_is_enforced)
{
	CHECK_EXITED(IN_CHILD({
			     struct rlimit lim = {512 << 20, 512 << 20};
			     char *p;
			     MUST(setrlimit(RLIMIT_AS, &lim));
			     CHECK_ERR(mmap(NULL, 600 << 20, RW, ANON, -1, 0), ENOMEM);
			     p = MUST(mmap(NULL, 100 << 20, RW, ANON, -1, 0));
			     MUST(munmap(p, 100 << 20));
			     MUST(mmap(NULL, 100 << 20, RW, ANON, -1, 0));
		     }),
		     0);
}

TEST(page_zero_cannot_be_mapped_by_ordinary_users)
{
	CHECK_EXITED(IN_CHILD({
			     t_become_ordinary();
			     CHECK_ERR(mmap(NULL, PAGE, RW, ANON | MAP_FIXED, -1, 0), EPERM);
		     }),
		     0);
}

TEST(executable_memory_runs)
{
	static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov $42, %eax; ret */
	unsigned char *p = MUST(mmap(NULL, PAGE, RW, ANON, -1, 0));

	memcpy(p, code, sizeof(code));
	MUST(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	CHECK_EQ(((int (*)(void))p)(), 42);
	MUST(mprotect(p, PAGE, RW));
	p[1] = 43;
	MUST(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	CHECK_EQ(((int (*)(void))p)(), 43);
}

TEST(code_that_is_writable_and_executable_can_change_itself)
{
	unsigned char *p = MUST(mmap(NULL, PAGE, RW | PROT_EXEC, ANON, -1, 0));

	for (int i = 0; i < 50; i++) {
		/* mov $i, %eax; mov $39, %eax; syscall; mov $i, %eax; ret */
		unsigned char code[] = {0xb8, 39, 0, 0,	  0, 0x0f, 0x05, 0xb8, (unsigned char)i,
					0,    0,  0, 0xc3};

		memcpy(p, code, sizeof(code));
		CHECK_EQ(((int (*)(void))p)(), i);
	}
}

TEST(dontneed_makes_private_memory_zero_again)
{
	volatile char *p = anon(4);

	for (size_t i = 0; i < 4; i++)
		p[i * PAGE] = 1;
	MUST(madvise((void *)(p + PAGE), 2 * PAGE, MADV_DONTNEED));
	CHECK_EQ(p[0], 1);
	CHECK_EQ(p[PAGE], 0);
	CHECK_EQ(p[2 * PAGE], 0);
	CHECK_EQ(p[3 * PAGE], 1);
}

TEST(dontneed_of_a_private_file_mapping_shows_the_file_again)
{
	volatile char *p = MUST(mmap(NULL, PAGE, RW, MAP_PRIVATE, file_of(1), 0));

	p[0] = 'x';
	MUST(madvise((void *)p, PAGE, MADV_DONTNEED));
	CHECK_EQ(p[0], 'A');
}

TEST(dontneed_keeps_shared_memory)
{
	volatile char *p = MUST(mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

	p[0] = 'x';
	MUST(madvise((void *)p, PAGE, MADV_DONTNEED));
	CHECK_EQ(p[0], 'x');
}

TEST(remove_punches_a_hole_into_shared_memory)
{
	volatile char *p = MUST(mmap(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

	p[0] = p[PAGE] = 'x';
	MUST(madvise((void *)p, PAGE, MADV_REMOVE));
	CHECK_EQ(p[0], 0);
	CHECK_EQ(p[PAGE], 'x');
}

TEST(usual_advice_is_taken)
{
	static const int advice[] = {MADV_NORMAL,   MADV_RANDOM, MADV_SEQUENTIAL,
				     MADV_WILLNEED, MADV_FREE,	 MADV_DONTDUMP,
				     MADV_DODUMP,   MADV_COLD,	 MADV_PAGEOUT};
	volatile char *p = anon(2);

	p[0] = 1;
	for (size_t i = 0; i < sizeof(advice) / sizeof(*advice); i++) {
		t_context = NULL;
		EXPECT_EQ(madvise((void *)p, 2 * PAGE, advice[i]), 0);
	}
}

TEST(thousand_mappings_come_and_go)
{
	static volatile char *p[1000];

	for (size_t i = 0; i < 1000; i++) {
		/* Alternating protections keep the neighbours from being merged. */
		p[i] = MUST(mmap(NULL, PAGE, i % 2 ? RW : RW | PROT_EXEC, ANON, -1, 0));
		p[i][0] = (char)i;
	}
	for (size_t i = 0; i < 1000; i++)
		CHECK_EQ(p[i][0], (char)i);
	for (size_t i = 0; i < 1000; i++)
		MUST(munmap((void *)p[(i * 7) % 1000], PAGE));
}

TEST(anonymous_memory_knows_no_validated_sharing)
{
	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0), EINVAL);
}

TEST(files_do_not_grow_down)
{
	int self = MUST(open(t_self(), O_RDONLY)), zero = MUST(open("/dev/zero", O_RDWR));

	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_GROWSDOWN, self, 0), EINVAL);
	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_GROWSDOWN, zero, 0), EINVAL);
}

static volatile int others;
static volatile bool populated;

static void *count(void *arg)
{
	while (!populated) {
		t_sleep_ms(1);
		others++;
	}
	return arg;
}

static bool filling_lets_others_run(size_t size)
{
	int before = others;
	char *p = MUST(mmap(NULL, size, RW, ANON | MAP_POPULATE, -1, 0));
	bool ran = others >= before + 2;

	MUST(munmap(p, size));
	return ran;
}

/*
 * On the same CPU. With huge pages it doesn't take long, and the other thread may have had a pause
 * of the machine charged to it.
 */
TEST(who_populates_much_memory_lets_others_run)
{
	size_t size = 128ul << 20;
	pthread_t thread;
	cpu_set_t set;
	int before;
	char *p = MUST(mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	MUST(sched_setaffinity(0, sizeof(set), &set));
	MUST(madvise(p, size, MADV_NOHUGEPAGE));
	CHECK_EQ(pthread_create(&thread, NULL, count, NULL), 0);
	before = others;
	CHECK_EQ(madvise(p, size, MADV_POPULATE_WRITE), 0);
	CHECK(others >= before + 2);
	MUST(munmap(p, size));
	CHECK(filling_lets_others_run(size) || filling_lets_others_run(size) ||
	      filling_lets_others_run(size));
	populated = true;
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* With a hole behind the fifth MiB: as far as that, and an error. */
TEST(populating_ends_at_a_hole)
{
	size_t size = 8ul << 20;
	unsigned char vec = 0;
	char *p =
		MUST(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	MUST(munmap(p + (5 << 20), PAGE));
	CHECK_ERR(madvise(p, size, MADV_POPULATE_WRITE), ENOMEM);
	MUST(mincore(p + (5 << 20) - PAGE, PAGE, &vec));
	CHECK_EQ(vec & 1, 1);
	CHECK_ERR(mlock(p, size), ENOMEM);
}

TEST(mlock_and_munlock_are_taken)
{
	volatile char *p = anon(4);

	CHECK_EQ(mlock((void *)p, 4 * PAGE), 0);
	CHECK_EQ(munlock((void *)p, 4 * PAGE), 0);
	MUST(munmap((void *)p, 4 * PAGE));
	CHECK_ERR(mlock((void *)p, PAGE), ENOMEM);
}

TEST(map_32bit_stays_below_two_gigabytes)
{
	for (int i = 0; i < 10; i++) {
		char *p = MUST(mmap(NULL, 1 << 20, RW, ANON | MAP_32BIT, -1, 0));

		CHECK((unsigned long)p + (1 << 20) <= 1ul << 31);
		p[0] = 1;
	}
}

TEST(shared_validate_refuses_unknown_flags)
{
	int fd = file_of(1);

	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | 0x1000000, fd, 0), EOPNOTSUPP);
	MUST(mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE, fd, 0));
	MUST(mmap(NULL, PAGE, PROT_READ, MAP_SHARED | 0x1000000, fd,
		  0)); /* the old way ignores them */
}

TEST(stack_and_locked_flags_are_taken)
{
	char *p = MUST(mmap(NULL, PAGE, RW, ANON | MAP_STACK, -1, 0));

	p[0] = 1;
	p = MUST(mmap(NULL, PAGE, RW, ANON | MAP_LOCKED, -1, 0));
	p[0] = 1;
}

TEST(file_mapping_beyond_four_gigabytes)
{
	int fd = MUST(open(t_tmpdir(), O_RDWR | O_TMPFILE, 0600));
	off_t at = 5l << 30;
	char *p, c;

	MUST(ftruncate(fd, at + (off_t)PAGE));
	p = MUST(mmap(NULL, PAGE, RW, MAP_SHARED, fd, at));
	p[5] = 'f';
	CHECK_EQ(pread(fd, &c, 1, at + 5), 1);
	CHECK_EQ(c, 'f');
}

TEST(mapping_keeps_a_removed_file_alive)
{
	char *p;
	int fd;

	t_cd_tmpdir();
	MUST(mkdir("d", 0755));
	t_write_file("d/f", "text");
	fd = MUST(open("d/f", O_RDWR));
	p = MUST(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
	MUST(close(fd));
	MUST(unlink("d/f"));
	MUST(rmdir("d"));
	p[0] = 'T';
	CHECK(!memcmp(p, "Text", 4));
}

TEST(mincore_tells_what_is_resident)
{
	volatile char *p = anon(4);
	unsigned char vec[4];

	p[PAGE] = 1;
	MUST(mincore((void *)p, 4 * PAGE, vec));
	CHECK((vec[0] & 1) == 0 && (vec[1] & 1) == 1 && (vec[2] & 1) == 0 && (vec[3] & 1) == 0);
}

TEST(msync_writes_what_shared_mappings_have_changed)
{
	char *p, buf[4] = "";
	int fd;

	t_cd_tmpdir();
	fd = MUST(open("f", O_RDWR | O_CREAT | O_TRUNC, 0600));
	MUST(ftruncate(fd, 4 * PAGE));
	p = MUST(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	memcpy(p + 2 * PAGE, "abc", 3);
	CHECK(msync(p, 4 * PAGE, MS_SYNC) == 0);
	CHECK(msync(p, 1, MS_SYNC | MS_INVALIDATE) == 0);
	CHECK(msync(p, 4 * PAGE, MS_ASYNC) == 0);
	CHECK(msync(p, 4 * PAGE, 0) == 0);
	CHECK(msync(p, 0, MS_SYNC) == 0);
	CHECK_EQ(pread(fd, buf, 3, 2 * PAGE), 3);
	CHECK(!memcmp(buf, "abc", 3));
}

TEST(msync_refuses_what_makes_no_sense)
{
	char *p = MUST(
		mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	CHECK_ERR(msync(p, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
	CHECK_ERR(msync(p, PAGE, 64), EINVAL);
	CHECK_ERR(msync(p + 1, PAGE, MS_SYNC), EINVAL);
	CHECK(msync(p, SIZE_MAX, MS_SYNC) == 0); /* which is rounded up */
	CHECK(mlock(p, SIZE_MAX) == 0 && munlock(p, SIZE_MAX) == 0);
	CHECK_ERR(madvise(p, SIZE_MAX, MADV_NORMAL), EINVAL);
	CHECK_ERR(msync(p, SIZE_MAX - PAGE, MS_ASYNC), ENOMEM);
	MUST(munmap(p + PAGE, PAGE));
	CHECK(msync(p, PAGE, MS_SYNC) == 0);
	CHECK_ERR(msync(p, 4 * PAGE, MS_SYNC), ENOMEM);
	CHECK_ERR(msync(p, 2 * PAGE, MS_SYNC), ENOMEM);
	CHECK_ERR(msync(p + PAGE, 2 * PAGE, MS_SYNC), ENOMEM);
	CHECK_ERR(msync(p + PAGE, 2 * PAGE, MS_ASYNC), ENOMEM);
	CHECK_ERR(msync(p + PAGE, 2 * PAGE, 0), ENOMEM);
	MUST(mlock(p, PAGE));
	CHECK_ERR(msync(p, PAGE, MS_SYNC | MS_INVALIDATE), EBUSY);
	CHECK(msync(p, PAGE, MS_SYNC) == 0);
}

/*
 * Every other page goes, until there are as many mappings as there may be: then only what leaves
 * fewer is possible.
 */
TEST(full_table_of_mappings_can_still_be_emptied)
{
	size_t pages = 2 * 70000;
	char *p = MUST(mmap(NULL, pages * PAGE, PROT_READ,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
	size_t i = 1;

	while (i < pages - 1 && munmap(p + i * PAGE, PAGE) == 0)
		i += 2;
	if (i >= pages - 1)
		SKIP("this system allows more mappings than the test makes");
	CHECK_EQ(errno, ENOMEM);
	CHECK(i > 60000);
	CHECK_ERR(munmap(p + (i + 2) * PAGE, PAGE), ENOMEM);
	CHECK(munmap(p, PAGE) == 0);
	CHECK(munmap(p + i * PAGE, PAGE) == 0);
	CHECK_ERR(munmap(p + (i + 2) * PAGE, PAGE), ENOMEM);
	CHECK(munmap(p, pages * PAGE) == 0);
}
