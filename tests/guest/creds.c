/* User and group identities, supplementary groups, capabilities. */
#include "t.h"

#include <linux/capability.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

#define NEED_ROOT                                                                                  \
	do {                                                                                       \
		if (!t_is_root())                                                                  \
			SKIP("needs root");                                                        \
	} while (0)

static void check_uids(uid_t r, uid_t e, uid_t s)
{
	uid_t rr, ee, ss;

	MUST(getresuid(&rr, &ee, &ss));
	CHECK_EQ(rr, r);
	CHECK_EQ(ee, e);
	CHECK_EQ(ss, s);
}

/* The raw calls: the C library would change every thread, and one is all we have. */
#define SYS(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

TEST(all_ways_to_ask_agree)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	MUST(getresuid(&r, &e, &s));
	MUST(getresgid(&rg, &eg, &sg));
	CHECK(r == getuid() && e == geteuid());
	CHECK(rg == getgid() && eg == getegid());
}

TEST(setuid_by_root_changes_all_three_for_good)
{
	NEED_ROOT;
	MUST(SYS(setuid, 1000));
	check_uids(1000, 1000, 1000);
	CHECK_ERR(SYS(setuid, 0), EPERM);
	CHECK_ERR(SYS(setresuid, -1, 0, -1), EPERM);
}

TEST(seteuid_can_go_back_to_the_saved_one)
{
	NEED_ROOT;
	MUST(SYS(setresuid, 1000, 2000, 3000));
	check_uids(1000, 2000, 3000);
	MUST(SYS(setresuid, -1, 3000, -1));
	MUST(SYS(setresuid, -1, 1000, -1));
	check_uids(1000, 1000, 3000);
	CHECK_ERR(SYS(setresuid, -1, 4000, -1), EPERM);
	CHECK_ERR(SYS(setresuid, -1, -1, 2000), EPERM);
	MUST(SYS(setuid, 3000)); /* only the effective one, to the saved one */
	check_uids(1000, 3000, 3000);
}

TEST(setreuid_follows_its_own_rules)
{
	NEED_ROOT;
	MUST(SYS(setreuid, 1000, 2000));
	check_uids(1000, 2000, 2000);
	MUST(SYS(setreuid, 2000, 1000)); /* swap */
	check_uids(2000, 1000, 1000);
	CHECK_ERR(SYS(setreuid, 5000, -1), EPERM);
}

TEST(group_calls_work_alike)
{
	gid_t r, e, s;

	NEED_ROOT;
	MUST(SYS(setresgid, 10, 20, 30));
	MUST(getresgid(&r, &e, &s));
	CHECK(r == 10 && e == 20 && s == 30);
	MUST(SYS(setregid, 30, 10));
	MUST(SYS(setgid, 40)); /* root may still */
	MUST(getresgid(&r, &e, &s));
	CHECK(r == 40 && e == 40 && s == 40);
	MUST(SYS(setuid, 1000));
	CHECK_ERR(SYS(setgid, 0), EPERM);
}

TEST(supplementary_groups)
{
	gid_t set[3] = {30, 10, 20}, got[8];

	NEED_ROOT;
	MUST(SYS(setgroups, 3, set));
	CHECK_EQ(getgroups(0, NULL), 3);
	CHECK_EQ(getgroups(8, got), 3);
	CHECK(got[0] == 10 && got[1] == 20 && got[2] == 30); /* sorted */
	CHECK_ERR(getgroups(2, got), EINVAL);
	CHECK_EXITED(IN_CHILD(CHECK_EQ(getgroups(8, got), 3)), 0);
	MUST(SYS(setgroups, 0, NULL));
	CHECK_EQ(getgroups(8, got), 0);
}

TEST(ordinary_user_may_only_become_itself)
{
	t_become_ordinary();
	uid_t me = getuid();
	gid_t mine = getgid();

	CHECK_EQ(SYS(setuid, me), 0);
	CHECK_EQ(SYS(setgid, mine), 0);
	CHECK_EQ(SYS(setresuid, me, me, me), 0);
	CHECK_EQ(SYS(setresuid, -1, -1, -1), 0);
	CHECK_ERR(SYS(setuid, me + 1), EPERM);
	CHECK_ERR(SYS(setgid, mine + 1), EPERM);
	CHECK_ERR(SYS(setreuid, 0, -1), EPERM);
	CHECK_ERR(SYS(setgroups, 1, &mine), EPERM);
}

