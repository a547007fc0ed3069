/*
 * What the programs on the host's side share: they start the kernel, and say what is left when it
 * is gone.
 *
 * They are subreapers: when the kernel dies, however it does, its host processes become their
 * children. So what was left is known by ancestry, without names, and waiting for it needs no
 * polling.
 */
#ifndef HOSTILE_HOST_H
#define HOSTILE_HOST_H

#include "hostile.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STRAY_LIMIT 10 /* seconds that the host has for the end of what was killed */

static int failures;

__attribute__((format(printf, 2, 3))) static inline void verdict(const char *name, const char *why,
								 ...)
{
	va_list ap;

	if (!why) {
		printf("ok %s\n", name);
	} else {
		failures++;
		printf("FAIL %s: ", name);
		va_start(ap, why);
		vprintf(why, ap);
		va_end(ap);
		putchar('\n');
	}
	fflush(stdout);
}

static inline void give_up(const char *what)
{
	printf("FAIL setup: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The parent's and the session's number of a process; false: it is gone. */
static inline bool process_stat(pid_t pid, char *state, pid_t *parent, pid_t *session)
{
	char path[64], text[512], *rest;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = 0;
	rest = strrchr(text, ')');
	return rest && sscanf(rest + 1, " %c %d %*d %d", state, parent, session) == 3;
}

/* Calls fn for each child of parent. Their number. */
static inline int each_child(pid_t of, void (*fn)(pid_t pid, void *arg), void *arg)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	int n = 0;

	if (!proc)
		give_up("/proc");
	while ((e = readdir(proc))) {
		pid_t pid = atoi(e->d_name), parent, session;
		char state;

		if (pid > 0 && process_stat(pid, &state, &parent, &session) && parent == of) {
			n++;
			if (fn)
				fn(pid, arg);
		}
	}
	closedir(proc);
	return n;
}

static inline void show_and_kill(pid_t pid, void *arg)
{
	char path[64], name[32] = "?";
	FILE *f;

	(void)arg;
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (f) {
		if (!fgets(name, sizeof(name), f))
			name[0] = 0;
		fclose(f);
	}
	name[strcspn(name, "\n")] = 0;
	printf("left: process %d, %s\n", pid, name);
	kill(pid, SIGKILL);
}

static inline void on_alarm(int sig)
{
	(void)sig; /* only to interrupt a wait: the first one, or, if it comes between two of them,
		      a later one */
}

static inline void set_alarm(unsigned int seconds)
{
	struct sigaction sa = {.sa_handler = on_alarm};
	struct itimerval it = {.it_interval = {1, 0}, .it_value = {seconds, 0}};

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
}

/* Waits for all children. The number of those that didn't end in time, which are then killed. */
static inline int wait_for_strays(void)
{
	pid_t pid;
	int left;

	set_alarm(STRAY_LIMIT * hostile_slow());
	do
		pid = wait(NULL);
	while (pid > 0);
	left = errno == EINTR ? each_child(getpid(), show_and_kill, NULL) : 0;
	set_alarm(0);
	while (wait(NULL) > 0)
		;
	return left;
}

static inline void become_subreaper(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		give_up("PR_SET_CHILD_SUBREAPER");
}

#endif
