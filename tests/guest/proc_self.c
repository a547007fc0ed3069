/* /proc/self and /proc/PID: status, stat, statm, cmdline, environ, exe, cwd, root, task. */
#include "t.h"
#include <poll.h>

#include <pthread.h>
#include <sys/prctl.h>

/* The value of a field of /proc/PID/status, without the leading blanks. */
static const char *status_of(pid_t pid, const char *field)
{
	static char value[256];
	char path[64], want[64];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	snprintf(want, sizeof(want), "\n%s:", field);
	at = strstr(t_read_file(path), want);
	CHECK(at);
	at += strlen(want);
	at += strspn(at, " \t");
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "\n"), at);
	return value;
}

static const char *status(const char *field)
{
	return status_of(getpid(), field);
}

static const char *link_of(const char *fmt, pid_t pid)
{
	static char text[PATH_MAX];
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), fmt, pid);
	n = MUST(readlink(path, text, sizeof(text) - 1));
	text[n] = 0;
	return text;
}

TEST(self_is_a_link_to_our_number)
{
	CHECK_EQ(atoi(link_of("/proc/self", 0)), getpid());
	CHECK_EXITED(IN_CHILD(CHECK_EQ(atoi(link_of("/proc/self", 0)), getpid())), 0);
}

TEST(thread_self_names_process_and_thread)
{
	char want[64];

	snprintf(want, sizeof(want), "%d/task/%d", getpid(), getpid());
	CHECK_STR(link_of("/proc/thread-self", 0), want);
}

TEST(status_tells_identity)
{
	char want[64];

	MUST(prctl(PR_SET_NAME, "some name"));
	CHECK(!strncmp(t_read_file("/proc/self/status"), "Name:\tsome name\n", 16));
	CHECK_EQ(atoi(status("Pid")), getpid());
	CHECK_EQ(atoi(status("Tgid")), getpid());
	CHECK_EQ(atoi(status("PPid")), getppid());
	CHECK_STR(status("State"), "R (running)");
	CHECK_EQ(atoi(status("Threads")), 1);
	snprintf(want, sizeof(want), "%d\t%d\t%d\t%d", getuid(), getuid(), getuid(), getuid());
	CHECK_STR(status("Uid"), want);
	CHECK_STR(status("Umask"), "0022");
}

TEST(status_tells_signals)
{
	/* Whoever started us may have ignored some. */
	unsigned long ignored = strtoul(status("SigIgn"), NULL, 16);

	CHECK_EQ(ignored & 0x800, 0);
	t_block(SIGUSR1);
	signal(SIGUSR2, SIG_IGN);
	raise(SIGUSR1);
	CHECK_STR(status("SigBlk"), "0000000000000200");
	CHECK_EQ(strtoul(status("SigIgn"), NULL, 16), ignored | 0x800);
	CHECK_EQ(strlen(status("SigIgn")), 16);
	CHECK_STR(status("SigPnd"), "0000000000000200");
	MUST(kill(getpid(), SIGUSR1));
	CHECK_STR(status("ShdPnd"), "0000000000000200");
	CHECK_STR(status("SigCgt"), "0000000000000000");
}

