/*
 * What the load's threads do, each a matter of milliseconds. A job checks what it did and leaves
 * nothing behind. Its processes are forked from one with many threads: until they execute a program
 * they keep to what is safe there.
 */
#include "load.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KIB 1024

/*
 * A child, with these descriptors as its standard input and output (-1: ours) and no others: what
 * the siblings of the thread have open must not stay open in it.
 */
static pid_t start(int in, int out)
{
	pid_t pid = fork();

	if (pid == 0) {
		if ((in >= 0 && dup2(in, 0) < 0) || (out >= 0 && dup2(out, 1) < 0) ||
		    close_range(3, ~0u, 0))
			_exit(126);
		return 0;
	}
	CHECK(pid > 0);
	__atomic_fetch_add(&shared->processes, pid > 0, __ATOMIC_RELAXED);
	return pid;
}

/* The status of a child's end. */
static int end_of(pid_t pid)
{
	int status = -1;

	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (!CHECK(errno == EINTR))
			break;
	return status;
}

static bool exited(int status, int code)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

/* Reads or writes all of it. */
static bool transfer(bool out, int fd, char *buf, size_t size)
{
	while (size) {
		ssize_t n = out ? write(fd, buf, size) : read(fd, buf, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		buf += n;
		size -= (size_t)n;
	}
	return true;
}

static void nap(struct worker *w, long max_us)
{
	struct timespec ts = {.tv_nsec = 1000 * (long)pick(w, (unsigned int)max_us)};

	nanosleep(&ts, NULL);
}

/* ---- programs ---- */

static void program(struct worker *w)
{
	const char *argv[] = {self_path, "--child", "echo", "the words", NULL};
	char *const env[] = {NULL};
	char buf[32] = "";
	pid_t pid;
	int p[2];

	if (!CHECK(pipe2(p, O_CLOEXEC) == 0))
		return;
	pid = start(-1, p[1]);
	if (pid == 0) {
		execve(self_path, (char **)argv, env);
		_exit(127);
	}
	close(p[1]);
	CHECK(transfer(false, p[0], buf, strlen(argv[3])));
	CHECK(!strcmp(buf, argv[3]));
	CHECK(read(p[0], buf, 1) == 0);
	close(p[0]);
	CHECK(exited(end_of(pid), 7));
	(void)w;
}

/* A shell with a pipeline, started in the manner of vfork. */
static void shell(struct worker *w)
{
	char *const argv[] = {"sh", "-c",
			      "echo a b | cat | while read x y; do test $y = b || exit 3; done",
			      NULL};
	char *const env[] = {"PATH=/usr/bin:/bin", NULL};
	pid_t pid;

	errno = posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, env);
	if (!CHECK(errno == 0))
		return;
	__atomic_fetch_add(&shared->processes, 4, __ATOMIC_RELAXED);
	CHECK(exited(end_of(pid), 0));
	(void)w;
}

int child_main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "echo")) {
		fputs(argv[2], stdout);
		return 7;
	}
	return 99;
}

/* ---- threads ---- */

struct crowd {
	pthread_mutex_t mutex;
	pthread_cond_t turn;
	int next, rounds, sum;
};

struct member {
	struct crowd *crowd;
	int index;
};

#define CROWD 4

static void *take_turns(void *arg)
{
	struct member *m = arg;
	struct crowd *c = m->crowd;

	pthread_mutex_lock(&c->mutex);
	for (int i = 0; i < c->rounds; i++) {
		while (c->next != m->index)
			pthread_cond_wait(&c->turn, &c->mutex);
		c->sum += i;
		c->next = (c->next + 1) % CROWD;
		pthread_cond_broadcast(&c->turn);
	}
	pthread_mutex_unlock(&c->mutex);
	return NULL;
}

static void threads(struct worker *w)
{
	struct crowd c = {
		.mutex = PTHREAD_MUTEX_INITIALIZER, .turn = PTHREAD_COND_INITIALIZER, .rounds = 4};
	struct member member[CROWD];
	pthread_t thread[CROWD];
	int n;

	for (n = 0; n < CROWD; n++) {
		member[n] = (struct member){&c, n};
		errno = pthread_create(&thread[n], NULL, take_turns, &member[n]);
		if (!CHECK(errno == 0))
			abort(); /* the others wait for it */
		__atomic_fetch_add(&shared->threads, 1, __ATOMIC_RELAXED);
	}
	while (n-- > 0)
		pthread_join(thread[n], NULL);
	CHECK(c.sum == CROWD * (0 + 1 + 2 + 3));
	(void)w;
}

static noreturn void *spin_or_sleep(void *spin)
{
	for (;;)
		if (spin)
			sched_yield();
		else
			poll(NULL, 0, 1);
}

/*
 * A process with threads that is killed, whatever they are doing. The C library lets a forked child
 * create threads.
 */
