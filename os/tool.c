/*
 * The program beside heddle that works on the host's files without a kernel. Only before the kernel
 * confines itself.
 */
#include "hosttool.h"
#include "alloc.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOOL "heddle-tools"

/* Beside heddle in the build directory, or where it is installed. Returns only if there is none. */
static void exec_tool(char **argv)
{
	static const char *const places[] = {"", "../libexec/heddle/"};
	char self[PATH_MAX], path[PATH_MAX + 64], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return;
	self[n] = '\0';
	slash = strrchr(self, '/');
	for (size_t i = 0; slash && i < ARRAY_SIZE(places); i++) {
		slash[1] = '\0';
		snprintf(path, sizeof(path), "%s%s" TOOL, self, places[i]);
		execv(path, argv);
	}
}

int host_exec_tool(char **argv)
{
	exec_tool(argv);
	return -errno;
}

int host_run_tool(char **argv)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		exec_tool(argv);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool host_file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

bool host_is_root(void)
{
	return geteuid() == 0;
}

const char *host_workdir(void)
{
	return get_current_dir_name();
}

int host_make_dir(const char *path)
{
	return mkdir(path, 0777) && errno != EEXIST ? -errno : 0;
}
