/* Affinity, priorities, policies, yielding. */
#include "t.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/sysinfo.h>

static cpu_set_t affinity(pid_t pid)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	MUST(sched_getaffinity(pid, sizeof(set), &set));
	return set;
}

static int first_cpu(void)
{
	cpu_set_t set = affinity(0);

	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			return i;
	return -1;
}

TEST(affinity_names_at_least_one_cpu)
{
	cpu_set_t set = affinity(0);

	CHECK(CPU_COUNT(&set) >= 1);
	CHECK(CPU_COUNT(&set) <= get_nprocs_conf());
}

TEST(raw_call_tells_how_many_bytes_it_wrote)
{
	unsigned long mask[128];
	long n = syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask);

	CHECK(n >= 8 && n % 8 == 0 && n <= (long)sizeof(mask));
}

TEST(process_runs_where_it_is_bound)
{
	cpu_set_t set;
	int cpu = first_cpu();

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	MUST(sched_setaffinity(0, sizeof(set), &set));
	set = affinity(0);
	CHECK(CPU_COUNT(&set) == 1 && CPU_ISSET(cpu, &set));
	for (int i = 0; i < 100; i++) {
		unsigned int now;

		CHECK_EQ(sched_getcpu(), cpu);
		MUST((int)syscall(SYS_getcpu, &now, NULL, NULL));
		CHECK_EQ(now, cpu);
		sched_yield();
	}
}

TEST(affinity_without_any_real_cpu_is_einval)
{
	cpu_set_t set, old = affinity(0);

	CPU_ZERO(&set);
	CHECK_ERR(sched_setaffinity(0, sizeof(set), &set), EINVAL);
	CPU_SET(1000, &set);
	CHECK_ERR(sched_setaffinity(0, sizeof(set), &set), EINVAL);
	set = affinity(0);
	CHECK(CPU_EQUAL(&set, &old));
}

TEST(affinity_is_inherited_and_can_be_set_for_others)
{
	struct t_gate end = t_gate();
	cpu_set_t set, got;
	pid_t pid;

	CPU_ZERO(&set);
	CPU_SET(first_cpu(), &set);
	pid = SPAWN(t_gate_pass(&end));
	MUST(sched_setaffinity(pid, sizeof(set), &set));
	got = affinity(pid);
	CHECK(CPU_EQUAL(&set, &got));
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
	MUST(sched_setaffinity(0, sizeof(set), &set));
	CHECK_EXITED(IN_CHILD({
			     got = affinity(0);
			     CHECK(CPU_EQUAL(&set, &got));
		     }),
		     0);
	CHECK_ERR(sched_getaffinity(INT_MAX, sizeof(set), &set), ESRCH);
}

static void *bind_thread(void *arg)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(first_cpu(), &set);
	MUST(sched_setaffinity(0, sizeof(set), &set));
	set = affinity(0);
	CHECK_EQ(CPU_COUNT(&set), 1);
	return arg;
}

TEST(affinity_is_per_thread)
{
	cpu_set_t before = affinity(0), after;
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, bind_thread, NULL), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	after = affinity(0);
	CHECK(CPU_EQUAL(&before, &after));
}

TEST(cpu_number_is_one_of_the_affinity)
{
	cpu_set_t set = affinity(0);

	for (int i = 0; i < 100; i++) {
		CHECK(CPU_ISSET(sched_getcpu(), &set));
		if (i % 10 == 0)
			t_sleep_ms(1);
	}
}

/* The n-th CPU of the set, round and round. */
static int nth_cpu(const cpu_set_t *set, int n)
{
	int cpu = -1;

	for (n %= CPU_COUNT(set); n >= 0; n--)
		while (!CPU_ISSET(++cpu, set))
			;
	return cpu;
}

static int bind_to(pid_t tid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(tid, sizeof(set), &set);
}

#define ROUNDS 1000

