/* Pseudo-terminals and the line discipline. */
#include "t.h"

#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

static int m, s; /* master and slave */

static void open_pty(void)
{
	MUST(openpty(&m, &s, NULL, NULL, NULL));
}

static void change(tcflag_t on, tcflag_t off)
{
	struct termios t;

	MUST(tcgetattr(s, &t));
	t.c_lflag |= on;
	t.c_lflag &= ~off;
	MUST(tcsetattr(s, TCSANOW, &t));
}

static void raw(void)
{
	struct termios t;

	MUST(tcgetattr(s, &t));
	cfmakeraw(&t);
	MUST(tcsetattr(s, TCSANOW, &t));
}

/* What is typed reaches the slave a little later: see wait_readable(). */
static void type(const char *text)
{
	CHECK(write(m, text, strlen(text)) == (ssize_t)strlen(text));
}

static void wait_readable(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};

	CHECK_EQ(poll(&p, 1, -1), 1);
}

/* Reads as many bytes as the text has, and compares. */
static void expect_from(int fd, const char *text)
{
	static char buf[256];
	size_t have = 0, want = strlen(text);

	memset(buf, 0, sizeof(buf));
	while (have < want) {
		ssize_t n = read(fd, buf + have, want - have);

		CHECK(n > 0);
		have += (size_t)n;
	}
	CHECK_STR(buf, text);
}

static bool readable(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};

	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

TEST(slave_is_a_terminal_and_has_a_name)
{
	char name[64];
	struct stat st, other;

	open_pty();
	CHECK(isatty(s) && isatty(m));
	CHECK_EQ(ttyname_r(s, name, sizeof(name)), 0);
	CHECK(!strncmp(name, "/dev/pts/", 9));
	MUST(stat(name, &st));
	CHECK(S_ISCHR(st.st_mode));
	CHECK_EQ(st.st_uid, getuid());
	CHECK_STR(ptsname(m), name);
	CHECK_EQ(close(MUST(open(name, O_RDWR | O_NOCTTY))), 0);
	t_sleep_ms(20); /* what is made from now on has another time */
	MUST(close(m));
	MUST(close(s));
	/* Somebody else on this machine may have the number now. */
	CHECK(stat(name, &other) < 0
		      ? errno == ENOENT
		      : memcmp(&other.st_ctim, &st.st_ctim, sizeof(st.st_ctim)) != 0);
}

TEST(slave_is_locked_until_it_is_unlocked)
{
	char name[64];
	int master = MUST(open("/dev/ptmx", O_RDWR | O_NOCTTY));

	CHECK_EQ(ptsname_r(master, name, sizeof(name)), 0);
	CHECK_ERR(open(name, O_RDWR | O_NOCTTY), EIO);
	MUST(grantpt(master));
	MUST(unlockpt(master));
	CHECK_EQ(close(MUST(open(name, O_RDWR | O_NOCTTY))), 0);
}

TEST(line_is_given_when_it_is_complete)
{
	char buf[16] = "";

	open_pty();
	change(0, ECHO);
	type("hel");
	CHECK(!readable(s));
	type("lo\nnext");
	wait_readable(s);
	CHECK_EQ(read(s, buf, sizeof(buf)), 6);
	CHECK_STR(buf, "hello\n");
	CHECK(!readable(s));
}

TEST(short_reads_take_a_line_in_pieces)
{
	char buf[4];

	open_pty();
	change(0, ECHO);
	type("abcdef\n");
	CHECK_EQ(read(s, buf, 4), 4);
	CHECK_EQ(read(s, buf, 4), 3);
}

TEST(every_read_gives_at_most_one_line)
{
	char buf[64];

	open_pty();
	change(0, ECHO);
	type("one\ntwo\nthree\n");
	CHECK_EQ(read(s, buf, sizeof(buf)), 4);
	CHECK_EQ(read(s, buf, sizeof(buf)), 4);
	CHECK_EQ(read(s, buf, sizeof(buf)), 6);
}

