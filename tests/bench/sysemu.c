/*
 * What the host charges for a bare PTRACE_SYSEMU round trip with the registers read and written:
 * the floor under a null system call of the ptrace engine. Prints nanoseconds with both processes
 * on one core (with an argument: left where the host puts them).
 */
#define _GNU_SOURCE
#include "floor.h"
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

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

int main(int argc, char **argv)
{
	pid_t pid;

	(void)argv;
	if (argc == 1)
		stay_on_core();
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
	print_median(round_trip, pid);
	kill(pid, SIGKILL);
	return 0;
}