TEST(status_tells_memory)
{
	long before = atol(status("VmSize"));
	char *p = MUST(
		mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	CHECK_EQ(atol(status("VmSize")) - before, 64 << 10);
	before = atol(status("VmRSS"));
	memset(p, 1, 16 << 20);
	CHECK(atol(status("VmRSS")) - before >= 12 << 10);
	CHECK(atol(status("VmPeak")) >= atol(status("VmSize")));
}

TEST(states_of_a_process_show)
{
	struct t_gate end = t_gate();
	pid_t pid = SPAWN(t_gate_pass(&end));

	t_wait_state(pid, 'S');
	CHECK_STR(status_of(pid, "State"), "S (sleeping)");
	MUST(kill(pid, SIGSTOP));
	t_wait_state(pid, 'T');
	CHECK_STR(status_of(pid, "State"), "T (stopped)");
	MUST(kill(pid, SIGKILL));
	t_wait_state(pid, 'Z');
	CHECK_STR(status_of(pid, "State"), "Z (zombie)");
	CHECK_KILLED(t_wait(pid), SIGKILL);
}

TEST(stat_line_has_its_52_fields)
{
	const char *text = t_read_file("/proc/self/stat");
	const char *at = strrchr(text, ')');
	int fields = 2;
	pid_t ppid, pgrp, sid;
	char state;

	CHECK_EQ(atoi(text), getpid());
	CHECK(at);
	for (const char *p = at + 1; *p; p++)
		fields += *p == ' ';
	CHECK_EQ(fields, 52);
	CHECK_EQ(sscanf(at + 2, "%c %d %d %d", &state, &ppid, &pgrp, &sid), 4);
	CHECK_EQ(state, 'R');
	CHECK_EQ(ppid, getppid());
	CHECK_EQ(pgrp, getpgrp());
	CHECK_EQ(sid, getsid(0));
}

TEST(names_with_brackets_stay_readable)
{
	MUST(prctl(PR_SET_NAME, "a) R 1 (b"));
	CHECK(strstr(t_read_file("/proc/self/stat"), "(a) R 1 (b) R "));
}

TEST(statm_counts_pages)
{
	unsigned long size, rss, again;

	CHECK_EQ(sscanf(t_read_file("/proc/self/statm"), "%lu %lu", &size, &rss), 2);
	CHECK(size > rss && rss > 10);
	MUST(mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	CHECK_EQ(sscanf(t_read_file("/proc/self/statm"), "%lu", &again), 1);
	CHECK_EQ(again - size, 256);
}

HELPER(cmdline)
{
	static const char want[] = "zero\0--helper\0cmdline\0two words\0\0last";
	char buf[256];
	int fd = MUST(open("/proc/self/cmdline", O_RDONLY));
	ssize_t n = read(fd, buf, sizeof(buf));

	return n == sizeof(want) && !memcmp(buf, want, sizeof(want)) && argc == 4 ? 0 : 1;
}

TEST(command_line_is_as_it_was_given)
{
	CHECK_EXITED(IN_CHILD({
			     execl(t_self(), "zero", "--helper", "cmdline", "two words", "", "last",
				   NULL);
			     _exit(98);
		     }),
		     0);
}

HELPER(show_environ)
{
	static const char want[] = "A=1\0B=two";
	char buf[256];
	int fd = MUST(open("/proc/self/environ", O_RDONLY));
	ssize_t n = read(fd, buf, sizeof(buf));

	return n == sizeof(want) && !memcmp(buf, want, sizeof(want)) ? 0 : 1;
}

TEST(environment_is_as_it_was_given)
{
	char *argv[] = {"x", "--helper", "show_environ", NULL}, *envp[] = {"A=1", "B=two", NULL};

	CHECK_EXITED(IN_CHILD({
			     execve(t_self(), argv, envp);
			     _exit(98);
		     }),
		     0);
}

/*
 * exec_again LEFT TOLD END WORD: executes itself LEFT times, tells that it has, and waits for its
 * end.
 */
HELPER(exec_again)
{
	char left[16], c;

	if (atoi(argv[1]) == 0)
		return write(atoi(argv[2]), "", 1) == 1 && read(atoi(argv[3]), &c, 1) == 0 ? 0 : 1;
	snprintf(left, sizeof(left), "%d", atoi(argv[1]) - 1);
	execl(t_self(), "again", "--helper", "exec_again", left, argv[2], argv[3], argv[4], NULL);
	return 1;
}

/* Others see of an exec what was before, nothing, or what is then. */
TEST(exec_shows_no_half_of_itself)
{
	size_t size = 100000;
	char *word = calloc(1, size + 1), *seen = malloc(size), path[64], exe[64], target[PATH_MAX];
	int told[2], end[2];
	struct pollfd p = {.events = POLLIN};
	pid_t pid;

	memset(word, 'w', size);
	MUST(pipe(told));
	MUST(pipe(end));
	p.fd = told[0];
	pid = SPAWN({
		char fds[2][16];

		snprintf(fds[0], sizeof(fds[0]), "%d", told[1]);
		snprintf(fds[1], sizeof(fds[1]), "%d", end[0]);
		MUST(close(end[1]));
		execl(t_self(), "again", "--helper", "exec_again", "60", fds[0], fds[1], word,
		      NULL);
		_exit(98);
	});
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	snprintf(exe, sizeof(exe), "/proc/%d/exe", pid);
	while (poll(&p, 1, 0) == 0) {
		int fd = MUST(open(path, O_RDONLY));
		ssize_t n = MUST(read(fd, seen, size));

		CHECK(n <= 0 || seen[0] != '\0');
		MUST(readlink(exe, target, sizeof(target)));
		MUST(close(fd));
	}
	MUST(close(end[1]));
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(exe_cwd_and_root_are_links)
{
	t_cd_tmpdir();
	CHECK_STR(link_of("/proc/self/exe", 0), t_self());
	CHECK_STR(link_of("/proc/self/cwd", 0), t_tmpdir());
	CHECK_STR(link_of("/proc/self/root", 0), "/");
	t_write_file("f", "here");
	CHECK_STR(t_read_file("/proc/self/cwd/f"), "here");
}

TEST(links_of_a_child)
{
	struct t_gate ready = t_gate(), end = t_gate();
	pid_t pid = SPAWN({
		t_cd_tmpdir();
		t_gate_open(&ready);
		t_gate_pass(&end);
	});

	t_gate_pass(&ready);
	CHECK_STR(link_of("/proc/%d/cwd", pid), t_tmpdir());
	CHECK_STR(link_of("/proc/%d/exe", pid), t_self());
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
}

static struct t_gate ready, end;

static void *stay(void *arg)
{
	MUST(prctl(PR_SET_NAME, "a-thread"));
	*(pid_t *)arg = (pid_t)syscall(SYS_gettid);
	t_gate_open(&ready);
	t_gate_pass(&end);
	return NULL;
}

TEST(task_directory_lists_the_threads)
{
	pthread_t thread[3];
	pid_t tid[3];
	char path[64];
	struct dirent *e;
	struct stat st;
	int n = 0;
	DIR *dir;

	ready = t_gate();
	end = t_gate();
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, stay, &tid[i]), 0);
	for (int i = 0; i < 3; i++)
		t_gate_pass(&ready);
	dir = opendir("/proc/self/task");
	CHECK(dir);
	while ((e = readdir(dir)))
		n += atoi(e->d_name) > 0;
	closedir(dir);
	CHECK_EQ(n, 4);
	MUST(stat("/proc/self/task", &st));
	CHECK_EQ(st.st_nlink, 2 + 4);
	CHECK_EQ(atoi(status("Threads")), 4);
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid[1]);
	CHECK_STR(t_read_file(path), "a-thread\n");
	/* A thread can be looked up at the top, but is not listed there. */
	snprintf(path, sizeof(path), "/proc/%d/comm", tid[1]);
	CHECK_STR(t_read_file(path), "a-thread\n");
	for (int i = 0; i < 3; i++)
		t_gate_open(&end);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

TEST(processes_are_listed)
{
	struct t_gate finish = t_gate();
	pid_t pid = SPAWN(t_gate_pass(&finish));
	bool me = false, child = false;
	struct dirent *e;
	DIR *dir = opendir("/proc");

	CHECK(dir);
	while ((e = readdir(dir))) {
		me |= atoi(e->d_name) == getpid();
		child |= atoi(e->d_name) == pid;
	}
	closedir(dir);
	CHECK(me && child);
	t_gate_open(&finish);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(directory_of_an_ended_process_is_empty)
{
	char path[64];
	pid_t pid = SPAWN(pause());
	int dir;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	dir = MUST(open(path, O_RDONLY | O_DIRECTORY));
	MUST(kill(pid, SIGKILL));
	CHECK_KILLED(t_wait(pid), SIGKILL);
	CHECK(openat(dir, "status", O_RDONLY) == -1);
	CHECK(errno == ESRCH || errno == ENOENT);
	CHECK_ERR(open(path, O_RDONLY), ENOENT);
}

TEST(open_file_of_an_ended_process_is_esrch)
{
	char path[64], buf[64];
	pid_t pid = SPAWN(pause());
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	fd = MUST(open(path, O_RDONLY));
	MUST(kill(pid, SIGKILL));
	CHECK_KILLED(t_wait(pid), SIGKILL);
	CHECK_ERR(read(fd, buf, sizeof(buf)), ESRCH);
}

TEST(foreign_processes_hide_their_environment)
{
	char path[64];

	if (!t_is_root())
		SKIP("needs root to have a process of another user");
	struct t_gate finish = t_gate();
	pid_t pid = SPAWN(t_gate_pass(&finish));
	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	CHECK_EXITED(IN_CHILD({
			     t_become_ordinary();
			     CHECK_ERR(open(path, O_RDONLY), EACCES);
		     }),
		     0);
	t_gate_open(&finish);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(files_cannot_be_created_in_proc)
{
	CHECK_ERR(open("/proc/new", O_RDWR | O_CREAT, 0600), ENOENT);
	CHECK_ERR(mkdir("/proc/new", 0700), ENOENT);
	CHECK(unlink("/proc/version") == -1);
}

/* The line of /proc/PID/syscall, once the process sleeps in a call. */
static const char *call_of(pid_t pid)
{
	char path[64];
	const char *line;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	do {
		sched_yield();
		line = t_read_file(path);
	} while (!strncmp(line, "running", 7));
	return line;
}

TEST(syscall_tells_call_and_stack_of_a_sleeper)
{
	unsigned long nr, a[3], sp;
	char byte, *stack = (char *)&byte;
	int fds[2];
	pid_t pid;

	MUST(pipe(fds));
	pid = MUST(fork());
	if (pid == 0) {
		syscall(SYS_read, fds[0], stack, 1L);
		_exit(0);
	}
	CHECK_EQ(sscanf(call_of(pid), "%lu %lx %lx %lx %*x %*x %*x %lx", &nr, &a[0], &a[1], &a[2],
			&sp),
		 5);
	CHECK_EQ(nr, (unsigned long)SYS_read);
	CHECK_EQ(a[0], (unsigned long)fds[0]);
	CHECK_EQ(a[1], (unsigned long)stack);
	CHECK_EQ(a[2], 1UL);
	CHECK(sp < (unsigned long)stack + 4096 && sp > (unsigned long)stack - 65536);
	MUST(write(fds[1], "x", 1));
	MUST(waitpid(pid, NULL, 0));
}

static int set_oom_score(const char *text)
{
	int fd = MUST(open("/proc/self/oom_score_adj", O_WRONLY));
	int err = write(fd, text, strlen(text)) < 0 ? errno : 0;

	close(fd);
	return err;
}

TEST(oom_score_can_be_raised_and_lowered_to_where_root_set_it)
{
	t_become_ordinary();
	MUST(prctl(PR_SET_DUMPABLE, 1)); /* else its files are root's */
	if (strcmp(t_read_file("/proc/self/oom_score_adj"), "0\n") != 0)
		SKIP("somebody has set it already");
	CHECK_EQ(set_oom_score("500"), 0);
	CHECK_EQ(set_oom_score("20"), 0);
	CHECK_EQ(set_oom_score("0"), 0);
	CHECK_EQ(set_oom_score("-1"), EACCES);
	CHECK_STR(t_read_file("/proc/self/oom_score_adj"), "0\n");
}
