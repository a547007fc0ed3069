/* Zombies, orphans, subreapers and the death signal of the parent. */
#include "t.h"

#include <pthread.h>
#include <sys/prctl.h>

TEST(zombie_keeps_its_pid_until_it_is_waited_for)
{
	pid_t pid = SPAWN();

	t_wait_state(pid, 'Z');
	CHECK_EQ(kill(pid, 0), 0);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(getpgid(pid), getpgrp());
	CHECK_EXITED(t_wait(pid), 0);
	CHECK_ERR(kill(pid, 0), ESRCH);
}

TEST(zombies_of_a_dead_parent_disappear)
{
	pid_t *zombie = t_shared(4096);

	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
	CHECK_EXITED(IN_CHILD({
			     *zombie = SPAWN(_exit(3));
			     t_wait_state(*zombie, 'Z');
		     }),
		     0);
	/* It came to us. */
	CHECK_EXITED(t_wait(*zombie), 3);
}

TEST(orphan_goes_to_the_subreaper)
{
	pid_t *orphan = t_shared(4096), me = getpid();
	struct t_gate gate = t_gate(), ready = t_gate();

	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
	CHECK_EXITED(IN_CHILD({
			     pid_t parent = getpid();
			     *orphan = SPAWN({
				     CHECK_EQ(getppid(), parent);
				     t_gate_open(&ready);
				     t_gate_pass(&gate);
				     CHECK_EQ(getppid(), me);
				     _exit(4);
			     });
			     t_gate_pass(&ready);
		     }),
		     0);
	t_gate_open(&gate);
	CHECK_EXITED(t_wait(*orphan), 4);
}

TEST(orphan_goes_to_the_nearest_subreaper)
{
	pid_t *orphan = t_shared(4096);

	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
	CHECK_EXITED(IN_CHILD({
			     MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
			     CHECK_EXITED(IN_CHILD(*orphan = SPAWN(_exit(5))), 0);
			     CHECK_EXITED(t_wait(*orphan), 5);
		     }),
		     0);
	CHECK_ERR(wait(NULL), ECHILD);
}

TEST(orphan_goes_to_an_ancestor_that_became_a_subreaper_late)
{
	pid_t *orphan = t_shared(4096), me = getpid();
	struct t_gate ready = t_gate(), set = t_gate(), gate = t_gate();

	pid_t child = SPAWN(CHECK_EXITED(IN_CHILD({
						 *orphan = SPAWN({
							 t_gate_open(&ready);
							 t_gate_pass(&gate);
							 CHECK_EQ(getppid(), me);
							 _exit(6);
						 });
						 t_gate_pass(&set);
					 }),
					 0));
	t_gate_pass(&ready);
	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
	t_gate_open(&set);
	CHECK_EXITED(t_wait(child), 0);
	t_gate_open(&gate);
	CHECK_EXITED(t_wait(*orphan), 6);
}

TEST(subreaper_attribute_is_not_inherited)
{
	int value = -1;

	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
	MUST(prctl(PR_GET_CHILD_SUBREAPER, &value));
	CHECK_EQ(value, 1);
	CHECK_EXITED(IN_CHILD({
			     MUST(prctl(PR_GET_CHILD_SUBREAPER, &value));
			     CHECK_EQ(value, 0);
		     }),
		     0);
}

TEST(orphan_without_a_subreaper_goes_to_somebody_else)
{
	pid_t *seen = t_shared(4096), parent = getpid();
	struct t_gate gate = t_gate(), done = t_gate();

	pid_t middle = SPAWN({
		SPAWN({
			t_gate_pass(&gate);
			*seen = getppid();
			t_gate_open(&done);
		});
	});
	CHECK_EXITED(t_wait(middle), 0);
	t_gate_open(&gate);
	t_gate_pass(&done);
	CHECK(*seen != middle && *seen != parent);
}

