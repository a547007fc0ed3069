/* The core dump bit of the wait status, as far as it does not depend on where cores go. */
#include "t.h"

#include <sys/prctl.h>

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

TEST(core_is_reported_where_the_limit_allows_it)
{
	struct rlimit lim;
	siginfo_t si;
	pid_t pid;

	MUST(getrlimit(RLIMIT_CORE, &lim));
	if (!pattern_is("core\n") || lim.rlim_max < 64 << 20)
		return;
	t_cd_tmpdir();
	lim.rlim_cur = lim.rlim_max;
	MUST(setrlimit(RLIMIT_CORE, &lim));
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
