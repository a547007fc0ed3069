/*
 * Many threads in the same calls at once: results stay consistent.
 * test: cpus=1,2,2s,4,4m,16
 */
#include "t.h"

#include <pthread.h>

#define N 4

static pthread_barrier_t barrier;

static void run(void *(*fn)(void *), void *arg)
{
	pthread_t thread[N];

	pthread_barrier_init(&barrier, NULL, N);
	for (int i = 0; i < N; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, fn, arg), 0);
	for (int i = 0; i < N; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

static int opened[N * 200];
static int n_opened;

static void *open_many(void *arg)
{
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 200; i++) {
		int fd = MUST(dup(0));

		opened[__atomic_fetch_add(&n_opened, 1, __ATOMIC_SEQ_CST)] = fd;
	}
	return arg;
}

TEST(descriptors_opened_at_once_are_all_different)
{
	static char seen[1024];

	run(open_many, NULL);
	for (int i = 0; i < n_opened; i++) {
		CHECK(!seen[opened[i]]);
		seen[opened[i]] = 1;
	}
	/* Lowest first: they are dense. */
	for (int fd = 3; fd < 3 + n_opened; fd++)
		CHECK(seen[fd]);
}

static int victim, closed;

static void *close_one(void *arg)
{
	pthread_barrier_wait(&barrier);
	if (close(victim) == 0)
		__atomic_add_fetch(&closed, 1, __ATOMIC_SEQ_CST);
	else
		CHECK_EQ(errno, EBADF);
	return arg;
}

TEST(one_of_many_closes_wins)
{
	for (int i = 0; i < 50; i++) {
		victim = MUST(dup(0));
		closed = 0;
		run(close_one, NULL);
		CHECK_EQ(closed, 1);
	}
}

static int created;

static void *create_exclusive(void *arg)
{
	char name[16];

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		if (open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600) >= 0)
			__atomic_add_fetch(&created, 1, __ATOMIC_SEQ_CST);
		else
			CHECK_EQ(errno, EEXIST);
	}
	return arg;
}

TEST(exclusive_creation_succeeds_once_a_name)
{
	t_cd_tmpdir();
	run(create_exclusive, NULL);
	CHECK_EQ(created, 50);
}

static int removed;

static void *remove_all(void *arg)
{
	char name[16];

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		if (unlink(name) == 0)
			__atomic_add_fetch(&removed, 1, __ATOMIC_SEQ_CST);
		else
			CHECK_EQ(errno, ENOENT);
	}
	return arg;
}

TEST(removal_succeeds_once_a_name)
{
	char name[16];

	t_cd_tmpdir();
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		t_write_file(name, "");
	}
	run(remove_all, NULL);
	CHECK_EQ(removed, 50);
}

static int append_fd;

static void *append_lines(void *arg)
{
	char line[16];
	int id = __atomic_fetch_add((int *)arg, 1, __ATOMIC_SEQ_CST);

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 200; i++) {
		snprintf(line, sizeof(line), "%c%06d\n", 'a' + id, i);
		CHECK(write(append_fd, line, 8) == 8);
	}
	return NULL;
}

TEST(appended_lines_are_whole_and_in_order)
{
	int id = 0, next[N] = {0};
	char line[9] = "";

	append_fd = MUST(open(t_tmpdir(), O_RDWR | O_TMPFILE | O_APPEND, 0600));
	run(append_lines, &id);
	CHECK_EQ(lseek(append_fd, 0, SEEK_END), N * 200 * 8);
	for (int i = 0; i < N * 200; i++) {
		CHECK_EQ(pread(append_fd, line, 8, i * 8), 8);
		CHECK(line[0] >= 'a' && line[0] < 'a' + N && line[7] == '\n');
		CHECK_EQ(atoi(line + 1), next[line[0] - 'a']++);
	}
}

static int shared_pos_fd;

static void *write_at_position(void *arg)
{
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 200; i++)
		CHECK(write(shared_pos_fd, "12345678", 8) == 8);
	return arg;
}