TEST(fsuid_decides_about_files)
{
	NEED_ROOT;
	t_cd_tmpdir();
	t_write_file("f", "");
	MUST(chmod("f", 0600));
	CHECK_EQ(setfsuid(65534), 0);
	CHECK_EQ(setfsuid(65534), 65534);
	CHECK_ERR(open("f", O_RDONLY), EACCES);
	MUST(creat("mine", 0600));
	struct stat st;
	MUST(stat("mine", &st));
	CHECK_EQ(st.st_uid, 65534);
	CHECK_EQ(setfsuid(0), 65534);
	CHECK_EQ(close(MUST(open("f", O_RDONLY))), 0);
	CHECK_EQ(setfsgid((gid_t)-1), setfsgid((gid_t)-1));
}

static void *change_uid(void *arg)
{
	MUST(SYS(setresuid, 1000, 1000, 1000));
	return arg;
}

TEST(raw_setuid_is_for_one_thread)
{
	pthread_t thread;

	NEED_ROOT;
	CHECK_EQ(pthread_create(&thread, NULL, change_uid, NULL), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	check_uids(0, 0, 0);
}

static struct t_gate ready, go;
static uid_t seen;

static void *report_uid(void *arg)
{
	t_gate_open(&ready);
	t_gate_pass(&go);
	seen = (uid_t)SYS(getuid);
	return arg;
}

TEST(library_setuid_is_for_every_thread)
{
	pthread_t thread;

	NEED_ROOT;
	ready = t_gate();
	go = t_gate();
	CHECK_EQ(pthread_create(&thread, NULL, report_uid, NULL), 0);
	t_gate_pass(&ready);
	MUST(setuid(1000));
	t_gate_open(&go);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(seen, 1000);
}

/* ---- capabilities ---- */

static struct __user_cap_data_struct caps[2];

static void get_caps(void)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};

	MUST(SYS(capget, &h, caps));
}

static long set_caps(void)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};

	return SYS(capset, &h, caps);
}

static bool has(int cap)
{
	get_caps();
	return caps[cap / 32].effective >> (cap % 32) & 1;
}

TEST(unknown_version_is_answered_with_the_known_one)
{
	struct __user_cap_header_struct h = {0x12345678, 0};

	CHECK_ERR(SYS(capget, &h, caps), EINVAL);
	CHECK_EQ(h.version, _LINUX_CAPABILITY_VERSION_3);
	h.version = 0x12345678;
	CHECK_EQ(SYS(capget, &h, NULL), 0); /* this is how one asks for it */
}

TEST(ordinary_user_has_no_capabilities)
{
	t_become_ordinary();
	get_caps();
	CHECK(!caps[0].effective && !caps[0].permitted && !caps[1].effective && !caps[1].permitted);
	caps[0].effective = 1;
	CHECK_ERR(set_caps(), EPERM);
}

TEST(setuid_drops_capabilities_unless_told_to_keep_them)
{
	NEED_ROOT;
	CHECK(has(CAP_CHOWN));
	CHECK_EXITED(IN_CHILD({
			     MUST(SYS(setresuid, 1000, 1000, 1000));
			     CHECK(!has(CAP_CHOWN));
			     CHECK_EQ(caps[0].permitted, 0);
		     }),
		     0);
	CHECK_EXITED(IN_CHILD({
			     MUST(prctl(PR_SET_KEEPCAPS, 1));
			     MUST(SYS(setresuid, 1000, 1000, 1000));
			     CHECK(!has(CAP_CHOWN));
			     CHECK(caps[0].permitted & 1 << CAP_CHOWN);
			     caps[0].effective = 1 << CAP_CHOWN;
			     caps[1].effective = 0;
			     MUST(set_caps());
			     t_cd_tmpdir();
			     CHECK(has(CAP_CHOWN));
		     }),
		     0);
}

TEST(effective_uid_toggles_effective_capabilities)
{
	NEED_ROOT;
	MUST(SYS(setresuid, -1, 1000, -1));
	CHECK(!has(CAP_CHOWN));
	CHECK(caps[0].permitted & 1 << CAP_CHOWN);
	MUST(SYS(setresuid, -1, 0, -1));
	CHECK(has(CAP_CHOWN));
}

