/* Host threads that are no CPUs: the event thread, I/O workers, the reaper, the maker of spares. */
#include "os/helper.h"
#include "os/fault.h"
#include <signal.h>
#include <sys/prctl.h>

static void *helper_main(void *arg)
{
	const struct helper_thread *h = arg;

	prctl(PR_SET_NAME, h->name);
	return h->fn(NULL);
}

/* The host ends a process whose crash signals are blocked without a word: a panic tells why. */
static void block_signals(sigset_t *old)
{
	static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS};
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(crashes); i++)
		sigdelset(&set, crashes[i]);
	pthread_sigmask(SIG_SETMASK, &set, old);
}

int helper_thread_start(const struct helper_thread *h, pthread_t *thread)
{
	pthread_attr_t attr;
	pthread_t unused;
	sigset_t old;
	int err = fault_inject(FAULT_thread);

	if (err)
		return err;
	pthread_attr_init(&attr);
	if (!thread)
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (h->stack_size)
		pthread_attr_setstacksize(&attr, h->stack_size);
	block_signals(&old);
	err = pthread_create(thread ? thread : &unused, &attr, helper_main, (void *)h);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}