TEST(carriage_return_becomes_newline)
{
	open_pty();
	change(0, ECHO);
	type("x\r");
	expect_from(s, "x\n");
}

TEST(erase_kill_and_word_erase_edit_the_line)
{
	open_pty();
	change(IEXTEN, ECHO);
	type("abX\177c\n");
	expect_from(s, "abc\n");
	type("wrong\025right\n"); /* ^U */
	expect_from(s, "right\n");
	type("one two  \027three\n"); /* ^W */
	expect_from(s, "one three\n");
	type("\177\177ok\n"); /* nothing to erase */
	expect_from(s, "ok\n");
}

TEST(literal_next_takes_any_character)
{
	open_pty();
	change(IEXTEN, ECHO);
	type("a\026\003b\n"); /* ^V ^C */
	expect_from(s, "a\003b\n");
}

TEST(end_of_file_character)
{
	char buf[8];

	open_pty();
	change(0, ECHO);
	type("abc\004"); /* gives what there is */
	CHECK_EQ(read(s, buf, 8), 3);
	type("\004");
	CHECK_EQ(read(s, buf, 8), 0);
	type("next\n");
	expect_from(s, "next\n");
}

TEST(echo_shows_what_is_typed)
{
	open_pty();
	type("hi\n");
	expect_from(m, "hi\r\n");
	type("ab\177");
	expect_from(m, "ab\b \b");
	type("\001"); /* control characters as ^X */
	expect_from(m, "^A");
}

TEST(echo_of_kill_erases_the_line)
{
	open_pty();
	type("abc\025");
	expect_from(m, "abc\b \b\b \b\b \b");
}

TEST(echonl_echoes_only_newlines)
{
	open_pty();
	change(ECHONL, ECHO);
	type("secret\n");
	expect_from(m, "\r\n");
	CHECK(!readable(m));
}

TEST(output_newline_becomes_two_characters)
{
	open_pty();
	CHECK_EQ(write(s, "a\nb", 3), 3);
	expect_from(m, "a\r\nb");
	raw();
	CHECK_EQ(write(s, "a\nb", 3), 3);
	expect_from(m, "a\nb");
}

TEST(raw_mode_gives_every_byte_at_once)
{
	open_pty();
	raw();
	type("\003\004\r\n\177\032");
	expect_from(s, "\003\004\r\n\177\032");
	CHECK(!readable(m)); /* no echo */
}

static void set_min_time(unsigned char min, unsigned char time)
{
	struct termios t;

	MUST(tcgetattr(s, &t));
	cfmakeraw(&t);
	t.c_cc[VMIN] = min;
	t.c_cc[VTIME] = time;
	MUST(tcsetattr(s, TCSANOW, &t));
}

