/*
 * Calls interrupted by a handler: restarted with SA_RESTART, EINTR without, and those that never
 * restart.
 * test: cpus=1,2,2s,4,4m
 */
#include "t.h"

#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>

static volatile sig_atomic_t count;

static void note(int sig)
{
	(void)sig;
	count++;
}

/*
 * Runs the statement in a child and interrupts it by SIGUSR1 once it is blocked; then, after the
 * handler has run, the parent's statement lets it come to an end. The handler is installed with
 * the flags.
 */
#define INTERRUPTED(flags, child, then)                                                            \
	do {                                                                                       \
		t_handle_flags(SIGUSR1, note, flags);                                              \
		pid_t pid_ = SPAWN({                                                               \
			child;                                                                     \
			CHECK(count > 0);                                                          \
		});                                                                                \
		t_wait_state(pid_, 'S');                                                           \
		MUST(kill(pid_, SIGUSR1));                                                         \
		if (flags)                                                                         \
			wait_until_blocked_again(pid_);                                            \
		then;                                                                              \
		CHECK_EXITED(t_wait(pid_), 0);                                                     \
	} while (0)

/* The signal has been taken when it is no longer pending and the process is blocked once more. */
static void wait_until_blocked_again(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	for (;;) {
		const char *pending = strstr(t_read_file(path), "ShdPnd:");

		if (pending && strtoul(pending + 7, NULL, 16) == 0)
			break;
		usleep(500);
	}
	t_wait_state(pid, 'S');
}

static int fds[2];

TEST(pipe_read_is_eintr_without_restart)
{
	char c;

	MUST(pipe(fds));
	INTERRUPTED(0, CHECK_ERR(read(fds[0], &c, 1), EINTR), );
}

TEST(pipe_read_restarts)
{
	char c;

	MUST(pipe(fds));
	INTERRUPTED(SA_RESTART, CHECK_EQ(read(fds[0], &c, 1), 1),
		    CHECK(write(fds[1], "x", 1) == 1));
}

TEST(pipe_write_restarts)
{
	static char buf[65536];

	MUST(pipe(fds));
	CHECK_EQ(write(fds[1], buf, sizeof(buf)), (ssize_t)sizeof(buf));
	INTERRUPTED(SA_RESTART, CHECK_EQ(write(fds[1], buf, 4096), 4096),
		    CHECK(read(fds[0], buf, sizeof(buf)) > 0));
}

TEST(interrupted_pipe_write_tells_what_it_wrote)
{
	static char buf[200000];

	MUST(pipe(fds));
	INTERRUPTED(0, CHECK_EQ(write(fds[1], buf, sizeof(buf)), 65536), );
}

TEST(socket_receive_restarts)
{
	char c;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	INTERRUPTED(SA_RESTART, CHECK_EQ(recv(fds[0], &c, 1, 0), 1),
		    CHECK(write(fds[1], "x", 1) == 1));
}

TEST(socket_receive_is_eintr_without_restart)
{
	char c;

	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
	INTERRUPTED(0, CHECK_ERR(recv(fds[0], &c, 1, 0), EINTR), );
}

TEST(socket_with_a_timeout_never_restarts)
{
	struct timeval tv = {100, 0};
	char c;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	MUST(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	t_handle_flags(SIGUSR1, note, SA_RESTART);
	pid_t pid = SPAWN(CHECK_ERR(recv(fds[0], &c, 1, 0), EINTR));
	t_wait_state(pid, 'S');
	MUST(kill(pid, SIGUSR1));
	CHECK_EXITED(t_wait(pid), 0);
}

static int listener(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));

	MUST(bind(fd, (void *)&addr, sizeof(sa_family_t))); /* autobind */
	MUST(listen(fd, 5));
	return fd;
}

TEST(accept_restarts)
{
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);
	int fd = listener();

	MUST(getsockname(fd, (void *)&addr, &len));
	INTERRUPTED(SA_RESTART, MUST(accept(fd, NULL, NULL)), {
		int c = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
		MUST(connect(c, (void *)&addr, len));
	});
}

