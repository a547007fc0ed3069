/*
 * The load: WORKERS threads in PROCESSES processes, each doing one job of jobs.c after the other.
 *
 *	load SEED HANG-SECONDS SECONDS... [JOB...]
 *
 * It works for SECONDS, as often as there is such an argument, at all jobs or only at those named.
 *Before, between and after, only its first thread is there: it says what the kernel counts (a line
 *"settled NAME=VALUE...") and waits for a line, so that others can measure as well. While it works
 *it says how far it is, once a second ("progress NAME=VALUE..."). A job that takes more than
 *HANG-SECONDS is reported with all that /proc tells, and ends the load.
 */
#include "load.h"
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_SEC UINT64_C(1000000000)
#define KIB 1024

struct shared *shared;
const char *self_path;
static char self_buf[PATH_MAX];
static uint64_t hang_ns, seed;
static pid_t process[PROCESSES]; /* 0: none */
static const struct job *chosen[MAX_JOBS];
static int nr_chosen;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

unsigned int pick(struct worker *w, unsigned int below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (unsigned int)(w->random >> 33) % below;
}

bool check(bool ok, const char *what, const char *file, int line)
{
	int err = errno;

	if (ok)
		return true;
	__atomic_store_n(&shared->failed, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&shared->stop, 1, __ATOMIC_SEQ_CST);
	dprintf(2, "FAIL %s:%d: %s (errno: %s)\n",
		strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line, what,
		strerrorname_np(err));
	return false;
}

/* ---- the threads that work ---- */

static void *work(void *arg)
{
	struct worker *w = arg;

	__atomic_store_n(&w->pid, getpid(), __ATOMIC_RELAXED);
	__atomic_store_n(&w->tid, gettid(), __ATOMIC_RELAXED);
	for (uint64_t n = (uint64_t)w->id; !__atomic_load_n(&shared->stop, __ATOMIC_SEQ_CST); n++) {
		const struct job *j = chosen[n % (uint64_t)nr_chosen];
		uint64_t took;

		__atomic_store_n(&w->since, now_ns(), __ATOMIC_RELAXED);
		__atomic_store_n(&w->job, j->name, __ATOMIC_RELEASE);
		j->run(w);
		took = now_ns() - w->since;
		if (took > w->longest)
			__atomic_store_n(&w->longest, took, __ATOMIC_RELAXED);
		__atomic_store_n(&w->rounds, w->rounds + 1, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&w->job, NULL, __ATOMIC_RELEASE);
	return NULL;
}

static void worker_process(int index)
{
	pthread_t thread[THREADS_EACH];

	for (int i = 0; i < THREADS_EACH; i++) {
		struct worker *w = &shared->worker[index * THREADS_EACH + i];

		w->id = index * THREADS_EACH + i;
		w->random = 0x9e3779b97f4a7c15ull * (seed * WORKERS + (uint64_t)w->id + 1);
		errno = pthread_create(&thread[i], NULL, work, w);
		if (!CHECK(errno == 0))
			_exit(1);
	}
	for (int i = 0; i < THREADS_EACH; i++)
		pthread_join(thread[i], NULL);
	_exit(0);
}

/* ---- what hangs ---- */

static void show_file(const char *what, pid_t pid, pid_t tid)
{
	char path[64], text[256];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", pid, tid, what);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n < 0)
		n = snprintf(text, sizeof(text), "(%s)", strerrorname_np(errno));
	text[n] = 0;
	text[strcspn(text, "\n")] = 0;
	printf("hang:   %s: %s\n", what, text);
}

/* All threads of all processes of this session: the jobs' children are among them. */
static void show_tasks(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *p, *t;

	while (proc && (p = readdir(proc))) {
		char path[300];
		DIR *task;

		if (atoi(p->d_name) <= 0 || getsid(atoi(p->d_name)) != getsid(0))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/task", p->d_name);
		task = opendir(path);
		while (task && (t = readdir(task)))
			if (atoi(t->d_name) > 0) {
				printf("hang: process %s thread %s\n", p->d_name, t->d_name);
				show_file("stat", atoi(p->d_name), atoi(t->d_name));
				show_file("wchan", atoi(p->d_name), atoi(t->d_name));
				show_file("syscall", atoi(p->d_name), atoi(t->d_name));
			}
		if (task)
			closedir(task);
	}
	if (proc)
		closedir(proc);
}

/* Ends the load, which hangs, once who reads our output has looked at the kernel, too. */
static noreturn void give_up(void)
{
	char line[16];

	show_tasks();
	printf("hang: end\n");
	exit(fgets(line, sizeof(line), stdin) ? 1 : 2);
}

/* Ends the load if a job takes too long. */
static void watch(void)
{
	uint64_t now = now_ns();
	bool hangs = false;

	for (int i = 0; i < WORKERS; i++) {
		const struct worker *w = &shared->worker[i];
		const char *job = __atomic_load_n(&w->job, __ATOMIC_ACQUIRE);
		uint64_t since = __atomic_load_n(&w->since, __ATOMIC_RELAXED);

		if (!job || since + hang_ns >= now)
			continue;
		hangs = true;
		printf("hang: process %d thread %d has been at %s for %" PRIu64 " s\n", w->pid,
		       w->tid, job, (now - since) / NSEC_PER_SEC);
	}
	if (hangs)
		give_up();
}

/* ---- the load as a whole ---- */

static void show_progress(uint64_t start)
{
	uint64_t rounds = 0, longest = 0;

	for (int i = 0; i < WORKERS; i++) {
		const struct worker *w = &shared->worker[i];
		uint64_t took = __atomic_load_n(&w->longest, __ATOMIC_RELAXED);

		rounds += __atomic_load_n(&w->rounds, __ATOMIC_RELAXED);
		longest = took > longest ? took : longest;
	}
	printf("progress seconds=%" PRIu64 " jobs=%" PRIu64 " processes=%" PRIu64
	       " threads=%" PRIu64 " longest_ms=%" PRIu64 "\n",
	       (now_ns() - start) / NSEC_PER_SEC, rounds,
	       __atomic_load_n(&shared->processes, __ATOMIC_RELAXED),
	       __atomic_load_n(&shared->threads, __ATOMIC_RELAXED), longest * 1000 / NSEC_PER_SEC);
}

/* Takes the end of a worker process, if there is one. Returns how many are left. */
static int collect(void)
{
	int status, left = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < PROCESSES; i++)
			if (process[i] == pid) {
				process[i] = 0;
				CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
			}
	for (int i = 0; i < PROCESSES; i++)
		left += process[i] != 0;
	return left;
}