TEST(caller_runs_where_it_has_bound_itself)
{
	cpu_set_t all = affinity(0);

	for (int i = 0; i < ROUNDS; i++) {
		int cpu = nth_cpu(&all, i);
		unsigned int now;

		MUST(bind_to(0, cpu));
		MUST((int)syscall(SYS_getcpu, &now, NULL, NULL));
		CHECK_EQ(now, cpu);
		CHECK_EQ(sched_getcpu(), cpu);
	}
}

static atomic_int teller, asked, told; /* its tid; rounds, -1: the end */
static atomic_uint told_cpu;

/* Where it is, seen after it has seen the question. */
static void *tell_cpu(void *arg)
{
	int n;

	teller = gettid();
	while ((n = asked) >= 0) {
		unsigned int now;

		MUST((int)syscall(SYS_getcpu, &now, NULL, NULL));
		if (n != told) {
			told_cpu = now;
			told = n;
		}
	}
	return arg;
}

TEST(bound_thread_has_left_when_the_call_returns)
{
	cpu_set_t all = affinity(0);
	long long end = t_now_ms() + 2000;
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, tell_cpu, NULL), 0);
	while (!teller)
		sched_yield();
	for (int i = 1; i <= ROUNDS && t_now_ms() < end; i++) {
		int cpu = nth_cpu(&all, i);

		MUST(bind_to(teller, cpu));
		asked = i;
		while (told != i)
			sched_yield();
		CHECK_EQ(told_cpu, cpu);
	}
	asked = -1;
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

static atomic_int binders[2], bound[2]; /* their tids; have they done? */
static cpu_set_t bind_set;

static void *bind_other(void *arg)
{
	int me = arg != NULL;

	binders[me] = gettid();
	while (!binders[!me])
		sched_yield();
	for (int i = 0; i < ROUNDS; i++)
		MUST(bind_to(binders[!me], nth_cpu(&bind_set, i)));
	bound[me] = true;
	while (!bound[!me])
		sched_yield();
	return NULL;
}

TEST(threads_bind_each_other)
{
	pthread_t thread[2];

	bind_set = affinity(0);
	CHECK_EQ(pthread_create(&thread[0], NULL, bind_other, NULL), 0);
	CHECK_EQ(pthread_create(&thread[1], NULL, bind_other, thread), 0);
	CHECK_EQ(pthread_join(thread[0], NULL), 0);
	CHECK_EQ(pthread_join(thread[1], NULL), 0);
}

static atomic_int creator; /* its tid; 0: not yet, -1: it has ended */

static void *nothing(void *arg)
{
	return arg;
}

static void *create_threads(void *arg)
{
	(void)arg;
	creator = gettid();
	for (long long end = t_now_ms() + 1000; t_now_ms() < end;) {
		pthread_t thread;

		CHECK_EQ(pthread_create(&thread, NULL, nothing, NULL), 0);
		pthread_join(thread, NULL);
	}
	creator = -1;
	return NULL;
}

TEST(threads_start_while_others_bind_their_creator)
{
	cpu_set_t all = affinity(0), one;
	pthread_t thread;
	int tid;

	CHECK_EQ(pthread_create(&thread, NULL, create_threads, NULL), 0);
	while (!creator)
		sched_yield();
	for (int cpu = 0; (tid = creator) > 0; cpu = (cpu + 1) % CPU_SETSIZE) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		CHECK(sched_setaffinity(tid, sizeof(one), &one) == 0 || errno == ESRCH);
	}
	pthread_join(thread, NULL);
}

TEST(nice_goes_down_for_everybody)
{
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 0);
	CHECK_EQ(nice(5), 5);
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 5);
	CHECK_EXITED(IN_CHILD(CHECK_EQ(getpriority(PRIO_PROCESS, 0), 5)), 0);
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, 100), 0);
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 19);
	/* The raw call counts from 1 to 40. */
	CHECK_EQ(syscall(SYS_getpriority, PRIO_PROCESS, 0), 1);
}

