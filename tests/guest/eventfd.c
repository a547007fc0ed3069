/* eventfd. */
#include "t.h"

#include <poll.h>
#include <sys/eventfd.h>

static uint64_t get(int fd)
{
	uint64_t v;

	CHECK(read(fd, &v, 8) == 8);
	return v;
}

static void put(int fd, uint64_t v)
{
	CHECK(write(fd, &v, 8) == 8);
}

TEST(counter_adds_up_and_read_takes_all)
{
	int fd = MUST(eventfd(3, 0));

	put(fd, 4);
	put(fd, 5);
	CHECK_EQ(get(fd), 12);
	put(fd, 1);
	CHECK_EQ(get(fd), 1);
}

TEST(semaphore_mode_takes_one)
{
	int fd = MUST(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK));
	uint64_t v;

	CHECK_EQ(get(fd), 1);
	CHECK_EQ(get(fd), 1);
	CHECK_ERR(read(fd, &v, 8), EAGAIN);
}

TEST(empty_read_is_eagain_or_blocks)
{
	int fd = MUST(eventfd(0, EFD_NONBLOCK));
	uint64_t v;
	pid_t pid;

	CHECK_ERR(read(fd, &v, 8), EAGAIN);
	MUST(fcntl(fd, F_SETFL, 0));
	pid = SPAWN(CHECK_EQ(get(fd), 7));
	t_wait_state(pid, 'S');
	put(fd, 7);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(full_write_is_eagain_or_blocks)
{
	int fd = MUST(eventfd(0, EFD_NONBLOCK));
	uint64_t one = 1, max = UINT64_MAX - 1;
	pid_t pid;

	put(fd, max);
	CHECK_ERR(write(fd, &one, 8), EAGAIN);
	MUST(fcntl(fd, F_SETFL, 0));
	pid = SPAWN(put(fd, one));
	t_wait_state(pid, 'S');
	CHECK_EQ(get(fd), max);
	CHECK_EXITED(t_wait(pid), 0);
	CHECK_EQ(get(fd), 1);
}

TEST(largest_value_is_einval)
{
	int fd = MUST(eventfd(0, 0));
	uint64_t v = UINT64_MAX;

	CHECK_ERR(write(fd, &v, 8), EINVAL);
	CHECK_ERR(write(fd, &v, 7), EINVAL);
	CHECK_ERR(read(fd, &v, 7), EINVAL);
	put(fd, 0);
	MUST(fcntl(fd, F_SETFL, O_NONBLOCK));
	CHECK_ERR(read(fd, &v, 8), EAGAIN); /* adding nothing makes nothing ready */
}

TEST(poll_follows_the_counter)
{
	int fd = MUST(eventfd(0, 0));
	struct pollfd p = {fd, POLLIN | POLLOUT, 0};

	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLOUT);
	put(fd, UINT64_MAX - 1);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN);
	get(fd);
	put(fd, 1);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN | POLLOUT);
}

TEST(flags_show)
{
	int fd = MUST(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));

	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR | O_NONBLOCK);
}

TEST(counter_is_shared_after_fork)
{
	int fd = MUST(eventfd(0, 0));

	CHECK_EXITED(IN_CHILD(put(fd, 9)), 0);
	CHECK_EQ(get(fd), 9);
}

TEST(many_writers_lose_nothing)
{
	int fd = MUST(eventfd(0, 0));
	uint64_t sum = 0;
	pid_t pid[4];

	for (int i = 0; i < 4; i++)
		pid[i] = SPAWN(for (int k = 0; k < 500; k++) put(fd, 1));
	while (sum < 2000)
		sum += get(fd);
	CHECK_EQ(sum, 2000);
	for (int i = 0; i < 4; i++)
		CHECK_EXITED(t_wait(pid[i]), 0);
}
