/* Execution of scripts: the #! line, its argument, nesting, and its limits. */
#include "t.h"

extern char **environ;

/* Writes an executable file in the current directory. */
static void program(const char *name, const char *fmt, ...)
{
	char text[2 * PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	t_write_file(name, text);
	MUST(chmod(name, 0755));
}

static int run(const char *path, const char *a, const char *b)
{
	char *argv[] = {"argv-zero", (char *)a, (char *)b, NULL};

	return IN_CHILD({
		execve(path, argv, environ);
		_exit(errno == ENOENT ? 102 : 103);
	});
}

TEST(shell_script_runs)
{
	t_cd_tmpdir();
	program("s", "#!/bin/sh\nexit 5\n");
	CHECK_EXITED(run("./s", NULL, NULL), 5);
}

TEST(script_gets_its_path_and_its_arguments)
{
	t_cd_tmpdir();
	program("s",
		"#!/bin/sh\n[ \"$0\" = ./s ] && [ \"$1\" = 'a b' ] && [ \"$2\" = c ] && exit 6\n");
	CHECK_EXITED(run("./s", "a b", "c"), 6);
}

/* Never reached where "--helper show x" is one word. */
HELPER(show)
{
	return argc;
}

TEST(rest_of_the_line_is_one_argument)
{
	t_cd_tmpdir();
	program("s", "#! %s  --helper show x \n", t_self());
	/* As one word it names a test that does not exist, and nothing is run. */
	CHECK_EXITED(run("./s", NULL, NULL), 0);
}

TEST(spaces_and_tabs_around_the_interpreter_are_skipped)
{
	t_cd_tmpdir();
	program("s", "#! \t /bin/sh \t -e \t \nfalse\nexit 7\n");
	CHECK_EXITED(run("./s", NULL, NULL), 1);
}

TEST(line_without_a_newline_works)
{
	t_cd_tmpdir();
	program("s", "#!/bin/true");
	CHECK_EXITED(run("./s", NULL, NULL), 0);
}

TEST(missing_interpreter_is_enoent)
{
	t_cd_tmpdir();
	program("s", "#!/no/such/interpreter\n");
	CHECK_ERR(execl("./s", "s", NULL), ENOENT);
}

TEST(empty_interpreter_is_enoexec)
{
	t_cd_tmpdir();
	program("s", "#!\n");
	CHECK_ERR(execl("./s", "s", NULL), ENOEXEC);
	program("s", "#!   \n");
	CHECK_ERR(execl("./s", "s", NULL), ENOEXEC);
}

TEST(interpreter_without_permission_is_eacces)
{
	t_cd_tmpdir();
	t_write_file("i", "x");
	program("s", "#!%s/i\n", t_tmpdir());
	CHECK_ERR(execl("./s", "s", NULL), EACCES);
	program("s", "#!%s\n", t_tmpdir());
	CHECK_ERR(execl("./s", "s", NULL), EACCES);
}

TEST(script_may_be_the_interpreter_of_a_script)
{
	t_cd_tmpdir();
	program("s1", "#!/bin/sh\n[ \"$1\" = ./s2 ] && [ \"$2\" = arg ] && exit 8\n");
	program("s2", "#!%s/s1\n", t_tmpdir());
	CHECK_EXITED(run("./s2", "arg", NULL), 8);
}

TEST(scripts_nest_five_deep_and_no_deeper)
{
	char name[16];

	t_cd_tmpdir();
	program("s1", "#!/bin/true\n");
	for (int i = 2; i <= 6; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		program(name, "#!%s/s%d\n", t_tmpdir(), i - 1);
	}
	CHECK_EXITED(run("./s5", NULL, NULL), 0);
	CHECK_ERR(execl("./s6", "s6", NULL), ELOOP);
}

TEST(script_that_interprets_itself_is_eloop)
{
	t_cd_tmpdir();
	program("s", "#!%s/s\n", t_tmpdir());
	CHECK_ERR(execl("./s", "s", NULL), ELOOP);
}

TEST(file_without_a_known_format_is_enoexec)
{
	t_cd_tmpdir();
	program("s", "echo hello\n");
	CHECK_ERR(execl("./s", "s", NULL), ENOEXEC);
	program("s", "%s", "");
	CHECK_ERR(execl("./s", "s", NULL), ENOEXEC);
	program("s", "# !/bin/sh\n");
	CHECK_ERR(execl("./s", "s", NULL), ENOEXEC);
	program("s", "#");
	CHECK_ERR(execl("./s", "s", NULL), ENOEXEC);
}

TEST(script_without_execute_permission_is_eacces)
{
	t_cd_tmpdir();
	t_write_file("s", "#!/bin/sh\n");
	CHECK_ERR(execl("./s", "s", NULL), EACCES);
}

TEST(relative_interpreter_is_relative_to_the_cwd)
{
	t_cd_tmpdir();
	program("i", "#!/bin/sh\nexit 9\n");
	MUST(mkdir("d", 0755));
	program("d/s", "#!./i\n");
	CHECK_EXITED(run("d/s", NULL, NULL), 9);
	MUST(chdir("d"));
	CHECK_EXITED(run("./s", NULL, NULL), 102);
}

TEST(script_can_be_executed_through_a_descriptor)
{
	char *argv[] = {"x", NULL};
	int fd;

	t_cd_tmpdir();
	program("s", "#!/bin/sh\nexit 11\n");
	fd = MUST(open("s", O_RDONLY));
	CHECK_EXITED(IN_CHILD({
			     syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
			     _exit(98);
		     }),
		     11);
	/* The interpreter could not open what is closed by then. */
	MUST(fcntl(fd, F_SETFD, FD_CLOEXEC));
	CHECK_ERR(syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH), ENOENT);
}

TEST(command_name_is_that_of_the_script)
{
	t_cd_tmpdir();
	program("a-script-name",
		"#!/bin/sh\nread name </proc/$$/comm\n[ $name = a-script-name ]\n");
	CHECK_EXITED(run("./a-script-name", NULL, NULL), 0);
}

TEST(file_open_for_writing_cannot_be_executed)
{
	int fd;

	t_cd_tmpdir();
	program("s", "#!/bin/sh\nexit 3\n");
	fd = MUST(open("s", O_WRONLY));
	CHECK_ERR(execl("./s", "s", NULL), ETXTBSY);
	MUST(close(fd));
	CHECK_EXITED(run("./s", NULL, NULL), 3);
}
