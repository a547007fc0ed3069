/* Sessions, process groups, the controlling terminal, orphaned groups. */
#include "t.h"

#include <pthread.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

/* Runs the block in a child that leads a session of its own. */
#define IN_SESSION(...)                                                                            \
	IN_CHILD({                                                                                 \
		MUST(setsid());                                                                    \
		__VA_ARGS__;                                                                       \
	})

TEST(setsid_makes_a_session_and_a_group)
{
	CHECK_EXITED(IN_CHILD({
			     pid_t me = getpid();
			     CHECK_EQ(setsid(), me);
			     CHECK_EQ(getsid(0), me);
			     CHECK_EQ(getpgrp(), me);
			     CHECK_ERR(setsid(), EPERM);
		     }),
		     0);
}

TEST(group_leader_cannot_make_a_session)
{
	CHECK_EXITED(IN_CHILD({
			     MUST(setpgid(0, 0));
			     CHECK_EQ(getpgrp(), getpid());
			     CHECK_ERR(setsid(), EPERM);
		     }),
		     0);
}

TEST(session_leader_cannot_change_its_group)
{
	CHECK_EXITED(IN_SESSION(CHECK_ERR(setpgid(0, 0), EPERM)), 0);
}

TEST(child_can_be_moved_between_groups)
{
	struct t_gate end = t_gate();
	pid_t pid = SPAWN(t_gate_pass(&end));

	CHECK_EQ(getpgid(pid), getpgrp());
	CHECK_EQ(setpgid(pid, pid), 0);
	CHECK_EQ(getpgid(pid), pid);
	CHECK_EQ(setpgid(pid, getpgrp()), 0);
	CHECK_EQ(getpgid(pid), getpgrp());
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(group_errors)
{
	CHECK_ERR(setpgid(0, -1), EINVAL);
	CHECK_ERR(setpgid(INT_MAX, 0), ESRCH);
	CHECK_ERR(setpgid(getppid(), 0), ESRCH); /* not our child */
	CHECK_ERR(getpgid(INT_MAX), ESRCH);
	CHECK_ERR(getsid(INT_MAX), ESRCH);
	CHECK_EXITED(IN_CHILD(CHECK_ERR(setpgid(0, INT_MAX), EPERM)), 0);
}

static void *move_this_thread(void *arg)
{
	CHECK_ERR(setpgid((pid_t)syscall(SYS_gettid), 0), EINVAL);
	return arg;
}

TEST(group_of_a_thread_that_is_no_leader_is_einval)
{
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, move_this_thread, NULL), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

HELPER(wait_for_byte)
{
	char c;

	return read(atoi(argv[1]), &c, 1) == 1 ? 0 : 1;
}

TEST(child_that_has_executed_cannot_be_moved)
{
	int fd[2], ready[2];
	char arg[16], c;
	pid_t pid;

	MUST(pipe(fd));
	MUST(pipe2(ready, O_CLOEXEC));
	snprintf(arg, sizeof(arg), "%d", fd[0]);
	pid = SPAWN(T_EXEC_HELPER("wait_for_byte", arg));
	MUST(close(ready[1]));
	CHECK_EQ(read(ready[0], &c, 1), 0);
	CHECK_ERR(setpgid(pid, pid), EACCES);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(group_of_another_session_cannot_be_joined)
{
	struct t_gate ready = t_gate(), end = t_gate();
	pid_t pid = SPAWN({
		MUST(setsid());
		t_gate_open(&ready);
		t_gate_pass(&end);
	});

	t_gate_pass(&ready);
	CHECK_EXITED(IN_CHILD(CHECK_ERR(setpgid(0, pid), EPERM)), 0);
	CHECK_ERR(setpgid(pid, pid), EPERM);
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
}

/* A terminal, its other side, and the caller as session leader with it as controlling terminal. */
static int master, slave;

static void take_terminal(void)
{
	MUST(openpty(&master, &slave, NULL, NULL, NULL));
	MUST(setsid());
	MUST(ioctl(slave, TIOCSCTTY, 0));
}

TEST(controlling_terminal_is_taken_and_given_up)
{
	CHECK_EXITED(IN_CHILD({
			     take_terminal();
			     CHECK_EQ(tcgetsid(slave), getpid());
			     CHECK_EQ(tcgetpgrp(slave), getpid());
			     CHECK_EQ(close(MUST(open("/dev/tty", O_RDWR))), 0);
			     signal(SIGHUP, SIG_IGN);
			     MUST(ioctl(slave, TIOCNOTTY));
			     CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
			     CHECK_ERR(tcgetpgrp(slave), ENOTTY);
		     }),
		     0);
}

TEST(dev_tty_without_a_terminal_is_enxio)
{
	CHECK_EXITED(IN_SESSION(CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO)), 0);
}

TEST(opening_a_terminal_makes_it_controlling_unless_noctty)
{
	CHECK_EXITED(IN_CHILD({
			     MUST(openpty(&master, &slave, NULL, NULL, NULL));
			     const char *name = ttyname(slave);
			     MUST(setsid());
			     MUST(open(name, O_RDWR | O_NOCTTY));
			     CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
			     MUST(open(name, O_RDWR));
			     MUST(open("/dev/tty", O_RDWR));
		     }),
		     0);
}

TEST(only_a_session_leader_can_take_a_terminal)
{
	CHECK_EXITED(IN_SESSION({
			     MUST(openpty(&master, &slave, NULL, NULL, NULL));
			     CHECK_EXITED(IN_CHILD(CHECK_ERR(ioctl(slave, TIOCSCTTY, 0), EPERM)),
					  0);
		     }),
		     0);
}

TEST(terminal_of_another_session_cannot_be_taken)
{
	CHECK_EXITED(IN_CHILD({
			     take_terminal();
			     CHECK_EXITED(IN_SESSION({
						  t_become_ordinary();
						  CHECK_ERR(ioctl(slave, TIOCSCTTY, 0), EPERM);
						  CHECK_ERR(ioctl(slave, TIOCSCTTY, 1), EPERM);
					  }),
					  0);
		     }),
		     0);
}

TEST(foreground_group_can_be_changed)
{
	CHECK_EXITED(IN_CHILD({
			     take_terminal();
			     pid_t pid = SPAWN(pause());
			     CHECK_ERR(tcsetpgrp(slave, INT_MAX), ESRCH);
			     CHECK_ERR(tcsetpgrp(slave, -1), EINVAL);
			     CHECK_ERR(tcsetpgrp(slave, 1), EPERM);
			     MUST(setpgid(pid, pid));
			     MUST(tcsetpgrp(slave, pid));
			     CHECK_EQ(tcgetpgrp(slave), pid);
			     /* Now we are in the background, in an orphaned group. */
			     CHECK_ERR(tcsetpgrp(slave, pid), ENOTTY);
			     MUST(kill(pid, SIGKILL));
			     CHECK_KILLED(t_wait(pid), SIGKILL);
		     }),
		     0);
}

TEST(process_that_leads_no_group_can_be_made_the_foreground)
{
	CHECK_EXITED(IN_CHILD({
			     take_terminal();
			     pid_t pid = SPAWN(pause());
			     MUST(tcsetpgrp(slave, pid));
			     CHECK_EQ(tcgetpgrp(slave), pid);
			     MUST(kill(pid, SIGKILL));
			     CHECK_KILLED(t_wait(pid), SIGKILL);
		     }),
		     0);
	CHECK_EXITED(IN_CHILD({
			     pid_t pid = SPAWN(pause()); /* of our old session */
			     take_terminal();
			     CHECK_ERR(tcsetpgrp(slave, pid), EPERM);
			     MUST(kill(pid, SIGKILL));
			     CHECK_KILLED(t_wait(pid), SIGKILL);
		     }),
		     0);
}

/* Starts the block in a background group of our session; gives its pid. */
#define BACKGROUND(...)                                                                            \
	({                                                                                         \
		pid_t bg_ = SPAWN({                                                                \
			MUST(setpgid(0, 0));                                                       \
			__VA_ARGS__;                                                               \
		});                                                                                \
		bg_;                                                                               \
	})

static void expect_stop(pid_t pid, int sig)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	CHECK_EQ(WSTOPSIG(status), sig);
	MUST(kill(pid, SIGKILL));
	CHECK_KILLED(t_wait(pid), SIGKILL);
}

