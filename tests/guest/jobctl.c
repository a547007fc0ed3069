/* Stopping and continuing: what a parent sees, and what stops, continues and cancels each other. */
#include "t.h"

#include <pthread.h>

static pid_t pausing_child(void)
{
	pid_t pid = SPAWN(for (;;) pause());

	t_wait_state(pid, 'S');
	return pid;
}

static void finish(pid_t pid)
{
	MUST(kill(pid, SIGKILL));
	CHECK_KILLED(t_wait(pid), SIGKILL);
}

TEST(stop_is_reported_with_wuntraced)
{
	pid_t pid = pausing_child();
	int status;

	MUST(kill(pid, SIGSTOP));
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	CHECK_EQ(WSTOPSIG(status), SIGSTOP);
	/* Once. */
	CHECK_EQ(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);
	finish(pid);
}

TEST(stop_is_not_reported_without_wuntraced)
{
	pid_t pid = pausing_child();
	int status;

	MUST(kill(pid, SIGSTOP));
	t_wait_state(pid, 'T');
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	finish(pid);
}

TEST(continue_is_reported_with_wcontinued)
{
	pid_t pid = pausing_child();
	int status;

	MUST(kill(pid, SIGSTOP));
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	MUST(kill(pid, SIGCONT));
	CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
	CHECK(WIFCONTINUED(status));
	CHECK_EQ(waitpid(pid, &status, WCONTINUED | WNOHANG), 0);
	finish(pid);
}

TEST(waitid_reports_stop_and_continue)
{
	pid_t pid = pausing_child();
	siginfo_t si;

	MUST(kill(pid, SIGTSTP));
	CHECK_EQ(waitid(P_PID, (id_t)pid, &si, WSTOPPED), 0);
	CHECK_EQ(si.si_code, CLD_STOPPED);
	CHECK_EQ(si.si_status, SIGTSTP);
	CHECK_EQ(si.si_pid, pid);
	MUST(kill(pid, SIGCONT));
	CHECK_EQ(waitid(P_PID, (id_t)pid, &si, WCONTINUED), 0);
	CHECK_EQ(si.si_code, CLD_CONTINUED);
	CHECK_EQ(si.si_status, SIGCONT);
	finish(pid);
}

TEST(all_four_stop_signals_stop)
{
	static const int sigs[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};

	for (int i = 0; i < 4; i++) {
		pid_t pid = pausing_child();
		int status;

		MUST(kill(pid, sigs[i]));
		CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
		CHECK_EQ(WSTOPSIG(status), sigs[i]);
		finish(pid);
	}
}

TEST(stopped_process_takes_no_signal_but_kill)
{
	pid_t pid = pausing_child();

	MUST(kill(pid, SIGSTOP));
	t_wait_state(pid, 'T');
	MUST(kill(pid, SIGTERM));
	CHECK_EQ(t_state(pid, pid), 'T');
	CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
	MUST(kill(pid, SIGCONT));
	CHECK_KILLED(t_wait(pid), SIGTERM);
	pid = pausing_child();
	MUST(kill(pid, SIGSTOP));
	t_wait_state(pid, 'T');
	finish(pid);
}

TEST(sigchld_tells_of_stop_and_continue)
{
	siginfo_t si;
	sigset_t set;
	pid_t pid;

	t_block(SIGCHLD);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	pid = pausing_child();
	MUST(kill(pid, SIGSTOP));
	CHECK_EQ(sigwaitinfo(&set, &si), SIGCHLD);
	CHECK_EQ(si.si_code, CLD_STOPPED);
	CHECK_EQ(si.si_status, SIGSTOP);
	CHECK_EQ(si.si_pid, pid);
	MUST(kill(pid, SIGCONT));
	CHECK_EQ(sigwaitinfo(&set, &si), SIGCHLD);
	CHECK_EQ(si.si_code, CLD_CONTINUED);
	CHECK_EQ(si.si_status, SIGCONT);
	finish(pid);
}

static void nothing(int sig)
{
	(void)sig;
}

TEST(nocldstop_suppresses_sigchld_of_stops)
{
	sigset_t pending;
	pid_t pid;
	int status;

	t_block(SIGCHLD);
	t_handle_flags(SIGCHLD, nothing, SA_NOCLDSTOP);
	pid = pausing_child();
	MUST(kill(pid, SIGSTOP));
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	MUST(kill(pid, SIGCONT));
	CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
	MUST(sigpending(&pending));
	CHECK(!sigismember(&pending, SIGCHLD));
	finish(pid);
}

static volatile sig_atomic_t continued;

static void note(int sig)
{
	continued = sig;
}

