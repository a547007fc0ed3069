/*
 * poll, ppoll, select, pselect.
 * test: cpus=1,2,2s,4,4m
 */
#include "t.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>

static void nothing(int sig)
{
	(void)sig;
}

TEST(poll_counts_the_ready_descriptors)
{
	struct pollfd p[3];
	int fd[2];

	MUST(pipe(fd));
	p[0] = (struct pollfd){fd[0], POLLIN, 99};
	p[1] = (struct pollfd){fd[1], POLLOUT, 99};
	p[2] = (struct pollfd){MUST(eventfd(1, 0)), POLLIN, 99};
	CHECK_EQ(poll(p, 3, -1), 2);
	CHECK(p[0].revents == 0 && p[1].revents == POLLOUT && p[2].revents == POLLIN);
}

TEST(poll_times_out)
{
	struct pollfd p = {-1, POLLIN, 0};
	long long start = t_now_ms();

	CHECK_EQ(poll(&p, 1, 20), 0);
	CHECK(t_now_ms() - start >= 20);
	CHECK_EQ(poll(NULL, 0, 1), 0);
	CHECK_EQ(poll(NULL, 0, 0), 0);
}

TEST(poll_is_woken)
{
	int fd = MUST(eventfd(0, 0));
	uint64_t one = 1;
	pid_t pid = SPAWN({
		struct pollfd p = {fd, POLLIN, 0};
		CHECK_EQ(poll(&p, 1, -1), 1);
	});

	t_wait_state(pid, 'S');
	CHECK_EQ(write(fd, &one, 8), 8);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(regular_files_and_directories_are_always_ready)
{
	struct pollfd p[2];

	t_cd_tmpdir();
	t_write_file("f", "");
	p[0] = (struct pollfd){MUST(open("f", O_RDWR)), POLLIN | POLLOUT, 0};
	p[1] = (struct pollfd){MUST(open("/dev/null", O_RDWR)), POLLIN | POLLOUT, 0};
	CHECK_EQ(poll(p, 2, 0), 2);
	CHECK_EQ(p[0].revents, POLLIN | POLLOUT);
	CHECK_EQ(p[1].revents, POLLIN | POLLOUT);
}

TEST(same_descriptor_twice)
{
	int fd = MUST(eventfd(1, 0));
	struct pollfd p[2] = {{fd, POLLIN, 0}, {fd, POLLOUT, 0}};

	CHECK_EQ(poll(p, 2, 0), 2);
	CHECK(p[0].revents == POLLIN && p[1].revents == POLLOUT);
}

TEST(normal_and_band_events)
{
	int fd = MUST(eventfd(1, 0));
	struct pollfd p = {fd, POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLPRI, 0};
	int sp[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sp));
	CHECK_EQ(write(sp[1], "x", 1), 1);
	p.fd = sp[0];
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
}

TEST(thousand_descriptors)
{
	static struct pollfd p[1000];
	int fd[2];

	MUST(pipe(fd));
	for (int i = 0; i < 1000; i++)
		p[i] = (struct pollfd){i == 777 ? fd[1] : fd[0], i == 777 ? POLLOUT : POLLIN, 0};
	CHECK_EQ(poll(p, 1000, -1), 1);
	CHECK_EQ(p[777].revents, POLLOUT);
}

TEST(ppoll_changes_the_mask_while_it_waits)
{
	sigset_t none;
	pid_t pid;

	t_handle(SIGUSR1, nothing);
	t_block(SIGUSR1);
	sigemptyset(&none);
	raise(SIGUSR1);
	CHECK_ERR(ppoll(NULL, 0, NULL, &none), EINTR);
	pid = SPAWN(CHECK_ERR(ppoll(NULL, 0, NULL, &none), EINTR));
	t_wait_state(pid, 'S');
	MUST(kill(pid, SIGUSR1));
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(ppoll_with_a_ready_descriptor_leaves_the_signal_pending)
{
	struct pollfd p = {MUST(eventfd(1, 0)), POLLIN, 0};
	struct timespec ts = {0, 0};
	sigset_t set;

	t_handle(SIGUSR1, nothing);
	t_block(SIGUSR1);
	raise(SIGUSR1);
	MUST(sigprocmask(SIG_BLOCK, NULL, &set));
	CHECK_EQ(ppoll(&p, 1, &ts, &set), 1);
	MUST(sigpending(&set));
	CHECK(sigismember(&set, SIGUSR1));
}

TEST(raw_ppoll_tells_the_time_that_is_left)
{
	struct pollfd p = {MUST(eventfd(1, 0)), POLLIN, 0};
	struct timespec ts = {100, 0};

	CHECK_EQ(syscall(SYS_ppoll, &p, 1, &ts, NULL, 8), 1);
	CHECK(ts.tv_sec >= 90 && ts.tv_sec <= 100);
	ts = (struct timespec){0, 10000000};
	p.fd = -1;
	CHECK_EQ(syscall(SYS_ppoll, &p, 1, &ts, NULL, 8), 0);
	CHECK(ts.tv_sec == 0 && ts.tv_nsec == 0);
}

/* ---- select ---- */

TEST(select_leaves_only_what_is_ready)
{
	struct timeval tv = {0, 0};
	fd_set r, w, e;
	int fd[2];

	MUST(pipe(fd));
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&e);
	FD_SET(fd[0], &r);
	FD_SET(fd[1], &w);
	FD_SET(fd[0], &e);
	CHECK_EQ(select(fd[1] + 1, &r, &w, &e, &tv), 1);
	CHECK(!FD_ISSET(fd[0], &r) && FD_ISSET(fd[1], &w) && !FD_ISSET(fd[0], &e));
	CHECK_EQ(write(fd[1], "x", 1), 1);
	FD_SET(fd[0], &r);
	FD_SET(fd[1], &w);
	CHECK_EQ(select(fd[1] + 1, &r, &w, NULL, &tv), 2);
}

