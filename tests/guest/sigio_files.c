/* O_ASYNC: what pipes, sockets, terminals and inotify tell, and when. */
#include "sigio.h"

#include <sys/un.h>
#include <termios.h>

/* ---- pipes ---- */

TEST(each_write_and_read_is_told)
{
	int p[2];
	char c;

	make_pipe(p);
	watch(p[0], RT);
	for (int i = 0; i < 5; i++)
		put(p[1]);
	EXPECT_EQ(count(RT, POLL_IN), 5);
	watch(p[1], RT);
	for (int i = 0; i < 3; i++) {
		get(p[0]);
		EXPECT_SENT(p[1], POLL_OUT, OUT_BAND);
	}
	get(p[0]);
	get(p[0]);
	EXPECT_EQ(count(RT, POLL_OUT), 2);
	EXPECT_EQ(write(p[1], NULL, 0), 0);
	EXPECT_EQ(read(p[0], NULL, 0), 0);
	EXPECT(!pending(RT));
	EXPECT_ERR(read(p[0], &c, 1), EAGAIN);
	EXPECT_EQ(count(RT, POLL_OUT), 1);
}

TEST(write_to_a_full_pipe)
{
	char page[4096] = "";
	int p[2];

	make_pipe(p);
	MUST(fcntl(p[1], F_SETPIPE_SZ, 4096));
	watch(p[0], RT);
	CHECK_EQ(write(p[1], page, sizeof(page)), (int)sizeof(page));
	EXPECT_EQ(count(RT, POLL_IN), 1);
	EXPECT_ERR(write(p[1], "x", 1), EAGAIN);
	EXPECT_EQ(count(RT, POLL_IN), 1);
}

TEST(end_of_the_other_side)
{
	int p[2];

	make_pipe(p);
	watch(p[0], RT);
	MUST(close(p[1]));
	EXPECT_SENT(p[0], POLL_IN, IN_BAND);
	EXPECT(!pending(RT));
	make_pipe(p);
	watch(p[1], RT);
	MUST(close(p[0]));
	EXPECT_SENT(p[1], POLL_OUT, OUT_BAND);
	EXPECT(!pending(RT));
}

TEST(fifo_for_both_is_told_of_both)
{
	int fd;

	t_cd_tmpdir();
	MUST(mkfifo("fifo", 0600));
	fd = MUST(open("fifo", O_RDWR | O_NONBLOCK));
	watch(fd, RT);
	put(fd);
	EXPECT_SENT(fd, POLL_IN, IN_BAND);
	get(fd);
	EXPECT_SENT(fd, POLL_OUT, OUT_BAND);
	set_async(fd, false);
	put(fd);
	get(fd);
	EXPECT(!pending(RT));
}

TEST(splice_and_tee)
{
	int a[2], b[2];

	make_pipe(a);
	make_pipe(b);
	watch(a[1], RT);
	put(a[1]);
	CHECK_EQ(tee(a[0], b[1], 1, 0), 1);
	EXPECT(!pending(RT));
	watch(b[0], RT);
	CHECK_EQ(tee(a[0], b[1], 1, 0), 1);
	EXPECT_SENT(b[0], POLL_IN, IN_BAND);
	CHECK_EQ(splice(a[0], NULL, b[1], NULL, 1, 0), 1);
	CHECK(pending(RT));
	CHECK(pending(RT));
	EXPECT(!pending(RT));
}

/* ---- sockets ---- */

static void pair(int type, int s[2])
{
	MUST(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s));
	watch(s[0], RT);
}

TEST(socket_data_and_hang_up)
{
	static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};
	int s[2];

	for (size_t i = 0; i < 3; i++) {
		t_context = (const char *[]){"stream", "seqpacket", "dgram"}[i];
		pair(types[i], s);
		put(s[1]);
		EXPECT_SENT(s[0], POLL_IN, IN_BAND);
		put(s[1]);
		EXPECT_SENT(s[0], POLL_IN, IN_BAND);
		EXPECT(!pending(RT));
		put(s[0]);
		get(s[1]);
		EXPECT(!pending(RT)); /* there has always been room */
		MUST(close(s[1]));
		if (types[i] != SOCK_DGRAM)
			EXPECT_SENT(s[0], POLL_HUP, HUP_BAND);
		EXPECT(!pending(RT));
		MUST(close(s[0]));
	}
}

TEST(socket_shutdown)
{
	static const int how[] = {SHUT_RD, SHUT_WR, SHUT_RDWR};
	static const int code[] = {0, POLL_IN, POLL_HUP};
	int s[2];

	for (size_t i = 0; i < 3; i++) {
		t_context = (const char *[]){"SHUT_RD", "SHUT_WR", "SHUT_RDWR"}[i];
		pair(SOCK_STREAM, s);
		MUST(shutdown(s[1], how[i]));
		EXPECT_EQ(count(RT, code[i]), code[i] ? 1 : 0);
		MUST(close(s[1]));
		EXPECT_EQ(count(RT, POLL_HUP), 1);
		pair(SOCK_STREAM, s);
		MUST(shutdown(s[0], how[i]));
		EXPECT(!pending(RT)); /* one's own */
	}
}

