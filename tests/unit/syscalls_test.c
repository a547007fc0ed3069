/*
 * The table of system calls, and the trace lines made from it. Guest memory is this program's own.
 *
 * objects: kernel/strace.o gen/syscall_table.o
 */
#include "unit.h"

#include "cpu.h"
#include "log.h"
#include "strace.h"
#include "syscalls.h"
#include "task.h"
#include "uaccess.h"
#undef current /* the field of struct cpu is meant below */
#include <asm/unistd_64.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

static struct task me = {.tid = 7};
static struct cpu cpu0 = {.current = &me.kt};
__thread struct cpu *this_cpu_ptr = &cpu0;
static char line[2048];

#define BAD 0x1000 /* the one address that can't be read */

int copy_from_user(void *to, uaddr_t from, size_t n)
{
	if (from <= BAD)
		return -EFAULT;
	memcpy(to, (void *)from, n);
	return 0;
}

ssize_t strncpy_from_user(char *to, uaddr_t from, size_t size)
{
	size_t len;

	if (from <= BAD)
		return -EFAULT;
	len = strnlen((char *)from, size);
	if (len == size)
		return -ENAMETOOLONG;
	memcpy(to, (char *)from, len + 1);
	return (ssize_t)len;
}

void log_line(const char *buf, size_t len)
{
	memcpy(line, buf, len);
	line[len] = 0;
}

static const char *exit_line(u64 nr, long ret, const u64 args[6])
{
	line[0] = 0;
	strace_exit(nr, &syscall_table[nr], args, ret);
	return line;
}

#define LINE(nr, ret, ...) exit_line(nr, ret, (const u64[6]){__VA_ARGS__})
#define P(p) ((u64)(uintptr_t)(p))

START_TEST(numbers_are_the_hosts)
{
	ck_assert_str_eq(syscall_table[__NR_read].name, "read");
	ck_assert_str_eq(syscall_table[__NR_exit_group].name, "exit_group");
	ck_assert_str_eq(syscall_table[__NR_rseq].name, "rseq");
	ck_assert_str_eq(syscall_table[__NR_pidfd_send_signal].name, "pidfd_send_signal");
	ck_assert_str_eq(syscall_table[__NR_set_mempolicy_home_node].name,
			 "set_mempolicy_home_node");
	for (int nr = 335; nr < 424; nr++)
		ck_assert_ptr_null(syscall_table[nr].name);
}
END_TEST

START_TEST(every_row_is_sound)
{
	for (int nr = 0; nr < NR_SYSCALLS; nr++) {
		const struct syscall_desc *d = &syscall_table[nr];

		ck_assert_int_le(d->nargs, 6);
		ck_assert_int_eq(d->call != NULL, d->status != SYSCALL_NONE);
		for (int i = 0; i < d->nargs; i++) {
			const struct syscall_arg *a = &d->args[i];

			ck_assert_ptr_nonnull(a->name);
			ck_assert_int_lt(a->len_arg, d->nargs);
			ck_assert_int_ne(a->len_arg, i);
			if (a->kind == ARG_FLAGS || a->kind == ARG_UFLAGS || a->kind == ARG_LFLAGS)
				ck_assert_ptr_nonnull(a->names);
			if (a->type)
				ck_assert_int_gt(a->type->size, 0);
		}
	}
}
END_TEST

START_TEST(call_without_handler_is_enosys)
{
	const u64 args[6] = {0};

	/* No handler is linked into this test. */
	ck_assert_int_eq(syscall_table[__NR_getpid].call(args), -ENOSYS);
}
END_TEST

START_TEST(strings_and_flags)
{
	ck_assert_str_eq(
		LINE(__NR_openat, 3, (u64)AT_FDCWD, P("/etc/passwd"), O_RDONLY | O_CLOEXEC, 0),
		"[7] openat(AT_FDCWD, \"/etc/passwd\", O_RDONLY|O_CLOEXEC, 0) = 3\n");
	ck_assert_str_eq(
		LINE(__NR_open, -ENOENT,
		     P("a\n\"\001"
		       "1"),
		     O_RDWR | O_CREAT | 0x40000000, 0644),
		"[7] open(\"a\\n\\\"\\0011\", O_RDWR|O_CREAT|0x40000000, 0644) = -1 ENOENT\n");
	ck_assert_str_eq(
		LINE(__NR_mmap, 0x7f0000000000, 0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		     (u64)-1),
		"[7] mmap(0, 4096, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000\n");
	ck_assert_str_eq(LINE(__NR_chdir, -EFAULT, BAD), "[7] chdir(0x1000) = -1 EFAULT\n");
	ck_assert_str_eq(LINE(__NR_kill, 0, 5, SIGUSR1), "[7] kill(5, SIGUSR1) = 0\n");
}
END_TEST

