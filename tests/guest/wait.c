/* wait4 and waitid: who is waited for, what is reported, and who is left alone. */
#include "t.h"

#include <pthread.h>
#include <sched.h>

TEST(exit_status_keeps_eight_bits)
{
	CHECK_EXITED(IN_CHILD(_exit(0)), 0);
	CHECK_EXITED(IN_CHILD(_exit(255)), 255);
	CHECK_EXITED(IN_CHILD(_exit(256 + 7)), 7);
	CHECK_EXITED(IN_CHILD(_exit(-1)), 255);
}

TEST(death_by_signal_is_reported)
{
	CHECK_KILLED(IN_CHILD(raise(SIGKILL)), SIGKILL);
	CHECK_KILLED(IN_CHILD(raise(SIGTERM)), SIGTERM);
	CHECK_KILLED(IN_CHILD(raise(SIGRTMIN + 3)), SIGRTMIN + 3);
}

TEST(nothing_to_wait_for_is_echild)
{
	siginfo_t si;

	CHECK_ERR(wait(NULL), ECHILD);
	CHECK_ERR(waitpid(-1, NULL, WNOHANG), ECHILD);
	CHECK_ERR(waitpid(getpid(), NULL, 0), ECHILD);
	CHECK_ERR(waitpid(1, NULL, 0), ECHILD);
	CHECK_ERR(waitid(P_ALL, 0, &si, WEXITED), ECHILD);
}