static int fill(int fd)
{
	static char buf[4096];
	int n = 0;

	while (write(fd, buf, sizeof(buf)) > 0)
		n++;
	CHECK_EQ(errno, EAGAIN);
	return n;
}

static void drain(int fd)
{
	static char buf[4096];

	while (read(fd, buf, sizeof(buf)) > 0)
		;
	CHECK_EQ(errno, EAGAIN);
}

TEST(socket_room_is_told_once_after_there_was_none)
{
	int s[2];

	pair(SOCK_STREAM, s);
	CHECK(fill(s[0]) > 1);
	EXPECT(!pending(RT));
	drain(s[1]);
	EXPECT_SENT(s[0], POLL_OUT, OUT_BAND);
	EXPECT(!pending(RT));
	put(s[0]);
	drain(s[1]);
	EXPECT(!pending(RT));
}

static struct t_gate gate;
static pid_t thread_tid;
static long sleeps_before;
static int read_fd;

/* How often the thread has gone to sleep. */
static long sleeps(pid_t tid)
{
	char path[64], buf[4096], *at;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	fd = MUST(open(path, O_RDONLY));
	buf[MUST(read(fd, buf, sizeof(buf) - 1))] = 0;
	close(fd);
	at = strstr(buf, "\nvoluntary_ctxt_switches:");
	CHECK(at != NULL);
	return atol(strchr(at, ':') + 1);
}

/*
 * Until it sleeps in the call that is its next one. State 'S' isn't enough: it is set before the
 * reader says that whoever wakes it need send no signal, and a busy machine may let others run in
 * between.
 */
static void wait_for_sleep(pid_t tid, long before)
{
	while (sleeps(tid) == before)
		usleep(500);
	t_wait_thread_state(getpid(), tid, 'S');
}

static void *read_one(void *arg)
{
	thread_tid = gettid();
	sleeps_before = sleeps(thread_tid);
	t_gate_open(&gate);
	get(read_fd);
	return arg;
}

TEST(sleeping_reader_of_a_stream_is_told_by_waking)
{
	pthread_t th;
	int s[2];

	gate = t_gate();
	pair(SOCK_STREAM, s);
	MUST(fcntl(s[0], F_SETFL, O_ASYNC));
	read_fd = s[0];
	CHECK_EQ(pthread_create(&th, NULL, read_one, NULL), 0);
	t_gate_pass(&gate);
	wait_for_sleep(thread_tid, sleeps_before);
	put(s[1]);
	pthread_join(th, NULL);
	EXPECT(!pending(RT));
	put(s[1]);
	EXPECT(pending(RT));
}

TEST(listener_is_told_of_connections)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "sock"};
	int l, c, s;

	t_cd_tmpdir();
	l = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	MUST(bind(l, (struct sockaddr *)&a, sizeof(a)));
	MUST(listen(l, 5));
	watch(l, RT);
	c = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	watch(c, RT);
	MUST(connect(c, (struct sockaddr *)&a, sizeof(a)));
	EXPECT_SENT(l, POLL_IN, IN_BAND);
	EXPECT(!pending(RT));
	s = MUST(accept(l, NULL, NULL));
	EXPECT(!is_async(s)); /* nothing is inherited */
	EXPECT_EQ(fcntl(s, F_GETOWN), 0);
	EXPECT(!pending(RT));
	MUST(close(s));
	EXPECT_SENT(c, POLL_HUP, HUP_BAND);
	s = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	MUST(connect(s, (struct sockaddr *)&a, sizeof(a)));
	EXPECT_SENT(l, POLL_IN, IN_BAND);
	watch(s, RT);
	MUST(close(l)); /* before it was accepted */
	EXPECT_SENT(s, POLL_HUP, HUP_BAND);
}

TEST(datagram_peer_that_leaves)
{
	const struct sockaddr none = {.sa_family = AF_UNSPEC};
	int s[2];

	pair(SOCK_DGRAM, s);
	MUST(connect(s[1], &none, sizeof(none)));
	EXPECT(!pending(RT));
	pair(SOCK_DGRAM, s);
	put(s[0]);
	MUST(connect(s[1], &none, sizeof(none))); /* what it hasn't read is lost */
	EXPECT_SENT(s[0], POLL_ERR, POLLERR);
	EXPECT(!pending(RT));
	EXPECT_ERR(send(s[0], "x", 1, 0), ECONNRESET);
}