TEST(nice_goes_up_only_with_a_privilege)
{
	bool others = t_is_root(); /* our parent is one of them then */

	t_become_ordinary();
	MUST(setrlimit(RLIMIT_NICE, &(struct rlimit){0, 0}));
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, 5), 0);
	CHECK_ERR(setpriority(PRIO_PROCESS, 0, 4), EACCES);
	if (others)
		CHECK_ERR(setpriority(PRIO_PROCESS, (id_t)getppid(), 5), EPERM);
	CHECK_ERR(getpriority(PRIO_PROCESS, INT_MAX), ESRCH);
}

TEST(priority_of_a_group)
{
	struct t_gate end = t_gate();
	pid_t pid = SPAWN({
		MUST(setpgid(0, 0));
		SPAWN(t_gate_pass(&end));
		MUST(setpriority(PRIO_PGRP, 0, 7));
		CHECK_EQ(getpriority(PRIO_PGRP, 0), 7);
		t_gate_open(&end);
		int status;
		CHECK(wait(&status) > 0);
	});

	CHECK_EXITED(t_wait(pid), 0);
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 0);
}

TEST(default_policy_is_other)
{
	struct sched_param p = {.sched_priority = 77};
	struct timespec ts;

	CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
	MUST(sched_getparam(0, &p));
	CHECK_EQ(p.sched_priority, 0);
	CHECK_EQ(sched_rr_get_interval(0, &ts), 0);
}

TEST(batch_and_idle_can_be_chosen_by_everybody)
{
	struct sched_param p = {0};

	t_become_ordinary();
	CHECK_EQ(sched_setscheduler(0, SCHED_BATCH, &p), 0);
	CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
	CHECK_EQ(sched_setscheduler(0, SCHED_OTHER, &p), 0);
	CHECK_EQ(sched_setscheduler(0, SCHED_IDLE, &p), 0);
	CHECK_EQ(sched_getscheduler(0), SCHED_IDLE);
}

TEST(reset_on_fork_is_for_what_needs_a_privilege)
{
	struct sched_param p = {0}, rt = {.sched_priority = 3};

	MUST(setpriority(PRIO_PROCESS, 0, 4));
	MUST(sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &p));
	CHECK_EXITED(IN_CHILD({
			     CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
			     CHECK_EQ(getpriority(PRIO_PROCESS, 0), 4);
		     }),
		     0);
	if (setpriority(PRIO_PROCESS, 0, -4) < 0 ||
	    sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &rt) < 0)
		SKIP("only root may");
	CHECK_EXITED(IN_CHILD({
			     CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
			     CHECK_EQ(getpriority(PRIO_PROCESS, 0), 0);
		     }),
		     0);
	MUST(sched_setscheduler(0, SCHED_IDLE | SCHED_RESET_ON_FORK, &p));
	CHECK_EXITED(IN_CHILD({
			     CHECK_EQ(sched_getscheduler(0), SCHED_IDLE);
			     CHECK_EQ(getpriority(PRIO_PROCESS, 0), 0);
		     }),
		     0);
}

TEST(real_time_needs_a_privilege)
{
	struct sched_param p = {.sched_priority = 10};

	t_become_ordinary();
	MUST(setrlimit(RLIMIT_RTPRIO, &(struct rlimit){0, 0}));
	CHECK_ERR(sched_setscheduler(0, SCHED_FIFO, &p), EPERM);
	CHECK_ERR(sched_setscheduler(0, SCHED_RR, &p), EPERM);
}

TEST(priority_ranges)
{
	CHECK_EQ(sched_get_priority_min(SCHED_FIFO), 1);
	CHECK_EQ(sched_get_priority_max(SCHED_FIFO), 99);
	CHECK_EQ(sched_get_priority_min(SCHED_RR), 1);
	CHECK_EQ(sched_get_priority_max(SCHED_OTHER), 0);
	CHECK_EQ(sched_get_priority_min(6 /* SCHED_DEADLINE */), 0);
	CHECK_EQ(sched_get_priority_max(6), 0);
	CHECK_ERR(sched_get_priority_max(1000), EINVAL);
	CHECK_ERR(sched_get_priority_min(-1), EINVAL);
}

