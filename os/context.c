/* Contexts: a guest thread's register state and the host process that it runs in. */
#include "os/context.h"
#include "alloc.h"
#include "cpu.h"
#include "log.h"
#include <cpuid.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct engine_ops *engine;

size_t xstate_size(void)
{
	static size_t size; /* the same value whoever computes it */
	unsigned a, b, c, d;

	if (!size) {
		__cpuid_count(0xd, 0, a, b, c, d);
		size = b;
	}
	return size;
}

/* The initial state: x87 control word 0x37f, MXCSR 0x1f80, everything else zero and marked as such. */
static void xstate_initial(u8 *xs)
{
	memset(xs, 0, xstate_size());
	*(u16 *)xs = 0x37f;
	*(u32 *)(xs + 24) = 0x1f80;
}

static struct context *context_new(struct host_mm *hm, struct host_task *ht)
{
	struct context *c = kzalloc(sizeof(*c));

	if (!c)
		return NULL;
	c->hm = hm;
	c->ht = ht;
	c->regs.cs = 0x33;
	c->regs.ss = 0x2b;
	c->regs.eflags = 0x202;
	c->regs.orig_rax = ~0UL;
	c->regs_valid = c->regs_dirty = true;
	c->bound = ht->attached;
	return c;
}

struct context *context_create(struct host_mm *hm)
{
	struct host_task *ht = host_task_create(hm);
	struct context *c;

	if (IS_ERR(ht))
		return (void *)ht;
	c = context_new(hm, ht);
	if (!c || (!ht->clean_fp && context_reset_xstate(c))) {
		host_task_park(hm, ht);
		kfree(c);
		return ERR_PTR(-ENOMEM);
	}
	return c;
}

int host_mm_fork(struct host_mm *parent, struct host_mm **hm, struct context **c)
{
	struct host_task *ht;
	int err = host_mm_copy(parent, hm, &ht);

	if (err)
		return err;
	*c = context_new(*hm, ht);
	if (*c)
		return 0;
	host_task_kill(*hm, ht);
	host_mm_destroy(*hm);
	return -ENOMEM;
}

static void context_free(struct context *c)
{
	if (c->owner_bound)
		__atomic_store_n(c->owner_bound, 0, __ATOMIC_RELEASE);
	kfree(c->xstate);
	kfree(c);
}

void context_destroy(struct context *c)
{
	if (!c->dead && !c->ht->fresh && !host_task_keep(c->hm))
		engine->release(c);
	if (!c->dead && !c->ht->fresh) {
		/* Left as it is, mostly stopped: the next thread on this CPU takes it over without a word to the host. */
		c->ht->clean_fp = false;
		c->ht->attached = c->bound;
		host_task_park(c->hm, c->ht);
	} else {
		host_task_kill(c->hm, c->ht);
	}
	context_free(c);
}

void context_destroy_last(struct context *c, void (*ended)(void *arg, const struct host_usage *u),
			  void *arg)
{
	c->ht->ended = ended;
	c->ht->ended_arg = arg;
	host_task_kill(c->hm, c->ht); /* a tracee can be killed as it stands */
	context_free(c);
}

int context_copy_xstate(struct context *to, struct context *from)
{
	void *xs = kmalloc(xstate_size());
	int err;

	if (!xs)
		return -ENOMEM;
	err = engine->get_xstate(from, xs, xstate_size());
	if (err) {
		kfree(xs);
		return err;
	}
	kfree(to->xstate);
	to->xstate = xs;
	return 0;
}

int context_reset_xstate(struct context *c)
{
	void *xs = c->xstate ? c->xstate : kmalloc(xstate_size());

	if (!xs)
		return -ENOMEM;
	xstate_initial(xs);
	c->xstate = xs;
	return 0;
}

int context_usage(const struct context *c, struct host_usage *u)
{
	char path[40], buf[512], *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", c->ht->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	buf[max(n, 0)] = 0;
	p = strrchr(buf, ')'); /* behind the name: fields 3 and up of proc(5) */
	if (!p ||
	    sscanf(p + 1,
		   " %*c %*d %*d %*d %*d %*d %*u %lu %*u %lu %*u %*u %*u %*d %*d %*d %*d %*d %*d %*u %*u %lu",
		   &u->minflt, &u->majflt, &u->resident) != 3)
		return -EIO;
	return 0;
}

void context_set_owner(struct context *c, u32 *bound)
{
	c->owner_bound = bound;
	__atomic_store_n(bound, c->bound != NULL, __ATOMIC_RELEASE);
}

void context_bind(struct context *c, struct cpu *cpu)
{
	c->bound = cpu;
	if (c->owner_bound)
		__atomic_store_n(c->owner_bound, cpu != NULL, __ATOMIC_RELEASE);
}

pid_t context_host_pid(const struct context *c)
{
	return c->ht->pid;
}