START_TEST(buffers_show_what_was_stored)
{
	char buf[100] = "hello, world";

	ck_assert_str_eq(LINE(__NR_read, 5, 0, P(buf), 100), "[7] read(0, \"hello\", 100) = 5\n");
	ck_assert_str_eq(LINE(__NR_write, 12, 1, P(buf), 12),
			 "[7] write(1, \"hello, world\", 12) = 12\n");
	memset(buf, 'x', sizeof(buf));
	ck_assert_ptr_nonnull(
		strstr(LINE(__NR_write, 100, 1, P(buf), 100), "xxx\"..., 100) = 100\n"));
	ck_assert_ptr_null(strstr(LINE(__NR_read, -EINTR, 0, P(buf), 100), "xxx"));
}
END_TEST

START_TEST(structures_and_arrays)
{
	struct timespec ts = {1, 500};
	struct pollfd fds[2] = {{.fd = 3, .events = POLLIN},
				{.fd = 4, .events = POLLOUT, .revents = POLLOUT}};
	int pair[2] = {3, 4};

	ck_assert_str_eq(
		LINE(__NR_nanosleep, -ERESTART_RESTARTBLOCK, P(&ts), 0),
		"[7] nanosleep({tv_sec=1, tv_nsec=500}, NULL) = ? ERESTART_RESTARTBLOCK\n");
	ck_assert_str_eq(
		LINE(__NR_poll, 1, P(fds), 2, (u32)-1),
		"[7] poll([{fd=3, events=0x1, revents=0}, {fd=4, events=0x4, revents=0x4}], 2, -1) = 1\n");
	ck_assert_str_eq(LINE(__NR_pipe2, 0, P(pair), O_CLOEXEC),
			 "[7] pipe2([3, 4], O_RDONLY|O_CLOEXEC) = 0\n");
}
END_TEST

START_TEST(calls_that_may_not_return_are_shown_on_entry)
{
	const char *argv[] = {"ls", "-l", NULL};
	const u64 args[6] = {P("/bin/ls"), P(argv), 0};

	strace_enter(__NR_execve, &syscall_table[__NR_execve], args);
	ck_assert_str_eq(line, "[7] execve(\"/bin/ls\", [\"ls\", \"-l\"], 0) ...\n");
	ck_assert_str_eq(LINE(__NR_execve, 0, 0), "[7] ... execve = 0\n");
	line[0] = 0;
	strace_enter(__NR_getpid, &syscall_table[__NR_getpid], args);
	ck_assert_str_eq(line, "");
}
END_TEST

static const char *signal_line(siginfo_t si)
{
	strace_signal(&si);
	return line;
}

START_TEST(signals_are_shown_with_what_their_sender_says)
{
	siginfo_t si = {.si_signo = SIGUSR1, .si_code = SI_USER};

	si.si_pid = 5;
	si.si_uid = 1000;
	ck_assert_str_eq(
		signal_line(si),
		"[7] --- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER, si_pid=5, si_uid=1000} ---\n");
	si.si_signo = 34;
	si.si_code = SI_QUEUE;
	si.si_ptr = (void *)16;
	ck_assert_str_eq(signal_line(si),
			 "[7] --- SIGRT_2 {si_signo=SIGRT_2, si_code=SI_QUEUE, si_pid=5,"
			 " si_uid=1000, si_int=16, si_ptr=0x10} ---\n");
	si = (siginfo_t){.si_signo = SIGCHLD, .si_code = CLD_KILLED};
	si.si_pid = 8;
	si.si_status = SIGTERM;
	ck_assert_str_eq(
		signal_line(si),
		"[7] --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid=8, si_uid=0,"
		" si_status=SIGTERM, si_utime=0, si_stime=0} ---\n");
	si = (siginfo_t){.si_signo = SIGSEGV, .si_code = SEGV_MAPERR};
	ck_assert_str_eq(
		signal_line(si),
		"[7] --- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL} ---\n");
	si = (siginfo_t){.si_signo = SIGALRM, .si_code = SI_KERNEL};
	ck_assert_str_eq(signal_line(si),
			 "[7] --- SIGALRM {si_signo=SIGALRM, si_code=SI_KERNEL} ---\n");
}
END_TEST

START_TEST(hostile_arguments_are_shown_as_numbers)
{
	const u64 all_ones[6] = {~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL};
	const u64 bad[6] = {BAD, BAD, BAD, BAD, BAD, BAD};

	/* Memory at -1 can't be "read" here: give the addresses that fail. */
	for (u64 nr = 0; nr < NR_SYSCALLS; nr++) {
		exit_line(nr, 1L << 40, bad);
		exit_line(nr, -EFAULT, bad);
		ck_assert_str_ne(line, "");
	}
	line[0] = 0;
	strace_exit(9999, NULL, all_ones, -ENOSYS);
	ck_assert_str_eq(
		line,
		"[7] syscall_9999(0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff, ...)"
		" = -1 ENOSYS\n");
}
END_TEST

UNIT_MAIN("system call table", numbers_are_the_hosts, every_row_is_sound,
	  call_without_handler_is_enosys, strings_and_flags, buffers_show_what_was_stored,
	  structures_and_arrays, calls_that_may_not_return_are_shown_on_entry,
	  signals_are_shown_with_what_their_sender_says, hostile_arguments_are_shown_as_numbers)
