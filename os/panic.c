/*
 * The end: what a kernel engineer needs to know on stderr, exit status 70.
 * The state is printed as it stands: no lock is taken, and memory that may be bad is read through
 * the host, which reports it.
 */
#include "cpu.h"
#include "host.h"
#include "ktime.h"
#include "log.h"
#include "os/newer.h"
#include "sched.h"
#include "syscalls.h"
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EXIT_PANIC 70
#define FRAMES_MAX 32
#define TRACE_SLOTS 64
#define TRACE_SHOWN 16

struct trace_entry {
	u64 when; /* CLOCK_MONOTONIC ns */
	const char *fmt;
	u64 a, b;
};

/*
 * One a CPU, written by it; the last by all other threads, whose entries may overwrite each other.
 */
static struct trace_ring {
	u32 next; /* atomic */
	struct trace_entry e[TRACE_SLOTS];
} rings[MAX_CPUS + 1];

void (*panic_prepare)(void);
void (*panic_dump)(void (*out)(const char *fmt, ...) printf_like(1, 2));

static u64 mono_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void trace(const char *fmt, u64 a, u64 b)
{
	struct cpu *c = this_cpu();
	struct trace_ring *r = &rings[c ? c->id : MAX_CPUS];
	u32 n = __atomic_fetch_add(&r->next, 1, __ATOMIC_RELAXED);

	r->e[n % TRACE_SLOTS] = (struct trace_entry){mono_ns(), fmt, a, b};
}

static void out(const char *fmt, ...)
{
	char buf[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(buf) - 1)
		n = sizeof(buf) - 1;
	if (n > 0 && write(STDERR_FILENO, buf, n) < 0)
		return; /* nobody listens */
}

static bool read_own(const void *from, void *to, size_t n)
{
	struct iovec l = {to, n}, r = {(void *)(uintptr_t)from, n};

	return process_vm_readv(getpid(), &l, 1, &r, 1, 0) == (ssize_t)n;
}

/* By frame pointers: a kthread's chain ends with a zero. */
static void print_backtrace(const void *fp, const void *ip)
{
	const void *frame[2], *ips[FRAMES_MAX];
	char name[80];
	int i, n = 0;

	if (ip)
		ips[n++] = ip;
	while (n < FRAMES_MAX && fp && read_own(fp, frame, sizeof(frame)) && frame[1]) {
		ips[n++] = frame[1];
		if (frame[0] <= fp)
			break;
		fp = frame[0];
	}
	out("backtrace (lines: addr2line -e heddle ADDRESS...):\n");
	for (i = 0; i < n; i++)
		out("  %p %s\n", ips[i], kernel_symbol(ips[i], name, sizeof(name)));
}

/*
 * What other CPUs do in the kernel: each is asked by a signal that it handles at once, prints its
 * own backtrace, and stops for good. One that sleeps, or runs a guest, has nothing to tell.
 */
#define SIG_ASK SIGILL
#define ANSWER_LIMIT (200 * NSEC_PER_MSEC)

static u32 answered; /* atomic, host futex */

static void ask_others(void)
{
	for (int i = 0; i < nr_cpus; i++) {
		struct cpu *c = &cpus[i];

		if (c == this_cpu() || !c->host_tid || load_relaxed(&c->in_guest) ||
		    load_relaxed(&c->idle_word))
			continue;
		store_relaxed(&answered, 0);
		syscall(SYS_tgkill, getpid(), c->host_tid, SIG_ASK);
		if (host_futex_wait(&answered, 0, ktime_mono() + ANSWER_LIMIT) == -ETIMEDOUT)
			out("cpu %d doesn't answer\n", i);
	}
}

static noreturn_ void answer(const void *fp, const void *ip)
{
	out("cpu %d: ", this_cpu()->id);
	print_backtrace(fp, ip);
	store_release(&answered, 1);
	host_futex_wake(&answered, 1);
	for (;;)
		pause();
}

