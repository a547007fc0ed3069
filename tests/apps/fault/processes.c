/*
 * Processes and threads: those that were made do all of their work, and what they report arrives.
 */
#include "load.h"
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 6
#define TURNS 2000
#define BYTES 70000 /* more than a pipe holds */

extern char **environ;
static const char *program;

static int wait_for(pid_t pid)
{
	int status;
	pid_t got;

	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR);
	if (got != pid)
		wrong("waitpid: %d, errno %d", (int)got, errno);
	return status;
}

/* ---- fork ---- */

static int secret;

static void fork_one(int n)
{
	pid_t pid;
	int status;

	secret = n;
	pid = fork();
	if (pid == 0) {
		if (secret != n)
			_exit(99);
		secret = -1;
		_exit(n % 90);
	}
	if (!ok(pid > 0, "fork"))
		return;
	status = wait_for(pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != n % 90 || secret != n)
		wrong("fork %d: status %#x", n, status);
}

/* ---- exec ---- */

void process_child(int n)
{
	char buf[100];

	/* Standard input says how many bytes are to be counted, as text. */
	if (read(0, buf, sizeof(buf)) < 0)
		exit(98);
	exit(n % 90);
}

/* Past the point where exec can't fail any more the new program is killed. */
static void exec_status(int status, int n)
{
	if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGSEGV)) {
		failed++;
		return;
	}
	if (!WIFEXITED(status) || (WEXITSTATUS(status) != n % 90 && WEXITSTATUS(status) != 97))
		wrong("exec %d: status %#x", n, status);
	failed += WEXITSTATUS(status) == 97;
}

static void exec_one(int n, bool vforked)
{
	char number[20];
	char *argv[] = {(char *)program, "child", "-", number, NULL};
	pid_t pid;
	int err;

	snprintf(number, sizeof(number), "%d", n);
	if (vforked) {
		err = posix_spawn(&pid, program, NULL, NULL, argv, environ);
		errno = err;
		if (!ok(err == 0, "posix_spawn"))
			return;
	} else {
		pid = fork();
		if (pid == 0) {
			execve(program, argv, environ);
			ok(false, "execve"); /* with an error that was announced */
			_exit(97);
		}
		if (!ok(pid > 0, "fork"))
			return;
	}
	exec_status(wait_for(pid), n);
}

/* ---- threads ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long counter;
static int go;

static void *thread_main(void *arg)
{
	pthread_mutex_lock(&mutex);
	while (!go)
		pthread_cond_wait(&cond, &mutex);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < TURNS; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
	}
	return arg;
}

static void threads(void)
{
	pthread_t t[THREADS];
	pthread_attr_t attr;
	int n = 0;

	/* Few enough bytes for glibc to keep the stacks: it aborts when it can't unmap one. */
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);

	counter = go = 0;
	for (int i = 0; i < THREADS; i++) {
		int err = pthread_create(&t[n], &attr, thread_main, NULL);

		errno = err;
		if (ok(err == 0, "pthread_create"))
			n++;
	}
	pthread_mutex_lock(&mutex);
	go = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < n; i++)
		if (pthread_join(t[i], NULL))
			wrong("pthread_join");
	if (counter != (long)n * TURNS)
		wrong("%d threads counted to %ld", n, counter);
}

/* ---- pipes ---- */

/* A child sends, this process reads to the end. */
static void pipes(int n)
{
	static unsigned char buf[BYTES], want[BYTES];
	size_t at = 0;
	ssize_t got;
	int fd[2], status;
	pid_t pid;

	if (!ok(pipe(fd) == 0, "pipe"))
		return;
	pattern(want, BYTES, n, 0);
	pid = fork();
	if (pid == 0) {
		while (at < BYTES) {
			got = write(fd[1], want + at, BYTES - at);
			if (ok(got > 0, "write to a pipe"))
				at += got;
		}
		_exit(0);
	}
	PERSIST(close(fd[1]) == 0, "close");
	if (ok(pid > 0, "fork")) {
		for (;;) {
			got = read(fd[0], buf + at, sizeof(buf) - at);
			if (!ok(got >= 0, "read from a pipe"))
				continue;
			if (!got)
				break;
			at += got;
		}
		if (at != BYTES || memcmp(buf, want, BYTES))
			wrong("pipe: %zu bytes of %d, or others", at, BYTES);
		status = wait_for(pid);
		if (status)
			wrong("pipe: the child's status %#x", status);
	}
	PERSIST(close(fd[0]) == 0, "close");
}

void processes(const char *self, int rounds)
{
	program = self;
	for (int n = 0; n < rounds; n++) {
		fork_one(n);
		exec_one(n, false);
		exec_one(n, true);
		if (n % 3 == 0)
			threads();
		pipes(n);
	}
}