static void killed(struct worker *w)
{
	pid_t pid = start(-1, -1);

	if (pid == 0) {
		for (int i = 0; i < 3; i++) {
			pthread_t thread;

			pthread_create(&thread, NULL, spin_or_sleep, i ? NULL : w);
		}
		spin_or_sleep(NULL);
	}
	nap(w, 3000);
	if (pid > 0)
		CHECK(kill(pid, SIGKILL) == 0);
	CHECK(WTERMSIG(end_of(pid)) == SIGKILL);
}

/* ---- data ---- */

static void pipes(struct worker *w)
{
	static const size_t size = 160 * KIB;
	int there[2], back[2];
	char *buf = malloc(size), *copy = malloc(size);
	struct pollfd p = {.events = POLLIN};
	pid_t pid;

	if (!CHECK(buf && copy && pipe2(there, O_CLOEXEC) == 0 && pipe2(back, O_CLOEXEC) == 0))
		abort();
	memset(buf, 'a' + (int)pick(w, 26), size);
	pid = start(there[0], back[1]);
	if (pid == 0) {
		while (transfer(false, 0, copy, 4 * KIB))
			if (!transfer(true, 1, copy, 4 * KIB))
				_exit(1);
		_exit(0);
	}
	close(there[0]);
	close(back[1]);
	for (size_t at = 0; at < size; at += 32 * KIB) {
		CHECK(transfer(true, there[1], buf + at, 32 * KIB));
		p.fd = back[0];
		CHECK(poll(&p, 1, -1) == 1);
		CHECK(transfer(false, back[0], copy + at, 32 * KIB));
	}
	close(there[1]);
	close(back[0]);
	CHECK(exited(end_of(pid), 0));
	CHECK(!memcmp(buf, copy, size));
	free(buf);
	free(copy);
}

static void memory(struct worker *w)
{
	const size_t size = 1024 * KIB;
	char *both = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *own = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *moved;
	pid_t pid;

	if (!CHECK(both != MAP_FAILED && own != MAP_FAILED))
		return;
	for (size_t at = 0; at < size; at += 16 * KIB)
		own[at] = both[at] = (char)at;
	pid = start(-1, -1);
	if (pid == 0) {
		for (size_t at = 0; at < size; at += 16 * KIB)
			own[at] = both[at] = 'c';
		_exit(0);
	}
	CHECK(mprotect(own, size / 2, PROT_READ) == 0);
	CHECK(munmap(own + size / 4, size / 4) == 0);
	CHECK(mprotect(own, size / 4, PROT_READ | PROT_WRITE) == 0);
	CHECK(madvise(own + size / 2, size / 4, MADV_DONTNEED) == 0);
	moved = mremap(own + size / 2, size / 2, size, MREMAP_MAYMOVE);
	CHECK(exited(end_of(pid), 0));
	if (!CHECK(moved != MAP_FAILED))
		return;
	CHECK(own[16 * KIB] == (char)(16 * KIB) && moved[0] == 0);
	CHECK(both[16 * KIB] == 'c' && both[size - 16 * KIB] == 'c');
	CHECK(munmap(moved, size) == 0);
	CHECK(munmap(own, size / 4) == 0);
	CHECK(munmap(both, size) == 0);
	(void)w;
}

static void files(struct worker *w)
{
	char dir[64], a[80], b[80], buf[3000], copy[3000];
	struct stat st;
	int fd;

	snprintf(dir, sizeof(dir), "/tmp/load.%d.%d", getpid(), w->id);
	snprintf(a, sizeof(a), "%s/a", dir);
	snprintf(b, sizeof(b), "%s/b", dir);
	memset(buf, 'a' + (int)pick(w, 26), sizeof(buf));
	if (!CHECK(mkdir(dir, 0700) == 0))
		return;
	fd = open(a, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	CHECK(write(fd, buf, sizeof(buf)) == sizeof(buf));
	CHECK(rename(a, b) == 0);
	CHECK(stat(a, &st) < 0 && errno == ENOENT);
	CHECK(stat(b, &st) == 0 && st.st_size == sizeof(buf));
	CHECK(ftruncate(fd, 2000) == 0);
	CHECK(pread(fd, copy, sizeof(copy), 0) == 2000 && !memcmp(buf, copy, 2000));
	CHECK(symlink("b", a) == 0);
	CHECK(unlink(b) == 0 && unlink(a) == 0);
	CHECK(rmdir(dir) == 0);
	CHECK(fstat(fd, &st) == 0 && st.st_nlink == 0);
	CHECK(close(fd) == 0);
}

/* A file through memory: two mappings and read() agree. */
static void mapped_file(struct worker *w)
{
	int fd = memfd_create("load", MFD_CLOEXEC);
	char *map, byte = 0;

	if (!CHECK(fd >= 0 && ftruncate(fd, 64 * KIB) == 0))
		return;
	map = mmap(NULL, 64 * KIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (CHECK(map != MAP_FAILED)) {
		map[5000] = (char)('a' + pick(w, 26));
		CHECK(pread(fd, &byte, 1, 5000) == 1 && byte == map[5000]);
		CHECK(munmap(map, 64 * KIB) == 0);
	}
	CHECK(close(fd) == 0);
}

/* ---- events ---- */

static void signals(struct worker *w)
{
	int status = 0;
	sigset_t set, old;
	siginfo_t info;
	pid_t pid = start(-1, -1);

	if (pid == 0)
		for (;;)
			pause();
	if (pid < 0)
		return;
	CHECK(kill(pid, SIGSTOP) == 0);
	CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
	CHECK(kill(pid, SIGCONT) == 0);
	CHECK(waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status));
	CHECK(kill(pid, SIGTERM) == 0);
	CHECK(WTERMSIG(end_of(pid)) == SIGTERM);

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	for (int i = 0; i < 3; i++)
		CHECK(pthread_sigqueue(pthread_self(), SIGRTMIN, (union sigval){.sival_int = i}) ==
		      0);
	for (int i = 0; i < 3; i++)
		CHECK(sigwaitinfo(&set, &info) == SIGRTMIN && info.si_value.sival_int == i);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)w;
}