TEST(background_read_stops_by_sigttin)
{
	CHECK_EXITED(IN_CHILD({
			     char c;
			     take_terminal();
			     pid_t pid = BACKGROUND(CHECK(read(slave, &c, 1) < 0));
			     expect_stop(pid, SIGTTIN);
		     }),
		     0);
}

TEST(background_read_with_sigttin_ignored_is_eio)
{
	CHECK_EXITED(
		IN_CHILD({
			char c;
			take_terminal();
			signal(SIGTTIN, SIG_IGN);
			CHECK_EXITED(t_wait(BACKGROUND(CHECK_ERR(read(slave, &c, 1), EIO))), 0);
			signal(SIGTTIN, SIG_DFL);
			t_block(SIGTTIN);
			CHECK_EXITED(t_wait(BACKGROUND(CHECK_ERR(read(slave, &c, 1), EIO))), 0);
		}),
		0);
}

TEST(background_write_goes_through_without_tostop)
{
	CHECK_EXITED(IN_CHILD({
			     take_terminal();
			     CHECK_EXITED(t_wait(BACKGROUND(CHECK(write(slave, "x", 1) == 1))), 0);
		     }),
		     0);
}

TEST(background_write_with_tostop_stops_by_sigttou)
{
	CHECK_EXITED(IN_CHILD({
			     struct termios tio;
			     take_terminal();
			     MUST(tcgetattr(slave, &tio));
			     tio.c_lflag |= TOSTOP;
			     MUST(tcsetattr(slave, TCSANOW, &tio));
			     expect_stop(BACKGROUND(CHECK(write(slave, "x", 1) < 0)), SIGTTOU);
			     signal(SIGTTOU, SIG_IGN);
			     CHECK_EXITED(t_wait(BACKGROUND(CHECK(write(slave, "x", 1) == 1))), 0);
		     }),
		     0);
}

