/*
 * test: kind=host
 * Death from outside: of the kernel, whose host processes must all go with it, and of its host
 * processes, which it must outlive.
 */
#include "t.h"
#include "tests/hostile/host.h"
#include "tests/hostile/hostile.h"

#define TRIES 25

struct kernel {
	pid_t pid;
	int in, out; /* the guest's */
};

/* Starts a kernel with hostile/busy.c in it. */
static struct kernel start(void)
{
	struct kernel k;
	int in[2], out[2];
	char heddle[PATH_MAX], busy[PATH_MAX];

	snprintf(heddle, sizeof(heddle), "%s", getenv("HEDDLE_BIN"));
	snprintf(busy, sizeof(busy), "%s/busy", getenv("HOSTILE_BIN"));
	MUST(pipe2(in, O_CLOEXEC));
	MUST(pipe2(out, O_CLOEXEC));
	k.pid = MUST(fork());
	if (k.pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl(heddle, heddle, "run", "-c", getenv("CPUS"), "-e", getenv("ENGINE"), "--",
		      busy, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	k.in = in[1];
	k.out = out[0];
	return k;
}

static void expect_word(const struct kernel *k, const char *word)
{
	char buf[16] = "";
	size_t n = 0;

	while (n < strlen(word)) {
		ssize_t r = MUST(read(k->out, buf + n, strlen(word) - n));

		CHECK(r > 0);
		n += r;
	}
	CHECK_STR(buf, word);
}

static void make_busy(const struct kernel *k)
{
	expect_word(k, "ready\n");
	MUST(write(k->in, "x", 1));
	expect_word(k, "busy\n");
}

static void close_pipes(struct kernel *k)
{
	close(k->in);
	close(k->out);
}

static void sleep_us(uint64_t us)
{
	struct timespec ts = {us / 1000000, us % 1000000 * 1000};

	nanosleep(&ts, NULL);
}

/* Its host processes at this moment: none of them has children. */
static int guests(const struct kernel *k)
{
	return each_child(k->pid, NULL, NULL);
}

/* The kernel is dead: what it had started goes. */
static void check_no_strays(struct kernel *k)
{
	CHECK_EQ(MUST(waitpid(k->pid, NULL, 0)), k->pid);
	CHECK_EQ(wait_for_strays(), 0);
	close_pipes(k);
}

TEST(kernel_killed_while_busy_leaves_no_process)
{
	uint64_t seed = hostile_seed();
	int most = 0;

	become_subreaper();
	for (int i = 0; i < TRIES; i++) {
		struct kernel k = start();
		int n;

		make_busy(&k);
		sleep_us(hostile_random(&seed) % 30000);
		n = guests(&k);
		most = n > most ? n : most;
		MUST(kill(k.pid, SIGKILL));
		check_no_strays(&k);
	}
	CHECK(most > 8); /* there was something to be left */
}

TEST(kernel_killed_while_it_boots_leaves_no_process)
{
	uint64_t seed = hostile_seed();

	become_subreaper();
	for (int i = 0; i < TRIES; i++) {
		struct kernel k = start();

		sleep_us(hostile_random(&seed) % 20000);
		MUST(kill(k.pid, SIGKILL));
		check_no_strays(&k);
	}
}

TEST(kernel_ended_by_any_signal_leaves_no_process)
{
	static const int sig[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGABRT, SIGSEGV,
				  SIGBUS,  SIGFPE, SIGILL, SIGTRAP, SIGSYS,  SIGXCPU};

	become_subreaper();
	for (size_t i = 0; i < sizeof(sig) / sizeof(sig[0]); i++) {
		struct kernel k = start();

		make_busy(&k);
		MUST(kill(k.pid, sig[i]));
		/* One that isn't for the kernel itself reaches the guest, or nobody. */
		set_alarm(5);
		if (waitid(P_PID, k.pid, &(siginfo_t){0}, WEXITED | WNOWAIT) < 0)
			MUST(kill(k.pid, SIGKILL));
		set_alarm(0);
		check_no_strays(&k);
	}
}

/* ---- host processes of guests ---- */

struct victims {
	pid_t spare[16], now[4096];
	int nspare, n;
};

static void note_spare(pid_t pid, void *arg)
{
	struct victims *v = arg;

	if (v->nspare < 16)
		v->spare[v->nspare++] = pid;
}

static void note_victim(pid_t pid, void *arg)
{
	struct victims *v = arg;

	for (int i = 0; i < v->nspare; i++)
		if (v->spare[i] == pid)
			return;
	if (v->n < 4096)
		v->now[v->n++] = pid;
}

/*
 * As the host's OOM killer may do it. The first process of the guest is spared, as then it would be
 * over.
 */
TEST(kernel_outlives_its_host_processes)
{
	static struct victims v;
	struct kernel k = start();
	uint64_t seed = hostile_seed();
	int status, killed = 0;

	expect_word(&k, "ready\n");
	each_child(k.pid, note_spare, &v);
	CHECK(v.nspare == 3); /* the zygote; a keeper and its task */
	MUST(write(k.in, "x", 1));
	expect_word(&k, "busy\n");
	for (int i = 0; i < 300; i++) {
		v.n = 0;
		each_child(k.pid, note_victim, &v);
		if (v.n)
			killed += kill(v.now[hostile_random(&seed) % v.n], SIGKILL) == 0;
		sleep_us(hostile_random(&seed) % 2000);
	}
	CHECK(killed > 100);
	close(k.in);
	status = t_wait(k.pid);
	CHECK_EXITED(status, 0);
}

static void check_score(pid_t pid, void *arg)
{
	char path[64], text[16] = "";
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* it has ended */
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n > 0) {
		EXPECT(atoi(text) > *(int *)arg || *(int *)arg == 1000);
		++((int *)arg)[1];
	}
}

TEST(guests_are_killed_before_the_kernel_when_memory_is_short)
{
	struct kernel k = start();
	int arg[2] = {0, 0};

	make_busy(&k);
	arg[0] = atoi(t_read_file("/proc/self/oom_score_adj")); /* the kernel's, inherited */
	each_child(k.pid, check_score, arg);
	CHECK(arg[1] > 3);
	close(k.in);
	CHECK_EXITED(t_wait(k.pid), 0);
}