TEST(socket_ioctls_for_owners)
{
	int s[2], who;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	MUST(ioctl(s[0], FIOGETOWN, &who));
	EXPECT_EQ(who, 0);
	who = getpid();
	MUST(ioctl(s[0], FIOSETOWN, &who));
	EXPECT_EQ(fcntl(s[0], F_GETOWN), getpid());
	who = -getpgrp();
	MUST(ioctl(s[0], SIOCSPGRP, &who));
	who = 0;
	MUST(ioctl(s[0], SIOCGPGRP, &who));
	EXPECT_EQ(who, -getpgrp());
	who = INT_MAX;
	EXPECT_ERR(ioctl(s[0], FIOSETOWN, &who), ESRCH);
	who = INT_MIN;
	EXPECT_ERR(ioctl(s[0], SIOCSPGRP, &who), EINVAL);
	EXPECT_ERR(ioctl(s[0], FIOSETOWN, NULL), EFAULT);
	EXPECT_ERR(ioctl(s[0], FIOGETOWN, NULL), EFAULT);
}

/* ---- terminals ---- */

static void open_pty(int *m, int *t, bool canonical)
{
	struct termios tio;

	MUST(openpty(m, t, NULL, NULL, NULL));
	MUST(tcgetattr(*t, &tio));
	cfmakeraw(&tio);
	if (canonical)
		tio.c_lflag |= ICANON;
	MUST(tcsetattr(*t, TCSANOW, &tio));
	MUST(fcntl(*t, F_SETFL, O_NONBLOCK));
	MUST(fcntl(*m, F_SETFL, O_NONBLOCK));
}

TEST(terminal_input_and_output)
{
	int m, t;

	open_pty(&m, &t, false);
	watch(t, RT);
	put(m);
	CHECK(waited(RT));
	EXPECT_EQ(si.si_code, POLL_IN);
	EXPECT_EQ(si.si_fd, t);
	EXPECT_EQ(si.si_band, IN_BAND);
	watch(m, RT);
	put(t);
	CHECK(waited(RT));
	EXPECT_EQ(si.si_code, POLL_IN);
	EXPECT_EQ(si.si_fd, m);
}

TEST(terminal_line_is_told_when_it_is_whole)
{
	struct pollfd pfd;
	int m, t;

	open_pty(&m, &t, true);
	watch(t, RT);
	pfd = (struct pollfd){t, POLLIN, 0};
	CHECK_EQ(write(m, "abc", 3), 3);
	CHECK_EQ(poll(&pfd, 1, 20), 0);
	EXPECT(!pending(RT));
	CHECK_EQ(write(m, "\n", 1), 1);
	EXPECT(waited(RT));
}

TEST(terminal_room_is_told_after_there_was_none)
{
	struct pollfd pfd;
	int m, t;

	open_pty(&m, &t, false);
	watch(t, RT);
	CHECK(fill(t) > 0);
	EXPECT(!pending(RT));
	pfd = (struct pollfd){m, POLLIN, 0};
	while (!pending(RT)) {
		CHECK_EQ(poll(&pfd, 1, 10000), 1);
		drain(m);
	}
	EXPECT_EQ(si.si_code, POLL_OUT);
	EXPECT_EQ(si.si_fd, t);
}

TEST(terminal_is_owned_by_its_foreground)
{
	struct f_owner_ex ex;
	int m, t;

	open_pty(&m, &t, false);
	set_async(t, true);
	EXPECT_EQ(fcntl(t, F_GETOWN), getpid());
	CHECK_EXITED(IN_CHILD({
			     MUST(setsid());
			     MUST(ioctl(t, TIOCSCTTY, 0));
			     set_async(t, false);
			     set_async(t, true);
			     MUST(fcntl(t, F_GETOWN_EX, &ex));
			     EXPECT_EQ(ex.type, F_OWNER_PID); /* it had an owner */
			     t = MUST(open("/dev/tty", O_RDWR));
			     set_async(t, true);
			     MUST(fcntl(t, F_GETOWN_EX, &ex));
			     EXPECT_EQ(ex.type, F_OWNER_PGRP);
			     EXPECT_EQ(ex.pid, getpgrp());
		     }),
		     0);
}

TEST(hung_up_terminal_has_no_flag)
{
	int m, t, on = 1;

	open_pty(&m, &t, false);
	watch(t, RT);
	MUST(close(m));
	EXPECT(!is_async(t));
	EXPECT_ERR(fcntl(t, F_SETFL, O_ASYNC), ENOTTY);
	EXPECT_ERR(ioctl(t, FIOASYNC, &on), ENOTTY);
	EXPECT_EQ(fcntl(t, F_SETFL, O_NONBLOCK), 0);
	EXPECT(!pending(RT));
}

/* ---- inotify ---- */