static volatile int stop;

static void *spin(void *arg)
{
	while (!stop)
		;
	return arg;
}

TEST(more_spinning_threads_than_cpus_all_get_their_turn)
{
	pthread_t thread[8];

	for (int i = 0; i < 8; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, spin, NULL), 0);
	t_sleep_ms(20); /* we have to get the processor back from them */
	stop = 1;
	for (int i = 0; i < 8; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

TEST(yield_lets_the_other_run)
{
	volatile int *turn = t_shared(4096);
	cpu_set_t set;
	pid_t pid;

	CPU_ZERO(&set);
	CPU_SET(first_cpu(), &set);
	MUST(sched_setaffinity(0, sizeof(set), &set));
	pid = SPAWN(for (int i = 0; i < 50; i++) {
		while (*turn != 1)
			sched_yield();
		*turn = 0;
	});
	for (int i = 0; i < 50; i++) {
		*turn = 1;
		while (*turn != 0)
			sched_yield();
	}
	CHECK_EXITED(t_wait(pid), 0);
}

static volatile bool policies_done;

static void *change_policies(void *arg)
{
	pid_t tid = *(pid_t *)arg;
	static const int policies[] = {SCHED_OTHER, SCHED_BATCH, SCHED_FIFO};

	/* Without a privilege no one comes to SCHED_FIFO. */
	for (int i = 0; !policies_done; i++) {
		int policy = policies[i % 3];
		struct sched_param p = {.sched_priority = policy == SCHED_FIFO ? 1 + i % 5 : 0};

		sched_setscheduler(tid, policy | (i % 7 ? SCHED_RESET_ON_FORK : 0), &p);
		setpriority(PRIO_PROCESS, (id_t)tid, i % 5);
	}
	return NULL;
}

static void *has_a_policy(void *arg)
{
	int policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;

	return policy == SCHED_BATCH || policy == SCHED_OTHER || policy == SCHED_FIFO ? NULL : arg;
}

/* Whose policy another one changes meanwhile. */
TEST(threads_inherit_one_of_the_policies)
{
	pid_t tid = (pid_t)syscall(SYS_gettid);
	pthread_t changer, t;
	void *bad;

	CHECK_EQ(pthread_create(&changer, NULL, change_policies, &tid), 0);
	for (int i = 0; i < 200; i++) {
		CHECK_EQ(pthread_create(&t, NULL, has_a_policy, "bad"), 0);
		CHECK_EQ(pthread_join(t, &bad), 0);
		CHECK(!bad);
	}
	policies_done = true;
	CHECK_EQ(pthread_join(changer, NULL), 0);
}

static volatile bool renice_done;

static void *renice(void *arg)
{
	id_t tid = (id_t) * (pid_t *)arg;

	while (!renice_done)
		MUST(setpriority(PRIO_PROCESS, tid, 1));
	return NULL;
}

TEST(a_policy_stays_whoever_sets_the_nice_value_meanwhile)
{
	static const int policies[] = {SCHED_OTHER, SCHED_BATCH};
	struct sched_param p = {0};
	pid_t tid = (pid_t)syscall(SYS_gettid);
	long long end = t_now_ms() + 2000;
	pthread_t other;

	CHECK_EQ(pthread_create(&other, NULL, renice, &tid), 0);
	for (int i = 0; i < 20000 && t_now_ms() < end; i++) {
		MUST(sched_setscheduler(0, policies[i % 2], &p));
		CHECK_EQ(sched_getscheduler(0), policies[i % 2]);
	}
	renice_done = true;
	CHECK_EQ(pthread_join(other, NULL), 0);
}
