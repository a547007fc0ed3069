/* uname, sysinfo, /proc files about the system, /dev, /sys as programs read them. */
#include "t.h"

#include <pthread.h>
#include <sched.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/utsname.h>

static int cpus(void)
{
	return get_nprocs_conf();
}

TEST(uname_is_linux_on_x86_64)
{
	struct utsname u;
	int major, minor;

	MUST(uname(&u));
	CHECK_STR(u.sysname, "Linux");
	CHECK_STR(u.machine, "x86_64");
	CHECK_EQ(sscanf(u.release, "%d.%d", &major, &minor), 2);
	CHECK(major >= 4);
	CHECK(u.version[0] == '#');
	CHECK(u.nodename[0] != 0);
}

TEST(names_in_proc_sys_kernel_agree)
{
	struct utsname u;
	char want[128];

	MUST(uname(&u));
	snprintf(want, sizeof(want), "%s\n", u.nodename);
	CHECK_STR(t_read_file("/proc/sys/kernel/hostname"), want);
	snprintf(want, sizeof(want), "%s\n", u.release);
	CHECK_STR(t_read_file("/proc/sys/kernel/osrelease"), want);
	CHECK_STR(t_read_file("/proc/sys/kernel/ostype"), "Linux\n");
	CHECK(!strncmp(t_read_file("/proc/version"), "Linux version ", 14));
}

TEST(setting_the_host_name_needs_a_privilege)
{
	t_become_ordinary();
	CHECK_ERR(sethostname("x", 1), EPERM);
	CHECK_ERR(setdomainname("x", 1), EPERM);
}

TEST(sysinfo_and_meminfo_agree)
{
	unsigned long total, avail;
	struct sysinfo si;
	const char *at;

	MUST(sysinfo(&si));
	CHECK(si.totalram > 0 && si.freeram <= si.totalram && si.mem_unit >= 1);
	CHECK(si.procs >= 1 && si.uptime >= 0);
	CHECK_EQ(sscanf(t_read_file("/proc/meminfo"), "MemTotal: %lu kB", &total), 1);
	CHECK_EQ(total, si.totalram * si.mem_unit / 1024);
	at = strstr(t_read_file("/proc/meminfo"), "MemAvailable:");
	CHECK(at && sscanf(at, "MemAvailable: %lu kB", &avail) == 1 && avail <= total);
}

TEST(cpuinfo_lists_every_cpu)
{
	const char *text = t_read_file("/proc/cpuinfo");
	int n = 0;

	for (const char *p = text; (p = strstr(p, "processor\t:")); p++)
		n++;
	CHECK_EQ(n, cpus());
	CHECK(strstr(text, "model name\t:") && strstr(text, "flags\t\t:"));
}

TEST(stat_lists_every_cpu)
{
	const char *text = t_read_file("/proc/stat");
	unsigned long user, nice_time, sys, idle;
	int n = 0;

	CHECK_EQ(sscanf(text, "cpu %lu %lu %lu %lu", &user, &nice_time, &sys, &idle), 4);
	for (const char *p = text; (p = strstr(p, "\ncpu")); p++)
		n++;
	CHECK_EQ(n, cpus());
	CHECK(strstr(text, "\nbtime ") && strstr(text, "\nprocesses ") && strstr(text, "\nctxt "));
}

TEST(cpu_lists_in_sys_agree)
{
	char want[32];

	if (cpus() == 1)
		strcpy(want, "0\n");
	else
		snprintf(want, sizeof(want), "0-%d\n", cpus() - 1);
	CHECK_STR(t_read_file("/sys/devices/system/cpu/online"), want);
	CHECK_EQ(access("/sys/devices/system/cpu/cpu0", F_OK), 0);
	CHECK_EQ(sysconf(_SC_NPROCESSORS_ONLN), cpus());
}

TEST(load_average_and_uptime_have_their_format)
{
	double a, b, c, up, idle;
	int running, total, last;

	CHECK_EQ(sscanf(t_read_file("/proc/loadavg"), "%lf %lf %lf %d/%d %d", &a, &b, &c, &running,
			&total, &last),
		 6);
	CHECK(running >= 1 && total >= running);
	CHECK_EQ(sscanf(t_read_file("/proc/uptime"), "%lf %lf", &up, &idle), 2);
	CHECK(up >= 0 && idle >= 0);
}