TEST(background_change_of_the_terminal_stops_by_sigttou)
{
	CHECK_EXITED(IN_CHILD({
			     struct termios tio;
			     take_terminal();
			     MUST(tcgetattr(slave, &tio));
			     expect_stop(BACKGROUND(tcsetattr(slave, TCSANOW, &tio)), SIGTTOU);
			     expect_stop(BACKGROUND(tcsetpgrp(slave, getpid())), SIGTTOU);
			     signal(SIGTTOU, SIG_IGN);
			     CHECK_EXITED(t_wait(BACKGROUND(MUST(tcsetattr(slave, TCSANOW, &tio)))),
					  0);
		     }),
		     0);
}

TEST(background_read_in_an_orphaned_group_is_eio)
{
	int *result = t_shared(4096);
	struct t_gate gate = t_gate();

	pid_t leader = SPAWN({
		take_terminal();
		pid_t middle = SPAWN({
			MUST(setpgid(0, 0));
			SPAWN({
				char c;
				t_gate_pass(&gate);
				*result = read(slave, &c, 1) < 0 ? errno : 0;
			});
		});
		CHECK_EXITED(t_wait(middle), 0);
		t_gate_open(&gate);
		while (!*(volatile int *)result)
			usleep(500);
	});
	CHECK_EXITED(t_wait(leader), 0);
	CHECK_EQ(*result, EIO);
}

TEST(stop_signals_of_the_terminal_do_nothing_in_an_orphaned_group)
{
	CHECK_EXITED(IN_SESSION({
			     raise(SIGTSTP);
			     raise(SIGTTIN);
			     raise(SIGTTOU);
		     }),
		     0);
}

TEST(newly_orphaned_group_with_a_stopped_member_gets_hup_and_cont)
{
	pid_t *member = t_shared(4096);
	int *got = (int *)(member + 1);
	struct t_gate ready = t_gate();

	pid_t leader = SPAWN({
		MUST(setsid());
		pid_t middle = SPAWN({
			MUST(setpgid(0, 0));
			SPAWN({
				sigset_t set;
				t_block(SIGHUP);
				*member = getpid();
				t_gate_open(&ready);
				raise(SIGSTOP);
				sigemptyset(&set);
				sigaddset(&set, SIGHUP);
				*got = sigwaitinfo(&set, NULL);
			});
			pause();
		});
		t_gate_pass(&ready);
		t_wait_state(*member, 'T');
		MUST(kill(middle, SIGKILL));
		CHECK_KILLED(t_wait(middle), SIGKILL);
		while (!*(volatile int *)got)
			usleep(500);
	});
	CHECK_EXITED(t_wait(leader), 0);
	CHECK_EQ(*got, SIGHUP);
}

TEST(end_of_the_session_leader_hangs_up_the_foreground_group)
{
	siginfo_t *si = t_shared(4096);
	struct t_gate ready = t_gate();

	pid_t leader = SPAWN({
		take_terminal();
		SPAWN({
			sigset_t set;
			t_block(SIGHUP);
			t_gate_open(&ready);
			sigemptyset(&set);
			sigaddset(&set, SIGHUP);
			sigwaitinfo(&set, si);
		});
		t_gate_pass(&ready);
	});
	CHECK_EXITED(t_wait(leader), 0);
	while (!*(volatile int *)&si->si_signo)
		usleep(500);
	CHECK_EQ(si->si_signo, SIGHUP);
	CHECK_EQ(si->si_code, SI_KERNEL);
}