TEST(vmin_waits_for_so_many_bytes)
{
	pid_t pid;

	open_pty();
	set_min_time(5, 0);
	pid = SPAWN({
		char buf[16];
		CHECK_EQ(read(s, buf, 16), 5);
	});
	type("ab");
	t_wait_state(pid, 'S');
	type("cde");
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(vmin_zero_and_vtime_zero_never_wait)
{
	char buf[4];

	open_pty();
	set_min_time(0, 0);
	CHECK_EQ(read(s, buf, 4), 0);
	type("xy");
	wait_readable(s);
	CHECK_EQ(read(s, buf, 4), 2);
}

TEST(vtime_alone_waits_so_long_for_the_first_byte)
{
	long long start = t_now_ms();
	char buf[4];

	open_pty();
	set_min_time(0, 1);
	CHECK_EQ(read(s, buf, 4), 0);
	CHECK(t_now_ms() - start >= 95);
	type("z");
	wait_readable(s);
	CHECK_EQ(read(s, buf, 4), 1);
}

TEST(vtime_with_vmin_counts_between_bytes)
{
	char buf[8];

	open_pty();
	set_min_time(5, 1);
	type("ab");
	CHECK_EQ(read(s, buf, 8), 2); /* after a tenth of a second without a third */
}

TEST(interrupt_quit_and_suspend_characters_send_signals)
{
	static const struct {
		char c;
		int sig;
	} t[] = {{'\003', SIGINT}, {'\034', SIGQUIT}, {'\032', SIGTSTP}};
	struct t_gate ready = t_gate();

	for (int i = 0; i < 3; i++) {
		siginfo_t *si = t_shared(4096);
		char text[2] = {t[i].c, 0};
		pid_t pid;

		open_pty();
		pid = SPAWN({
			sigset_t set;
			MUST(setsid());
			MUST(ioctl(s, TIOCSCTTY, 0));
			sigfillset(&set);
			MUST(sigprocmask(SIG_BLOCK, &set, NULL));
			t_gate_open(&ready);
			CHECK_EQ(sigwaitinfo(&set, si), t[i].sig);
		});
		t_gate_pass(&ready);
		type(text);
		CHECK_EXITED(t_wait(pid), 0);
		CHECK_EQ(si->si_code, SI_KERNEL);
	}
}

TEST(interrupt_goes_to_the_foreground_group_only)
{
	struct t_gate ready = t_gate();
	pid_t leader;

	open_pty();
	leader = SPAWN({
		MUST(setsid());
		MUST(ioctl(s, TIOCSCTTY, 0));
		signal(SIGTTOU, SIG_IGN);
		pid_t fg = SPAWN({
			MUST(setpgid(0, 0));
			t_gate_open(&ready);
			pause();
		});
		t_gate_pass(&ready);
		MUST(tcsetpgrp(s, fg));
		type("\003");
		CHECK_KILLED(t_wait(fg), SIGINT);
	});
	CHECK_EXITED(t_wait(leader), 0);
}

TEST(interrupt_discards_what_was_typed)
{
	open_pty();
	change(0, ECHO);
	type("wrong\003right\n");
	expect_from(s, "right\n");
}

TEST(interrupt_is_a_character_without_isig)
{
	open_pty();
	change(0, ISIG | ECHO);
	type("a\003\n");
	expect_from(s, "a\003\n");
}

TEST(window_size_is_kept_and_changes_raise_sigwinch)
{
	struct winsize w = {24, 80, 0, 0}, got;
	struct t_gate ready = t_gate();
	pid_t pid;

	open_pty();
	MUST(ioctl(m, TIOCSWINSZ, &w));
	MUST(ioctl(s, TIOCGWINSZ, &got));
	CHECK(got.ws_row == 24 && got.ws_col == 80);
	pid = SPAWN({
		sigset_t set;
		MUST(setsid());
		MUST(ioctl(s, TIOCSCTTY, 0));
		t_block(SIGWINCH);
		t_gate_open(&ready);
		sigemptyset(&set);
		sigaddset(&set, SIGWINCH);
		CHECK_EQ(sigwaitinfo(&set, NULL), SIGWINCH);
		MUST(ioctl(s, TIOCGWINSZ, &got));
		CHECK(got.ws_row == 50 && got.ws_col == 132);
	});
	t_gate_pass(&ready);
	w = (struct winsize){50, 132, 0, 0};
	MUST(ioctl(m, TIOCSWINSZ, &w));
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(closed_slave_is_eio_for_the_master)
{
	struct pollfd p;
	char c;

	open_pty();
	CHECK_EQ(write(s, "x", 1), 1);
	MUST(close(s));
	CHECK_EQ(read(m, &c, 1), 1);
	CHECK_ERR(read(m, &c, 1), EIO);
	p = (struct pollfd){m, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents & POLLHUP, POLLHUP);
}

TEST(closed_master_hangs_the_slave_up)
{
	siginfo_t *si = t_shared(4096);
	struct t_gate ready = t_gate();
	struct pollfd p;
	pid_t pid;
	char c;

	open_pty();
	pid = SPAWN({
		sigset_t set;
		MUST(close(m));
		MUST(setsid());
		MUST(ioctl(s, TIOCSCTTY, 0));
		t_block(SIGHUP);
		t_gate_open(&ready);
		sigemptyset(&set);
		sigaddset(&set, SIGHUP);
		CHECK_EQ(sigwaitinfo(&set, si), SIGHUP);
		CHECK_EQ(read(s, &c, 1), 0);
	});
	t_gate_pass(&ready);
	MUST(close(m));
	CHECK_EXITED(t_wait(pid), 0);
	CHECK_EQ(read(s, &c, 1), 0);
	CHECK_ERR(write(s, "x", 1), EIO);
	p = (struct pollfd){s, POLLIN | POLLOUT, 0};
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents & POLLHUP, POLLHUP);
}

TEST(blocked_reader_is_woken_by_a_hang_up)
{
	pid_t pid;

	open_pty();
	pid = SPAWN({
		char c;
		MUST(close(m));
		ssize_t n = read(s, &c, 1);
		CHECK(n == 0 ||
		      (n < 0 && errno == EIO)); /* before or after the hang-up is complete */
	});
	t_wait_state(pid, 'S');
	MUST(close(m));
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(fionread_counts_input)
{
	int n = -1;

	open_pty();
	change(0, ECHO);
	type("abc\n");
	wait_readable(s);
	MUST(ioctl(s, FIONREAD, &n));
	CHECK_EQ(n, 4);
}

TEST(flush_discards_input)
{
	open_pty();
	change(0, ECHO);
	type("old\n");
	wait_readable(s);
	MUST(tcflush(s, TCIFLUSH));
	CHECK(!readable(s));
	type("new\n");
	expect_from(s, "new\n");
}

TEST(settings_survive_and_tcsaflush_drops_input)
{
	struct termios t, u;

	open_pty();
	MUST(tcgetattr(s, &t));
	t.c_cc[VINTR] = 'i';
	t.c_lflag &= ~(tcflag_t)ECHO;
	type("dropped\n");
	wait_readable(s);
	MUST(tcsetattr(s, TCSAFLUSH, &t));
	MUST(tcgetattr(m, &u));
	CHECK_EQ(u.c_cc[VINTR], 'i');
	CHECK_EQ(u.c_lflag & ECHO, 0);
	type("x\n");
	expect_from(s, "x\n");
}

TEST(default_settings)
{
	struct termios t;

	open_pty();
	MUST(tcgetattr(s, &t));
	CHECK_EQ(t.c_iflag, ICRNL | IXON);
	CHECK_EQ(t.c_oflag, OPOST | ONLCR);
	CHECK_EQ(t.c_lflag, ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN);
	CHECK_EQ(t.c_cflag & (CSIZE | CREAD), CS8 | CREAD);
	CHECK_EQ(cfgetospeed(&t), B38400);
	CHECK(t.c_cc[VINTR] == 3 && t.c_cc[VEOF] == 4 && t.c_cc[VERASE] == 127);
	CHECK(t.c_cc[VMIN] == 1 && t.c_cc[VTIME] == 0);
}

TEST(stop_and_start_characters_hold_output)
{
	pid_t pid;

	open_pty();
	change(0, ECHO);
	type("\023x\n"); /* ^S; it has been seen when the line is there */
	wait_readable(s);
	pid = SPAWN(CHECK_EQ(write(s, "out", 3), 3));
	t_wait_state(pid, 'S');
	CHECK(!readable(m));
	type("\021"); /* ^Q */
	expect_from(m, "out");
	CHECK_EXITED(t_wait(pid), 0);
}

/* Writes without a newline until there is no room, then makes room for one byte. */
static void fill_but_one(void)
{
	static char x[8192];
	char c;

	memset(x, 'x', sizeof(x));
	MUST(fcntl(s, F_SETFL, O_RDWR | O_NONBLOCK));
	while (write(s, x, sizeof(x)) > 0)
		;
	CHECK_EQ(errno, EAGAIN);
	CHECK_EQ(read(m, &c, 1), 1);
}

TEST(writable_means_room_for_both_characters_of_a_newline)
{
	struct pollfd p;

	open_pty();
	fill_but_one();
	p = (struct pollfd){s, POLLOUT, 0};
	if (poll(&p, 1, 0))
		CHECK_EQ(write(s, "\n", 1), 1);
}

TEST(writer_of_a_newline_without_room_can_be_killed)
{
	int status;
	pid_t pid;

	open_pty();
	fill_but_one();
	MUST(fcntl(s, F_SETFL, O_RDWR));
	pid = SPAWN(CHECK_EQ(write(s, "\n", 1), 1));
	t_wait_state(pid, 'S'); /* or it has found room and ended */
	MUST(kill(pid, SIGKILL));
	status = t_wait(pid);
	if (!WIFEXITED(status))
		CHECK_KILLED(status, SIGKILL);
}

TEST(more_lines_than_there_is_room_for_arrive_whole)
{
	enum { LINES = 40, LEN = 5000 };
	static char line[LEN], buf[4096];
	size_t have = 0, newlines = 0;
	pid_t pid;

	open_pty();
	memset(line, 'x', sizeof(line));
	line[LEN - 1] = '\n';
	pid = SPAWN({
		for (int i = 0; i < LINES; i++)
			CHECK_EQ(write(s, line, LEN), LEN);
	});
	while (have < LINES * (LEN + 1)) {
		ssize_t n = read(m, buf, sizeof(buf));

		CHECK(n > 0);
		for (ssize_t i = 0; i < n; i++)
			newlines += buf[i] == '\n';
		have += (size_t)n;
	}
	CHECK_EQ(have, LINES * (LEN + 1));
	CHECK_EQ(newlines, LINES);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(long_line_is_cut_at_4095_bytes)
{
	static char line[6000], buf[8000];
	ssize_t n;

	open_pty();
	change(0, ECHO);
	memset(line, 'x', sizeof(line));
	CHECK(write(m, line, 5000) > 0);
	type("\n");
	n = read(s, buf, sizeof(buf));
	CHECK_EQ(n, 4096);
	CHECK_EQ(buf[4095], '\n');
}

TEST(packet_mode_marks_data)
{
	char buf[8] = "";
	int on = 1;

	open_pty();
	MUST(ioctl(m, TIOCPKT, &on));
	CHECK_EQ(write(s, "ab", 2), 2);
	CHECK_EQ(read(m, buf, 8), 3);
	CHECK_EQ(buf[0], 0);
	CHECK(!memcmp(buf + 1, "ab", 2));
}

TEST(nonblocking_read_is_eagain)
{
	char c;

	open_pty();
	MUST(fcntl(s, F_SETFL, O_RDWR | O_NONBLOCK));
	CHECK_ERR(read(s, &c, 1), EAGAIN);
	MUST(fcntl(m, F_SETFL, O_RDWR | O_NONBLOCK));
	CHECK_ERR(read(m, &c, 1), EAGAIN);
}

TEST(mode_change_makes_a_partial_line_readable)
{
	open_pty();
	change(0, ECHO);
	type("partial");
	CHECK(!readable(s));
	raw();
	expect_from(s, "partial");
}

TEST(twenty_terminals_at_once)
{
	int ms[20], ss[20];
	char c;

	for (int i = 0; i < 20; i++) {
		MUST(openpty(&ms[i], &ss[i], NULL, NULL, NULL));
		for (int k = 0; k < i; k++) {
			char a[64], b[64];

			CHECK_EQ(ttyname_r(ss[i], a, 64) + ttyname_r(ss[k], b, 64), 0);
			CHECK(strcmp(a, b));
		}
	}
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(write(ss[i], "x", 1), 1);
		CHECK_EQ(read(ms[i], &c, 1), 1);
	}
}
