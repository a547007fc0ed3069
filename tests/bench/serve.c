/*
 * A file server and its clients in one program: CLIENTS connections over AF_UNIX sockets, a thread
 *of the server for each, which sends the file asked for by sendfile. The clients are a process of
 *their own with a thread a connection; they ask for files at random and look at what they get.
 *
 *	serve DIR FILES prepare                      makes the files: 4 to 64 KiB
 *	serve DIR FILES open|keep SECONDS CLIENTS    open: opens each file for each request; keep:
 *has all open at all times
 *
 * Prints "requests/s<TAB>N" and "GB/s<TAB>N".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PER_DIR 500
#define UNIT 4096

static int nfiles;
static int *kept; /* or NULL */
static struct shared {
	uint64_t requests, bytes, wrong; /* atomic */
	int stop;			 /* atomic */
} * shared;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void path_of(uint32_t i, char *buf)
{
	sprintf(buf, "%u/%u", i / PER_DIR, i);
}

static uint32_t random_next(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 33;
}

static size_t size_of(uint32_t i)
{
	uint64_t r = i + 1;

	random_next(&r);
	return (1 + random_next(&r) % 16) * UNIT;
}

static int prepare(void)
{
	static uint32_t data[16 * UNIT / 4];
	char path[40];

	for (int i = 0; i < nfiles; i++) {
		size_t size = size_of(i);
		struct stat st;
		int fd;

		if (i % PER_DIR == 0) {
			sprintf(path, "%d", i / PER_DIR);
			mkdir(path, 0755);
		}
		path_of(i, path);
		if (stat(path, &st) == 0 && (size_t)st.st_size == size)
			continue;
		for (size_t k = 0; k < size / 4; k++)
			data[k] = i + k;
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		if (fd < 0 || write(fd, data, size) != (ssize_t)size)
			die(path);
		close(fd);
	}
	return 0;
}

/* ---- the server ---- */

static bool send_file(int sock, uint32_t i)
{
	int fd = kept ? kept[i] : -1;
	char path[40];
	struct stat st;
	uint32_t size;
	off_t off = 0;

	if (fd < 0) {
		path_of(i, path);
		fd = open(path, O_RDONLY);
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		die("the server's open");
	size = st.st_size;
	if (send(sock, &size, sizeof(size), MSG_NOSIGNAL | MSG_MORE) != sizeof(size))
		return false;
	while (off < st.st_size)
		if (sendfile(sock, fd, &off, st.st_size - off) <= 0)
			return false;
	if (!kept)
		close(fd);
	return true;
}

static void *serve(void *arg)
{
	int sock = (long)arg;
	uint32_t i;

	while (recv(sock, &i, sizeof(i), MSG_WAITALL) == sizeof(i) && send_file(sock, i))
		;
	close(sock);
	return NULL;
}

/* ---- the clients ---- */

static bool receive(int sock, void *buf, size_t n)
{
	return recv(sock, buf, n, MSG_WAITALL) == (ssize_t)n;
}

static void *ask(void *arg)
{
	int sock = (long)arg;
	uint64_t state = sock * 7919ULL + time(NULL);
	uint32_t *data = malloc(16 * UNIT), size;

	while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED)) {
		uint32_t i = random_next(&state) % nfiles;

		if (send(sock, &i, sizeof(i), MSG_NOSIGNAL) != sizeof(i) ||
		    !receive(sock, &size, sizeof(size)) || size > 16 * UNIT ||
		    !receive(sock, data, size))
			die("the client's connection");
		if (size != size_of(i) || data[0] != i || data[size / 4 - 1] != i + size / 4 - 1)
			__atomic_add_fetch(&shared->wrong, 1, __ATOMIC_RELAXED);
		__atomic_add_fetch(&shared->requests, 1, __ATOMIC_RELAXED);
		__atomic_add_fetch(&shared->bytes, size, __ATOMIC_RELAXED);
	}
	free(data);
	return NULL;
}

static void clients(int *sock, int n)
{
	pthread_t *id = calloc(n, sizeof(*id));

	for (long i = 0; i < n; i++)
		if (pthread_create(&id[i], NULL, ask, (void *)(long)sock[i]))
			die("a client's thread");
	for (int i = 0; i < n; i++)
		pthread_join(id[i], NULL);
	exit(0);
}

static void keep_open(void)
{
	struct rlimit rl = {nfiles + 1000, nfiles + 1000};
	char path[40];

	setrlimit(RLIMIT_NOFILE, &rl);
	kept = calloc(nfiles, sizeof(*kept));
	for (int i = 0; i < nfiles; i++) {
		path_of(i, path);
		kept[i] = open(path, O_RDONLY);
		if (kept[i] < 0)
			die(path);
	}
}

static void run(int seconds, int n)
{
	int *ours = calloc(n, sizeof(*ours)), *theirs = calloc(n, sizeof(*theirs)), status;
	struct timespec t0, t1;
	uint64_t before, bytes;
	double took;
	pid_t pid;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	for (int i = 0; i < n; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			die("socketpair");
		ours[i] = pair[0];
		theirs[i] = pair[1];
	}
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		for (int i = 0; i < n; i++)
			close(ours[i]);
		clients(theirs, n);
	}
	for (long i = 0; i < n; i++) {
		pthread_t id;

		close(theirs[i]);
		if (pthread_create(&id, NULL, serve, (void *)(long)ours[i])) {
			kill(pid, SIGKILL);
			die("a thread of the server");
		}
		pthread_detach(id);
	}
	sleep(1);
	before = __atomic_load_n(&shared->requests, __ATOMIC_RELAXED);
	bytes = __atomic_load_n(&shared->bytes, __ATOMIC_RELAXED);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	sleep(seconds);
	before = __atomic_load_n(&shared->requests, __ATOMIC_RELAXED) - before;
	bytes = __atomic_load_n(&shared->bytes, __ATOMIC_RELAXED) - bytes;
	clock_gettime(CLOCK_MONOTONIC, &t1);
	__atomic_store_n(&shared->stop, 1, __ATOMIC_RELAXED);
	took = t1.tv_sec - t0.tv_sec + (t1.tv_nsec - t0.tv_nsec) / 1e9;
	if (waitpid(pid, &status, 0) != pid || status || shared->wrong) {
		fprintf(stderr, "serve: %ju answers were wrong\n", (uintmax_t)shared->wrong);
		exit(1);
	}
	printf("requests/s\t%.0f\nGB/s\t%.3f\n", before / took, bytes / took / 1e9);
}

int main(int argc, char **argv)
{
	if (argc < 4 || chdir(argv[1]) < 0) {
		fprintf(stderr,
			"usage: serve DIR FILES prepare | serve DIR FILES open|keep SECONDS CLIENTS\n");
		return 2;
	}
	nfiles = atoi(argv[2]);
	if (!strcmp(argv[3], "prepare"))
		return prepare();
	if (!strcmp(argv[3], "keep"))
		keep_open();
	run(argc > 4 ? atoi(argv[4]) : 5, argc > 5 ? atoi(argv[5]) : 64);
	return 0;
}