static void print_ring(int i)
{
	struct trace_ring *r = &rings[i];
	u32 next = load_relaxed(&r->next), n;
	u64 now = mono_ns();

	if (!next)
		return;
	out(i == MAX_CPUS ? "recent trace of other threads:\n" : "recent trace of cpu %d:\n", i);
	for (n = next > TRACE_SHOWN ? next - TRACE_SHOWN : 0; n != next; n++) {
		const struct trace_entry *e = &r->e[n % TRACE_SLOTS];

		if (!e->fmt)
			continue;
		out("  %9.3f ms ago: ", (double)(s64)(now - e->when) / 1e6);
		out(e->fmt, (unsigned long)e->a, (unsigned long)e->b);
		out("\n");
	}
}

#ifdef __SANITIZE_THREAD__
void AnnotateIgnoreReadsBegin(const char *file, int line); /* libtsan has no header for it */
void AnnotateIgnoreReadsEnd(const char *file, int line);

/* Others may be changing what a panic shows, and that is no race of theirs. */
static void look_as_it_is(void)
{
	AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
}

static void looked(void)
{
	AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}
#else
static void look_as_it_is(void)
{
}

static void looked(void)
{
}
#endif

static u32 panicking; /* atomic */

static noreturn_ void die(const void *fp, const void *ip, const char *fmt, va_list ap)
{
	static __thread bool here;
	struct cpu *c = this_cpu();
	char msg[512];
	int i;

	/*
	 * A panic within a panic: the rest is skipped. Another CPU's: the first one ends the
	 * process.
	 */
	if (__atomic_exchange_n(&panicking, 1, __ATOMIC_SEQ_CST)) {
		while (!here)
			pause();
		goto end;
	}
	here = true;
	look_as_it_is();
	if (panic_prepare)
		panic_prepare();
	vsnprintf(msg, sizeof(msg), fmt, ap);
	if (c)
		out("\nheddle: kernel panic on CPU %d, in %.15s: %s\n", c->id, c->current->name,
		    msg);
	else
		out("\nheddle: kernel panic on a thread that is no CPU: %s\n", msg);
	print_backtrace(fp, ip);
	ask_others();
	if (panic_dump)
		panic_dump(out);
	for (i = 0; i <= MAX_CPUS; i++)
		print_ring(i);
	looked();
end:
	_exit(EXIT_PANIC);
}

noreturn_ void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	die(__builtin_frame_address(0), NULL, fmt, ap);
}

static noreturn_ void crash(const void *fp, const void *ip, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	die(fp, ip, fmt, ap);
}

/* Unit tests do without the table. */
extern const struct syscall_desc syscall_table[NR_SYSCALLS] __attribute__((weak));

static const char *call_name(int nr)
{
	const char *name = NULL;

	if (syscall_table && nr >= 0 && nr < NR_SYSCALLS)
		name = syscall_table[nr].name;
	return name ? name : "?";
}

static void crash_handler(int sig, siginfo_t *info, void *ctx)
{
	const ucontext_t *uc = ctx;
	const void *ip = (void *)(uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
	const void *fp = (void *)(uintptr_t)uc->uc_mcontext.gregs[REG_RBP];
	u64 addr = (uintptr_t)info->si_addr;
	struct cpu *c = this_cpu();
	u64 stack = c && c->current ? (uintptr_t)c->current->stack : 0;
	const char *what = "";

	if (sig == SIG_ASK && info->si_code == SI_TKILL && info->si_pid == getpid() && c &&
	    load_relaxed(&panicking))
		answer(fp, ip);
	if (stack && addr < stack && addr >= stack - PAGE_SIZE)
		what = ": kernel stack overflow";
	if (sig == SIGSYS && info->si_code == SYS_SECCOMP)
		crash(fp, ip, "host call %s (%d) with %#lx, %#lx is none that the kernel may make",
		      call_name(info->si_syscall), info->si_syscall,
		      (unsigned long)uc->uc_mcontext.gregs[REG_RDI],
		      (unsigned long)uc->uc_mcontext.gregs[REG_RSI]);
	crash(fp, ip, "signal %d (%s) at address %#lx, ip %p%s", sig, strsignal(sig),
	      (unsigned long)addr, ip, what);
}

void panic_on_crash(void)
{
	static const int sigs[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS};
	struct sigaction sa = {.sa_sigaction = crash_handler,
			       .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
	size_t i;

	sigemptyset(&sa.sa_mask);
	for (i = 0; i < ARRAY_SIZE(sigs); i++)
		sigaction(sigs[i], &sa, NULL);
}
