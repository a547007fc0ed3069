/* execve: what the new program gets, what it loses, and how a failed one leaves the old program. */
#include "t.h"

#include <sys/prctl.h>

extern char **environ;

/* args N A... : exit 0 if there are N arguments behind this one and they are "a0", "a1", ... */
HELPER(args)
{
	int n = atoi(argv[1]);

	if (argc != n + 2 || argv[argc] != NULL)
		return 1;
	for (int i = 0; i < n; i++) {
		char want[16];

		snprintf(want, sizeof(want), "a%d", i);
		if (strcmp(argv[i + 2], want))
			return 2;
	}
	return 0;
}

TEST(arguments_reach_the_program)
{
	CHECK_EXITED(IN_CHILD(T_EXEC_HELPER("args", "3", "a0", "a1", "a2")), 0);
	CHECK_EXITED(IN_CHILD(T_EXEC_HELPER("args", "0")), 0);
}

HELPER(environment)
{
	const char *first = getenv("FIRST"), *empty = getenv("EMPTY");

	if (!first || strcmp(first, "one two") || !empty || *empty)
		return 1;
	return environ[2] == NULL && !getenv("HOME") ? 0 : 2;
}

TEST(environment_reaches_the_program)
{
	char *argv[] = {(char *)t_self(), "--helper", "environment", NULL};
	char *envp[] = {"FIRST=one two", "EMPTY=", NULL};

	CHECK_EXITED(IN_CHILD({
			     execve(t_self(), argv, envp);
			     _exit(98);
		     }),
		     0);
}

HELPER(same_pid)
{
	return getpid() == atoi(argv[1]) && getppid() == atoi(argv[2]) ? 0 : 1;
}

TEST(pid_and_parent_stay_the_same)
{
	char ppid[16];

	snprintf(ppid, sizeof(ppid), "%d", getpid());
	CHECK_EXITED(IN_CHILD({
			     char pid[16];
			     snprintf(pid, sizeof(pid), "%d", getpid());
			     T_EXEC_HELPER("same_pid", pid, ppid);
		     }),
		     0);
}

HELPER(descriptors)
{
	return fcntl(atoi(argv[1]), F_GETFD) == 0 && fcntl(atoi(argv[2]), F_GETFD) == -1 ? 0 : 1;
}

TEST(close_on_exec_descriptors_are_closed_and_others_stay)
{
	MUST(dup2(0, 20));
	MUST(dup3(0, 21, O_CLOEXEC));
	CHECK_EXITED(IN_CHILD(T_EXEC_HELPER("descriptors", "20", "21")), 0);
}

HELPER(signals)
{
	struct sigaction sa;
	sigset_t set;

	if (sigaction(SIGUSR1, NULL, &sa) || sa.sa_handler != SIG_DFL)
		return 1;
	if (sigaction(SIGUSR2, NULL, &sa) || sa.sa_handler != SIG_IGN)
		return 2;
	if (sigprocmask(SIG_BLOCK, NULL, &set) || !sigismember(&set, SIGTERM))
		return 3;
	if (sigpending(&set) || !sigismember(&set, SIGTERM))
		return 4;
	return 0;
}

static void nothing(int sig)
{
	(void)sig;
}

TEST(handlers_are_reset_but_ignored_blocked_and_pending_stay)
{
	CHECK_EXITED(IN_CHILD({
			     t_handle(SIGUSR1, nothing);
			     signal(SIGUSR2, SIG_IGN);
			     t_block(SIGTERM);
			     raise(SIGTERM);
			     T_EXEC_HELPER("signals");
		     }),
		     0);
}

HELPER(alarm_left)
{
	return alarm(0) > 0 ? 0 : 1;
}

TEST(alarm_goes_on_across_exec)
{
	CHECK_EXITED(IN_CHILD({
			     alarm(100);
			     T_EXEC_HELPER("alarm_left");
		     }),
		     0);
}

HELPER(no_altstack)
{
	stack_t ss;

	return sigaltstack(NULL, &ss) == 0 && ss.ss_flags == SS_DISABLE ? 0 : 1;
}

TEST(alternate_signal_stack_is_dropped)
{
	CHECK_EXITED(IN_CHILD({
			     stack_t ss = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
			     MUST(sigaltstack(&ss, NULL));
			     T_EXEC_HELPER("no_altstack");
		     }),
		     0);
}

HELPER(place)
{
	char cwd[64];

	return getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, argv[1]) && umask(0) == 031 ? 0 : 1;
}

TEST(cwd_and_umask_stay)
{
	t_cd_tmpdir();
	CHECK_EXITED(IN_CHILD({
			     umask(031);
			     T_EXEC_HELPER("place", (char *)t_tmpdir());
		     }),
		     0);
}

HELPER(comm)
{
	char name[17] = "", exe[PATH_MAX];
	const char *base = strrchr(t_self(), '/') + 1;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	exe[n > 0 ? n : 0] = 0;
	prctl(PR_GET_NAME, name);
	return !strncmp(name, base, 15) && !strcmp(exe, t_self()) ? 0 : 1;
}

TEST(command_name_is_that_of_the_new_program)
{
	CHECK_EXITED(IN_CHILD({
			     prctl(PR_SET_NAME, "something-else");
			     T_EXEC_HELPER("comm");
		     }),
		     0);
}

HELPER(unmapped)
{
	return msync((void *)strtoul(argv[1], NULL, 16), 4096, MS_ASYNC) == -1 && errno == ENOMEM
		       ? 0
		       : 1;
}

