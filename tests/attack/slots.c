/*
 * test: quick=no
 * Slots of host processes that were killed: they are still mapped where those ran, for all others
 * there to write. They are no other process's while that is so, and harm none that gets them later.
 */
#include "attack.h"
#include <pthread.h>

#define MARK 0x7ea5e17e5ec4e75aULL
#define ROUNDS 20

static char stack[1 << 16] __attribute__((aligned(16)));

static uint64_t *mark_at(void)
{
	return (uint64_t *)(slot(2) + SLOT_IN);
}

/* A process that shares our memory, and is no thread, so that its death is not ours; in slot 2. */
static void spend_slot(void)
{
	pid_t pid = MUST(clone(die, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL));

	CHECK(WIFSIGNALED(t_wait(pid)));
}

static uint32_t *gates;

static void *hold(void *unused)
{
	pause();
	return unused;
}

/*
 * With a second thread, whose slot is this process's slot 2. Does it show what the other process
 * writes to its own?
 */
static bool is_shared(int round)
{
	pthread_t t;

	CHECK_EQ(pthread_create(&t, NULL, hold, NULL), 0);
	hostile_release(&gates[2 * round]);
	hostile_wait(&gates[2 * round + 1]);
	return *(volatile uint64_t *)mark_at() == MARK;
}

TEST(no_other_process_gets_it)
{
	gates = t_shared(2 * ROUNDS * sizeof(*gates));
	spend_slot();
	for (int i = 0; i < ROUNDS; i++) {
		pid_t pid = SPAWN(_exit(is_shared(i)));

		hostile_wait(&gates[2 * i]);
		*(volatile uint64_t *)mark_at() = MARK;
		hostile_release(&gates[2 * i + 1]);
		CHECK_EXITED(t_wait(pid), 0);
	}
}

#define NEXT_MAX 100

static uint32_t knows, end_all;
static bool has;

static void *stay(void *arg)
{
	has = has_slot(2) || !is_seccomp_engine();
	hostile_release(&knows);
	hostile_wait(&end_all);
	return arg;
}

/*
 * The slot isn't free at once: threads that come before have others, and keep them. False: none got
 * it.
 */
static bool next_has_it(void)
{
	pthread_t t[NEXT_MAX];
	int n = 0;

	spend_slot();
	memset((void *)slot(2), 0xff, SLOT_SIZE);
	do {
		t_sleep_ms(5);
		knows = 0;
		CHECK_EQ(pthread_create(&t[n++], NULL, stay, NULL), 0);
		hostile_wait(&knows);
	} while (!has && n < NEXT_MAX);
	hostile_release(&end_all);
	while (n)
		CHECK_EQ(pthread_join(t[--n], NULL), 0);
	return has;
}

TEST(next_thread_there_finds_it_new)
{
	for (int i = 0; i < ROUNDS; i++)
		CHECK_EXITED(IN_CHILD(_exit(!next_has_it())), 0);
}
