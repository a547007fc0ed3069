/* Sending, blocking, handling and ignoring of ordinary signals. */
#include "t.h"

static volatile sig_atomic_t count, last;

static void note(int sig)
{
	count++;
	last = sig;
}

TEST(handler_runs_before_kill_returns)
{
	t_handle(SIGUSR1, note);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	CHECK_EQ(count, 1);
	CHECK_EQ(last, SIGUSR1);
}

TEST(default_actions_end_the_process)
{
	static const int sigs[] = {SIGHUP,    SIGINT,	 SIGPIPE, SIGALRM, SIGTERM,
				   SIGUSR1,   SIGUSR2,	 SIGPROF, SIGIO,   SIGPWR,
				   SIGSTKFLT, SIGVTALRM, SIGKILL, 34,	   64};

	for (size_t i = 0; i < sizeof(sigs) / sizeof(*sigs); i++)
		CHECK_KILLED(IN_CHILD(kill(getpid(), sigs[i])), sigs[i]);
}

TEST(default_actions_that_ignore)
{
	raise(SIGCHLD);
	raise(SIGURG);
	raise(SIGWINCH);
	raise(SIGCONT);
}

TEST(ignored_signal_does_nothing)
{
	signal(SIGTERM, SIG_IGN);
	raise(SIGTERM);
	CHECK(signal(SIGTERM, SIG_DFL) == SIG_IGN);
}

TEST(blocked_signal_waits_until_it_is_unblocked)
{
	sigset_t set;

	t_handle(SIGUSR1, note);
	t_block(SIGUSR1);
	raise(SIGUSR1);
	CHECK_EQ(count, 0);
	MUST(sigpending(&set));
	CHECK(sigismember(&set, SIGUSR1));
	t_unblock(SIGUSR1);
	CHECK_EQ(count, 1);
	MUST(sigpending(&set));
	CHECK(!sigismember(&set, SIGUSR1));
}

TEST(ordinary_signal_is_pending_once)
{
	t_handle(SIGUSR1, note);
	t_block(SIGUSR1);
	for (int i = 0; i < 5; i++)
		raise(SIGUSR1);
	t_unblock(SIGUSR1);
	CHECK_EQ(count, 1);
}

