/*
 * How the kernel process confines itself: Landlock for files, a seccomp filter for calls.
 *
 * The filter's calls are those of os/hostcalls.def. A call that it doesn't know is a fault of ours
 * (or of whoever has taken over), so it doesn't fail but ends in a panic, see os/panic.c.
 */
#include "confine.h"
#include "log.h"
#include "os/fdpass.h"
#include "os/hostmm_priv.h"
#include "os/newer.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What newer hosts have than our headers. */
#define ACCESS_TRUNCATE (1ULL << 14)  /* Landlock ABI 3 */
#define ACCESS_IOCTL_DEV (1ULL << 15) /* 5 */
#define NET_BIND_TCP (1ULL << 0)      /* 4 */
#define NET_CONNECT_TCP (1ULL << 1)
#define SCOPE_ABSTRACT_UNIX_SOCKET (1ULL << 0) /* 6 */
#define SCOPE_SIGNAL (1ULL << 1)
struct ruleset_attr {
	u64 handled_access_fs, handled_access_net, scoped;
};

/* ---- files ---- */

#define ACCESS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_NEVER LANDLOCK_ACCESS_FS_EXECUTE /* guests' programs are mapped, not executed */
/* What a rule for something else than a directory may give. */
#define ACCESS_FILE                                                                                \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE |          \
	 ACCESS_IOCTL_DEV)

static u64 known_access(int abi)
{
	u64 access = (LANDLOCK_ACCESS_FS_REFER << 1) - 1;

	if (abi >= 3)
		access |= ACCESS_TRUNCATE;
	if (abi >= 5)
		access |= ACCESS_IOCTL_DEV;
	return access;
}

/* EBADFD: a pipe, a memfd: no rule holds for those. */
static int allow_fd(int ruleset, int fd, u64 access)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= ACCESS_FILE;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 &&
	    errno != EBADFD)
		return -errno;
	return 0;
}

static int allow_path(int ruleset, const char *path, u64 access)
{
	int fd = open(path, O_PATH | O_CLOEXEC), err;

	if (fd < 0)
		return 0;
	err = allow_fd(ruleset, fd, access);
	close(fd);
	return err;
}

static bool is_directory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* What os/ opens itself, whatever the guest's root. */
static int allow_own_files(int ruleset, u64 known)
{
	static const char *const read_only[] = {
		"/proc", /* of guests' host processes, and what their /proc shows of ours */
		"/proc/self/exe", /* names in a backtrace */
		"/sys/devices/system/cpu",
		"/sys/kernel/mm/transparent_hugepage",
	};
	int err = allow_path(ruleset, "/dev/null",
			     LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE);

	for (size_t i = 0; i < ARRAY_SIZE(read_only) && !err; i++)
		err = allow_path(ruleset, read_only[i], ACCESS_READ);
	/*
	 * Terminals and pipes are opened anew, see os/stdio.c. A directory isn't, and a rule would
	 * be one for all that is in it.
	 */
	for (int fd = 0; fd < 3 && !err; fd++)
		if (!is_directory(fd))
			err = allow_fd(ruleset, fd, known & ACCESS_FILE);
	return err;
}

static int enter_domain(int ruleset, int abi, const struct confine_dir *dirs, int n)
{
	u64 known = known_access(abi);
	int err = allow_own_files(ruleset, known);

	for (int i = 0; i < n && !err; i++)
		err = allow_path(ruleset, dirs[i].path,
				 dirs[i].write ? known & ~(ACCESS_NEVER | ACCESS_IOCTL_DEV)
					       : ACCESS_READ);
	if (!err && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		err = -errno;
	return err;
}

int confine_files(const struct confine_dir *dirs, int n)
{
	struct ruleset_attr attr = {0};
	int abi, ruleset, err;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	/* The first version forbids every rename to another directory. */
	if (abi < 2) {
		log_info("no new privileges; files: not confined, the host has no Landlock (%s)\n",
			 abi < 0 ? strerrordesc_np(errno) : "Linux 5.19 is needed");
		return 0;
	}
	attr.handled_access_fs = known_access(abi);
	if (abi >= 4)
		attr.handled_access_net = NET_BIND_TCP | NET_CONNECT_TCP;
	if (abi >= 6)
		attr.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
	ruleset = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return -errno;
	err = enter_domain(ruleset, abi, dirs, n);
	close(ruleset);
	if (err)
		return err;
	log_info("no new privileges; files: confined by Landlock, version %d\n", abi);
	for (int i = 0; i < n; i++)
		log_info("  %s: %s\n", dirs[i].path, dirs[i].write ? "read and write" : "read");
	return 0;
}

void confine_descriptors(void)
{
	close_range(3, ~0U, 0);
}

/* ---- calls ---- */

enum call_kind { ALWAYS, WHEN, TRACING, PASSING, ABSENT };

struct host_call {
	enum call_kind kind;
	int nr, arg;
	u64 mask, value;
};

#define CALL(name, why) {ALWAYS, __NR_##name, 0, 0, 0},
#define CALL_IF(name, arg, mask, value, why) {WHEN, __NR_##name, arg, mask, value},
#define CALL_TRACING(name, why) {TRACING, __NR_##name, 0, 0, 0},
#define CALL_PASSING(name, why) {PASSING, __NR_##name, 0, 0, 0},
#define CALL_ABSENT(name, why) {ABSENT, __NR_##name, 0, 0, 0},
#define INT 0xffffffffULL
#define SIGN 0x80000000ULL
#define THREAD_FLAGS (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)

static int add_call(scmp_filter_ctx ctx, const struct host_call *c, bool tracing)
{
	switch (c->kind) {
	case WHEN:
		return seccomp_rule_add_exact(
			ctx, SCMP_ACT_ALLOW, c->nr, 1,
			SCMP_CMP64(c->arg, SCMP_CMP_MASKED_EQ, c->mask, c->value));
	case ABSENT:
		return seccomp_rule_add_exact(ctx, SCMP_ACT_ERRNO(ENOSYS), c->nr, 0);
	case TRACING:
		if (!tracing)
			return 0;
		break;
	case PASSING:
		if (!fdpass_by_socket())
			return 0;
		break;
	case ALWAYS:
		break;
	}
	return seccomp_rule_add_exact(ctx, SCMP_ACT_ALLOW, c->nr, 0);
}

int confine_calls(bool tracing)
{
	const u64 own_pid = getpid();
	const struct host_call calls[] = {
#include "os/hostcalls.def"
	};
	/*
	 * These are looked for first. A tree would find all others sooner, but hosts since 5.11 run
	 * no filter for calls that are allowed whatever their arguments.
	 */
	static const int frequent[] = {__NR_ioctl,
				       __NR_kill,
				       __NR_futex,
				       __NR_wait4,
				       __NR_process_vm_readv,
				       __NR_process_vm_writev,
				       __NR_ptrace};
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	int err;

	if (!ctx)
		return -ENOMEM;
	err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_SSB, 1); /* no slower speculation than before */
	for (size_t i = 0; i < ARRAY_SIZE(frequent) && !err; i++)
		err = seccomp_syscall_priority(ctx, frequent[i], UINT8_MAX - i);
	for (size_t i = 0; i < ARRAY_SIZE(calls) && !err; i++)
		err = add_call(ctx, &calls[i], tracing);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	if (!err)
		log_info("host calls: confined to %zu\n", ARRAY_SIZE(calls));
	return err;
}

#undef CALL
#define CALL(name, why) case __NR_##name:

bool keeper_may_call(u64 nr)
{
	switch (nr) {
#include "os/keepercalls.def"
		return true;
	}
	return false;
}
