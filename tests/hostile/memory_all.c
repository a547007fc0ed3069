/*
 * test: quick=no options=-m,256M
 * Memory without end, in a guest of 256 MiB. Nothing here may make the host use more than that for
 * it.
 */
#include "t.h"
#include "tests/hostile/hostile.h"

#define MIB (1UL << 20)
#define PAGE 4096UL
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define LIMIT (256 * MIB)

/* Writes each page of [p, p + size). A process that is killed by SIGBUS has met the limit. */
static void touch(volatile char *p, size_t size)
{
	for (size_t i = 0; i < size; i += PAGE)
		p[i] = 1;
}

TEST(maps_until_it_fails)
{
	size_t n = 0;
	int prot[] = {PROT_READ, PROT_NONE};

	/* Neighbours differ, so that they aren't merged. */
	while (n < 100000 && mmap((void *)(0x100000000 + n * PAGE), PAGE, prot[n % 2],
				  ANON | MAP_FIXED, -1, 0) != MAP_FAILED)
		n++;
	CHECK_EQ(errno, ENOMEM);
	CHECK(n > 60000);
}

TEST(maps_address_space_until_it_fails)
{
	size_t n = 0;

	while (n < 100000 && mmap(NULL, 1UL << 38, PROT_NONE, ANON, -1, 0) != MAP_FAILED)
		n++;
	CHECK_EQ(errno, ENOMEM);
	CHECK(n > 400 && n < 512);
	while (mmap(NULL, PAGE, PROT_NONE, ANON, -1, 0) != MAP_FAILED && n < 50000)
		n++;
}

TEST(allocates_until_it_fails)
{
	size_t n = 0;
	char *p;

	while (n < LIMIT && (p = mmap(NULL, MIB, RW, ANON, -1, 0)) != MAP_FAILED) {
		touch(p, MIB);
		n += MIB;
	}
	CHECK(n > 200 * MIB && n < LIMIT);
	CHECK_EQ(errno, ENOMEM);
}

TEST(brk_until_it_fails)
{
	size_t n = 0;
	char *p;

	while (n < LIMIT && (p = sbrk(MIB)) != (void *)-1) {
		touch(p, MIB);
		n += MIB;
	}
	CHECK(n > 200 * MIB && n < LIMIT);
}

/* Together more than there is. Each keeps what it has until all were refused. */
TEST(processes_allocate_until_all_fail)
{
	uint32_t *refused = t_shared(sizeof(*refused)), *all = t_shared(sizeof(*all));
	uint64_t *sum = t_shared(sizeof(*sum));
	pid_t pid[4];

	for (int i = 0; i < 4; i++)
		pid[i] = SPAWN({
			char *p;

			hostile_wait(all);
			while ((p = mmap(NULL, MIB, RW, ANON, -1, 0)) != MAP_FAILED) {
				touch(p, MIB);
				__atomic_add_fetch(sum, MIB, __ATOMIC_SEQ_CST);
			}
			hostile_wait(refused);
		});
	hostile_release(all);
	while (*(volatile uint64_t *)sum < 150 * MIB)
		t_sleep_ms(5);
	hostile_release(refused);
	for (int i = 0; i < 4; i++)
		CHECK_EXITED(t_wait(pid[i]), 0);
}

/* Bytes of data that fit into the file. */
static size_t fill(int fd)
{
	static char buf[1 << 16];
	size_t n = 0;
	ssize_t k;

	while (n < 2 * LIMIT && (k = write(fd, buf, sizeof(buf))) > 0)
		n += k;
	return n;
}

TEST(memfds_together_are_limited)
{
	size_t n = 0, k;

	do {
		int fd = MUST(memfd_create("fill", 0));

		MUST(ftruncate(fd, 64 * MIB));
		k = 0;
		while (k < 64 * MIB && pwrite(fd, "x", 1, k) == 1)
			k += PAGE;
		n += k;
	} while (k == 64 * MIB && n < 2 * LIMIT);
	CHECK(n > 200 * MIB && n < LIMIT);
	CHECK(errno == ENOSPC || errno == ENOMEM);
}

TEST(files_in_memory_are_limited)
{
	size_t n;

	t_cd_tmpdir();
	n = fill(MUST(open("big", O_RDWR | O_CREAT, 0600)));
	CHECK(n > 64 * MIB && n < LIMIT);
}

/*
 * A file with holes: memory comes when they are touched, which the kernel doesn't see. So a mapping
 * promises it, and so does growth then.
 */
static void map_holes(int fd)
{
	size_t n = 0;

	MUST(ftruncate(fd, 2 * LIMIT));
	CHECK(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0) == MAP_FAILED && errno == ENOMEM);
	for (n = 0; n < 2 * LIMIT && ftruncate(fd, n + 16 * MIB) == 0; n += 16 * MIB) {
		char *p = mmap(NULL, 16 * MIB, RW, MAP_SHARED, fd, n);

		if (p == MAP_FAILED)
			break;
		touch(p, 16 * MIB);
	}
	CHECK_EQ(errno, ENOMEM);
	CHECK(n > 64 * MIB && n < LIMIT);
	CHECK_ERR(pwrite(fd, "x", 1, 2 * LIMIT), ENOSPC);
}

TEST(mapped_holes_of_a_memfd_are_limited)
{
	map_holes(MUST(memfd_create("holes", 0)));
}

TEST(mapped_holes_of_a_file_are_limited)
{
	t_cd_tmpdir();
	map_holes(MUST(open("holes", O_RDWR | O_CREAT, 0600)));
}

TEST(holes_made_writable_later_are_limited)
{
	int fd = MUST(memfd_create("holes", 0));
	char *p;

	MUST(ftruncate(fd, 2 * LIMIT));
	p = mmap(NULL, 2 * LIMIT, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		CHECK_EQ(errno, ENOMEM);
		return;
	}
	CHECK_ERR(mprotect(p, 2 * LIMIT, RW), ENOMEM);
}

TEST(fallocate_is_limited)
{
	int fd = MUST(memfd_create("falloc", 0));

	CHECK(fallocate(fd, 0, 0, 2 * LIMIT) < 0);
	CHECK(errno == ENOSPC || errno == ENOMEM);
}

TEST(pipes_and_sockets_are_limited)
{
	static char buf[1 << 16];
	size_t n = 0;
	int p[2];

	while (n < 4096 && pipe2(p, O_NONBLOCK) == 0) {
		while (write(p[1], buf, sizeof(buf)) > 0)
			;
		n++;
	}
	CHECK(n > 100);
	CHECK_EQ(errno, EMFILE);
}

TEST(memory_comes_back)
{
	for (int i = 0; i < 3; i++) {
		char *p = mmap(NULL, 200 * MIB, RW, ANON, -1, 0);

		CHECK(p != MAP_FAILED);
		touch(p, 200 * MIB);
		MUST(munmap(p, 200 * MIB));
	}
}
