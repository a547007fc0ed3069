/*
 * test: limit=120 cpus=2,4
 * Text that is dropped, so that the file's shows again, while calls in it become hot. See patch.h.
 */
#include "patch.h"
#include <pthread.h>
#include <sched.h>

/*
 * A call at the end of a page, and padding on the next: who drops that alone, and leaves the call
 * leading there, has calls fall into `behind`.
 */
long edge_call(long, ...);
__asm__(".text\n.p2align 12\n.skip 4093, 0xcc\n"
	".globl edge_call\n.type edge_call, @function\nedge_call:\n.cfi_startproc\nsyscall\nret\n.cfi_endproc\n.size edge_call, . - edge_call\n"
	".skip 32, 0x90\n"
	".type behind, @function\nbehind:\n.cfi_startproc\nmov $-12345, %rax\nret\n.cfi_endproc\n.size behind, . - behind\n"
	".p2align 12\n");

#define CHILDREN 2
#define ROUNDS 120
#define ROUND_CALLS 150

static char *page; /* with the padding; NULL: none now; MAP_FAILED: no more */
static long drops;

static void *dropper(void *arg)
{
	char *p;

	while ((p = __atomic_load_n(&page, __ATOMIC_SEQ_CST)) != MAP_FAILED) {
		if (!p) {
			sched_yield();
			continue;
		}
		MUST(madvise(p, 4096, MADV_DONTNEED));
		__atomic_add_fetch(&drops, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void race(void)
{
	pid_t pid = getpid(), parent = getppid();
	pthread_t thread;
	size_t size = image_size();
	int fd = open_self();

	__atomic_store_n(&page, NULL, __ATOMIC_SEQ_CST);
	CHECK_EQ(pthread_create(&thread, NULL, dropper, NULL), 0);
	for (int i = 0; i < ROUNDS; i++) {
		char *image = map_image(NULL, MAP_PRIVATE, fd);
		const char *call = IN(image, edge_call);

		CHECK(((unsigned long)call & 4095) == 4093);
		__atomic_store_n(&page, image + offset_of(edge_call) + 3, __ATOMIC_SEQ_CST);
		while (!__atomic_load_n(&drops, __ATOMIC_RELAXED)) /* it has begun */
			sched_yield();
		for (int k = 0; k < ROUND_CALLS; k++) {
			CHECK_EQ(call0(call, SYS_getppid), parent);
			CHECK_EQ(call0(call, SYS_getpid), pid);
		}
		__atomic_store_n(&page, NULL, __ATOMIC_SEQ_CST);
		/* The other has looked at `page` again before it drops another's. */
		if (i % 2)
			MUST(mprotect(image, size, PROT_READ));
	}
	__atomic_store_n(&page, MAP_FAILED, __ATOMIC_SEQ_CST);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

TEST(padding_dropped_by_another_thread_while_a_call_becomes_hot)
{
	for (int i = 0; i < CHILDREN; i++) {
		pid_t child = fork();

		if (child == 0) {
			race();
			_exit(0);
		}
		CHECK(child > 0);
		CHECK_EQ(t_wait(child), 0);
	}
}

TEST(padding_that_children_lack_leaves_their_calls_working)
{
	char *image = private_image(), *padding = IN(image, edge_call) + 3;
	const char *call = IN(image, edge_call);

	/* Hot before it is said that children don't get it, and after. */
	for (int i = 0; i < 2; i++) {
		pid_t child;

		heat(call, SYS_getppid, getppid());
		MUST(madvise(padding, 4096, MADV_DONTFORK));
		heat(call, SYS_getppid, getppid());
		child = fork();
		if (child == 0) {
			heat(call, SYS_getpid, getpid());
			_exit(0);
		}
		CHECK(child > 0);
		CHECK_EQ(t_wait(child), 0);
		image = private_image();
		call = IN(image, edge_call);
		padding = IN(image, edge_call) + 3;
		MUST(madvise(padding, 4096, MADV_DONTFORK));
	}
}