TEST(ignoring_a_pending_signal_discards_it)
{
	t_block(SIGUSR1);
	raise(SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	t_handle(SIGUSR1, note);
	t_unblock(SIGUSR1);
	CHECK_EQ(count, 0);
}

TEST(kill_and_stop_cannot_be_blocked)
{
	sigset_t set;

	sigfillset(&set);
	MUST(sigprocmask(SIG_SETMASK, &set, NULL));
	MUST(sigprocmask(SIG_BLOCK, NULL, &set));
	CHECK(!sigismember(&set, SIGKILL));
	CHECK(!sigismember(&set, SIGSTOP));
	CHECK(sigismember(&set, SIGTERM));
	CHECK_KILLED(IN_CHILD(raise(SIGKILL)), SIGKILL);
}

static volatile sig_atomic_t nested;

static void note_nesting(int sig)
{
	static volatile sig_atomic_t depth;

	(void)sig;
	depth++;
	if (depth > nested)
		nested = depth;
	if (count++ < 3)
		raise(SIGUSR1);
	depth--;
}

TEST(signal_is_blocked_in_its_own_handler)
{
	t_handle(SIGUSR1, note_nesting);
	raise(SIGUSR1);
	CHECK_EQ(count, 4);
	CHECK_EQ(nested, 1);
}

TEST(nodefer_lets_a_handler_interrupt_itself)
{
	t_handle_flags(SIGUSR1, note_nesting, SA_NODEFER);
	raise(SIGUSR1);
	CHECK_EQ(count, 4);
	CHECK_EQ(nested, 4);
}

TEST(resethand_restores_the_default)
{
	struct sigaction sa;

	t_handle_flags(SIGUSR1, note, SA_RESETHAND);
	raise(SIGUSR1);
	CHECK_EQ(count, 1);
	MUST(sigaction(SIGUSR1, NULL, &sa));
	CHECK(sa.sa_handler == SIG_DFL);
	CHECK_KILLED(IN_CHILD(raise(SIGUSR1)), SIGUSR1);
}

static sigset_t mask_inside;

static void read_mask(int sig)
{
	(void)sig;
	sigprocmask(SIG_BLOCK, NULL, &mask_inside);
}

TEST(mask_of_the_action_holds_while_the_handler_runs)
{
	struct sigaction sa = {.sa_handler = read_mask};
	sigset_t after;

	sigemptyset(&sa.sa_mask);
	sigaddset(&sa.sa_mask, SIGUSR2);
	MUST(sigaction(SIGUSR1, &sa, NULL));
	t_block(SIGTERM);
	raise(SIGUSR1);
	CHECK(sigismember(&mask_inside, SIGUSR1));
	CHECK(sigismember(&mask_inside, SIGUSR2));
	CHECK(sigismember(&mask_inside, SIGTERM));
	MUST(sigprocmask(SIG_BLOCK, NULL, &after));
	CHECK(!sigismember(&after, SIGUSR1));
	CHECK(!sigismember(&after, SIGUSR2));
	CHECK(sigismember(&after, SIGTERM));
}

static void change_mask(int sig)
{
	(void)sig;
	t_block(SIGHUP);
}

TEST(mask_changed_in_a_handler_is_restored_on_return)
{
	sigset_t set;

	t_handle(SIGUSR1, change_mask);
	raise(SIGUSR1);
	MUST(sigprocmask(SIG_BLOCK, NULL, &set));
	CHECK(!sigismember(&set, SIGHUP));
}

static char order[16];

static void note_order(int sig)
{
	order[count++] = sig == SIGUSR1 ? '1' : sig == SIGUSR2 ? '2' : sig == SIGHUP ? 'h' : '?';
}

TEST(pending_signals_are_all_delivered_in_one_go)
{
	sigset_t set;

	sigfillset(&set);
	MUST(sigprocmask(SIG_SETMASK, &set, NULL));
	for (int i = 0; i < 3; i++) {
		static const int sigs[] = {SIGUSR2, SIGHUP, SIGUSR1};
		struct sigaction sa = {.sa_handler = note_order, .sa_mask = set};

		MUST(sigaction(sigs[i], &sa, NULL));
		raise(sigs[i]);
	}
	sigemptyset(&set);
	MUST(sigprocmask(SIG_SETMASK, &set, NULL));
	CHECK_EQ(count, 3);
	/* Lowest number first, since each handler blocks the others. */
	CHECK_STR(order, "h12");
}

static siginfo_t info;

static void note_info(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	info = *si;
	count++;
}

TEST(kill_tells_its_sender)
{
	t_handle_info(SIGUSR1, note_info);
	MUST(kill(getpid(), SIGUSR1));
	CHECK_EQ(info.si_signo, SIGUSR1);
	CHECK_EQ(info.si_code, SI_USER);
	CHECK_EQ(info.si_errno, 0);
	CHECK_EQ(info.si_pid, getpid());
	CHECK_EQ(info.si_uid, getuid());
}

TEST(tgkill_tells_its_sender)
{
	t_handle_info(SIGUSR1, note_info);
	MUST(syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1));
	CHECK_EQ(info.si_code, SI_TKILL);
	CHECK_EQ(info.si_pid, getpid());
	CHECK_EQ(info.si_uid, getuid());
}

TEST(kill_from_a_child_tells_its_pid)
{
	pid_t parent = getpid(), pid;

	t_handle_info(SIGUSR1, note_info);
	pid = SPAWN(MUST(kill(parent, SIGUSR1)));
	CHECK_EXITED(t_wait(pid), 0);
	while (!count)
		usleep(500);
	CHECK_EQ(info.si_pid, pid);
}

TEST(pipe_without_a_reader_raises_sigpipe)
{
	int fd[2];

	MUST(pipe(fd));
	MUST(close(fd[0]));
	t_handle_info(SIGPIPE, note_info);
	CHECK_ERR(write(fd[1], "x", 1), EPIPE);
	CHECK_EQ(count, 1);
	CHECK_EQ(info.si_code, SI_USER);
	CHECK_EQ(info.si_pid, getpid());
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERR(write(fd[1], "x", 1), EPIPE);
	CHECK_KILLED(IN_CHILD({
			     signal(SIGPIPE, SIG_DFL);
			     _exit(write(fd[1], "x", 1) < 0);
		     }),
		     SIGPIPE);
}

