/*
 * The reaper: a host thread that kills host processes and waits for them in its own time, so that no CPU
 * waits for the host to tear down an address space. A pid is reused by nobody before it was reaped here.
 */
#include "alloc.h"
#include "host.h"
#include "ktime.h"
#include "log.h"
#include "os/hostmm_priv.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

struct corpse {
	struct corpse *next;
	pid_t pid;
	void (*done)(void *);
	void *arg;
};

static struct corpse *corpses; /* atomic: a stack, taken whole by the reaper */
static u32 work;	       /* host futex: 1 when corpses may have grown */

void reap_later(pid_t pid, void (*done)(void *), void *arg)
{
	struct corpse *c = kmalloc(sizeof(*c));

	kill(pid, SIGKILL);
	if (!c) { /* out of memory: wait here */
		waitpid(pid, NULL, __WALL);
		if (done)
			done(arg);
		return;
	}
	*c = (struct corpse){.pid = pid, .done = done, .arg = arg};
	c->next = __atomic_load_n(&corpses, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&corpses, &c->next, c, true, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED))
		;
	if (__atomic_exchange_n(&work, 1, __ATOMIC_SEQ_CST) == 0)
		host_futex_wake(&work, 1);
}

/* All there are, in the order of their deaths: an address space's keeper comes behind its tasks. */
static struct corpse *take_corpses(void)
{
	struct corpse *c = __atomic_exchange_n(&corpses, NULL, __ATOMIC_ACQUIRE), *first = NULL;

	while (c) {
		struct corpse *next = c->next;

		c->next = first;
		first = c;
		c = next;
	}
	return first;
}

static void *reaper(void *unused)
{
	const struct timespec while_they_die = {.tv_nsec = NSEC_PER_MSEC};

	(void)unused;
	for (;;) {
		struct corpse *c, *next;

		while (!__atomic_load_n(&work, __ATOMIC_SEQ_CST))
			host_futex_wait(&work, 0, KTIME_MAX);
		/* Nobody is in a hurry: who forks and exits a lot needn't wake us each time, nor do we sleep for each. */
		nanosleep(&while_they_die, NULL);
		__atomic_store_n(&work, 0, __ATOMIC_SEQ_CST);
		for (c = take_corpses(); c; c = next) {
			next = c->next;
			while (waitpid(c->pid, NULL, __WALL) < 0 && errno == EINTR)
				;
			if (c->done)
				c->done(c->arg);
			kfree(c);
		}
	}
	return NULL;
}

int reaper_init(void)
{
	pthread_t t;
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&t, NULL, reaper, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err)
		pthread_setname_np(t, "heddle-reaper");
	return -err;
}
