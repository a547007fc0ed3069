/*
 * The host threads of CPUs: starting them, futexes, pinning, the signal that interrupts them, and
 * their timers.
 *
 * Kernel stacks are small, so the signal is handled on a stack of its own. It interrupts whatever
 * host call the thread sleeps in (no SA_RESTART), and if the guest runs the engine stops it.
 */
#include "cpu.h"
#include "engine.h"
#include "host.h"
#include "ktime.h"
#include "os/atonce.h"
#include "os/context.h"
#include "os/fault.h"
#include "os/slice.h"
#include "sched.h"
#include <elf.h>
#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIGSTACK_SIZE (64 * 1024)

/* Unit tests do without an engine. */
extern const struct engine_ops *engine __attribute__((weak));

unsigned (*host_free_descriptors)(void); /* constant after boot */
pid_t userspace_pid[MAX_CPUS];

/* Written by the CPU's own thread, but for pthread, which who starts it writes. */
static struct host_cpu {
	pthread_t pthread;
	timer_t timer;
	void (*fn)(struct cpu *cpu);
	u32 started; /* atomic, host futex: 1 when it runs, or 2 when it failed with err */
	int err;
} host_cpus[MAX_CPUS];

int host_futex_wait(u32 *word, u32 val, ktime_t deadline)
{
	struct timespec ts, *tsp = NULL;

	if (deadline != KTIME_MAX) {
		ts = ns_to_timespec(deadline);
		tsp = &ts;
	}
	/* WAIT_BITSET takes an absolute time. */
	return HOST_CALL(futex, syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
					val, tsp, NULL, FUTEX_BITSET_MATCH_ANY));
}

void host_futex_wake(u32 *word, int n)
{
	syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n, NULL, NULL, 0);
}

long host_barrier_global(void *unused)
{
	(void)unused;
	return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) ? -errno : 0;
}

void host_exit(int status)
{
	_exit(status);
}

/* The cores that the process might use when it started: CPU threads are pinned later. */
static cpu_set_t core_set;
static int core_count;

__attribute__((constructor)) static void find_cores(void)
{
	if (!sched_getaffinity(0, sizeof(core_set), &core_set))
		core_count = CPU_COUNT(&core_set);
}

int host_cores(void)
{
	return core_count;
}

int host_core_nth(int n)
{
	int core;

	for (core = 0; core < CPU_SETSIZE; core++) {
		if (CPU_ISSET(core, &core_set) && n-- == 0)
			return core;
	}
	return -1;
}

int host_core_current(void)
{
	return sched_getcpu();
}

