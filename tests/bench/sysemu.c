/*
 * What the host charges for a bare PTRACE_SYSEMU round trip with the registers read and written: the floor under a
 * null system call of the ptrace engine. Prints nanoseconds with both processes on one core (with an argument: left
 * where the host puts them).
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 20000
#define RUNS 7

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void round_trip(pid_t pid)
{
	struct user_regs_struct regs;
	int status;

	if (ptrace(PTRACE_SYSEMU, pid, 0, 0) || waitpid(pid, &status, __WALL) != pid)
		die("PTRACE_SYSEMU");
	if (!WIFSTOPPED(status) || ptrace(PTRACE_GETREGS, pid, 0, &regs))
		die("PTRACE_GETREGS");
	regs.rax = 1;
	if (ptrace(PTRACE_SETREGS, pid, 0, &regs))
		die("PTRACE_SETREGS");
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	double result[RUNS];
	cpu_set_t one;
	pid_t pid;

	(void)argv;
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	if (argc == 1 && sched_setaffinity(0, sizeof(one), &one))
		die("sched_setaffinity");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0))
			die("PTRACE_TRACEME");
		raise(SIGSTOP);
		for (;;)
			syscall(SYS_getppid);
	}
	if (waitpid(pid, NULL, __WALL) != pid ||
	    ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_EXITKILL))
		die("PTRACE_SETOPTIONS");
	for (int run = 0; run < RUNS; run++) {
		double start = now_ns();

		for (int i = 0; i < ROUNDS; i++)
			round_trip(pid);
		result[run] = (now_ns() - start) / ROUNDS;
	}
	kill(pid, SIGKILL);
	qsort(result, RUNS, sizeof(result[0]), compare);
	printf("%.0f\n", result[RUNS / 2]);
	return 0;
}
