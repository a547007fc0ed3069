/*
 * What the host charges for a bare round trip of a seccomp notification: the floor under a null system call of the seccomp engine whose
 * site isn't spun on. Prints nanoseconds with both processes on one core (with an argument: left where the host puts them).
 */
#define _GNU_SOURCE
#include "floor.h"
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#define SYNC_WAKE_UP 1UL
#define KILLABLE (1UL << 5) /* SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV */

/* Shares its descriptors with the parent; notifies of getppid, for ever. */
static void caller(volatile int *listener)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof(code) / sizeof(*code), code};
	int fd;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		die("no_new_privs");
	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		     SECCOMP_FILTER_FLAG_NEW_LISTENER | KILLABLE, &prog);
	if (fd < 0)
		die("seccomp");
	*listener = fd;
	for (;;)
		syscall(SYS_getppid);
}

static void round_trip(int fd)
{
	struct seccomp_notif n;
	struct seccomp_notif_resp r = {0};

	memset(&n, 0, sizeof(n));
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &n))
		die("receive");
	r.id = n.id;
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &r))
		die("send");
}

int main(int argc, char **argv)
{
	volatile int *listener = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct clone_args args = {.flags = CLONE_FILES, .exit_signal = SIGCHLD};
	pid_t pid;

	(void)argv;
	if (listener == MAP_FAILED)
		die("mmap");
	*listener = -1;
	if (argc == 1)
		stay_on_core();
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		die("clone");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		caller(listener);
	}
	while (*listener < 0)
		sched_yield();
	ioctl(*listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP); /* older hosts lack it */
	print_median(round_trip, *listener);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return 0;
}