TEST(writes_through_one_position_do_not_overlap)
{
	shared_pos_fd = MUST(open(t_tmpdir(), O_RDWR | O_TMPFILE, 0600));
	run(write_at_position, NULL);
	CHECK_EQ(lseek(shared_pos_fd, 0, SEEK_CUR), N * 200 * 8);
	CHECK_EQ(lseek(shared_pos_fd, 0, SEEK_END), N * 200 * 8);
}

static void *map_and_unmap(void *arg)
{
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 200; i++) {
		size_t len = 4096ul * (size_t)(1 + i % 7);
		volatile char *p = MUST(mmap(NULL, len, PROT_READ | PROT_WRITE,
					     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

		for (size_t k = 0; k < len; k += 4096) {
			CHECK_EQ(p[k], 0); /* nobody else has it */
			p[k] = 1;
		}
		MUST(munmap((void *)p, len));
	}
	return arg;
}

TEST(mappings_made_at_once_never_overlap)
{
	run(map_and_unmap, NULL);
}

static int pipe_fd[2];
static long sum_in, sum_out;

static void *pipe_side(void *arg)
{
	int id = __atomic_fetch_add((int *)arg, 1, __ATOMIC_SEQ_CST);
	long sum = 0, v;

	pthread_barrier_wait(&barrier);
	for (long i = 0; i < 500; i++) {
		if (id % 2) {
			v = i * id;
			CHECK(write(pipe_fd[1], &v, sizeof(v)) == sizeof(v));
		} else {
			CHECK(read(pipe_fd[0], &v, sizeof(v)) == sizeof(v));
		}
		sum += v;
	}
	__atomic_add_fetch(id % 2 ? &sum_in : &sum_out, sum, __ATOMIC_SEQ_CST);
	return NULL;
}

TEST(words_through_a_pipe_arrive_once)
{
	int id = 0;

	MUST(pipe(pipe_fd));
	run(pipe_side, &id);
	CHECK_EQ(sum_in, sum_out);
}

static void *look_up(void *arg)
{
	int id = __atomic_fetch_add((int *)arg, 1, __ATOMIC_SEQ_CST);
	struct stat st;

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 200; i++) {
		if (id == 0)
			CHECK(rename("a", "b") == 0 && rename("b", "a") == 0);
		else if (id == 1)
			CHECK(link("keep", "x") == 0 && unlink("x") == 0);
		else
			CHECK(stat("keep", &st) == 0 && st.st_size == 4);
	}
	return NULL;
}

TEST(name_is_found_while_its_neighbours_change)
{
	int id = 0;

	t_cd_tmpdir();
	t_write_file("keep", "text");
	t_write_file("a", "");
	run(look_up, &id);
}

static void *rename_over(void *arg)
{
	int id = __atomic_fetch_add((int *)arg, 1, __ATOMIC_SEQ_CST);
	char tmp[16];

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 100; i++) {
		if (id == 0) {
			/* Readers: the name is always there and always whole. */
			int fd = MUST(open("target", O_RDONLY | O_CLOEXEC));
			char text[8];

			CHECK_EQ(read(fd, text, sizeof(text)), 5);
			CHECK(!memcmp(text, "whole", 5));
			MUST(close(fd));
			continue;
		}
		snprintf(tmp, sizeof(tmp), "tmp%d", id);
		t_write_file(tmp, "whole");
		MUST(rename(tmp, "target"));
	}
	return NULL;
}

TEST(file_replaced_by_rename_is_always_there)
{
	int id = 0;

	t_cd_tmpdir();
	t_write_file("target", "whole");
	run(rename_over, &id);
}

static void *send_signals(void *arg)
{
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 100; i++) {
		union sigval v = {.sival_int = 1};

		while (sigqueue(getpid(), SIGRTMIN, v) < 0)
			CHECK_EQ(errno, EAGAIN);
	}
	return arg;
}

static volatile sig_atomic_t received;

static void count_signal(int sig)
{
	(void)sig;
	__atomic_add_fetch(&received, 1, __ATOMIC_SEQ_CST);
}

TEST(queued_signals_from_many_threads_all_arrive)
{
	t_handle(SIGRTMIN, count_signal);
	run(send_signals, NULL);
	while (received < N * 100)
		usleep(500);
	CHECK_EQ(received, N * 100);
}
