/*
 * warden FILE KERNEL ARGS...: runs the kernel on the host with a hostile guest in it, and looks
 * whether everything outside is as before: the file, which the guest may read and tries to write, a
 * process of the same user, and the kernel itself, which has to end by itself.
 */
#include "host.h"

static const char contents[] = "not to be touched\n";

static void make_file(const char *path, struct stat *st)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0 || write(fd, contents, sizeof(contents)) != sizeof(contents) || fstat(fd, st))
		give_up(path);
	close(fd);
}

static const char *file_change(const char *path, const struct stat *was)
{
	char now[sizeof(contents) + 1];
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		return "it is gone";
	n = read(fd, now, sizeof(now));
	close(fd);
	if (n != sizeof(contents) || memcmp(now, contents, sizeof(contents)))
		return "its contents have changed";
	if (st.st_ino != was->st_ino || st.st_nlink != was->st_nlink ||
	    st.st_mode != was->st_mode || st.st_uid != was->st_uid || st.st_gid != was->st_gid)
		return "its inode has changed";
	if (st.st_mtim.tv_sec != was->st_mtim.tv_sec || st.st_mtim.tv_nsec != was->st_mtim.tv_nsec)
		return "it was written";
	return NULL;
}

/*
 * A process of the same user, which ends with 0 when the pipe is closed, if nobody did anything to
 * it.
 */
static pid_t bystander_start(int *end)
{
	int pipefd[2];
	sigset_t all, got;
	pid_t pid;
	char c;

	if (pipe2(pipefd, O_CLOEXEC))
		give_up("pipe");
	pid = fork();
	if (pid < 0)
		give_up("fork");
	if (pid) {
		close(pipefd[0]);
		*end = pipefd[1];
		return pid;
	}
	close(pipefd[1]);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (read(pipefd[0], &c, 1) != 0)
		_exit(2);
	sigpending(&got);
	_exit(!sigisemptyset(&got));
}

static pid_t kernel_start(char **argv)
{
	pid_t pid = fork();

	if (pid < 0)
		give_up("fork");
	if (pid)
		return pid;
	execv(argv[0], argv);
	give_up(argv[0]);
	return -1;
}

int main(int argc, char **argv)
{
	const char *file, *why;
	pid_t bystander, kernel;
	struct stat st;
	int end, status, left;

	if (argc < 3) {
		fprintf(stderr, "usage: warden FILE KERNEL ARGS...\n");
		return 2;
	}
	file = argv[1];
	become_subreaper();
	make_file(file, &st);
	setenv("UNTOUCHED", file, 1);
	bystander = bystander_start(&end);
	kernel = kernel_start(argv + 2);
	if (waitpid(kernel, &status, 0) != kernel)
		give_up("waitpid");
	verdict("kernel_ends_by_itself", status ? "wait status %#x" : NULL, (unsigned int)status);
	close(end);
	if (waitpid(bystander, &status, 0) != bystander)
		give_up("waitpid");
	verdict("host_process_is_untouched", status ? "wait status %#x" : NULL,
		(unsigned int)status);
	left = wait_for_strays();
	verdict("no_host_process_is_left", left ? "%d of them" : NULL, left);
	why = file_change(file, &st);
	verdict("host_file_is_untouched", why ? "%s" : NULL, why);
	return failures != 0;
}
