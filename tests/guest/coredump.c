/*
 * Core dumps: the bit of the wait status, as far as it does not depend on where cores go, and the
 * filter.
 */
#include "t.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#define FILTER "/proc/self/coredump_filter"

/*
 * Where cores go is the host's setting; a behaviour that depends on it passes without a look
 * where the setting is another one, for the guest has its own.
 */
static bool pattern_is(const char *start)
{
	const char *path = "/proc/sys/kernel/core_pattern";

	return access(path, R_OK) == 0 && !strncmp(t_read_file(path), start, strlen(start));
}

static const int dumping[] = {SIGQUIT, SIGILL,	SIGTRAP, SIGABRT, SIGBUS,
			      SIGFPE,  SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS};

TEST(signals_that_dump_core_kill)
{
	for (size_t i = 0; i < sizeof(dumping) / sizeof(*dumping); i++)
		CHECK_KILLED(IN_CHILD(kill(getpid(), dumping[i])), dumping[i]);
}

TEST(no_core_is_reported_for_signals_that_do_not_dump)
{
	int status = IN_CHILD(raise(SIGTERM));

	CHECK_KILLED(status, SIGTERM);
	CHECK(!WCOREDUMP(status));
	status = IN_CHILD(raise(SIGKILL));
	CHECK(!WCOREDUMP(status));
}

TEST(no_core_is_reported_where_the_limit_forbids_it)
{
	struct rlimit lim = {0, 0};
	siginfo_t si;
	pid_t pid;

	if (pattern_is("|")) /* no limit forbids that */
		return;
	MUST(setrlimit(RLIMIT_CORE, &lim));
	pid = SPAWN(raise(SIGSEGV));
	MUST(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT));
	CHECK_EQ(si.si_code, CLD_KILLED);
	CHECK(!WCOREDUMP(t_wait(pid)));
}

/*
 * In a new directory, where this process now makes cores as large as they have to be. False: the
 * system doesn't let it.
 */
static bool cores_come_here(void)
{
	struct rlimit lim;

	MUST(getrlimit(RLIMIT_CORE, &lim));
	if (!pattern_is("core\n") || lim.rlim_max < 64 << 20)
		return false;
	t_cd_tmpdir();
	lim.rlim_cur = lim.rlim_max;
	MUST(setrlimit(RLIMIT_CORE, &lim));
	return true;
}

TEST(core_is_reported_where_the_limit_allows_it)
{
	siginfo_t si;
	pid_t pid;

	if (!cores_come_here())
		return;
	pid = SPAWN(raise(SIGSEGV));
	MUST(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT));
	CHECK_EQ(si.si_code, CLD_DUMPED);
	CHECK_EQ(si.si_status, SIGSEGV);
	CHECK(WCOREDUMP(t_wait(pid)));
}

TEST(process_that_is_not_dumpable_leaves_no_core)
{
	struct rlimit lim;
	int status;

	MUST(getrlimit(RLIMIT_CORE, &lim));
	lim.rlim_cur = lim.rlim_max;
	t_cd_tmpdir();
	MUST(setrlimit(RLIMIT_CORE, &lim));
	status = IN_CHILD({
		MUST(prctl(PR_SET_DUMPABLE, 0));
		raise(SIGSEGV);
	});
	CHECK_KILLED(status, SIGSEGV);
	CHECK(!WCOREDUMP(status));
}

static ssize_t write_filter(const char *text)
{
	int fd = MUST(open(FILTER, O_WRONLY)), err;
	ssize_t n = write(fd, text, strlen(text));

	err = errno;
	close(fd);
	errno = err;
	return n;
}

HELPER(show_filter)
{
	return strcmp(t_read_file(FILTER), "00000005\n") ? 1 : 0;
}

TEST(coredump_filter_is_kept_by_fork_and_exec)
{
	CHECK_STR(t_read_file(FILTER), "00000033\n");
	CHECK_EQ(write_filter("0x0"), 3);
	CHECK_STR(t_read_file(FILTER), "00000000\n");
	CHECK_EQ(write_filter("0xffff\n"), 7);
	CHECK_STR(t_read_file(FILTER), "000001ff\n");
	CHECK_EQ(write_filter("5"), 1);
	CHECK_EXITED(IN_CHILD(_exit(t_helper_show_filter(0, NULL))), 0);
	CHECK_EXITED(IN_CHILD(execl(t_self(), t_self(), "--helper", "show_filter", (char *)NULL)),
		     0);
}

TEST(coredump_filter_takes_numbers_only)
{
	CHECK_ERR(write_filter("all"), EINVAL);
	CHECK_ERR(write_filter("3x"), EINVAL);
	CHECK_ERR(write_filter("-1"), EINVAL);
	CHECK_ERR(write_filter("0x100000000"), ERANGE);
	CHECK_STR(t_read_file(FILTER), "00000033\n");
}

/* A page with a word that is nowhere else, not even in the program's text. */
static void mark(int flags, char kind)
{
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	CHECK(page != MAP_FAILED);
	for (int i = 0; i < 16; i++)
		page[i] = (char)(kind + i % 3);
}

static bool core_has(char kind)
{
	struct stat st;
	char word[16], *core;
	int fd = MUST(open("core", O_RDONLY));
	bool found;

	MUST(fstat(fd, &st));
	core = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(core != MAP_FAILED);
	for (int i = 0; i < 16; i++)
		word[i] = (char)(kind + i % 3);
	found = memmem(core, (size_t)st.st_size, word, sizeof(word));
	explicit_bzero(word, sizeof(word)); /* the next core has this stack in it */
	munmap(core, (size_t)st.st_size);
	close(fd);
	return found;
}

/* As large as it was, but where nothing was written there is nothing in the file. */
TEST(core_has_holes_where_memory_was_never_touched)
{
	enum { LARGE = 64 << 20 };
	struct stat st;

	if (!cores_come_here())
		return;
	CHECK(WCOREDUMP(IN_CHILD({
		char *p = MUST(mmap(NULL, LARGE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));

		p[LARGE / 4] = 1;
		mark(MAP_PRIVATE, 'A');
		raise(SIGSEGV);
	})));
	MUST(stat("core", &st));
	CHECK(st.st_size > LARGE);
	CHECK(st.st_blocks < LARGE / 2 / 512);
	CHECK(core_has('A'));
}

TEST(coredump_filter_decides_what_a_core_holds)
{
	static const struct {
		const char *filter;
		bool private, shared;
	} rows[] = {
		{"0x33", true, true}, {"1", true, false}, {"2", false, true}, {"0", false, false}};

	if (!cores_come_here())
		return;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		CHECK(WCOREDUMP(IN_CHILD({
			MUST(write_filter(rows[i].filter));
			mark(MAP_PRIVATE, 'A');
			mark(MAP_SHARED, 'Q');
			raise(SIGSEGV);
		})));
		CHECK_EQ(core_has('A'), rows[i].private);
		CHECK_EQ(core_has('Q'), rows[i].shared);
		MUST(unlink("core"));
	}
}