static void run(uint64_t seconds)
{
	uint64_t start = now_ns(), shown = start, now;
	const struct timespec tick = {.tv_sec = 1};
	sigset_t child;

	memset(shared, 0, sizeof(*shared));
	for (int i = 0; i < PROCESSES; i++) {
		process[i] = fork();
		if (process[i] == 0)
			worker_process(i);
		if (!CHECK(process[i] > 0))
			process[i] = 0;
	}
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	while (collect() > 0) {
		sigtimedwait(&child, NULL, &tick);
		now = now_ns();
		if (now >= start + seconds * NSEC_PER_SEC)
			__atomic_store_n(&shared->stop, 1, __ATOMIC_SEQ_CST);
		if (now < shown + NSEC_PER_SEC)
			continue;
		shown = now;
		show_progress(start);
		watch();
	}
	show_progress(start);
}

/* ---- counters of the kernel ---- */

/* The number behind a word in a file; -1: the host is no guest of ours. */
static long counter(const char *path, const char *word)
{
	FILE *f = fopen(path, "re");
	char line[256];
	long v = -1;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, word, strlen(word)))
			v = atol(line + strlen(word));
	if (f)
		fclose(f);
	return v;
}

static int count_processes(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *p;
	int n = 0;

	while (proc && (p = readdir(proc)))
		n += atoi(p->d_name) > 0;
	if (proc)
		closedir(proc);
	return n;
}

/*
 * What has ended is freed a little later, and what is free goes back to the host when nothing has
 * ended for a second: waits until all is quiet for longer. The same objects take some bytes more or
 * less, as the pieces are that the allocator finds for them. That it never is quiet is a hang, too.
 */
static long kmalloc_at_rest(void)
{
	const struct timespec moment = {.tv_nsec = NSEC_PER_SEC / 10};
	uint64_t start = now_ns();
	long before = -1, v = counter("/proc/heddle/memory", "kmalloc ");

	for (int same = 0; v >= 0 && same < 15; same = labs(v - before) < KIB ? same + 1 : 0) {
		if (now_ns() - start > hang_ns) {
			printf("hang: what the kernel has allocated still changes: %ld, %ld bytes\n",
			       before, v);
			give_up();
		}
		nanosleep(&moment, NULL);
		before = v;
		v = counter("/proc/heddle/memory", "kmalloc ");
	}
	return v;
}

static void settled(void)
{
	char line[16];

	printf("settled processes=%d kmalloc=%ld handles=%ld committed=%ld\n", count_processes(),
	       kmalloc_at_rest(), counter("/proc/heddle/fh", "handles "),
	       counter("/proc/meminfo", "Committed_AS:"));
	if (!fgets(line, sizeof(line), stdin))
		exit(1);
}

/* Without names: all. */
static bool choose_jobs(char **names)
{
	for (int i = 0; i < nr_jobs; i++)
		if (!*names)
			chosen[nr_chosen++] = &jobs[i];
	for (; *names; names++) {
		int i = 0;

		while (i < nr_jobs && strcmp(jobs[i].name, *names) != 0)
			i++;
		if (i == nr_jobs || nr_chosen == MAX_JOBS)
			return false;
		chosen[nr_chosen++] = &jobs[i];
	}
	return true;
}

int main(int argc, char **argv)
{
	int phases = 0;
	sigset_t child;
	ssize_t n;

	if (argc > 1 && !strcmp(argv[1], "--child"))
		return child_main(argc - 1, argv + 1);
	while (argc > 3 + phases && atoi(argv[3 + phases]) > 0)
		phases++;
	if (!phases || !choose_jobs(argv + 3 + phases)) {
		fprintf(stderr, "usage: load SEED HANG-SECONDS SECONDS... [JOB...]\n");
		return 2;
	}
	n = readlink("/proc/self/exe", self_buf, sizeof(self_buf) - 1);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (n < 0 || shared == MAP_FAILED) {
		perror("load");
		return 2;
	}
	self_path = self_buf;
	seed = strtoull(argv[1], NULL, 10);
	hang_ns = strtoull(argv[2], NULL, 10) * NSEC_PER_SEC;
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);

	settled();
	for (int i = 0; i < phases; i++) {
		run(strtoull(argv[3 + i], NULL, 10));
		if (shared->failed)
			return 1;
		settled();
	}
	return 0;
}