TEST(mounts_name_root_and_proc)
{
	const char *text = t_read_file("/proc/mounts");
	bool root = false, proc = false;
	char line[1024], dir[256], type[64];

	while (sscanf(text, "%1023[^\n]", line) == 1) {
		CHECK_EQ(sscanf(line, "%*s %255s %63s", dir, type), 2);
		root |= !strcmp(dir, "/");
		proc |= !strcmp(dir, "/proc") && !strcmp(type, "proc");
		text += strlen(line) + (text[strlen(line)] == '\n');
	}
	CHECK(root && proc);
	CHECK(strstr(t_read_file("/proc/filesystems"), "nodev\tproc\n"));
	CHECK(strstr(t_read_file("/proc/filesystems"), "nodev\ttmpfs\n"));
}

TEST(usual_devices_are_there)
{
	static const struct {
		const char *path;
		unsigned int major, minor;
	} dev[] = {{"/dev/null", 1, 3},	  {"/dev/zero", 1, 5},	  {"/dev/full", 1, 7},
		   {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
		   {"/dev/ptmx", 5, 2}};
	struct stat st;

	for (size_t i = 0; i < sizeof(dev) / sizeof(*dev); i++) {
		MUST(stat(dev[i].path, &st));
		CHECK(S_ISCHR(st.st_mode));
		CHECK_EQ(st.st_rdev, makedev(dev[i].major, dev[i].minor));
	}
	CHECK_EQ(access("/dev/fd", F_OK), 0);
	CHECK_EQ(access("/dev/shm", W_OK), 0);
	CHECK_EQ(access("/dev/pts", F_OK), 0);
}

TEST(random_bytes_come_from_every_source)
{
	unsigned char a[32] = "", b[32] = "";

	CHECK_EQ(syscall(SYS_getrandom, a, 32, 0), 32);
	CHECK_EQ(syscall(SYS_getrandom, b, 32, 0), 32);
	CHECK(memcmp(a, b, 32));
	CHECK_EQ(syscall(SYS_getrandom, a, 0, 0), 0);
	CHECK_EQ(read(MUST(open("/dev/random", O_RDONLY)), a, 32), 32);
	CHECK_EQ(read(MUST(open("/dev/urandom", O_RDONLY)), b, 32), 32);
	CHECK(memcmp(a, b, 32));
	CHECK_EQ(strlen(t_read_file("/proc/sys/kernel/random/uuid")), 37);
}

#define LARGE (256ul << 20)

static void *large(void)
{
	return MUST(mmap(NULL, LARGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
}

static void nothing(int sig)
{
	(void)sig;
}

/* A signal each 10 ms. */
static void alarms(void)
{
	struct itimerval each = {{0, 10000}, {0, 10000}};

	MUST(sigaction(SIGALRM, &(struct sigaction){.sa_handler = nothing}, NULL));
	MUST(setitimer(ITIMER_REAL, &each, NULL));
}

TEST(a_signal_ends_a_long_getrandom)
{
	void *buf = large();
	long n;

	alarms();
	n = syscall(SYS_getrandom, buf, LARGE, 0);
	CHECK(n > 0 && n < (long)LARGE);
}

TEST(a_signal_ends_a_long_read_of_urandom)
{
	int fd = MUST(open("/dev/urandom", O_RDONLY));
	void *buf = large();
	ssize_t n;

	alarms();
	n = read(fd, buf, LARGE);
	CHECK(n > 0 && n < (ssize_t)LARGE);
}

static volatile int others;

static void *count(void *arg)
{
	while (!*(volatile bool *)arg) {
		t_sleep_ms(1);
		others++;
	}
	return NULL;
}

/* On the same CPU. */
TEST(long_calls_let_others_run)
{
	int zero = MUST(open("/dev/zero", O_RDONLY)), before;
	static volatile bool done;
	void *buf = large();
	pthread_t thread;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	MUST(sched_setaffinity(0, sizeof(set), &set));
	CHECK_EQ(pthread_create(&thread, NULL, count, (void *)&done), 0);
	before = others;
	CHECK_EQ(read(zero, buf, LARGE), LARGE);
	CHECK(others > before);
	before = others;
	CHECK_EQ(syscall(SYS_getrandom, buf, LARGE / 4, 0), LARGE / 4);
	CHECK(others > before);
	done = true;
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

TEST(limits_of_the_kernel_are_told)
{
	CHECK(atoi(t_read_file("/proc/sys/kernel/pid_max")) >= 300);
	CHECK(atoi(t_read_file("/proc/sys/vm/overcommit_memory")) <= 2);
	CHECK(sysconf(_SC_ARG_MAX) >= 131072);
}