static void pin_self(int core)
{
	cpu_set_t set;

	if (core < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	/* Only speed depends on it: a container may have taken the core away. */
	(void)sched_setaffinity(0, sizeof(set), &set);
}

/* Async-signal-safe. Other threads of the process have no CPU. */
AT_ONCE static void ipi_handler(int sig, siginfo_t *info, void *uc)
{
	struct cpu *c = this_cpu();
	int saved = errno;
	bool in_guest;

	if (!c)
		return;
	in_guest = load_relaxed(&c->in_guest) && &engine && engine;
	if (info->si_code == SI_TIMER) {
		store_relaxed(&c->host_timer, KTIME_MAX);
		stat_add(&c->stat.ticks, 1);
		if (in_guest && slice_goes_on(c))
			goto out;
	} else {
		stat_add(&c->stat.ipis_taken, 1);
	}
	/*
	 * An exchange: the next clearing is to follow those kicks, too, that found it set. See
	 * cpu_kick().
	 */
	__atomic_exchange_n(&c->kick_pending, 1, __ATOMIC_SEQ_CST);
	if (in_guest) {
		stat_add(&c->stat.kicks, 1);
		engine->kick_self(c);
	}
out:
	errno = saved;
}

static int install_handler(void)
{
	struct sigaction sa = {.sa_sigaction = ipi_handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	sigemptyset(&sa.sa_mask);
	return at_once_sigaction(HOST_IPI_SIGNAL, &sa, NULL) ? -errno : 0;
}

static int make_sigstack(void **mem)
{
	stack_t ss = {.ss_size = SIGSTACK_SIZE};

	*mem = host_stack_alloc(SIGSTACK_SIZE);
	if (!*mem)
		return -ENOMEM;
	ss.ss_sp = *mem;
	return sigaltstack(&ss, NULL) ? -errno : 0;
}

static int make_timer(struct host_cpu *h)
{
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = HOST_IPI_SIGNAL};

	ev._sigev_un._tid = gettid();
	return timer_create(CLOCK_MONOTONIC, &ev, &h->timer) ? -errno : 0;
}

static void report_start(struct host_cpu *h, int err)
{
	h->err = err;
	store_release(&h->started, err ? 2 : 1);
	host_futex_wake(&h->started, 1);
}

/* Not inlined: in the caller the address of this_cpu_ptr might be that of another thread. */
static __attribute__((noinline)) void become_cpu(struct cpu *c)
{
	this_cpu_ptr = c;
}

static void *cpu_thread(void *arg)
{
	struct cpu *c = arg;
	struct host_cpu *h = &host_cpus[c->id];
	stack_t off = {.ss_flags = SS_DISABLE};
	void *sigstack = NULL;
	char name[16];
	int err;

	c->host_tid = gettid();
	become_cpu(c);
	snprintf(name, sizeof(name), "heddle/cpu%d", c->id);
	prctl(PR_SET_NAME, name);
	/* Sleeps end when they should. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	pin_self(c->host_core);
	err = make_sigstack(&sigstack);
	if (!err)
		err = make_timer(h);
	report_start(h, err);
	if (!err) {
		h->fn(c);
		timer_delete(h->timer);
	}
	become_cpu(NULL);
	sigaltstack(&off, NULL);
	host_stack_free(sigstack, SIGSTACK_SIZE);
	return NULL;
}

int host_cpu_thread_start(struct cpu *c, void (*fn)(struct cpu *cpu))
{
	struct host_cpu *h = &host_cpus[c->id];
	int err = install_handler();

	if (err)
		return err;
	h->fn = fn;
	h->started = 0;
	err = -pthread_create(&h->pthread, NULL, cpu_thread, c);
	if (err)
		return err;
	while (!load_acquire(&h->started))
		host_futex_wait(&h->started, 0, KTIME_MAX);
	if (h->err)
		pthread_join(h->pthread, NULL);
	return h->err;
}

void host_cpu_thread_join(struct cpu *c)
{
	pthread_join(host_cpus[c->id].pthread, NULL);
}

void host_cpu_interrupt(struct cpu *c)
{
	syscall(SYS_tgkill, getpid(), c->host_tid, HOST_IPI_SIGNAL);
}

AT_ONCE void host_cpu_timer(struct cpu *c, ktime_t deadline)
{
	struct itimerspec its = {0};
	ktime_t armed = load_relaxed(&c->host_timer);

	/*
	 * One that fires too early does no harm: what it was for is looked at and it is armed anew.
	 * So it is never put off, nor stopped. One whose time is long past has fired, if its signal
	 * got lost in another.
	 */
	if (deadline == KTIME_MAX || (armed <= deadline && armed >= c->last_switch))
		return;
	if (!deadline)
		deadline = 1; /* 0 would disarm it */
	its.it_value = ns_to_timespec(deadline);
	/* First, because the handler may run before the call returns. */
	store_relaxed(&c->host_timer, deadline);
	timer_settime(host_cpus[c->id].timer, TIMER_ABSTIME, &its, NULL);
}

static const Elf64_auxv_t *auxv;

/*
 * It begins behind the environment. getauxval() would be simpler, but on x86 glibc says something
 * of its own for AT_HWCAP.
 */
__attribute__((constructor)) static void find_auxv(int argc, char **argv, char **envp)
{
	while (*envp)
		envp++;
	auxv = (const Elf64_auxv_t *)(envp + 1);
}

unsigned long host_auxv(unsigned long type)
{
	const Elf64_auxv_t *a;

	for (a = auxv; a->a_type != AT_NULL; a++)
		if (a->a_type == type)
			return a->a_un.a_val;
	return 0;
}
