/*
 * Host processes of guests: how many there may be, since guests can ask for any number; where they
 * run; and who goes first when memory is short.
 */
#include "alloc.h"
#include "hostio.h"
#include "log.h"
#include "os/context.h"
#include "os/hostfile.h"
#include "os/zygote.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static u32 processes;	  /* atomic: parked ones and corpses included */
static u32 processes_max; /* constant after boot */
static int oom_fd = -1;	  /* boot */

static u64 number(const char *text)
{
	u64 n = strtoull(text, NULL, 10); /* "max" is 0 too */

	return n ? n : UINT64_MAX;
}

/* As far as the host says it. */
static u64 host_limit(void)
{
	struct rlimit r;
	u64 n = min(host_file_value("/proc/sys/kernel/pid_max", number),
		    host_file_value("/proc/sys/kernel/threads-max", number));

	n = min(n, host_cgroup_least(HOST_CGROUPS, "pids.max", number));
	if (getrlimit(RLIMIT_NPROC, &r) == 0 && r.rlim_cur != RLIM_INFINITY)
		n = min(n, r.rlim_cur);
	return n;
}

/*
 * Half of what the host has is for its other users. Where each has a descriptor of ours, half of
 * those may be theirs, too.
 */
void host_processes_init(void)
{
	u64 n = min(host_limit() / 2, (u64)2 * HOST_MM_MAX);

	if (engine->setup->filter_flags)
		n = min(n, host_raise_nofile());
	processes_max = n;
	oom_fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
}

void *host_process_alloc(size_t size)
{
	void *p = NULL;

	if (__atomic_add_fetch(&processes, 1, __ATOMIC_RELAXED) <= processes_max)
		p = kzalloc(size);
	if (!p)
		__atomic_sub_fetch(&processes, 1, __ATOMIC_RELAXED);
	return p;
}

void host_process_free(void *p)
{
	__atomic_sub_fetch(&processes, 1, __ATOMIC_RELAXED);
	kfree(p);
}

bool host_processes_scarce(void)
{
	return load_relaxed(&processes) > processes_max / 2;
}

u32 host_tasks_max(void)
{
	return processes_max / 2;
}

/* ---- when the host's memory is short ---- */

#define OOM_SCORE_MORE 100 /* of 1000: a tenth of the host's memory */

int oom_score_raise(void)
{
	char text[16] = "";
	int was = 0;

	if (oom_fd >= 0 && pread(oom_fd, text, sizeof(text) - 1, 0) > 0)
		was = atoi(text);
	oom_score_set(min(was + OOM_SCORE_MORE, 1000));
	return was;
}

void oom_score_set(int score)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", score);

	if (oom_fd < 0 || pwrite(oom_fd, text, n, 0) != n)
		log_info("oom_score_adj of host processes can't be set\n");
}

/* ---- single ones ---- */

void host_task_pin(pid_t pid, int *where, int core)
{
	cpu_set_t set;

	if (core < 0 || *where == core)
		return;
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(pid, sizeof(set), &set) == 0)
		*where = core;
}

bool process_is_dead(pid_t pid)
{
	siginfo_t si = {0};

	return waitid(P_PID, pid, &si, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0 ||
	       si.si_pid == pid;
}