TEST(wait_restarts)
{
	struct t_gate gate = t_gate();

	INTERRUPTED(
		SA_RESTART,
		{
			pid_t pid = SPAWN(t_gate_pass(&gate));
			int status;
			CHECK_EQ(waitpid(pid, &status, 0), pid);
		},
		t_gate_open(&gate));
}

TEST(flock_restarts)
{
	int fd, other;

	t_cd_tmpdir();
	t_write_file("f", "");
	fd = MUST(open("f", O_RDWR));
	other = MUST(open("f", O_RDWR));
	MUST(flock(fd, LOCK_EX));
	INTERRUPTED(SA_RESTART, MUST(flock(other, LOCK_EX)), MUST(flock(fd, LOCK_UN)));
}

TEST(record_lock_restarts)
{
	struct flock lock = {.l_type = F_WRLCK};
	int fd = MUST(open(t_tmpdir(), O_RDWR | O_TMPFILE, 0600));

	MUST(fcntl(fd, F_SETLK, &lock));
	INTERRUPTED(SA_RESTART, MUST(fcntl(fd, F_SETLKW, &lock)), {
		lock.l_type = F_UNLCK;
		MUST(fcntl(fd, F_SETLK, &lock));
	});
}

TEST(record_lock_is_eintr_without_restart)
{
	struct flock lock = {.l_type = F_WRLCK};
	int fd = MUST(open(t_tmpdir(), O_RDWR | O_TMPFILE, 0600));

	MUST(fcntl(fd, F_SETLK, &lock));
	INTERRUPTED(0, CHECK_ERR(fcntl(fd, F_SETLKW, &lock), EINTR), );
}

TEST(fifo_open_restarts)
{
	t_cd_tmpdir();
	MUST(mkfifo("fifo", 0600));
	INTERRUPTED(SA_RESTART, MUST(open("fifo", O_RDONLY)), MUST(open("fifo", O_WRONLY)));
}

TEST(futex_wait_without_timeout_restarts)
{
	int *word = t_shared(4096);

	INTERRUPTED(SA_RESTART, CHECK_EQ(syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0), 0),
		    CHECK_EQ(syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0), 1));
}

TEST(futex_wait_without_restart_is_eintr)
{
	int *word = t_shared(4096);

	INTERRUPTED(0, CHECK_ERR(syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0), EINTR), );
}

TEST(eventfd_read_restarts)
{
	int fd = MUST(eventfd(0, 0));
	uint64_t v;

	INTERRUPTED(SA_RESTART, CHECK_EQ(read(fd, &v, 8), 8), {
		v = 1;
		CHECK(write(fd, &v, 8) == 8);
	});
}

TEST(poll_and_select_never_restart)
{
	struct pollfd pfd = {-1, 0, 0};
	struct timeval tv;
	int sets;

	for (sets = 0; sets < 4; sets++) {
		t_handle_flags(SIGUSR1, note, SA_RESTART);
		pid_t pid = SPAWN({
			tv = (struct timeval){100, 0};
			struct timespec ts = {100, 0};
			if (sets == 0)
				CHECK_ERR(poll(&pfd, 1, -1), EINTR);
			else if (sets == 1)
				CHECK_ERR(ppoll(&pfd, 1, &ts, NULL), EINTR);
			else if (sets == 2)
				CHECK_ERR(select(0, NULL, NULL, NULL, &tv), EINTR);
			else
				CHECK_ERR(pselect(0, NULL, NULL, NULL, &ts, NULL), EINTR);
		});
		t_wait_state(pid, 'S');
		MUST(kill(pid, SIGUSR1));
		CHECK_EXITED(t_wait(pid), 0);
	}
}