TEST(child_of_an_ended_thread_stays_in_the_process)
{
	struct t_gate gate = t_gate();
	pid_t pid;

	pid = SPAWN({
		pid_t child = SPAWN({
			t_gate_pass(&gate);
			_exit(6);
		});
		CHECK(getpid() != child);
		t_gate_open(&gate);
		CHECK_EXITED(t_wait(child), 6);
	});
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(parent_death_signal_is_sent)
{
	struct t_gate ready = t_gate();
	siginfo_t *si = t_shared(4096);

	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
	pid_t middle = SPAWN({
		pid_t child = SPAWN({
			sigset_t set;
			t_block(SIGUSR1);
			MUST(prctl(PR_SET_PDEATHSIG, SIGUSR1));
			t_gate_open(&ready);
			sigemptyset(&set);
			sigaddset(&set, SIGUSR1);
			CHECK_EQ(sigwaitinfo(&set, si), SIGUSR1);
			_exit(7);
		});
		(void)child;
		t_gate_pass(&ready);
	});
	CHECK_EXITED(t_wait(middle), 0);
	int status;
	CHECK(wait(&status) > 0);
	CHECK_EXITED(status, 7);
	CHECK_EQ(si->si_code, SI_USER);
	CHECK_EQ(si->si_pid, middle);
}

static struct t_gate has_signal;

static void *die_with_parent(void *arg)
{
	MUST(prctl(PR_SET_PDEATHSIG, SIGUSR1));
	t_gate_open(&has_signal);
	pause();
	return arg;
}

static void *fork_one_that_dies_with_us(void *pid)
{
	*(pid_t *)pid = SPAWN(die_with_parent(NULL));
	t_gate_pass(&has_signal);
	return NULL;
}

TEST(parent_death_signal_is_sent_when_the_thread_ends_that_forked)
{
	pthread_t thread;
	pid_t pid;

	has_signal = t_gate();
	CHECK_EQ(pthread_create(&thread, NULL, fork_one_that_dies_with_us, &pid), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_KILLED(t_wait(pid), SIGUSR1);
}

struct forker {
	pid_t pid;
	struct t_gate forked, end;
};

static void *fork_and_end_later(void *arg)
{
	struct forker *f = arg;

	fork_one_that_dies_with_us(&f->pid);
	t_gate_open(&f->forked);
	t_gate_pass(&f->end);
	return NULL;
}

TEST(parent_death_signal_waits_for_the_thread_that_forked)
{
	struct forker late = {.forked = t_gate(), .end = t_gate()};
	pthread_t thread, other;
	pid_t pid;

	has_signal = t_gate();
	CHECK_EQ(pthread_create(&thread, NULL, fork_and_end_later, &late), 0);
	t_gate_pass(&late.forked);
	CHECK_EQ(pthread_create(&other, NULL, fork_one_that_dies_with_us, &pid), 0);
	CHECK_EQ(pthread_join(other, NULL), 0);
	CHECK_KILLED(t_wait(pid), SIGUSR1);
	CHECK_EQ(waitpid(late.pid, NULL, WNOHANG), 0);
	t_gate_open(&late.end);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_KILLED(t_wait(late.pid), SIGUSR1);
}

TEST(parent_death_signal_of_a_thread_is_sent)
{
	pid_t *child = t_shared(4096);
	pthread_t thread;

	has_signal = t_gate();
	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
	CHECK_EXITED(IN_CHILD({
			     *child = SPAWN({
				     CHECK_EQ(pthread_create(&thread, NULL, die_with_parent, NULL),
					      0);
				     pause();
			     });
			     t_gate_pass(&has_signal);
		     }),
		     0);
	CHECK_KILLED(t_wait(*child), SIGUSR1);
}

TEST(parent_death_signal_is_cleared_by_fork_and_can_be_read)
{
	int sig = -1;

	MUST(prctl(PR_SET_PDEATHSIG, SIGUSR2));
	MUST(prctl(PR_GET_PDEATHSIG, &sig));
	CHECK_EQ(sig, SIGUSR2);
	CHECK_EXITED(IN_CHILD({
			     MUST(prctl(PR_GET_PDEATHSIG, &sig));
			     CHECK_EQ(sig, 0);
		     }),
		     0);
}

HELPER(pdeathsig)
{
	int sig = -1;

	prctl(PR_GET_PDEATHSIG, &sig);
	return sig == SIGUSR2 ? 0 : 1;
}

TEST(parent_death_signal_is_kept_by_exec)
{
	CHECK_EXITED(IN_CHILD({
			     MUST(prctl(PR_SET_PDEATHSIG, SIGUSR2));
			     T_EXEC_HELPER("pdeathsig");
		     }),
		     0);
}

TEST(getppid_changes_when_the_parent_is_killed)
{
	pid_t *child = t_shared(4096), me = getpid();
	struct t_gate ready = t_gate(), gate = t_gate();

	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
	pid_t middle = SPAWN({
		SPAWN({
			*child = getpid();
			t_gate_open(&ready);
			t_gate_pass(&gate);
			CHECK_EQ(getppid(), me);
		});
		pause();
	});
	t_gate_pass(&ready);
	MUST(kill(middle, SIGKILL));
	CHECK_KILLED(t_wait(middle), SIGKILL);
	t_gate_open(&gate);
	CHECK_EXITED(t_wait(*child), 0);
}
