/*
 * Sanitizers have to be told of stacks that they didn't see being made. In other builds all of this
 * is empty.
 */
#include "smp.h"

#if defined(__SANITIZE_ADDRESS__)

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

void fiber_create(struct kthread *kt)
{
	/* Stacks are reused, and kthread_exit() left the frames of the one before marked. */
	if (kt->stack)
		__asan_unpoison_memory_region(kt->stack, kt->stack_size);
}

void fiber_destroy(struct kthread *kt)
{
}

void fiber_switch_start(struct kthread *from, struct kthread *to, void **save)
{
	bool dead = load_relaxed(&from->state) == KT_DEAD;

	__sanitizer_start_switch_fiber(dead ? NULL : save, to->stack, to->stack_size);
}

void fiber_switch_finish(void *save)
{
	struct kthread *prev = this_cpu()->prev;
	const void *bottom;
	size_t size;

	__sanitizer_finish_switch_fiber(save, &bottom, &size);
	/* An idle loop runs on the stack of its host thread, which only the sanitizer knows. */
	if (!prev->stack) {
		prev->stack = (void *)(uintptr_t)bottom;
		prev->stack_size = size;
	}
}

#elif defined(__SANITIZE_THREAD__)

#include <sanitizer/tsan_interface.h>

void fiber_create(struct kthread *kt)
{
	struct cpu *c = this_cpu();

	kt->fiber = c && kt == c->idle ? __tsan_get_current_fiber() : __tsan_create_fiber(0);
}

void fiber_destroy(struct kthread *kt)
{
	__tsan_destroy_fiber(kt->fiber);
}

void fiber_switch_start(struct kthread *from, struct kthread *to, void **save)
{
	__tsan_switch_to_fiber(to->fiber, 0);
}

void fiber_switch_finish(void *save)
{
}

#else

void fiber_create(struct kthread *kt)
{
}

void fiber_destroy(struct kthread *kt)
{
}

void fiber_switch_start(struct kthread *from, struct kthread *to, void **save)
{
	*save = NULL;
}

void fiber_switch_finish(void *save)
{
}

#endif