TEST(dropped_capability_is_missed_and_cannot_come_back)
{
	NEED_ROOT;
	t_cd_tmpdir();
	t_write_file("f", "");
	get_caps();
	caps[0].effective &= ~(1u << CAP_CHOWN);
	MUST(set_caps());
	CHECK_ERR(chown("f", 5, 5), EPERM);
	caps[0].effective |= 1u << CAP_CHOWN;
	MUST(set_caps());
	CHECK_EQ(chown("f", 5, 5), 0);
	caps[0].effective &= ~(1u << CAP_CHOWN);
	caps[0].permitted &= ~(1u << CAP_CHOWN);
	MUST(set_caps());
	caps[0].permitted |= 1u << CAP_CHOWN;
	CHECK_ERR(set_caps(), EPERM);
}

TEST(root_without_override_is_bound_by_permissions)
{
	NEED_ROOT;
	t_cd_tmpdir();
	t_write_file("f", "");
	MUST(chmod("f", 0));
	CHECK_EQ(close(MUST(open("f", O_RDONLY))), 0);
	get_caps();
	caps[0].effective &= ~(1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH);
	MUST(set_caps());
	CHECK_ERR(open("f", O_RDONLY), EACCES);
}

TEST(capabilities_of_others_can_be_read)
{
	struct t_gate end = t_gate();
	pid_t pid = SPAWN(t_gate_pass(&end));
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, pid};

	CHECK_EQ(SYS(capget, &h, caps), 0);
	CHECK_ERR(SYS(capset, &h, caps), EPERM);
	h.pid = INT_MAX;
	CHECK_ERR(SYS(capget, &h, caps), ESRCH);
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
}

HELPER(report_ids)
{
	uid_t r, e, s;

	if (getresuid(&r, &e, &s))
		return 1;
	return (int)r == atoi(argv[1]) && (int)e == atoi(argv[2]) && (int)s == atoi(argv[3]) ? 0
											     : 2;
}

static int run_as_ordinary(const char *r, const char *e, const char *s, bool no_new_privs)
{
	return IN_CHILD({
		t_become_ordinary();
		if (no_new_privs)
			MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		execl("./prog", "prog", "--helper", "report_ids", r, e, s, NULL);
		_exit(98);
	});
}

HELPER(has_cap)
{
	return has(atoi(argv[1])) ? 1 : 0;
}

static int exec_without(int cap, bool no_new_privs)
{
	return IN_CHILD({
		char text[16];

		get_caps();
		caps[cap / 32].effective &= ~(1u << cap % 32);
		caps[cap / 32].permitted &= ~(1u << cap % 32);
		caps[cap / 32].inheritable &= ~(1u << cap % 32);
		MUST(set_caps());
		if (no_new_privs)
			MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		snprintf(text, sizeof(text), "%d", cap);
		execl(t_self(), "prog", "--helper", "has_cap", text, NULL);
		_exit(98);
	});
}

TEST(no_new_privs_gives_root_no_capability_back)
{
	int cap = CAP_LAST_CAP;

	NEED_ROOT;
	while (cap >= 0 && !(has(cap) && prctl(PR_CAPBSET_READ, cap) == 1))
		cap--;
	if (cap < 0)
		SKIP("root without capabilities");
	CHECK_EXITED(exec_without(cap, false), 1);
	CHECK_EXITED(exec_without(cap, true), 0);
}

TEST(set_user_id_program_changes_the_effective_uid)
{
	NEED_ROOT;
	t_cd_tmpdir();
	t_copy_self("prog");
	MUST(chown("prog", 4242, 4242));
	MUST(chmod("prog", 04755));
	CHECK_EXITED(run_as_ordinary("65534", "4242", "4242", false), 0);
}

TEST(no_new_privs_ignores_set_user_id)
{
	NEED_ROOT;
	t_cd_tmpdir();
	t_copy_self("prog");
	MUST(chown("prog", 4242, 4242));
	MUST(chmod("prog", 04755));
	CHECK_EXITED(run_as_ordinary("65534", "65534", "65534", true), 0);
}

static void *wait_for_the_end(void *arg)
{
	pause();
	return arg;
}

TEST(set_user_id_program_gets_nothing_while_it_shares_its_directory)
{
	struct t_gate end = t_gate();

	NEED_ROOT;
	t_cd_tmpdir();
	t_copy_self("prog");
	MUST(chown("prog", 4242, 4242));
	MUST(chmod("prog", 06755));
	CHECK_EXITED(
		IN_CHILD({
			t_become_ordinary();
			if (!MUST(syscall(SYS_clone, CLONE_FS | SIGCHLD, NULL, NULL, NULL, NULL))) {
				t_gate_pass(&end);
				_exit(0);
			}
			execl("./prog", "prog", "--helper", "report_ids", "65534", "65534", "65534",
			      NULL);
			_exit(98);
		}),
		0);
	t_gate_open(&end);
	/* With a thread, which the exec ends, it doesn't matter. */
	CHECK_EXITED(IN_CHILD({
			     pthread_t thread;
			     t_become_ordinary();
			     CHECK_EQ(pthread_create(&thread, NULL, wait_for_the_end, NULL), 0);
			     execl("./prog", "prog", "--helper", "report_ids", "65534", "4242",
				   "4242", NULL);
			     _exit(98);
		     }),
		     0);
}

