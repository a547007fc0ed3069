/*
 * What stress/starts starts:  small STATUS NAME
 *
 * A process with threads and children. If STATUS, with which it ends, is even, some of them are
 * still at it then: the kernel has to end them. If it is odd, only a thread is: debug builds then
 * look for what was leaked. It leaves files called NAME in directories that are the guest's own.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 3

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ready = PTHREAD_COND_INITIALIZER;
static int count;
static bool *busy; /* shared with the child that stays */

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	_exit(99);
}

static void *add(void *arg)
{
	pthread_mutex_lock(&mutex);
	count += (int)(intptr_t)arg;
	pthread_cond_signal(&ready);
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static void *sleep_on(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void *compute_on(void *arg)
{
	__atomic_store_n(busy, true, __ATOMIC_SEQ_CST);
	for (volatile unsigned int n = 0;; n++)
		;
	return arg;
}

static pthread_t thread(void *(*run)(void *), int arg)
{
	pthread_t t;

	must(pthread_create(&t, NULL, run, (void *)(intptr_t)arg) == 0, "pthread_create");
	return t;
}

/* A child with a thread, which ends properly. */
static pid_t child_that_ends(int status)
{
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (pid)
		return pid;
	pthread_join(thread(add, status), NULL);
	exit(count);
}

static pid_t child_that_stays(void)
{
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (!pid) {
		thread(compute_on, 0);
		sleep_on(NULL);
	}
	return pid;
}

static void leave_file(const char *dir, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	must(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666) >= 0, path);
}

int main(int argc, char **argv)
{
	int wstatus, status = argc > 2 ? atoi(argv[1]) : 0;
	pid_t pid, other;

	must(argc == 3, "usage: small STATUS NAME");
	leave_file("/tmp", argv[2]);
	leave_file("/dev/shm", argv[2]);
	busy = mmap(NULL, sizeof(*busy), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(busy != MAP_FAILED, "mmap");
	pid = child_that_ends(status);
	other = child_that_stays();
	thread(sleep_on, 0);
	for (int i = 1; i <= THREADS; i++)
		thread(add, i);
	pthread_mutex_lock(&mutex);
	while (count < 1 + 2 + 3)
		pthread_cond_wait(&ready, &mutex);
	pthread_mutex_unlock(&mutex);
	must(waitpid(pid, &wstatus, 0) == pid && WIFEXITED(wstatus) &&
		     WEXITSTATUS(wstatus) == status,
	     "waitpid");
	while (!__atomic_load_n(busy, __ATOMIC_SEQ_CST))
		sched_yield();
	if (status % 2)
		must(kill(other, SIGKILL) == 0 && waitpid(other, &wstatus, 0) == other &&
			     WIFSIGNALED(wstatus),
		     "kill");
	printf("ended with %d\n", status);
	return status;
}
