/* Page cache: read and write, and mappings of the same file, see each other at once. */
#include "t.h"

#include <sys/sendfile.h>
#include <sys/uio.h>

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)

static int file_of(off_t size)
{
	int fd;

	t_cd_tmpdir();
	fd = MUST(open("f", O_RDWR | O_CREAT | O_TRUNC, 0600));
	MUST(ftruncate(fd, size));
	return fd;
}

TEST(write_shows_in_a_shared_mapping)
{
	int fd = file_of(2 * PAGE);
	char *p = MUST(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0));

	for (int i = 0; i < 200; i++) {
		off_t at = (i * 41) % (off_t)(2 * PAGE - 4);
		char c = (char)i;

		CHECK_EQ(pwrite(fd, &c, 1, at), 1);
		CHECK_EQ(p[at], c);
	}
}

TEST(store_in_a_shared_mapping_shows_in_read)
{
	int fd = file_of(2 * PAGE);
	char *p = MUST(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0));

	for (int i = 0; i < 200; i++) {
		off_t at = (i * 41) % (off_t)(2 * PAGE - 4);
		char c;

		p[at] = (char)(i + 1);
		CHECK_EQ(pread(fd, &c, 1, at), 1);
		CHECK_EQ(c, (char)(i + 1));
	}
}

TEST(two_mappings_of_a_file_are_one_memory)
{
	int fd = file_of(2 * PAGE), again = MUST(open("f", O_RDWR));
	char *p = MUST(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0));
	char *q = MUST(mmap(NULL, PAGE, RW, MAP_SHARED, again, PAGE));

	q[7] = 'q';
	CHECK_EQ(p[PAGE + 7], 'q');
	p[PAGE + 7] = 'p';
	CHECK_EQ(q[7], 'p');
}

TEST(private_mapping_shows_writes_until_it_is_written)
{
	int fd = file_of(PAGE);
	volatile char *p = MUST(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));

	CHECK_EQ(pwrite(fd, "one", 3, 0), 3);
	CHECK_EQ(p[0], 'o');
	CHECK_EQ(pwrite(fd, "two", 3, 0), 3);
	CHECK_EQ(p[0], 't');
	p[1] = 'X';
	CHECK_EQ(pwrite(fd, "xyz", 3, 0), 3);
	CHECK_EQ(p[0], 't');
	CHECK_EQ(p[1], 'X');
}

TEST(processes_share_a_file_mapping)
{
	int fd = file_of(PAGE);
	volatile char *p = MUST(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
	char c;

	CHECK_EXITED(IN_CHILD({
			     int mine = MUST(open("f", O_RDWR));
			     char *q = MUST(mmap(NULL, PAGE, RW, MAP_SHARED, mine, 0));
			     q[100] = 'c';
			     CHECK_EQ(pwrite(mine, "w", 1, 200), 1);
		     }),
		     0);
	CHECK_EQ(p[100], 'c');
	CHECK_EQ(p[200], 'w');
	CHECK_EQ(pread(fd, &c, 1, 100), 1);
	CHECK_EQ(c, 'c');
}

TEST(stores_survive_munmap_and_close)
{
	int fd = file_of(PAGE);
	char *p = MUST(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0)), text[8] = "";

	strcpy(p, "kept");
	MUST(close(fd));
	MUST(munmap(p, PAGE));
	fd = MUST(open("f", O_RDONLY));
	CHECK_EQ(read(fd, text, 5), 5);
	CHECK_STR(text, "kept");
}

TEST(append_shows_in_a_longer_mapping)
{
	int fd = file_of(0);
	volatile char *p = MUST(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));

	CHECK_EQ(write(fd, "hello", 5), 5);
	CHECK_EQ(p[4], 'o');
	CHECK_EQ(p[5], 0);
	CHECK_EQ(write(fd, "!", 1), 1);
	CHECK_EQ(p[5], '!');
}

