/*
 * test: quick=no serial=yes
 * All of something that each process may have: queued signals, threads with their slots in the
 * stub, descriptors, files that send signals.
 */
#include "attack.h"
#include <pthread.h>
#include <sys/resource.h>

TEST(signal_queue_is_filled)
{
	struct rlimit r;
	uint64_t n = 0;
	pid_t pid;

	t_block(SIGRTMIN); /* before the first can come */
	pid = SPAWN(for (;;) pause());
	MUST(getrlimit(RLIMIT_SIGPENDING, &r));
	while (n < 100000 && sigqueue(pid, SIGRTMIN, (union sigval){.sival_int = 1}) == 0)
		n++;
	EXPECT_EQ(errno, EAGAIN);
	EXPECT(n > 10 && n <= r.rlim_cur);
	/* What isn't queued still comes. */
	MUST(kill(pid, SIGKILL));
	CHECK_KILLED(t_wait(pid), SIGKILL);
	CHECK_EXITED(IN_CHILD({
			     t_block(SIGRTMIN);
			     MUST(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 1}));
			     _exit(0);
		     }),
		     0);
}

static uint32_t *gate;

static void *wait_at_gate(void *unused)
{
	hostile_wait(gate);
	return unused;
}

/* A process has as many slots as SLOT_MAX says, less the keeper's. */
TEST(threads_until_there_is_no_slot)
{
	pthread_t *t = calloc(SLOT_MAX, sizeof(*t));
	pthread_attr_t attr;
	size_t n = 0;
	int err = 0;

	gate = t_shared(sizeof(*gate));
	CHECK(t);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 16384);
	while (n < SLOT_MAX && !(err = pthread_create(&t[n], &attr, wait_at_gate, NULL)))
		n++;
	EXPECT_EQ(err, EAGAIN);
	EXPECT(n > 100 && n < SLOT_MAX - 1);
	/* Another process has its own. */
	CHECK_EXITED(IN_CHILD({
			     pthread_t one;

			     hostile_release(gate);
			     CHECK_EQ(pthread_create(&one, &attr, wait_at_gate, NULL), 0);
			     CHECK_EQ(pthread_join(one, NULL), 0);
		     }),
		     0);
	while (n--)
		CHECK_EQ(pthread_join(t[n], NULL), 0);
	CHECK_EQ(pthread_create(&t[0], &attr, wait_at_gate, NULL), 0);
	CHECK_EQ(pthread_join(t[0], NULL), 0);
}

TEST(descriptors_until_there_are_no_more)
{
	struct rlimit r = {1 << 18, 1 << 18};
	int n = 0, p[2];

	MUST(setrlimit(RLIMIT_NOFILE, &r));
	while (n < (1 << 18) && dup(0) >= 0)
		n++;
	EXPECT_EQ(errno, EMFILE);
	EXPECT(n > 1000);
	CHECK(pipe(p) < 0);
	CHECK_EXITED(IN_CHILD(_exit(7)), 7);
}

/*
 * Each of them signals a group whenever something happens to the fifo: a write, or the end of one
 * of them while there is no writer.
 */
TEST(files_that_send_signals_until_there_are_no_more)
{
	enum { MORE = 4096, MEMBERS = 10 };
	struct rlimit r = {MORE + 100, MORE + 100};
	char path[128];
	int n = 0, w;

	MUST(setrlimit(RLIMIT_NOFILE, &r));
	t_block(SIGIO);
	for (int i = 0; i < MEMBERS; i++)
		SPAWN(for (;;) pause());
	snprintf(path, sizeof(path), "%s/fifo", t_tmpdir());
	MUST(mkfifo(path, 0600));
	for (; n < MORE; n++) {
		int fd = MUST(open(path, O_RDONLY | O_NONBLOCK));

		MUST(fcntl(fd, F_SETOWN, -getpgrp()));
		if (fcntl(fd, F_SETFL, O_ASYNC))
			break;
	}
	EXPECT_EQ(errno, ENOMEM);
	EXPECT(n > 500 && n < MORE);
	w = MUST(open(path, O_WRONLY));
	CHECK_EQ(write(w, "x", 1), 1);
	MUST(close(w));
	/* Then the readers go with us, each telling the others. */
	CHECK_EXITED(IN_CHILD(_exit(7)), 7);
}
