/*
 * test:
 * Writes to every page that can be written, the stub's slots first, alone and while siblings make
 * calls, fault and get signals.
 */
#include "tests/attack/attack.h"
#include <pthread.h>

/* Programs of their own: they share no memory with the test. */
static void run_helper(char *name)
{
	int asked = dare_ask(), status;
	char seed[24], told[12];
	bool begun;
	pid_t pid;

	snprintf(seed, sizeof(seed), "%llu", (unsigned long long)hostile_seed());
	snprintf(told, sizeof(told), "%d", dare_told);
	pid = SPAWN(T_EXEC_HELPER(name, seed, told));
	begun = dare_begun(asked);
	status = wait_or_kill(pid, begun ? 500 * hostile_slow() : 0);
	CHECK(begun);
	CHECK(WIFEXITED(status) || WIFSIGNALED(status));
	CHECK(!WIFEXITED(status) || WEXITSTATUS(status) != 98); /* not executed */
}

/* For it writes calls, too, and makes them. Its seed. */
static uint64_t begin_helper(char **argv)
{
	dare_told = atoi(argv[2]);
	be_harmless();
	return strtoull(argv[1], NULL, 10);
}

static bool page_is_writable(uint64_t page)
{
	uint64_t was;

	return try_read(page, &was) && try_write(page, was);
}

/*
 * Of the stub's area only slots can be written, and of these only the keeper's and a thread's own.
 */
TEST(what_can_be_written)
{
	int n = 0;

	catch_faults();
	for (uint64_t p = STUB_TEXT; p < STUB_TEXT + 0x20000; p += PAGE)
		EXPECT(!page_is_writable(p));
	EXPECT(!page_is_writable(STUB_VDSO_AREA));
	for (uint64_t p = STUB_SLOTS; p < slot(8); p += PAGE)
		n += page_is_writable(p);
	EXPECT_EQ(n, 2 * SLOT_SIZE / PAGE);
	for (uint64_t p = STUB_END; p < 0x7ffffffff000; p += 1 << 24)
		EXPECT(!page_is_writable(p));
	EXPECT(!page_is_writable(0x7fffffffe000));
	EXPECT(!page_is_writable(0xffffffffff600000));
}

static void write_area(uint64_t from, uint64_t to, int how, uint64_t *seed)
{
	for (uint64_t p = from; p < to; p += PAGE) {
		if (!page_is_writable(p))
			continue;
		for (uint64_t a = p; a < p + PAGE; a += 8)
			try_write(a, how == 0 ? 0 : how == 1 ? ~0ULL : odd_value(seed));
	}
}

HELPER(write_slots)
{
	uint64_t seed = begin_helper(argv);

	catch_faults();
	for (int how = 0; how < 8; how++) {
		write_area(STUB_SLOTS, slot(8), how, &seed);
		getppid();
		try_write(8, 0); /* a fault */
		kill(getpid(), SIGURG);
		if (fork() == 0)
			_exit(0);
		munmap(mmap(NULL, PAGE, RW, ANON, -1, 0), PAGE);
	}
	return 0;
}

TEST(slots_between_calls)
{
	for (int i = 0; i < 5; i++)
		run_helper("write_slots");
}

static uint64_t thread_seed;

static void *write_for_ever(void *unused)
{
	for (;;)
		for (uint64_t s = slot(0); s < slot(4); s += SLOT_SIZE) {
			uint64_t words = hostile_random(&thread_seed) % 2 ? 64 : SLOT_SIZE / 8;
			uint64_t a = s + hostile_random(&thread_seed) % words * 8;

			*(volatile uint64_t *)a = odd_value(&thread_seed);
		}
	return unused;
}

static void ignore(int sig)
{
	(void)sig;
}

static void *be_idle(void *unused)
{
	for (;;)
		pause();
	return unused;
}

HELPER(write_while_siblings_run)
{
	pthread_t t[3];

	thread_seed = begin_helper(argv);
	catch_faults();
	t_handle(SIGUSR1, ignore);
	/* The slots of the threads that come first are there when the writer begins. */
	pthread_create(&t[0], NULL, be_idle, NULL);
	pthread_create(&t[1], NULL, be_idle, NULL);
	pthread_create(&t[2], NULL, write_for_ever, NULL);
	for (int i = 0;; i++) {
		getppid();
		if (i % 4 == 0)
			try_write(8, 0);
		if (i % 4 == 1)
			pthread_kill(t[i / 4 % 2], SIGUSR1);
		if (i % 16 == 2)
			munmap(mmap(NULL, PAGE, RW, ANON, -1, 0), PAGE);
		if (i % 64 == 3) {
			pid_t pid = fork();

			if (pid == 0)
				_exit(0);
			waitpid(pid, NULL, 0);
		}
	}
}

TEST(slots_while_siblings_run)
{
	for (int i = 0; i < 8; i++)
		run_helper("write_while_siblings_run");
}

HELPER(write_all)
{
	uint64_t seed = begin_helper(argv), from, to;
	char line[256], prot[8];
	FILE *f = fopen("/proc/self/maps", "r");

	if (!f)
		return 98;
	catch_faults();
	write_area(STUB_TEXT, slot(4), 2, &seed);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %7s", &from, &to, prot) == 3 && prot[1] == 'w')
			write_area(from, to, 2, &seed);
	return 0;
}

TEST(all_that_can_be_written)
{
	for (int i = 0; i < 10; i++)
		run_helper("write_all");
}