TEST(truncation_clears_the_rest_of_the_page)
{
	int fd = file_of(0);
	volatile char *p;
	char buf[16];

	CHECK_EQ(write(fd, "0123456789", 10), 10);
	p = MUST(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
	CHECK_EQ(p[9], '9');
	MUST(ftruncate(fd, 4));
	CHECK_EQ(p[3], '3');
	CHECK_EQ(p[4], 0);
	MUST(ftruncate(fd, 10));
	CHECK_EQ(pread(fd, buf, 10, 0), 10);
	CHECK(!memcmp(buf, "0123\0\0\0\0\0\0", 10));
}

TEST(read_into_a_mapping_of_the_same_file)
{
	int fd = file_of(2 * PAGE);
	char *p = MUST(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0));

	strcpy(p, "source");
	CHECK_EQ(pread(fd, p + PAGE, 7, 0), 7);
	CHECK_STR(p + PAGE, "source");
	CHECK_EQ(pwrite(fd, p, 7, PAGE + 100), 7);
	CHECK_STR(p + PAGE + 100, "source");
}

TEST(sendfile_sees_stores_in_a_mapping)
{
	int fd = file_of(PAGE), out[2];
	char *p = MUST(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0)), buf[8] = "";
	off_t at = 0;

	MUST(pipe(out));
	strcpy(p, "stored");
	CHECK_EQ(sendfile(out[1], fd, &at, 7), 7);
	CHECK_EQ(read(out[0], buf, 7), 7);
	CHECK_STR(buf, "stored");
}

TEST(punched_hole_shows_in_a_mapping)
{
	int fd = file_of(4 * PAGE);
	volatile char *p = MUST(mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0));

	for (size_t i = 0; i < 4; i++)
		p[i * PAGE] = 'h';
	MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, 2 * PAGE));
	CHECK_EQ(p[0], 'h');
	CHECK_EQ(p[PAGE], 0);
	CHECK_EQ(p[2 * PAGE], 0);
	CHECK_EQ(p[3 * PAGE], 'h');
}

TEST(file_mapped_before_a_rename_over_it_keeps_its_data)
{
	int fd = file_of(PAGE);
	char *p = MUST(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0)), text[8] = "";

	strcpy(p, "old");
	t_write_file("g", "new");
	MUST(rename("g", "f"));
	CHECK_STR(p, "old");
	CHECK_EQ(pread(fd, text, 3, 0), 3);
	CHECK_STR(text, "old");
	CHECK_STR(t_read_file("f"), "new");
}

TEST(file_that_existed_before_is_coherent_when_first_written)
{
	/* Mapped for reading first, then changed through another descriptor. */
	const char *text;
	volatile char *p;
	int fd;

	t_cd_tmpdir();
	t_write_file("f", "before");
	fd = MUST(open("f", O_RDONLY));
	p = MUST(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	CHECK_EQ(p[0], 'b');
	CHECK_EQ(pwrite(MUST(open("f", O_WRONLY)), "B", 1, 0), 1);
	CHECK_EQ(p[0], 'B');
	text = t_read_file("f");
	CHECK_STR(text, "Before");
}

TEST(msync_and_fsync_take_it)
{
	int fd = file_of(2 * PAGE);
	char *p = MUST(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0));

	p[0] = 1;
	CHECK_EQ(msync(p, 2 * PAGE, MS_SYNC), 0);
	CHECK_EQ(msync(p, PAGE, MS_ASYNC), 0);
	CHECK_EQ(msync(p, PAGE, MS_SYNC | MS_INVALIDATE), 0);
	CHECK_EQ(fsync(fd), 0);
	CHECK_EQ(fdatasync(fd), 0);
}

TEST(concurrent_stores_and_writes_to_different_bytes_all_count)
{
	int fd = file_of(PAGE);
	volatile unsigned char *p = MUST(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
	unsigned char buf[PAGE];
	pid_t pid = SPAWN(for (size_t i = 0; i < PAGE; i += 2) p[i] = 1);

	for (size_t i = 1; i < PAGE; i += 2)
		CHECK_EQ(pwrite(fd, "\2", 1, (off_t)i), 1);
	CHECK_EXITED(t_wait(pid), 0);
	CHECK_EQ(pread(fd, buf, PAGE, 0), (ssize_t)PAGE);
	for (size_t i = 0; i < PAGE; i++)
		CHECK_EQ(buf[i], i % 2 ? 2 : 1);
}
