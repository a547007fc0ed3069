/* memfd_create and its seals. */
#include "t.h"

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)

static int sealable(void)
{
	int fd = MUST(memfd_create("name", MFD_ALLOW_SEALING | MFD_CLOEXEC));

	CHECK_EQ(write(fd, "0123456789", 10), 10);
	return fd;
}

TEST(memfd_is_an_empty_regular_file)
{
	int fd = MUST(memfd_create("name", 0));
	struct stat st;

	MUST(fstat(fd, &st));
	CHECK(S_ISREG(st.st_mode));
	CHECK_EQ(st.st_mode & 0777, 0777);
	CHECK_EQ(st.st_size, 0);
	CHECK_EQ(st.st_nlink, 0);
	CHECK_EQ(fcntl(fd, F_GETFD), 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
}

TEST(memfd_name_shows_in_proc)
{
	char path[64], link[64] = "";
	int fd = MUST(memfd_create("some name", 0));

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	MUST(readlink(path, link, sizeof(link) - 1));
	CHECK_STR(link, "/memfd:some name (deleted)");
}

TEST(memfd_name_may_be_long_but_not_too_long)
{
	char name[300];

	memset(name, 'n', sizeof(name));
	name[249] = 0;
	MUST(memfd_create(name, 0));
	name[249] = 'n';
	name[250] = 0;
	CHECK_ERR(memfd_create(name, 0), EINVAL);
	MUST(memfd_create("", 0));
}

TEST(memfd_can_be_mapped_and_read)
{
	int fd = MUST(memfd_create("x", 0));
	char *p, buf[4];

	MUST(ftruncate(fd, 2 * PAGE));
	p = MUST(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0));
	memcpy(p + PAGE, "data", 4);
	CHECK_EQ(pread(fd, buf, 4, PAGE), 4);
	CHECK(!memcmp(buf, "data", 4));
	CHECK_EQ(pwrite(fd, "D", 1, PAGE), 1);
	CHECK_EQ(p[PAGE], 'D');
}

TEST(memfd_is_shared_with_children)
{
	int fd = MUST(memfd_create("x", 0));

	CHECK_EXITED(IN_CHILD(CHECK(write(fd, "child", 5) == 5)), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 5);
}

TEST(memfd_without_sealing_is_sealed_against_seals)
{
	int fd = MUST(memfd_create("x", 0));

	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
}

TEST(seals_add_up_and_can_be_sealed)
{
	int fd = sealable();

	CHECK_EQ(fcntl(fd, F_GET_SEALS), 0);
	MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_GROW | F_SEAL_SHRINK);
	MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, 0x1000), EINVAL);
}

TEST(grow_seal)
{
	int fd = sealable();

	MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	CHECK_ERR(ftruncate(fd, 11), EPERM);
	CHECK_ERR(pwrite(fd, "xx", 2, 10), EPERM);
	CHECK_ERR(fallocate(fd, 0, 0, 100), EPERM);
	CHECK_EQ(pwrite(fd, "xx", 2, 8), 2);
	CHECK_EQ(ftruncate(fd, 5), 0);
}

TEST(shrink_seal)
{
	int fd = sealable();

	MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	CHECK_ERR(ftruncate(fd, 9), EPERM);
	CHECK_EQ(ftruncate(fd, 20), 0);
	CHECK_ERR(ftruncate(fd, 10), EPERM);
}

TEST(write_seal)
{
	int fd = sealable();
	char *p;

	MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	CHECK_ERR(write(fd, "x", 1), EPERM);
	CHECK_ERR(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), EPERM);
	CHECK_ERR(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE), EPERM);
	p = MUST(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));
	p[0] = 'x';
	CHECK_EQ(lseek(fd, 0, SEEK_END), 10);
	p = MUST(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	CHECK_EQ(p[0], '0');
}

TEST(write_seal_is_busy_while_a_writable_mapping_exists)
{
	int fd = sealable();
	char *p = MUST(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));

	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	MUST(munmap(p, PAGE));
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
}

TEST(future_write_seal_keeps_old_mappings_writable)
{
	int fd = sealable();
	char *p = MUST(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));

	MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	p[0] = 'w';
	CHECK_ERR(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), EPERM);
	CHECK_ERR(pwrite(fd, "x", 1, 0), EPERM);
}

TEST(seals_of_another_file_are_einval)
{
	int fd;

	t_cd_tmpdir();
	t_write_file("f", "");
	fd = MUST(open("f", O_RDWR));
	if (fcntl(fd, F_GET_SEALS) != -1)
		return; /* the host's temporary directory is a tmpfs */
	CHECK_EQ(errno, EINVAL);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EINVAL);
}

TEST(seals_need_a_writable_descriptor)
{
	int fd = sealable(), ro;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = MUST(open(path, O_RDONLY));
	CHECK_ERR(fcntl(ro, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	CHECK_EQ(fcntl(ro, F_GET_SEALS), 0);
}

TEST(memfd_opened_again_has_a_position_of_its_own)
{
	int fd = sealable(), again;
	char path[64], buf[4] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = MUST(open(path, O_RDWR));
	CHECK_EQ(read(again, buf, 3), 3);
	CHECK_STR(buf, "012");
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
}