TEST(inotify_events)
{
	int in, wd;

	t_cd_tmpdir();
	in = MUST(inotify_init1(IN_NONBLOCK));
	wd = MUST(inotify_add_watch(in, ".", IN_CREATE));
	watch(in, RT);
	t_write_file("a", "");
	EXPECT_SENT(in, POLL_IN, IN_BAND);
	EXPECT(!pending(RT));
	t_write_file("b", "");
	EXPECT_SENT(in, POLL_IN, IN_BAND);
	MUST(inotify_rm_watch(in, wd));
	EXPECT_SENT(in, POLL_IN, IN_BAND); /* IN_IGNORED */
	t_write_file("c", "");
	EXPECT(!pending(RT));
	MUST(close(in));
	EXPECT(!pending(RT));
}

/* ---- at once ---- */

#define RACE_FILES 9

static struct {
	int ends[RACE_FILES][2];
	bool stop;
} race;

/* Files come and go, with all that can change about them. */
static void *race_toggle(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;

	while (!__atomic_load_n(&race.stop, __ATOMIC_RELAXED)) {
		int fd = dup(race.ends[rand_r(&seed) % RACE_FILES][rand_r(&seed) & 1]);
		int on = rand_r(&seed) & 1;

		if (fd < 0)
			continue;
		fcntl(fd, F_SETFL, O_NONBLOCK | (on ? O_ASYNC : 0));
		ioctl(fd, FIOASYNC, &on);
		fcntl(fd, F_SETOWN, rand_r(&seed) & 1 ? getpid() : -getpgrp());
		fcntl(fd, F_SETSIG, rand_r(&seed) & 1 ? RT : 0);
		close(fd);
	}
	return NULL;
}

static void race_open(int i)
{
	int fd[2], unlock = 0;

	switch (i % 3) {
	case 0:
		MUST(pipe2(fd, O_NONBLOCK));
		break;
	case 1:
		MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd));
		break;
	default:
		/* Never blocking: others may use the numbers already. */
		fd[1] = MUST(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK));
		MUST(ioctl(fd[1], TIOCSPTLCK, &unlock));
		fd[0] = MUST(ioctl(fd[1], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK));
	}
	race.ends[i][0] = fd[0];
	race.ends[i][1] = fd[1];
}

static void *race_reopen(void *arg)
{
	for (int i = 0; !__atomic_load_n(&race.stop, __ATOMIC_RELAXED); i = (i + 1) % RACE_FILES) {
		close(race.ends[i][0]);
		close(race.ends[i][1]);
		race_open(i);
		set_async(race.ends[i][0], true);
	}
	return arg;
}

static void *race_write(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;
	char buf[64] = "";

	while (!__atomic_load_n(&race.stop, __ATOMIC_RELAXED)) {
		int *ends = race.ends[rand_r(&seed) % RACE_FILES];
		ssize_t n = write(ends[1], buf, sizeof(buf));

		n += read(ends[0], buf, sizeof(buf));
		if (n == 0)
			sched_yield();
	}
	return NULL;
}

/* Owners that end. */
static void *race_owner(void *arg)
{
	while (!__atomic_load_n(&race.stop, __ATOMIC_RELAXED)) {
		pid_t child = fork();

		if (!child)
			_exit(0);
		for (int i = 0; i < RACE_FILES; i++)
			fcntl(race.ends[i][0], F_SETOWN, child);
		if (child > 0)
			t_wait(child);
	}
	return arg;
}

static void on_any(int sig __attribute__((unused)))
{
}

TEST(toggling_closing_and_ending_while_others_write)
{
	void *(*const fn[])(void *) = {race_toggle, race_toggle, race_write,
				       race_write,  race_reopen, race_owner};
	pthread_t th[6];

	t_handle_flags(SIGIO, on_any, SA_RESTART);
	t_handle_flags(RT, on_any, SA_RESTART);
	t_handle(SIGPIPE, on_any);
	for (int i = 0; i < RACE_FILES; i++)
		race_open(i);
	for (uintptr_t i = 0; i < 6; i++)
		CHECK_EQ(pthread_create(&th[i], NULL, fn[i], (void *)(i + 1)), 0);
	t_sleep_ms(2000);
	__atomic_store_n(&race.stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 6; i++)
		pthread_join(th[i], NULL);
	/* A terminal's data may still be on its way: nobody is told of it. */
	for (int i = 0; i < RACE_FILES; i++)
		for (int k = 0; k < 2; k++)
			set_async(race.ends[i][k], false);
	/* What is left works. */
	race_open(0);
	watch(race.ends[0][0], RT);
	while (pending(RT) || pending(SIGIO))
		;
	put(race.ends[0][1]);
	EXPECT_SENT(race.ends[0][0], POLL_IN, IN_BAND);
}