#define OWN_MAPS 100
#define MAY_READ 101

HELPER(read_own_maps)
{
	char c;

	if (read(MAY_READ, &c, 1) != 0)
		return 1;
	return read(OWN_MAPS, &c, 1) > 0 ? 2 : 0;
}

static pid_t spawn_set_id_reader(struct t_gate *go, struct t_gate *may_read)
{
	return SPAWN({
		MUST(dup2(MUST(open("/proc/self/maps", O_RDONLY)), OWN_MAPS));
		MUST(dup2(may_read->fd[0], MAY_READ));
		t_gate_pass(go);
		execl("./prog", "prog", "--helper", "read_own_maps", NULL);
		_exit(98);
	});
}

TEST(set_user_id_program_is_not_seen_through_files_of_before)
{
	struct t_gate go = t_gate(), started = t_gate(), may_read = t_gate();
	int maps, environment;
	char path[64], c;
	pid_t pid;

	NEED_ROOT;
	t_cd_tmpdir();
	t_copy_self("prog");
	MUST(chown("prog", 4242, 4242));
	MUST(chmod("prog", 04755));
	t_become_ordinary();
	MUST(prctl(PR_SET_DUMPABLE, 1));
	pid = spawn_set_id_reader(&go, &may_read);
	MUST(close(started.fd[1]));
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = MUST(open(path, O_RDONLY));
	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	environment = MUST(open(path, O_RDONLY));
	t_gate_open(&go);
	CHECK_EQ(read(started.fd[0], &c, 1), 0); /* closed by the exec */
	CHECK(read(maps, &c, 1) <= 0);
	CHECK(read(environment, &c, 1) <= 0);
	MUST(close(may_read.fd[1]));
	CHECK_EXITED(t_wait(pid), 0);
}

HELPER(report_secure)
{
	return getauxval(AT_SECURE) == 1 && prctl(PR_GET_DUMPABLE) != 1 ? 0 : 1;
}

TEST(set_user_id_program_is_secure_and_not_dumpable)
{
	NEED_ROOT;
	t_cd_tmpdir();
	t_copy_self("prog");
	MUST(chown("prog", 4242, 4242));
	MUST(chmod("prog", 04755));
	CHECK_EXITED(IN_CHILD({
			     t_become_ordinary();
			     execl("./prog", "prog", "--helper", "report_secure", NULL);
			     _exit(98);
		     }),
		     0);
}

HELPER(report_not_dumpable)
{
	return prctl(PR_GET_DUMPABLE) != 1 ? 0 : 1;
}

TEST(program_that_can_be_executed_but_not_read_is_not_dumpable)
{
	t_become_ordinary();
	t_cd_tmpdir();
	t_copy_self("prog");
	MUST(chmod("prog", 0111));
	CHECK_EXITED(IN_CHILD({
			     execl("./prog", "prog", "--helper", "report_not_dumpable", NULL);
			     _exit(98);
		     }),
		     0);
	MUST(chmod("prog", 0555));
	CHECK_EXITED(IN_CHILD({
			     execl("./prog", "prog", "--helper", "report_not_dumpable", NULL);
			     _exit(98);
		     }),
		     1);
}

TEST(exec_of_a_user_with_too_many_processes_is_eagain)
{
	struct t_gate ready = t_gate();
	pid_t other;

	NEED_ROOT;
	MUST(setrlimit(RLIMIT_NPROC, &(struct rlimit){0, 0}));
	other = SPAWN({
		t_become_ordinary();
		t_gate_open(&ready);
		pause();
	});
	t_gate_pass(&ready);
	CHECK_EXITED(IN_CHILD({
			     t_become_ordinary();
			     CHECK_ERR(execl("/bin/true", "true", NULL), EAGAIN);
			     CHECK_ERR(execl("/no/such/program", "x", NULL), EAGAIN);
			     _exit(7);
		     }),
		     7);
	MUST(kill(other, SIGKILL));
	CHECK_KILLED(t_wait(other), SIGKILL);
}
