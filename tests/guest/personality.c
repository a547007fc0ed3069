/* personality: reading, and addresses that are not randomised. */
#include "t.h"

#include <sys/mman.h>
#include <sys/personality.h>

#define ASK 0xffffffff

TEST(asking_changes_nothing)
{
	int now = MUST(personality(ASK));

	CHECK_EQ(personality(ASK), now);
	CHECK_EQ(now & 0xff, PER_LINUX);
}

TEST(setting_returns_what_was)
{
	int was = MUST(personality(ASK));

	CHECK_EQ(personality(was | ADDR_NO_RANDOMIZE), was);
	CHECK_EQ(personality(ASK), was | ADDR_NO_RANDOMIZE);
	CHECK_STR(t_read_file("/proc/self/personality"), "00040000\n");
	CHECK_EXITED(IN_CHILD(CHECK_EQ(personality(ASK), was | ADDR_NO_RANDOMIZE)), 0);
	CHECK_EQ(personality(PER_LINUX), was | ADDR_NO_RANDOMIZE);
}

HELPER(addresses)
{
	void *places[3] = {&argc, sbrk(0),
			   mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)};

	return write(atoi(argv[1]), places, sizeof(places)) != sizeof(places);
}

static void addresses_of_a_new_program(void *places[3])
{
	char number[16];
	int p[2];

	MUST(pipe(p));
	snprintf(number, sizeof(number), "%d", p[1]);
	CHECK_EXITED(IN_CHILD(execl(t_self(), t_self(), "--helper", "addresses", number, NULL)), 0);
	CHECK_EQ(read(p[0], places, 3 * sizeof(void *)), 3 * (long)sizeof(void *));
	close(p[0]);
	close(p[1]);
}

TEST(addresses_stay_the_same_without_randomising)
{
	void *first[3], *second[3];

	MUST(personality(ADDR_NO_RANDOMIZE));
	addresses_of_a_new_program(first);
	addresses_of_a_new_program(second);
	CHECK_EQ(memcmp(first, second, sizeof(first)), 0);
}

/*
 * The break of a static program has 8192 places: it may be the same by chance, but not five times.
 */
TEST(addresses_change_with_randomising)
{
	void *first[3], *other[3];
	bool differ[3] = {false};

	MUST(personality(PER_LINUX));
	addresses_of_a_new_program(first);
	for (int i = 0; i < 5; i++) {
		addresses_of_a_new_program(other);
		for (int k = 0; k < 3; k++)
			differ[k] |= first[k] != other[k];
	}
	CHECK(differ[0] && differ[1] && differ[2]);
}