TEST(select_updates_its_timeout)
{
	struct timeval tv = {100, 0};
	fd_set w;

	FD_ZERO(&w);
	FD_SET(MUST(eventfd(0, 0)), &w);
	CHECK_EQ(select(10, NULL, &w, NULL, &tv), 1);
	CHECK(tv.tv_sec >= 90 && tv.tv_sec <= 100);
	tv = (struct timeval){0, 10000};
	CHECK_EQ(select(0, NULL, NULL, NULL, &tv), 0);
	CHECK(tv.tv_sec == 0 && tv.tv_usec == 0);
}

TEST(select_waits_and_is_woken)
{
	int fd[2];
	pid_t pid;

	MUST(pipe(fd));
	pid = SPAWN({
		fd_set r;
		FD_ZERO(&r);
		FD_SET(fd[0], &r);
		CHECK_EQ(select(fd[0] + 1, &r, NULL, NULL, NULL), 1);
	});
	t_wait_state(pid, 'S');
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(select_is_woken_by_what_stands_behind_an_event_that_nobody_asked_for)
{
	int hung_up[2], fd[2];
	pid_t pid;

	MUST(pipe(hung_up));
	MUST(pipe(fd));
	MUST(close(hung_up[1])); /* no exceptional condition */
	pid = SPAWN({
		fd_set r, e;
		FD_ZERO(&r);
		FD_ZERO(&e);
		FD_SET(hung_up[0], &e);
		FD_SET(fd[0], &r);
		CHECK_EQ(select(fd[0] + 1, &r, NULL, &e, NULL), 1);
		CHECK(FD_ISSET(fd[0], &r));
	});
	t_wait_state(pid, 'S');
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_EXITED(t_wait(pid), 0);
}

static void *close_it(void *arg)
{
	int *fd = arg;

	t_wait_thread_state(getpid(), getpid(), 'S');
	MUST(close(fd[0]));
	CHECK_EQ(write(fd[1], "x", 1), 1);
	return NULL;
}

TEST(select_reports_what_was_closed_meanwhile_in_every_set)
{
	int closed[2], fd[2], arg[2];
	pthread_t thread;
	fd_set r, w, e;

	MUST(pipe(closed));
	MUST(pipe(fd));
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&e);
	FD_SET(closed[0], &r);
	FD_SET(closed[0], &w);
	FD_SET(closed[0], &e);
	FD_SET(fd[0], &r);
	arg[0] = closed[0];
	arg[1] = fd[1];
	CHECK_EQ(pthread_create(&thread, NULL, close_it, arg), 0);
	CHECK_EQ(select(fd[0] + 1, &r, &w, &e, NULL), 4);
	CHECK(FD_ISSET(closed[0], &r) && FD_ISSET(closed[0], &w) && FD_ISSET(closed[0], &e));
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_ERR(select(fd[0] + 1, &r, NULL, NULL, NULL), EBADF);
}

TEST(select_with_a_high_descriptor)
{
	struct timeval tv = {0, 0};
	fd_set w;
	int fd = MUST(fcntl(MUST(eventfd(0, 0)), F_DUPFD, 900));

	FD_ZERO(&w);
	FD_SET(fd, &w);
	CHECK_EQ(select(fd + 1, NULL, &w, NULL, &tv), 1);
	CHECK(FD_ISSET(fd, &w));
	/* Not looked at, since it lies beyond the count. */
	CHECK_EQ(select(fd, NULL, &w, NULL, &tv), 0);
}

TEST(select_end_of_file_is_readable_and_a_dead_reader_writable)
{
	struct timeval tv = {0, 0};
	fd_set r, w;
	int fd[2], other[2];

	MUST(pipe(fd));
	MUST(pipe(other));
	MUST(close(fd[1]));
	MUST(close(other[0]));
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(fd[0], &r);
	FD_SET(other[1], &w);
	CHECK_EQ(select(20, &r, &w, NULL, &tv), 2);
}

TEST(pselect_changes_the_mask_while_it_waits)
{
	sigset_t none, now;

	t_handle(SIGUSR1, nothing);
	t_block(SIGUSR1);
	sigemptyset(&none);
	raise(SIGUSR1);
	CHECK_ERR(pselect(0, NULL, NULL, NULL, NULL, &none), EINTR);
	MUST(sigprocmask(SIG_BLOCK, NULL, &now));
	CHECK(sigismember(&now, SIGUSR1));
}

TEST(select_microseconds_beyond_a_second_are_taken)
{
	struct timeval tv = {0, 1000};

	CHECK_EQ(select(0, NULL, NULL, NULL, &tv), 0);
	tv = (struct timeval){-1, 0};
	CHECK_ERR(select(0, NULL, NULL, NULL, &tv), EINVAL);
}