TEST(epoll_wait_never_restarts)
{
	struct epoll_event ev;
	int ep = MUST(epoll_create1(0));

	t_handle_flags(SIGUSR1, note, SA_RESTART);
	pid_t pid = SPAWN(CHECK_ERR(epoll_wait(ep, &ev, 1, -1), EINTR));
	t_wait_state(pid, 'S');
	MUST(kill(pid, SIGUSR1));
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(nanosleep_never_restarts_after_a_handler_and_tells_the_rest)
{
	t_handle_flags(SIGUSR1, note, SA_RESTART);
	pid_t pid = SPAWN({
		struct timespec ts = {100, 0}, rest = {0, 0};
		CHECK_ERR(nanosleep(&ts, &rest), EINTR);
		CHECK(rest.tv_sec >= 60 && rest.tv_sec <= 100); /* slack may round it up */
	});
	t_wait_state(pid, 'S');
	MUST(kill(pid, SIGUSR1));
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(absolute_sleep_leaves_the_rest_alone)
{
	t_handle_flags(SIGUSR1, note, SA_RESTART);
	pid_t pid = SPAWN({
		struct timespec ts, rest = {7, 7};
		clock_gettime(CLOCK_MONOTONIC, &ts);
		ts.tv_sec += 100;
		CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, &rest), EINTR);
		CHECK(rest.tv_sec == 7 && rest.tv_nsec == 7);
	});
	t_wait_state(pid, 'S');
	MUST(kill(pid, SIGUSR1));
	CHECK_EXITED(t_wait(pid), 0);
}

/* Stop and continue run no handler, so every call goes on, with the time that is left. */
static void stop_and_continue(pid_t pid)
{
	t_wait_state(pid, 'S');
	for (int i = 0; i < 3; i++) {
		MUST(kill(pid, SIGSTOP));
		t_wait_state(pid, 'T');
		MUST(kill(pid, SIGCONT));
		t_wait_state(pid, 'S');
	}
}

TEST(stopped_sleep_ends_at_its_old_time)
{
	long long start = t_now_ms();
	pid_t pid = SPAWN({
		struct timespec ts = {0, 400000000};
		CHECK_EQ(nanosleep(&ts, NULL), 0);
	});

	t_wait_state(pid, 'S');
	MUST(kill(pid, SIGSTOP));
	t_wait_state(pid, 'T');
	MUST(kill(pid, SIGCONT));
	CHECK_EXITED(t_wait(pid), 0);
	CHECK(t_now_ms() - start >= 399);
}

TEST(stopped_poll_goes_on)
{
	MUST(pipe(fds));
	pid_t pid = SPAWN({
		struct pollfd pfd = {fds[0], POLLIN, 0};
		CHECK_EQ(poll(&pfd, 1, 100000), 1);
	});
	stop_and_continue(pid);
	CHECK_EQ(write(fds[1], "x", 1), 1);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(stopped_futex_wait_with_timeout_goes_on)
{
	int *word = t_shared(4096);
	pid_t pid = SPAWN({
		struct timespec ts = {100, 0};
		CHECK_EQ(syscall(SYS_futex, word, FUTEX_WAIT, 0, &ts, NULL, 0), 0);
	});

	stop_and_continue(pid);
	CHECK_EQ(syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0), 1);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(stopped_read_goes_on)
{
	MUST(pipe(fds));
	pid_t pid = SPAWN({
		char c;
		CHECK_EQ(read(fds[0], &c, 1), 1);
	});
	stop_and_continue(pid);
	CHECK_EQ(write(fds[1], "x", 1), 1);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(signal_with_default_ignore_interrupts_nothing)
{
	MUST(pipe(fds));
	pid_t pid = SPAWN({
		char c;
		CHECK_EQ(read(fds[0], &c, 1), 1);
	});
	t_wait_state(pid, 'S');
	MUST(kill(pid, SIGCHLD));
	MUST(kill(pid, SIGWINCH));
	MUST(kill(pid, SIGURG));
	CHECK_EQ(write(fds[1], "x", 1), 1);
	CHECK_EXITED(t_wait(pid), 0);
}

static int other_fds[2];

static void change_descriptor(int sig)
{
	(void)sig;
	count++;
	dup2(other_fds[0], fds[0]); /* the restarted read works on what is there by then */
}

TEST(restarted_call_looks_its_descriptor_up_again)
{
	char c;

	MUST(pipe(fds));
	MUST(pipe(other_fds));
	CHECK_EQ(write(other_fds[1], "n", 1), 1);
	t_handle_flags(SIGUSR1, change_descriptor, SA_RESTART);
	pid_t pid = SPAWN({
		CHECK_EQ(read(fds[0], &c, 1), 1);
		CHECK_EQ(c, 'n');
	});
	t_wait_state(pid, 'S');
	MUST(kill(pid, SIGUSR1));
	CHECK_EXITED(t_wait(pid), 0);
}
