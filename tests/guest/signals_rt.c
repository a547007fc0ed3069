/* Real-time signals and queued values. */
#include "t.h"

static int seen[64], codes[64], n_seen;

static void note(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	(void)sig;
	codes[n_seen] = si->si_code;
	seen[n_seen++] = si->si_value.sival_int;
}

static void handle(int sig)
{
	struct sigaction sa = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};

	sigfillset(&sa.sa_mask);
	MUST(sigaction(sig, &sa, NULL));
}

static void queue(int sig, int value)
{
	MUST(sigqueue(getpid(), sig, (union sigval){.sival_int = value}));
}

TEST(queued_value_arrives)
{
	handle(SIGRTMIN);
	queue(SIGRTMIN, 4711);
	CHECK_EQ(n_seen, 1);
	CHECK_EQ(seen[0], 4711);
	CHECK_EQ(codes[0], SI_QUEUE);
}

TEST(every_queued_signal_arrives_in_order)
{
	handle(SIGRTMIN);
	t_block(SIGRTMIN);
	for (int i = 0; i < 20; i++)
		queue(SIGRTMIN, i);
	t_unblock(SIGRTMIN);
	CHECK_EQ(n_seen, 20);
	for (int i = 0; i < 20; i++)
		CHECK_EQ(seen[i], i);
}

TEST(ordinary_signal_is_queued_once_with_its_first_value)
{
	handle(SIGUSR1);
	t_block(SIGUSR1);
	queue(SIGUSR1, 1);
	queue(SIGUSR1, 2);
	t_unblock(SIGUSR1);
	CHECK_EQ(n_seen, 1);
	CHECK_EQ(seen[0], 1);
}

TEST(lower_numbers_are_taken_first)
{
	siginfo_t si;
	sigset_t set;

	sigemptyset(&set);
	for (int i = 0; i < 4; i++)
		sigaddset(&set, SIGRTMIN + i);
	sigaddset(&set, SIGTERM);
	MUST(sigprocmask(SIG_BLOCK, &set, NULL));
	queue(SIGRTMIN + 2, 0);
	queue(SIGRTMIN + 1, 0);
	queue(SIGRTMIN + 3, 0);
	queue(SIGTERM, 0);
	queue(SIGRTMIN + 1, 1);
	CHECK_EQ(sigwaitinfo(&set, &si), SIGTERM);
	CHECK_EQ(sigwaitinfo(&set, &si), SIGRTMIN + 1);
	CHECK_EQ(si.si_value.sival_int, 0);
	CHECK_EQ(sigwaitinfo(&set, &si), SIGRTMIN + 1);
	CHECK_EQ(si.si_value.sival_int, 1);
	CHECK_EQ(sigwaitinfo(&set, &si), SIGRTMIN + 2);
	CHECK_EQ(sigwaitinfo(&set, &si), SIGRTMIN + 3);
}

TEST(queue_to_another_process_tells_sender_and_value)
{
	siginfo_t *si = t_shared(4096);
	struct t_gate ready = t_gate();
	pid_t pid = SPAWN({
		sigset_t set;
		t_block(SIGRTMAX);
		sigemptyset(&set);
		sigaddset(&set, SIGRTMAX);
		t_gate_open(&ready);
		CHECK_EQ(sigwaitinfo(&set, si), SIGRTMAX);
	});

	t_gate_pass(&ready);
	MUST(sigqueue(pid, SIGRTMAX, (union sigval){.sival_ptr = (void *)0x123456789abcdef0}));
	CHECK_EXITED(t_wait(pid), 0);
	CHECK_EQ(si->si_pid, getpid());
	CHECK_EQ(si->si_uid, getuid());
	CHECK(si->si_value.sival_ptr == (void *)0x123456789abcdef0);
}

TEST(queue_limit_is_eagain_and_ordinary_signals_still_get_through)
{
	struct rlimit lim = {0, 0};
	sigset_t set;

	t_become_ordinary();
	t_block(SIGRTMIN);
	t_block(SIGTERM);
	MUST(setrlimit(RLIMIT_SIGPENDING, &lim));
	CHECK_ERR(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 1}), EAGAIN);
	MUST(kill(getpid(), SIGTERM));
	MUST(sigpending(&set));
	CHECK(sigismember(&set, SIGTERM));
}

TEST(forged_codes_to_another_process_are_eperm)
{
	struct t_gate end = t_gate();
	siginfo_t si = {.si_signo = SIGUSR1};
	pid_t pid = SPAWN(t_gate_pass(&end));

	si.si_code = SI_USER;
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &si), EPERM);
	si.si_code = SI_TKILL;
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &si), EPERM);
	si.si_code = SEGV_MAPERR;
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &si), EPERM);
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(own_process_may_forge_any_code)
{
	siginfo_t si = {.si_signo = SIGUSR1, .si_code = SI_USER};

	handle(SIGUSR1);
	CHECK_EQ(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &si), 0);
	si.si_code = 77;
	CHECK_EQ(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &si), 0);
	CHECK_EQ(n_seen, 2);
	CHECK_EQ(codes[0], SI_USER);
	CHECK_EQ(codes[1], 77);
}

TEST(tgsigqueueinfo_reaches_one_thread)
{
	siginfo_t si = {.si_signo = SIGRTMIN, .si_code = SI_QUEUE};

	handle(SIGRTMIN);
	si.si_value.sival_int = 31;
	CHECK_EQ(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), SIGRTMIN, &si), 0);
	CHECK_EQ(n_seen, 1);
	CHECK_EQ(seen[0], 31);
	CHECK_ERR(syscall(SYS_rt_tgsigqueueinfo, getpid(), -1, SIGRTMIN, &si), EINVAL);
}

TEST(real_time_signal_sent_by_kill_is_queued_too)
{
	handle(SIGRTMIN + 1);
	t_block(SIGRTMIN + 1);
	for (int i = 0; i < 3; i++)
		MUST(kill(getpid(), SIGRTMIN + 1));
	t_unblock(SIGRTMIN + 1);
	CHECK_EQ(n_seen, 3);
	CHECK_EQ(codes[0], SI_USER);
}

TEST(queueing_no_signal_only_checks)
{
	CHECK_EQ(sigqueue(getpid(), 0, (union sigval){.sival_int = 0}), 0);
	CHECK_ERR(sigqueue(INT_MAX, 0, (union sigval){.sival_int = 0}), ESRCH);
}