TEST(sigcont_continues_and_then_runs_its_handler)
{
	struct t_gate done = t_gate();
	int status;
	pid_t pid = SPAWN({
		t_handle(SIGCONT, note);
		raise(SIGSTOP);
		CHECK_EQ(continued, SIGCONT);
		t_gate_open(&done);
	});

	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	MUST(kill(pid, SIGCONT));
	t_gate_pass(&done);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(sigcont_continues_even_if_it_is_blocked_or_ignored)
{
	int status;
	pid_t pid = SPAWN({
		t_block(SIGCONT);
		raise(SIGSTOP);
		signal(SIGCONT, SIG_IGN);
		raise(SIGSTOP);
		_exit(7);
	});

	for (int i = 0; i < 2; i++) {
		CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
		CHECK(WIFSTOPPED(status));
		MUST(kill(pid, SIGCONT));
	}
	CHECK_EXITED(t_wait(pid), 7);
}

TEST(sigcont_discards_pending_stops_and_a_stop_discards_sigcont)
{
	sigset_t pending;

	t_block(SIGTSTP);
	t_block(SIGCONT);
	raise(SIGTSTP);
	MUST(sigpending(&pending));
	CHECK(sigismember(&pending, SIGTSTP));
	raise(SIGCONT);
	MUST(sigpending(&pending));
	CHECK(!sigismember(&pending, SIGTSTP) && sigismember(&pending, SIGCONT));
	raise(SIGTSTP);
	MUST(sigpending(&pending));
	CHECK(sigismember(&pending, SIGTSTP) && !sigismember(&pending, SIGCONT));
}

TEST(sigtstp_can_be_handled_and_ignored)
{
	t_handle(SIGTSTP, note);
	raise(SIGTSTP);
	CHECK_EQ(continued, SIGTSTP);
	signal(SIGTSTP, SIG_IGN);
	raise(SIGTSTP);
}

static volatile int *counter;

static void *count_up(void *arg)
{
	for (;;)
		__atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
	return arg;
}

TEST(stop_stops_every_thread)
{
	pthread_t thread;
	int status, before;

	counter = t_shared(4096);
	pid_t pid = SPAWN({
		for (int i = 0; i < 2; i++)
			CHECK_EQ(pthread_create(&thread, NULL, count_up, NULL), 0);
		count_up(NULL);
	});
	while (*counter < 1000)
		usleep(500);
	MUST(kill(pid, SIGSTOP));
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	before = *counter;
	t_sleep_ms(20);
	CHECK_EQ(*counter, before);
	MUST(kill(pid, SIGCONT));
	while (*counter == before)
		usleep(500);
	finish(pid);
}

TEST(stop_by_group)
{
	pid_t pid[3];
	int status;

	for (int i = 0; i < 3; i++) {
		pid[i] = pausing_child();
		MUST(setpgid(pid[i], pid[0]));
	}
	MUST(kill(-pid[0], SIGSTOP));
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(waitpid(-pid[0], &status, WUNTRACED) > 0, 1);
		CHECK(WIFSTOPPED(status));
	}
	MUST(kill(-pid[0], SIGKILL));
	for (int i = 0; i < 3; i++)
		CHECK_KILLED(t_wait(pid[i]), SIGKILL);
}

TEST(stopped_child_that_is_killed_is_reported_as_killed)
{
	pid_t pid = pausing_child();
	int status;

	MUST(kill(pid, SIGSTOP));
	t_wait_state(pid, 'T');
	MUST(kill(pid, SIGKILL));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_KILLED(status, SIGKILL);
}

TEST(wnowait_leaves_a_stop_to_be_reported)
{
	pid_t pid = pausing_child();
	siginfo_t si;
	int status;

	MUST(kill(pid, SIGSTOP));
	CHECK_EQ(waitid(P_PID, (id_t)pid, &si, WSTOPPED | WNOWAIT), 0);
	CHECK_EQ(waitid(P_PID, (id_t)pid, &si, WSTOPPED | WNOWAIT), 0);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	finish(pid);
}

static struct t_gate blocked, never;

/* Its parent, this thread, can't stop before it is done. */
static void *vfork_one_that_blocks(void *arg)
{
	if (!vfork()) {
		t_gate_open(&blocked);
		t_gate_pass(&never);
		_exit(0);
	}
	return arg;
}

TEST(continue_is_reported_even_if_the_stop_was_not_complete)
{
	pid_t pid;
	int status;

	blocked = t_gate();
	never = t_gate();
	pid = SPAWN({
		pthread_t thread;
		CHECK_EQ(pthread_create(&thread, NULL, vfork_one_that_blocks, NULL), 0);
		for (;;)
			pause();
	});
	t_gate_pass(&blocked);
	MUST(kill(pid, SIGSTOP));
	t_wait_state(pid, 'T');
	CHECK_EQ(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);
	MUST(kill(pid, SIGCONT));
	CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
	CHECK(WIFCONTINUED(status));
	finish(pid);
}
