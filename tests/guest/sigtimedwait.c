/* sigtimedwait, sigwait, sigsuspend, pause: waiting for signals without or with a handler. */
#include "t.h"

#include <pthread.h>

static sigset_t set_of(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	return set;
}

TEST(sigtimedwait_takes_a_pending_signal)
{
	struct timespec now = {0, 0};
	sigset_t set = set_of(SIGUSR1), pending;
	siginfo_t si;

	t_block(SIGUSR1);
	raise(SIGUSR1);
	CHECK_EQ(sigtimedwait(&set, &si, &now), SIGUSR1);
	CHECK_EQ(si.si_signo, SIGUSR1);
	MUST(sigpending(&pending));
	CHECK(!sigismember(&pending, SIGUSR1));
	CHECK_ERR(sigtimedwait(&set, &si, &now), EAGAIN);
}

TEST(sigtimedwait_times_out)
{
	struct timespec ts = {0, 30000000};
	sigset_t set = set_of(SIGUSR1);
	long long start = t_now_ms();

	t_block(SIGUSR1);
	CHECK_ERR(sigtimedwait(&set, NULL, &ts), EAGAIN);
	CHECK(t_now_ms() - start >= 29);
}

TEST(sigwaitinfo_is_woken_by_its_signal)
{
	sigset_t set = set_of(SIGUSR1);
	pid_t pid;

	t_block(SIGUSR1);
	pid = SPAWN({
		siginfo_t si;
		CHECK_EQ(sigwaitinfo(&set, &si), SIGUSR1);
		CHECK_EQ(si.si_code, SI_USER);
		CHECK_EQ(si.si_pid, getppid());
	});
	t_wait_state(pid, 'S');
	MUST(kill(pid, SIGUSR1));
	CHECK_EXITED(t_wait(pid), 0);
}

static volatile sig_atomic_t handled;

static void note(int sig)
{
	handled = sig;
}

TEST(sigwaitinfo_is_interrupted_by_another_handler)
{
	sigset_t set = set_of(SIGUSR1);
	pid_t pid;

	t_block(SIGUSR1);
	t_handle_flags(SIGUSR2, note, SA_RESTART);
	pid = SPAWN({
		CHECK_ERR(sigwaitinfo(&set, NULL), EINTR);
		CHECK_EQ(handled, SIGUSR2);
	});
	t_wait_state(pid, 'S');
	MUST(kill(pid, SIGUSR2));
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(sigwait_does_not_run_the_handler)
{
	sigset_t set = set_of(SIGUSR1);
	int sig = 0;

	t_handle(SIGUSR1, note);
	t_block(SIGUSR1);
	raise(SIGUSR1);
	CHECK_EQ(sigwait(&set, &sig), 0);
	CHECK_EQ(sig, SIGUSR1);
	CHECK_EQ(handled, 0);
}

TEST(blocked_signal_with_default_ignore_is_still_taken)
{
	struct timespec now = {0, 0};
	sigset_t set = set_of(SIGCHLD);

	t_block(SIGCHLD);
	raise(SIGCHLD);
	CHECK_EQ(sigtimedwait(&set, NULL, &now), SIGCHLD);
}

TEST(sigsuspend_waits_with_another_mask_and_restores_it)
{
	sigset_t mask, after;
	pid_t pid;

	t_handle(SIGUSR1, note);
	t_block(SIGUSR1);
	t_block(SIGHUP);
	pid = SPAWN({
		sigemptyset(&mask);
		CHECK_ERR(sigsuspend(&mask), EINTR);
		CHECK_EQ(handled, SIGUSR1);
		MUST(sigprocmask(SIG_BLOCK, NULL, &after));
		CHECK(sigismember(&after, SIGUSR1) && sigismember(&after, SIGHUP));
	});
	t_wait_state(pid, 'S');
	MUST(kill(pid, SIGUSR1));
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(sigsuspend_takes_what_is_already_pending)
{
	sigset_t mask;

	t_handle(SIGUSR1, note);
	t_block(SIGUSR1);
	raise(SIGUSR1);
	sigemptyset(&mask);
	CHECK_ERR(sigsuspend(&mask), EINTR);
	CHECK_EQ(handled, SIGUSR1);
}

TEST(sigsuspend_ignores_what_has_no_handler)
{
	sigset_t mask;
	pid_t pid;

	t_handle(SIGUSR1, note);
	t_block(SIGUSR1);
	signal(SIGUSR2, SIG_IGN);
	pid = SPAWN({
		sigemptyset(&mask);
		CHECK_ERR(sigsuspend(&mask), EINTR);
		CHECK_EQ(handled, SIGUSR1);
	});
	t_wait_state(pid, 'S');
	MUST(kill(pid, SIGUSR2));
	MUST(kill(pid, SIGCHLD));
	MUST(kill(pid, SIGUSR1));
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(sigsuspend_ping_pong_loses_no_wake_up)
{
	pid_t parent = getpid(), pid;
	sigset_t mask;

	t_handle(SIGUSR1, note);
	t_block(SIGUSR1);
	sigemptyset(&mask);
	pid = SPAWN({
		for (int i = 0; i < 300; i++) {
			sigsuspend(&mask);
			MUST(kill(parent, SIGUSR1));
		}
	});
	for (int i = 0; i < 300; i++) {
		MUST(kill(pid, SIGUSR1));
		sigsuspend(&mask);
	}
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(pause_returns_after_a_handler)
{
	pid_t pid;

	t_handle_flags(SIGUSR1, note, SA_RESTART);
	pid = SPAWN({
		CHECK_ERR(pause(), EINTR);
		CHECK_EQ(handled, SIGUSR1);
	});
	t_wait_state(pid, 'S');
	MUST(kill(pid, SIGCHLD)); /* ignored: pause goes on */
	MUST(kill(pid, SIGUSR1));
	CHECK_EXITED(t_wait(pid), 0);
}

static int taken[4];

static void *take(void *arg)
{
	sigset_t set = set_of(SIGRTMIN);
	siginfo_t si;

	/* Whoever was woken for a signal that another thread took first gets EINTR. */
	while (sigwaitinfo(&set, &si) < 0)
		CHECK_EQ(errno, EINTR);
	__atomic_add_fetch(&taken[si.si_value.sival_int], 1, __ATOMIC_SEQ_CST);
	return arg;
}

TEST(every_queued_signal_goes_to_one_waiting_thread)
{
	pthread_t thread[4];

	t_block(SIGRTMIN);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, take, NULL), 0);
	for (int i = 0; i < 4; i++)
		MUST(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i}));
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(taken[i], 1);
}
