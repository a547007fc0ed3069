/* How the kernel confines itself. Each test does it in a child, since there is no way back. */
#include "confine.h"
#include "log.h"
#include "os/helper.h"
#include "syscalls.h"
#include "in_child.h"
#include "unit.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_PANIC 70

static char base[] = "/tmp/confine_test.XXXXXX";

/* In a child, which has no other way to tell: its line becomes its exit status. */
#define CHILD_CHECK(cond)                                                                          \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #cond, errno);       \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)
#define CHILD_FAILS(call, err) CHILD_CHECK((call) < 0 && errno == (err))

static void must_pass(void (*body)(void))
{
	static char text[65536];
	int status = in_child(body, text, sizeof(text));

	ck_assert_msg(status == 0, "%s", text);
}

static int landlock_version(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

/* ---- files ---- */

static const char *at(const char *name)
{
	static char path[2][128];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[0]), "%s/%s", base, name);
	return path[turn];
}

static void make_tree(void)
{
	static const char *const dirs[] = {"seen", "written", "written/below", "hidden"};

	ck_assert_ptr_nonnull(mkdtemp(base));
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		char name[64];
		int fd;

		ck_assert_int_eq(mkdir(at(dirs[i]), 0755), 0);
		snprintf(name, sizeof(name), "%s/file", dirs[i]);
		fd = open(at(name), O_WRONLY | O_CREAT, 0644);
		ck_assert_int_ge(fd, 0);
		close(fd);
	}
}

static void remove_tree(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", base);
	ck_assert_int_eq(system(command), 0);
	strcpy(base + strlen(base) - 6, "XXXXXX");
}

static void confine_tree(void)
{
	char seen[128], written[128];
	struct confine_dir dirs[] = {{seen, false}, {written, true}, {"/nowhere/at/all", false}};

	snprintf(seen, sizeof(seen), "%s/seen", base);
	snprintf(written, sizeof(written), "%s/written", base);
	CHILD_CHECK(confine_files(dirs, ARRAY_SIZE(dirs)) == 0);
}

static void read_only_dir(void)
{
	confine_tree();
	CHILD_CHECK(open(at("seen/file"), O_RDONLY) >= 0);
	CHILD_CHECK(opendir(at("seen")) != NULL);
	CHILD_FAILS(open(at("seen/file"), O_WRONLY), EACCES);
	CHILD_FAILS(open(at("seen/new"), O_WRONLY | O_CREAT, 0644), EACCES);
	CHILD_FAILS(unlink(at("seen/file")), EACCES);
	CHILD_FAILS(truncate(at("seen/file"), 0), EACCES);
	/*
	 * Where files end is checked by a right of its own, since renaming takes them from one
	 * place to another.
	 */
	CHILD_CHECK(link(at("seen/file"), at("written/file2")) < 0);
	CHILD_CHECK(rename(at("written/file"), at("seen/file2")) < 0);
}

static void writable_dir(void)
{
	int fd;

	confine_tree();
	fd = open(at("written/new"), O_RDWR | O_CREAT | O_EXCL, 0644);
	CHILD_CHECK(fd >= 0);
	CHILD_CHECK(write(fd, "x", 1) == 1);
	CHILD_CHECK(ftruncate(fd, 0) == 0);
	CHILD_CHECK(rename(at("written/new"), at("written/below/new")) == 0);
	CHILD_CHECK(link(at("written/below/new"), at("written/new")) == 0);
	CHILD_CHECK(symlink("/etc/passwd", at("written/link")) == 0);
	CHILD_FAILS(open(at("written/link"), O_RDONLY), EACCES);
	CHILD_CHECK(unlink(at("written/new")) == 0);
	CHILD_CHECK(mkdir(at("written/dir"), 0755) == 0);
	CHILD_CHECK(rmdir(at("written/dir")) == 0);
	CHILD_CHECK(mkfifo(at("written/fifo"), 0644) == 0);
	CHILD_CHECK(truncate(at("written/file"), 5) == 0);
}

static void other_files(void)
{
	confine_tree();
	CHILD_FAILS(open(at("hidden/file"), O_RDONLY), EACCES);
	CHILD_CHECK(opendir(at("hidden")) == NULL && errno == EACCES);
	CHILD_FAILS(open("/etc/passwd", O_RDONLY), EACCES);
	CHILD_FAILS(open("/dev/zero", O_RDONLY), EACCES);
	CHILD_FAILS(open("/proc/self/comm", O_WRONLY), EACCES);
	CHILD_CHECK(open("/dev/null", O_RDWR) >= 0);
	CHILD_CHECK(open("/proc/self/stat", O_RDONLY) >= 0);
	CHILD_CHECK(open("/proc/self/exe", O_RDONLY) >= 0);
	CHILD_CHECK(memfd_create("any", MFD_CLOEXEC) >= 0);
}

static void programs(void)
{
	char *const args[] = {"/bin/true", NULL};

	/* Not even where everything may be read and written. */
	CHILD_CHECK(confine_files(&(struct confine_dir){"/", true}, 1) == 0);
	CHILD_CHECK(open("/bin/true", O_RDONLY) >= 0);
	CHILD_FAILS(execv(args[0], args), EACCES);
}

static void no_privileges(void)
{
	confine_tree();
	CHILD_CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

static void other_processes(void)
{
	pid_t child;

	confine_tree();
	if (landlock_version() >= 6)
		CHILD_FAILS(kill(getppid(), 0), EPERM);
	CHILD_FAILS(ptrace(PTRACE_SEIZE, getppid(), 0, 0), EPERM);
	/* Those of the same domain are within reach: guests. */
	child = fork();
	if (!child)
		for (;;)
			pause();
	CHILD_CHECK(ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_EXITKILL) == 0);
	CHILD_CHECK(kill(child, SIGKILL) == 0);
}