TEST(somebody_elses_child_is_echild)
{
	struct t_gate end = t_gate();
	pid_t pid = SPAWN(t_gate_pass(&end));

	CHECK_EXITED(IN_CHILD(CHECK_ERR(waitpid(pid, NULL, 0), ECHILD)), 0);
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(wait_of_the_smallest_pid_is_esrch)
{
	CHECK_ERR(waitpid(INT_MIN, NULL, 0), ESRCH);
}

TEST(child_can_be_waited_for_once)
{
	pid_t pid = SPAWN();

	CHECK_EXITED(t_wait(pid), 0);
	CHECK_ERR(waitpid(pid, NULL, 0), ECHILD);
}

TEST(wnohang_gives_zero_while_the_child_lives)
{
	struct t_gate end = t_gate();
	pid_t pid = SPAWN(t_gate_pass(&end));
	int status;

	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	CHECK_EQ(waitpid(-1, &status, WNOHANG), 0);
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(waitid_wnohang_clears_the_info_while_the_child_lives)
{
	struct t_gate end = t_gate();
	pid_t pid = SPAWN(t_gate_pass(&end));
	siginfo_t si;

	memset(&si, 0xff, sizeof(si));
	CHECK_EQ(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG), 0);
	CHECK_EQ(si.si_pid, 0);
	CHECK_EQ(si.si_signo, 0);
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(waitid_tells_how_a_child_exited)
{
	pid_t pid = SPAWN(_exit(33));
	siginfo_t si;

	CHECK_EQ(waitid(P_PID, (id_t)pid, &si, WEXITED), 0);
	CHECK_EQ(si.si_signo, SIGCHLD);
	CHECK_EQ(si.si_code, CLD_EXITED);
	CHECK_EQ(si.si_status, 33);
	CHECK_EQ(si.si_pid, pid);
	CHECK_EQ(si.si_uid, getuid());
	CHECK_EQ(si.si_errno, 0);
}

TEST(waitid_tells_how_a_child_was_killed)
{
	pid_t pid = SPAWN(raise(SIGTERM));
	siginfo_t si;

	CHECK_EQ(waitid(P_ALL, 0, &si, WEXITED), 0);
	CHECK_EQ(si.si_code, CLD_KILLED);
	CHECK_EQ(si.si_status, SIGTERM);
	CHECK_EQ(si.si_pid, pid);
}

TEST(wnowait_leaves_the_child_waitable)
{
	pid_t pid = SPAWN(_exit(4));
	siginfo_t si;

	for (int i = 0; i < 3; i++) {
		CHECK_EQ(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
		CHECK_EQ(si.si_status, 4);
	}
	CHECK_EXITED(t_wait(pid), 4);
}

TEST(wait_by_process_group)
{
	pid_t a = SPAWN({
		MUST(setpgid(0, 0));
		_exit(1);
	});
	pid_t b;
	int status;

	setpgid(a, a); /* whoever comes first; fails if it has ended already */
	b = SPAWN(_exit(2));
	CHECK_EQ(waitpid(0, &status, 0), b);
	CHECK_EXITED(status, 2);
	CHECK_EQ(waitpid(-a, &status, 0), a);
	CHECK_EXITED(status, 1);
	CHECK_ERR(waitpid(-a, &status, 0), ECHILD);
}

TEST(waitid_by_process_group)
{
	pid_t a = SPAWN({
		MUST(setpgid(0, 0));
		_exit(1);
	});
	siginfo_t si;

	MUST(waitid(P_PID, (id_t)a, &si, WEXITED | WNOWAIT));
	CHECK_ERR(waitid(P_PGID, (id_t)getpgrp(), &si, WEXITED), ECHILD);
	CHECK_EQ(waitid(P_PGID, (id_t)a, &si, WEXITED), 0);
	CHECK_EQ(si.si_pid, a);
}

TEST(wait4_counts_the_childs_processor_time)
{
	pid_t pid = SPAWN({
		struct timespec ts;
		do
			clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
		while (ts.tv_sec == 0 && ts.tv_nsec < 60000000);
	});
	struct rusage ru;
	int status;

	CHECK_EQ(wait4(pid, &status, 0, &ru), pid);
	CHECK(ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec + ru.ru_stime.tv_sec * 1000000 +
		      ru.ru_stime.tv_usec >=
	      30000);
}

TEST(ignored_sigchld_leaves_no_zombies)
{
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 5; i++)
		SPAWN();
	/* Blocks until all are gone, then there is nothing to report. */
	CHECK_ERR(wait(NULL), ECHILD);
}

static volatile sig_atomic_t sigchlds;

static void count_sigchld(int sig)
{
	(void)sig;
	sigchlds++;
}

TEST(nocldwait_leaves_no_zombies_but_signals)
{
	t_block(SIGCHLD);
	t_handle_flags(SIGCHLD, count_sigchld, SA_NOCLDWAIT);
	SPAWN();
	CHECK_ERR(wait(NULL), ECHILD);
	t_unblock(SIGCHLD);
	CHECK_EQ(sigchlds, 1);
}

TEST(sigchld_tells_who_ended_and_how)
{
	siginfo_t si;
	sigset_t set;
	pid_t pid;

	t_block(SIGCHLD);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	pid = SPAWN(_exit(9));
	CHECK_EQ(sigwaitinfo(&set, &si), SIGCHLD);
	CHECK_EQ(si.si_code, CLD_EXITED);
	CHECK_EQ(si.si_pid, pid);
	CHECK_EQ(si.si_status, 9);
	CHECK_EXITED(t_wait(pid), 9);

	pid = SPAWN(raise(SIGKILL));
	CHECK_EQ(sigwaitinfo(&set, &si), SIGCHLD);
	CHECK_EQ(si.si_code, CLD_KILLED);
	CHECK_EQ(si.si_status, SIGKILL);
	CHECK_KILLED(t_wait(pid), SIGKILL);
}

TEST(wait_is_interrupted_by_a_handler)
{
	struct t_gate end = t_gate(), ready = t_gate();
	pid_t pid = SPAWN({
		pid_t child = SPAWN(t_gate_pass(&end));
		t_handle(SIGUSR1, count_sigchld);
		t_gate_open(&ready);
		CHECK_ERR(waitpid(child, NULL, 0), EINTR);
		t_gate_open(&end);
		CHECK_EXITED(t_wait(child), 0);
	});

	t_gate_pass(&ready);
	t_wait_state(pid, 'S');
	MUST(kill(pid, SIGUSR1));
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(clone_children_need_wclone_or_wall)
{
	pid_t pid = (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
	int status;

	if (pid == 0)
		_exit(6);
	CHECK(pid > 0);
	CHECK_ERR(waitpid(pid, &status, 0), ECHILD);
	CHECK_EQ(waitpid(pid, &status, __WCLONE), pid);
	CHECK_EXITED(status, 6);

	signal(SIGUSR1, SIG_IGN);
	pid = (pid_t)syscall(SYS_clone, SIGUSR1, NULL, NULL, NULL, NULL);
	if (pid == 0)
		_exit(7);
	CHECK_EQ(waitpid(pid, &status, __WALL), pid);
	CHECK_EXITED(status, 7);
}

TEST(wclone_does_not_see_ordinary_children)
{
	pid_t pid = SPAWN(_exit(1));

	CHECK_ERR(waitpid(pid, NULL, __WCLONE), ECHILD);
	CHECK_EXITED(t_wait(pid), 1);
}

static void *spawn_in_thread(void *arg)
{
	*(pid_t *)arg = SPAWN(_exit(12));
	return NULL;
}

TEST(one_thread_waits_for_another_ones_child)
{
	pthread_t thread;
	pid_t pid;

	CHECK_EQ(pthread_create(&thread, NULL, spawn_in_thread, &pid), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EXITED(t_wait(pid), 12);
}

static void *spawn_and_stay(void *arg)
{
	struct t_gate *gate = arg;
	pid_t pid = SPAWN(_exit(12));

	CHECK(write(gate[0].fd[1], &pid, sizeof(pid)) == sizeof(pid));
	t_gate_pass(&gate[1]);
	CHECK_EXITED(t_wait(pid), 12);
	return NULL;
}

TEST(wnothread_sees_only_the_callers_children)
{
	struct t_gate gate[2] = {t_gate(), t_gate()};
	pthread_t thread;
	pid_t pid;

	CHECK_EQ(pthread_create(&thread, NULL, spawn_and_stay, gate), 0);
	CHECK(read(gate[0].fd[0], &pid, sizeof(pid)) == sizeof(pid));
	CHECK_ERR(waitpid(pid, NULL, __WNOTHREAD), ECHILD);
	t_gate_open(&gate[1]);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void *wait_any(void *arg)
{
	int status;
	pid_t pid = waitpid(-1, &status, 0);

	if (pid > 0)
		__atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
	else
		CHECK_EQ(errno, ECHILD);
	return NULL;
}

TEST(each_child_is_reported_to_one_of_many_waiters)
{
	struct t_gate end = t_gate();
	pthread_t thread[6];
	int reported = 0;

	for (int i = 0; i < 4; i++)
		SPAWN(t_gate_pass(&end));
	for (int i = 0; i < 6; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, wait_any, &reported), 0);
	for (int i = 0; i < 4; i++)
		t_gate_open(&end);
	for (int i = 0; i < 6; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	CHECK_EQ(reported, 4);
}
