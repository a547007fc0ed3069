/*
 * What the host charges for a bare round trip of a seccomp notification: the floor under a null
 * system call of the seccomp engine whose site isn't spun on. Prints nanoseconds with both
 * processes on one core (with an argument: left where the host puts them).
 *
 * With a number, that of callers, all on one core, each with a listener of its own: prints what a
 * call costs if each is answered and waited for before the next, as the engine does, and if all
 * that have called are answered before any is waited for.
 */
#define _GNU_SOURCE
#include "floor.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#define SYNC_WAKE_UP 1UL
#define KILLABLE (1UL << 5) /* SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV */

#define MAX_CALLERS 64
#define STACK 16384
#define CALLS 5000 /* a run of several callers */

/* Of each caller; the first two are in memory that it shares with who serves it. */
static volatile int *listener;
static volatile pid_t *pid;
static _Alignas(16) char stack[MAX_CALLERS][STACK];
static struct pollfd fds[MAX_CALLERS];
static __u64 id[MAX_CALLERS]; /* of its call that wasn't answered yet */
static int callers = 1;

/* Shares its descriptors with the parent; notifies of getppid, for ever. */
static int caller(void *arg)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof(code) / sizeof(*code), code};
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		die("no_new_privs");
	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		     SECCOMP_FILTER_FLAG_NEW_LISTENER | KILLABLE, &prog);
	if (fd < 0)
		die("seccomp");
	*(volatile int *)arg = fd;
	for (;;)
		syscall(SYS_getppid);
	return 0;
}

static void clone_callers(int first, int end, int (*run)(void *), int flags)
{
	for (int i = first; i < end; i++) {
		pid[i] = clone(run, stack[i] + STACK, flags | CLONE_FILES | SIGCHLD,
			       (void *)&listener[i]);
		if (pid[i] < 0)
			die("clone");
	}
}

/* Caller 0, with all others in its address space. */
static int with_others(void *arg)
{
	clone_callers(1, callers, caller, CLONE_VM | CLONE_PARENT);
	return caller(arg);
}

static void start_callers(bool one_mm, unsigned long flags)
{
	for (int i = 0; i < callers; i++)
		listener[i] = -1;
	clone_callers(0, one_mm ? 1 : callers, one_mm ? with_others : caller, 0);
	for (int i = 0; i < callers; i++) {
		while (listener[i] < 0)
			sched_yield();
		fds[i] = (struct pollfd){.fd = listener[i], .events = POLLIN};
		ioctl(fds[i].fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags); /* older hosts lack it */
	}
}

static void end_callers(void)
{
	for (int i = 0; i < callers; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
		close(fds[i].fd);
	}
}

static void receive(int i)
{
	struct seccomp_notif n;

	memset(&n, 0, sizeof(n));
	if (ioctl(fds[i].fd, SECCOMP_IOCTL_NOTIF_RECV, &n))
		die("receive");
	id[i] = n.id;
}

static void answer(int i)
{
	struct seccomp_notif_resp r = {.id = id[i]};

	if (ioctl(fds[i].fd, SECCOMP_IOCTL_NOTIF_SEND, &r))
		die("send");
}

static void round_trip(int i)
{
	receive(i);
	answer(i);
}

/* The ways to serve so many calls. Before and after, one of each caller has been received. */

static void one_at_a_time(int calls)
{
	for (int k = 0; k < calls; k++) {
		answer(k % callers);
		receive(k % callers);
	}
}

/* Waits for whichever calls first. */
static void all_by_poll(int calls)
{
	for (int i = 0; i < callers; i++)
		fds[i].revents = POLLIN;
	for (int done = 0; done < calls;) {
		for (int i = 0; i < callers; i++)
			if (fds[i].revents)
				answer(i);
		if (poll(fds, callers, -1) < 0)
			die("poll");
		for (int i = 0; i < callers; i++)
			if (fds[i].revents) {
				receive(i);
				done++;
			}
	}
	for (int i = 0; i < callers; i++)
		if (!fds[i].revents)
			receive(i);
}

/* Waits for who was answered first. */
static void all_in_turn(int calls)
{
	for (int i = 0; i < callers; i++)
		answer(i);
	for (int k = 0; k < calls - callers; k++)
		round_trip(k % callers);
	for (int k = calls - callers; k < calls; k++)
		receive(k % callers);
}

static long switches(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_nvcsw + u.ru_nivcsw;
}

static void compare(bool one_mm, unsigned long flags)
{
	void (*const ways[])(int) = {one_at_a_time, all_by_poll, all_in_turn};

	start_callers(one_mm, flags);
	for (int i = 0; i < callers; i++)
		receive(i);
	printf("%-10s%-18s", one_mm ? "one mm" : "a mm each", flags ? "SYNC_WAKE_UP" : "");
	for (int i = 0; i < 3; i++) {
		long before = switches();
		double ns = median_ns(ways[i], CALLS, 1) / CALLS;

		printf("%8.0f (%.2f)", ns, (switches() - before) / (double)(RUNS * CALLS));
	}
	printf("\n");
	end_callers();
}

int main(int argc, char **argv)
{
	int several = argc > 1 ? atoi(argv[1]) : 0;

	if (several > MAX_CALLERS)
		return 2;
	listener = mmap(NULL, MAX_CALLERS * (sizeof(*listener) + sizeof(*pid)),
			PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (listener == MAP_FAILED)
		die("mmap");
	pid = (volatile pid_t *)(listener + MAX_CALLERS);
	if (argc == 1 || several > 0)
		stay_on_core();
	if (several > 0) {
		callers = several;
		printf("ns a call (switches of who serves them)\n%-28s%15s%15s%15s\n", "",
		       "one at a time", "all by poll", "all in turn");
		for (int k = 3; k >= 0; k--)
			compare(k & 2, k & 1 ? SYNC_WAKE_UP : 0);
		return 0;
	}
	start_callers(false, SYNC_WAKE_UP);
	print_median(round_trip, 0);
	end_callers();
	return 0;
}
