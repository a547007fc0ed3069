/* timerfd: expirations as something to read and to poll. */
#include "t.h"

#include <poll.h>
#include <sys/timerfd.h>

static int new_fd(int flags)
{
	return MUST(timerfd_create(CLOCK_MONOTONIC, flags));
}

static void set(int fd, int flags, long first_ms, long every_ms)
{
	struct itimerspec its = {{every_ms / 1000, every_ms % 1000 * 1000000},
				 {first_ms / 1000, first_ms % 1000 * 1000000}};

	MUST(timerfd_settime(fd, flags, &its, NULL));
}

static uint64_t expirations(int fd)
{
	uint64_t n;

	CHECK(read(fd, &n, sizeof(n)) == sizeof(n));
	return n;
}

TEST(read_waits_for_the_expiration)
{
	int fd = new_fd(0);
	long long start = t_now_ms();

	set(fd, 0, 30, 0);
	CHECK_EQ(expirations(fd), 1);
	CHECK(t_now_ms() - start >= 29);
}

TEST(nonblocking_read_is_eagain_before)
{
	int fd = new_fd(TFD_NONBLOCK);
	uint64_t n;

	CHECK_ERR(read(fd, &n, 8), EAGAIN);
	set(fd, 0, 100000, 0);
	CHECK_ERR(read(fd, &n, 8), EAGAIN);
}

TEST(expirations_are_counted)
{
	int fd = new_fd(0);
	uint64_t n = 0, once;

	set(fd, 0, 1, 1);
	t_sleep_ms(30);
	n = expirations(fd);
	CHECK(n >= 20);
	once = expirations(fd);
	CHECK(once >= 1);
}

TEST(poll_tells_when_it_has_expired)
{
	int fd = new_fd(0);
	struct pollfd pfd = {fd, POLLIN, 0};

	CHECK_EQ(poll(&pfd, 1, 0), 0);
	set(fd, 0, 10, 0);
	CHECK_EQ(poll(&pfd, 1, -1), 1);
	CHECK_EQ(pfd.revents, POLLIN);
	CHECK_EQ(expirations(fd), 1);
	CHECK_EQ(poll(&pfd, 1, 0), 0);
}

TEST(setting_again_forgets_old_expirations)
{
	int fd = new_fd(TFD_NONBLOCK);
	struct pollfd pfd = {fd, POLLIN, 0};
	uint64_t n;

	set(fd, 0, 1, 0);
	CHECK_EQ(poll(&pfd, 1, -1), 1);
	set(fd, 0, 100000, 0);
	CHECK_ERR(read(fd, &n, 8), EAGAIN);
}

TEST(gettime_tells_what_is_left)
{
	int fd = new_fd(0);
	struct itimerspec its;

	set(fd, 0, 100000, 5000);
	MUST(timerfd_gettime(fd, &its));
	CHECK(its.it_value.tv_sec >= 90 && its.it_value.tv_sec <= 100);
	CHECK_EQ(its.it_interval.tv_sec, 5);
	set(fd, 0, 0, 0);
	MUST(timerfd_gettime(fd, &its));
	CHECK(its.it_value.tv_sec == 0 && its.it_value.tv_nsec == 0);
}

TEST(absolute_time_in_the_past_has_expired)
{
	int fd = new_fd(0);

	set(fd, TFD_TIMER_ABSTIME, 1, 0);
	CHECK_EQ(expirations(fd), 1);
}

TEST(realtime_and_boottime_clocks_work)
{
	int fd = MUST(timerfd_create(CLOCK_REALTIME, 0));

	set(fd, 0, 1, 0);
	CHECK_EQ(expirations(fd), 1);
	fd = MUST(timerfd_create(CLOCK_BOOTTIME, 0));
	set(fd, 0, 1, 0);
	CHECK_EQ(expirations(fd), 1);
}

TEST(flags_show_in_fcntl)
{
	int fd = new_fd(TFD_CLOEXEC | TFD_NONBLOCK);

	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	CHECK_EQ(fcntl(new_fd(0), F_GETFD), 0);
}

TEST(reads_and_writes_of_other_shapes_are_einval)
{
	int fd = new_fd(TFD_NONBLOCK);
	uint64_t n;

	CHECK_ERR(read(fd, &n, 7), EINVAL);
	CHECK_ERR(write(fd, &n, 8), EINVAL);
}

TEST(bad_times_are_einval)
{
	struct itimerspec its = {{0, 0}, {0, 1000000000}};
	int fd = new_fd(0);

	CHECK_ERR(timerfd_settime(fd, 0, &its, NULL), EINVAL);
	its.it_value = (struct timespec){-1, 0};
	CHECK_ERR(timerfd_settime(fd, 0, &its, NULL), EINVAL);
	its.it_value = (struct timespec){1, 0};
	CHECK_ERR(timerfd_settime(fd, 0x100, &its, NULL), EINVAL);
}

TEST(timer_is_shared_after_fork)
{
	int fd = new_fd(0);

	set(fd, 0, 20, 0);
	CHECK_EXITED(IN_CHILD(CHECK_EQ(expirations(fd), 1)), 0);
	MUST(fcntl(fd, F_SETFL, O_NONBLOCK));
	uint64_t n;
	CHECK_ERR(read(fd, &n, 8), EAGAIN);
}