TEST(kill_of_nobody_is_esrch)
{
	pid_t pid = SPAWN();

	CHECK_EXITED(t_wait(pid), 0);
	CHECK_ERR(kill(pid, SIGTERM), ESRCH);
	CHECK_ERR(kill(-pid, SIGTERM), ESRCH);
	CHECK_ERR(kill(INT_MAX, 0), ESRCH);
	CHECK_ERR(syscall(SYS_tgkill, pid, pid, 0), ESRCH);
	CHECK_ERR(syscall(SYS_tkill, INT_MAX, 0), ESRCH);
}

TEST(kill_of_the_own_group_reaches_everybody_in_it)
{
	struct t_gate ready = t_gate();

	pid_t leader = SPAWN({
		MUST(setpgid(0, 0));
		for (int i = 0; i < 3; i++)
			SPAWN({
				t_gate_open(&ready);
				pause();
			});
		for (int i = 0; i < 3; i++)
			t_gate_pass(&ready);
		signal(SIGTERM, SIG_IGN);
		MUST(kill(0, SIGTERM));
		for (int i = 0; i < 3; i++) {
			int status;
			CHECK(wait(&status) > 0);
			CHECK_KILLED(status, SIGTERM);
		}
	});
	CHECK_EXITED(t_wait(leader), 0);
}

TEST(kill_by_group_number)
{
	struct t_gate ready = t_gate();
	pid_t pid[3];

	for (int i = 0; i < 3; i++) {
		pid[i] = SPAWN({
			t_gate_open(&ready);
			pause();
		});
		MUST(setpgid(pid[i], pid[0]));
	}
	for (int i = 0; i < 3; i++)
		t_gate_pass(&ready);
	CHECK_EQ(kill(-pid[0], 0), 0);
	MUST(kill(-pid[0], SIGKILL));
	for (int i = 0; i < 3; i++)
		CHECK_KILLED(t_wait(pid[i]), SIGKILL);
	CHECK_ERR(kill(-pid[0], 0), ESRCH);
}

TEST(ordinary_user_cannot_signal_others)
{
	if (!t_is_root())
		SKIP("needs root to have a process of another user");
	struct t_gate ready = t_gate(), end = t_gate();
	pid_t pid = SPAWN({
		t_gate_open(&ready);
		t_gate_pass(&end);
	});
	t_gate_pass(&ready);
	CHECK_EXITED(IN_CHILD({
			     t_become_ordinary();
			     CHECK_ERR(kill(pid, 0), EPERM);
			     CHECK_ERR(kill(pid, SIGTERM), EPERM);
		     }),
		     0);
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(kill_of_everybody_does_not_complain_about_permission)
{
	if (!t_is_root())
		SKIP("needs root to become a user without processes");
	CHECK_EXITED(IN_CHILD({
			     CHECK(setuid(4343) == 0);
			     CHECK_EQ(kill(-1, 0), 0);
		     }),
		     0);
}

TEST(sigaction_reports_what_was_set)
{
	struct sigaction sa = {.sa_sigaction = note_info,
			       .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK | SA_NODEFER},
			 old;

	sigemptyset(&sa.sa_mask);
	sigaddset(&sa.sa_mask, SIGRTMAX);
	MUST(sigaction(SIGUSR1, &sa, NULL));
	MUST(sigaction(SIGUSR1, NULL, &old));
	CHECK(old.sa_sigaction == note_info);
	CHECK_EQ(old.sa_flags & ~0x04000000, sa.sa_flags);
	CHECK(sigismember(&old.sa_mask, SIGRTMAX) && !sigismember(&old.sa_mask, SIGHUP));
}

static sigjmp_buf env;

static void jump(int sig)
{
	(void)sig;
	siglongjmp(env, 1);
}

TEST(handler_may_leave_by_longjmp)
{
	volatile int jumps = 0;
	sigset_t set;

	t_handle(SIGUSR1, jump);
	for (int i = 0; i < 100; i++) {
		if (sigsetjmp(env, 1) == 0)
			raise(SIGUSR1);
		else
			jumps++;
	}
	CHECK_EQ(jumps, 100);
	MUST(sigprocmask(SIG_BLOCK, NULL, &set));
	CHECK(!sigismember(&set, SIGUSR1));
}

TEST(ten_thousand_signals_are_handled)
{
	t_handle(SIGUSR1, note);
	for (int i = 0; i < 10000; i++)
		raise(SIGUSR1);
	CHECK_EQ(count, 10000);
}