static bool send_fd(int to, int fd)
{
	char byte = 'x', control[CMSG_SPACE(sizeof(fd))] = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(fd)),
			      .cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(to, &m, 0) == 1;
}

static int receive_fd(int from)
{
	char byte, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	int fd = -1;

	if (recvmsg(from, &m, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&m))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

/*
 * An eventfd that travels through a socket, a timer, and an epoll that hears of both. One
 * descriptor more is in flight when the socket is closed.
 */
static void events(struct worker *w)
{
	int s[2], event = eventfd(0, EFD_CLOEXEC),
		  timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	int ep = epoll_create1(EPOLL_CLOEXEC), received;
	struct itimerspec soon = {.it_value.tv_nsec = 1000 * (1 + (long)pick(w, 2000))};
	struct epoll_event e = {.events = EPOLLIN};
	uint64_t n = 1;

	if (!CHECK(event >= 0 && timer >= 0 && ep >= 0 &&
		   socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) == 0))
		return;
	CHECK(send_fd(s[0], event));
	received = receive_fd(s[1]);
	CHECK(received >= 0);
	e.data.fd = received;
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, received, &e) == 0);
	e.data.fd = timer;
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, timer, &e) == 0);
	CHECK(write(event, &n, sizeof(n)) == sizeof(n));
	CHECK(epoll_wait(ep, &e, 1, -1) == 1 && e.data.fd == received);
	CHECK(read(received, &n, sizeof(n)) == sizeof(n) && n == 1);
	CHECK(timerfd_settime(timer, 0, &soon, NULL) == 0);
	CHECK(epoll_wait(ep, &e, 1, -1) == 1 && e.data.fd == timer);
	CHECK(send_fd(s[0], ep));
	close(s[0]);
	close(s[1]);
	close(ep);
	close(timer);
	close(event);
	close(received);
}

static void terminal(struct worker *w)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
	char name[64], buf[16];

	if (!CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0 &&
		   ptsname_r(master, name, sizeof(name)) == 0))
		return;
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(slave >= 0);
	CHECK(write(master, "line\n", 5) == 5);
	CHECK(read(slave, buf, sizeof(buf)) == 5 && !memcmp(buf, "line\n", 5));
	CHECK(close(slave) == 0);
	CHECK(close(master) == 0);
	(void)w;
}

/* ---- the scheduler, and what is seen of processes ---- */

static void travel(struct worker *w)
{
	cpu_set_t all, one;

	if (!CHECK(sched_getaffinity(0, sizeof(all), &all) == 0))
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &all)) {
			CPU_ZERO(&one);
			CPU_SET(cpu, &one);
			CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
			CHECK(sched_getcpu() == cpu);
		}
	CHECK(sched_setaffinity(0, sizeof(all), &all) == 0);
	nap(w, 5000);
}

static void looks_at_processes(struct worker *w)
{
	char path[64], buf[4096];
	static const char *const names[] = {"stat", "status", "maps", "cmdline", "smaps"};
	pid_t pid = start(-1, -1);
	ssize_t n;

	if (pid == 0)
		for (;;)
			pause();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/%s", pid, names[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (!CHECK(fd >= 0))
			continue;
		while ((n = read(fd, buf, sizeof(buf))) > 0)
			;
		CHECK(n == 0);
		close(fd);
	}
	if (pid > 0)
		kill(pid, SIGKILL);
	end_of(pid);
	(void)w;
}

const struct job jobs[] = {
	{"program", program},
	{"shell", shell},
	{"threads", threads},
	{"killed", killed},
	{"pipes", pipes},
	{"memory", memory},
	{"files", files},
	{"mapped_file", mapped_file},
	{"signals", signals},
	{"events", events},
	{"terminal", terminal},
	{"travel", travel},
	{"looks_at_processes", looks_at_processes},
};

const int nr_jobs = sizeof(jobs) / sizeof(jobs[0]);
