/* prctl: names, dumpable, no_new_privs, keepcaps, bounding set, securebits. */
#include "t.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <sys/prctl.h>

TEST(name_is_cut_at_15_bytes)
{
	char name[17] = "";

	MUST(prctl(PR_SET_NAME, "a-name-that-is-too-long"));
	MUST(prctl(PR_GET_NAME, name));
	CHECK_STR(name, "a-name-that-is-");
	CHECK_STR(t_read_file("/proc/self/comm"), "a-name-that-is-\n");
	MUST(prctl(PR_SET_NAME, ""));
	MUST(prctl(PR_GET_NAME, name));
	CHECK_STR(name, "");
}

static void *check_name(void *arg)
{
	char name[17] = "";

	MUST(prctl(PR_GET_NAME, name));
	CHECK_STR(name, "leader"); /* inherited */
	MUST(prctl(PR_SET_NAME, "thread"));
	return arg;
}

TEST(every_thread_has_a_name_of_its_own)
{
	char name[17] = "";
	pthread_t thread;

	MUST(prctl(PR_SET_NAME, "leader"));
	CHECK_EQ(pthread_create(&thread, NULL, check_name, NULL), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	MUST(prctl(PR_GET_NAME, name));
	CHECK_STR(name, "leader");
	CHECK_EXITED(IN_CHILD({
			     MUST(prctl(PR_GET_NAME, name));
			     CHECK_STR(name, "leader");
		     }),
		     0);
}

TEST(comm_can_be_written)
{
	char name[17] = "";
	int fd = MUST(open("/proc/self/comm", O_WRONLY));

	CHECK_EQ(write(fd, "written", 7), 7);
	MUST(prctl(PR_GET_NAME, name));
	CHECK_STR(name, "written");
}

TEST(dumpable_can_be_set_and_cleared)
{
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
	MUST(prctl(PR_SET_DUMPABLE, 0));
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 0);
	CHECK_EXITED(IN_CHILD(CHECK_EQ(prctl(PR_GET_DUMPABLE), 0)), 0);
	MUST(prctl(PR_SET_DUMPABLE, 1));
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
}

HELPER(no_new_privs)
{
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 1;
}

TEST(no_new_privs_stays_for_ever)
{
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	CHECK_ERR(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
	CHECK_EXITED(IN_CHILD(T_EXEC_HELPER("no_new_privs")), 0);
}

TEST(bounding_set_can_only_shrink)
{
	CHECK_ERR(prctl(PR_CAPBSET_READ, 200), EINVAL);
	if (!t_is_root()) {
		CHECK_ERR(prctl(PR_CAPBSET_DROP, CAP_MKNOD), EPERM);
		return;
	}
	CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_MKNOD), 1);
	MUST(prctl(PR_CAPBSET_DROP, CAP_MKNOD));
	CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_MKNOD), 0);
	t_become_ordinary();
	CHECK_ERR(prctl(PR_CAPBSET_DROP, CAP_KILL), EPERM);
}

TEST(keepcaps_is_a_flag_that_exec_clears)
{
	CHECK_EQ(prctl(PR_GET_KEEPCAPS), 0);
	MUST(prctl(PR_SET_KEEPCAPS, 1));
	CHECK_EQ(prctl(PR_GET_KEEPCAPS), 1);
	CHECK_ERR(prctl(PR_SET_KEEPCAPS, 2), EINVAL);
	MUST(prctl(PR_SET_KEEPCAPS, 0));
	CHECK_EQ(prctl(PR_GET_KEEPCAPS), 0);
}

TEST(timer_slack_can_be_set)
{
	CHECK(prctl(PR_GET_TIMERSLACK) > 0);
	MUST(prctl(PR_SET_TIMERSLACK, 12345));
	CHECK_EQ(prctl(PR_GET_TIMERSLACK), 12345);
	CHECK_EXITED(IN_CHILD(CHECK_EQ(prctl(PR_GET_TIMERSLACK), 12345)), 0);
}

TEST(securebits_start_at_zero)
{
	CHECK_EQ(prctl(PR_GET_SECUREBITS), 0);
	t_become_ordinary();
	CHECK_ERR(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT), EPERM);
}

TEST(tid_address_gives_the_thread_number)
{
	int word;

	CHECK_EQ(syscall(SYS_set_tid_address, &word), getpid());
	CHECK_EQ(syscall(SYS_gettid), getpid());
}
