/* The zygote: files that it shares with the kernel, and its start from a sealed memfd. */
#include "os/zygote.h"
#include "os/fdpass.h"
#include "os/newer.h"
#include "stub/layout.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

extern const char zygote_elf_start[], zygote_elf_end[];

/* One is executed, and another's pages are, so none takes what vm.memfd_noexec says. */
static int memfd(const char *name, size_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL) /* a host before 6.3 */
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (size && ftruncate(fd, size) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

int zygote_fds_create(struct zygote_fds *z, int ncpus, size_t ctl_size, size_t slots_size)
{
	int err;

	z->ctl = memfd("heddle-ctl", ctl_size);
	z->slots = memfd("heddle-slots", slots_size);
	z->kernel_pidfd = syscall(SYS_pidfd_open, getpid(), 0);
	if (z->ctl < 0 || z->slots < 0 || z->kernel_pidfd < 0)
		return -ENOMEM;
	z->nreports = 2 * ncpus + 2;
	for (int i = 0; i < z->nreports; i++) {
		z->report[i] = memfd("heddle-report", 0);
		if (z->report[i] < 0)
			return z->report[i];
	}
	err = fdpass_init(z);
	z->keeper_end = KEEPER_FD_REPORT + z->nreports + z->nsockets;
	return err;
}

int zygote_fds_seal(struct zygote_fds *z)
{
	char path[64];

	if (fcntl(z->ctl, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", z->ctl);
	z->ctl_ro = open(path, O_RDONLY | O_CLOEXEC);
	return z->ctl_ro < 0 ? -errno : 0;
}

static int image_fd(void)
{
	int fd = memfd("heddle-guest", 0);
	size_t size = zygote_elf_end - zygote_elf_start;

	if (fd < 0)
		return fd;
	if (write(fd, zygote_elf_start, size) != (ssize_t)size ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		close(fd);
		return -EIO;
	}
	return fd;
}

/*
 * In the child: descriptors to their places (through high numbers, since the ranges may overlap),
 * then exec.
 */
static void noreturn_ zygote_exec(const struct zygote_fds *z, int image, pid_t kernel)
{
	int from[KEEPER_FD_REPORT + 3 * MAX_CPUS + 4], n = z->keeper_end;
	static char *const argv[] = {"heddle-guest", NULL}, *const envp[] = {NULL};
	struct rlimit none = {0, 0};
	sigset_t empty;

	/* The kernel may die before the stub can do this, which it does again for each process. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != kernel)
		_exit(126);
	from[KEEPER_FD_CTL] = z->ctl_ro;
	from[KEEPER_FD_SLOTS] = z->slots;
	from[KEEPER_FD_KERNEL] = z->kernel_pidfd;
	memcpy(from + KEEPER_FD_REPORT, z->report, z->nreports * sizeof(int));
	memcpy(from + KEEPER_FD_REPORT + z->nreports, z->socket, z->nsockets * sizeof(int));
	image = fcntl(image, F_DUPFD_CLOEXEC, 2 * n);
	for (int i = 0; i < n; i++)
		from[i] = fcntl(from[i], F_DUPFD, 2 * n);
	for (int i = 0; i < n; i++)
		if (dup2(from[i], i) != i)
			_exit(126);
	close_range(n, image - 1, 0);
	close_range(image + 1, ~0U, 0);
	setsid();
	setrlimit(RLIMIT_CORE, &none);
	sigemptyset(&empty);
	sigprocmask(SIG_SETMASK, &empty, NULL);
	for (int s = 1; s < NSIG; s++)
		if (s != SIGXFSZ) /* stays ignored: keepers write to files */
			signal(s, SIG_DFL);
	personality(ADDR_NO_RANDOMIZE); /* if that is forbidden: see zygote_fits() */
	fexecve(image, argv, envp);
	_exit(127);
}

pid_t zygote_start(const struct zygote_fds *z)
{
	int image = image_fd();
	pid_t pid, kernel = getpid();
	int score;

	if (image < 0)
		return image;
	/*
	 * Keepers fetch descriptors of ours. Yama (ptrace_scope 1) asks for that; other hosts know
	 * no such call.
	 */
	(void)prctl(PR_SET_PTRACER, kernel, 0, 0, 0);
	score = oom_score_raise();
	pid = fork();
	if (pid == 0)
		zygote_exec(z, image, kernel);
	oom_score_set(score);
	if (pid < 0)
		pid = -errno;
	close(image);
	return pid;
}

static FILE *open_maps(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	return fopen(path, "re");
}

/* Its stack and the like, which have names in brackets. */
bool zygote_fits(pid_t pid)
{
	FILE *f = open_maps(pid);
	uaddr_t start, end;
	char line[256];
	bool fits = f;

	while (fits && fgets(line, sizeof(line), f))
		fits = !strchr(line, '[') || sscanf(line, "%lx-%lx", &start, &end) != 2 ||
		       end <= STUB_VDSO_AREA || start >= STUB_END;
	if (f)
		fclose(f);
	return fits;
}

int zygote_special_maps(pid_t pid, struct zygote_map *maps, int max)
{
	FILE *f = open_maps(pid);
	char line[256];
	int n = 0;

	if (!f)
		return -errno;
	while (n < max && fgets(line, sizeof(line), f)) {
		if (!strstr(line, "[vvar") && !strstr(line, "[vdso]"))
			continue;
		if (sscanf(line, "%lx-%lx", &maps[n].start, &maps[n].end) == 2)
			maps[n++].vdso = strstr(line, "[vdso]");
	}
	fclose(f);
	return n;
}