START_TEST(only_the_given_directories_are_within_reach)
{
	make_tree();
	must_pass(no_privileges);
	/* Hosts without Landlock go on unconfined. */
	if (landlock_version() >= 2) {
		must_pass(read_only_dir);
		must_pass(writable_dir);
		must_pass(other_files);
		must_pass(programs);
		must_pass(other_processes);
	}
	remove_tree();
}
END_TEST

/* ---- calls ---- */

static void confine_to_list(void)
{
	panic_on_crash();
	CHILD_CHECK(confine_calls(false) == 0);
}

static void *allocate(void *unused)
{
	free(malloc(1 << 20));
	return unused;
}

static const struct helper_thread allocating = {.name = "test", .fn = allocate};

static void allowed(void)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	pthread_t t;

	confine_to_list();
	for (int i = 0; i < 20; i++) {
		CHILD_CHECK(helper_thread_start(&allocating, &t) == 0);
		CHILD_CHECK(pthread_join(t, NULL) == 0);
	}
	CHILD_FAILS(syscall(SYS_clone3, &args, sizeof(args)), ENOSYS);
	CHILD_CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
		    MAP_FAILED);
}

/* Calls that a kernel which was taken over would like to make. */
static void do_execve(void)
{
	syscall(SYS_execve, "/bin/true", NULL, NULL);
}

static void do_fork(void)
{
	syscall(SYS_fork);
}

static void do_clone(void)
{
	syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void do_socket(void)
{
	socket(AF_INET, SOCK_STREAM, 0);
}

static void do_mmap(void)
{
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void do_mprotect(void)
{
	static char page[4096] __attribute__((aligned(4096)));

	mprotect(page, sizeof(page), PROT_READ | PROT_WRITE | PROT_EXEC);
}

static void do_ioctl(void)
{
	ioctl(0, TIOCSTI, "x");
}

static void do_kill(void)
{
	kill(-1, 0);
}

static void do_tgkill(void)
{
	syscall(SYS_tgkill, 1, 1, 0);
}

static void do_ptrace(void)
{
	syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0);
}

static void do_prctl(void)
{
	prctl(PR_SET_DUMPABLE, 0);
}

static void do_prlimit64(void)
{
	struct rlimit rl;

	prlimit(1, RLIMIT_NOFILE, NULL, &rl);
}

static void do_seccomp(void)
{
	syscall(SYS_seccomp, 1, 0, NULL);
}

static void do_recvfrom(void)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	char c;

	recvfrom(0, &c, 1, MSG_DONTWAIT, (void *)&from, &size);
}

#define TRIAL(name)                                                                                \
	{                                                                                          \
#name, do_##name                                                                   \
	}
static const struct trial {
	const char *name;
	void (*call)(void);
} trials[] = {TRIAL(clone),  TRIAL(execve), TRIAL(fork),     TRIAL(ioctl),   TRIAL(kill),
	      TRIAL(mmap),   TRIAL(prctl),  TRIAL(mprotect), TRIAL(ptrace),  TRIAL(prlimit64),
	      TRIAL(socket), TRIAL(tgkill), TRIAL(seccomp),  TRIAL(recvfrom)};
static const struct trial *trial;

static void by_main_thread(void)
{
	confine_to_list();
	trial->call();
}

static void *trial_thread(void *unused)
{
	trial->call();
	return unused;
}

static void by_helper_thread(void)
{
	static const struct helper_thread helper = {.name = "test", .fn = trial_thread};
	pthread_t t;

	confine_to_list();
	CHILD_CHECK(helper_thread_start(&helper, &t) == 0);
	pthread_join(t, NULL);
}

static void must_panic(void (*body)(void))
{
	static char text[65536];
	char wanted[64];
	int status = in_child(body, text, sizeof(text));

	snprintf(wanted, sizeof(wanted), "host call %s (", trial->name);
	ck_assert_msg(status == EXIT_PANIC && strstr(text, "kernel panic") && strstr(text, wanted),
		      "%s: status %d: %s", trial->name, status, text);
}

START_TEST(what_the_kernel_needs_is_on_the_list)
{
	must_pass(allowed);
}
END_TEST

START_TEST(any_other_host_call_is_a_panic_that_names_it)
{
	/* Where the panic finds names: this has it linked. */
	ck_assert_str_eq(syscall_table[SYS_clone].name, "clone");
	for (size_t i = 0; i < ARRAY_SIZE(trials); i++) {
		trial = &trials[i];
		must_panic(by_main_thread);
		must_panic(by_helper_thread);
	}
}
END_TEST

/* ---- descriptors ---- */

static void inherit(void)
{
	int high = dup2(0, 200), low = dup(0);

	CHILD_CHECK(high == 200 && low > 2);
	confine_descriptors();
	CHILD_FAILS(fcntl(high, F_GETFD), EBADF);
	CHILD_FAILS(fcntl(low, F_GETFD), EBADF);
	CHILD_CHECK(fcntl(2, F_GETFD) >= 0);
}

START_TEST(inherited_descriptors_are_closed)
{
	must_pass(inherit);
}
END_TEST

UNIT_MAIN("confine", only_the_given_directories_are_within_reach,
	  what_the_kernel_needs_is_on_the_list, any_other_host_call_is_a_panic_that_names_it,
	  inherited_descriptors_are_closed)