TEST(mappings_of_the_old_program_are_gone)
{
	CHECK_EXITED(IN_CHILD({
			     char addr[32];
			     MUST(mmap((void *)0x200000, 4096, PROT_READ,
				       MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
			     strcpy(addr, "0x200000");
			     T_EXEC_HELPER("unmapped", addr);
		     }),
		     0);
}

HELPER(exit_with)
{
	return atoi(argv[1]);
}

TEST(execveat_of_a_descriptor_with_an_empty_path)
{
	char *argv[] = {"x", "--helper", "exit_with", "17", NULL};
	int fd = MUST(open(t_self(), O_PATH | O_CLOEXEC));

	CHECK_EXITED(IN_CHILD({
			     syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
			     _exit(98);
		     }),
		     17);
	CHECK_ERR(syscall(SYS_execveat, fd, "", argv, environ, 0), ENOENT);
}

TEST(execveat_is_relative_to_its_directory)
{
	char *argv[] = {"x", "--helper", "exit_with", "18", NULL}, path[PATH_MAX];
	int dir;

	strcpy(path, t_self());
	*strrchr(path, '/') = 0;
	dir = MUST(open(path, O_PATH | O_DIRECTORY));
	CHECK_EXITED(IN_CHILD({
			     syscall(SYS_execveat, dir, strrchr(t_self(), '/') + 1, argv, environ,
				     0);
			     _exit(98);
		     }),
		     18);
}

TEST(execveat_nofollow_refuses_a_symlink)
{
	char *argv[] = {"x", "--helper", "exit_with", "19", NULL};

	t_cd_tmpdir();
	MUST(symlink(t_self(), "link"));
	CHECK_ERR(syscall(SYS_execveat, AT_FDCWD, "link", argv, environ, AT_SYMLINK_NOFOLLOW),
		  ELOOP);
	CHECK_EXITED(IN_CHILD({
			     syscall(SYS_execveat, AT_FDCWD, "link", argv, environ, 0);
			     _exit(98);
		     }),
		     19);
}

TEST(exec_of_what_is_no_program_fails_and_the_caller_goes_on)
{
	char *argv[] = {"x", NULL};

	t_cd_tmpdir();
	t_write_file("plain", "no program");
	CHECK_ERR(execve("missing", argv, environ), ENOENT);
	CHECK_ERR(execve("/", argv, environ), EACCES);
	CHECK_ERR(execve("plain", argv, environ), EACCES);
	CHECK_ERR(execve("plain/x", argv, environ), ENOTDIR);
	CHECK_ERR(execve("/dev/null", argv, environ), EACCES);
	MUST(chmod("plain", 0755));
	CHECK_ERR(execve("plain", argv, environ), ENOEXEC);
	MUST(mkfifo("fifo", 0777));
	CHECK_ERR(execve("fifo", argv, environ), EACCES);
}

TEST(symlink_loop_is_eloop)
{
	char *argv[] = {"x", NULL};

	t_cd_tmpdir();
	MUST(symlink("b", "a"));
	MUST(symlink("a", "b"));
	CHECK_ERR(execve("a", argv, environ), ELOOP);
}

TEST(one_argument_of_128_kib_is_too_big)
{
	char *text = malloc(200 << 10), *argv[] = {(char *)t_self(), text, NULL};

	memset(text, 'a', 200 << 10);
	text[131072] = 0;
	CHECK_ERR(execve(t_self(), argv, environ), E2BIG);
	CHECK_EXITED(IN_CHILD({
			     char *good[] = {
				     (char *)t_self(), "--helper", "exit_with", "20", text, NULL};
			     text[131071] = 0;
			     execve(t_self(), good, environ);
			     _exit(98);
		     }),
		     20);
}

TEST(too_many_arguments_are_e2big)
{
	static char *argv[100000], text[100];

	memset(text, 'a', sizeof(text) - 1);
	for (int i = 0; i < 99999; i++)
		argv[i] = text;
	CHECK_ERR(execve(t_self(), argv, environ), E2BIG);
}

HELPER(count)
{
	return argc == 10004 && !strcmp(argv[10003], "last") ? 0 : 1;
}

TEST(ten_thousand_arguments_arrive)
{
	static char *argv[10010];
	int n = 0;

	argv[n++] = (char *)t_self();
	argv[n++] = "--helper";
	argv[n++] = "count";
	while (n < 10005)
		argv[n++] = "word";
	argv[n++] = "last";
	CHECK_EXITED(IN_CHILD({
			     execv(t_self(), argv);
			     _exit(98);
		     }),
		     0);
}

HELPER(again)
{
	char left[16];

	snprintf(left, sizeof(left), "%d", atoi(argv[1]) - 1);
	if (!strcmp(argv[1], "0"))
		return 21;
	T_EXEC_HELPER("again", left);
}

TEST(program_executes_itself_fifty_times)
{
	CHECK_EXITED(IN_CHILD(T_EXEC_HELPER("again", "50")), 21);
}

TEST(exec_closes_a_pipe_marked_close_on_exec)
{
	int fd[2];
	char c;

	MUST(pipe2(fd, O_CLOEXEC));
	pid_t pid = SPAWN(T_EXEC_HELPER("exit_with", "0"));
	MUST(close(fd[1]));
	CHECK_EQ(read(fd[0], &c, 1), 0);
	CHECK_EXITED(t_wait(pid), 0);
}

HELPER(dumpable)
{
	return prctl(PR_GET_DUMPABLE) == 1 ? 0 : 1;
}

TEST(exec_makes_a_process_dumpable_again)
{
	CHECK_EXITED(IN_CHILD({
			     MUST(prctl(PR_SET_DUMPABLE, 0));
			     T_EXEC_HELPER("dumpable");
		     }),
		     0);
}
