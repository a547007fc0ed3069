/* For unit tests of what ends the process: runs it in a child. */
#ifndef TESTS_UNIT_IN_CHILD_H
#define TESTS_UNIT_IN_CHILD_H

#include <check.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs body in a child; its exit status, and in `text` what it said on stderr. */
static inline int in_child(void (*body)(void), char *text, size_t size)
{
	int p[2], status;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	ck_assert_int_eq(pipe(p), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		dup2(p[1], 2);
		close(p[0]);
		close(p[1]);
		body();
		_exit(0);
	}
	close(p[1]);
	while (n < size - 1 && (got = read(p[0], text + n, size - 1 - n)) > 0)
		n += got;
	text[n] = 0;
	close(p[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "killed by signal %d: %s", WTERMSIG(status), text);
	return WEXITSTATUS(status);
}

#endif
