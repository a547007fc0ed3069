/* The host's signal frames in slots: see stopframe.h. */
#include "os/stopframe.h"
#include "alloc.h"
#include "host.h"
#include "os/context.h"
#include "stub/layout.h"
#include <signal.h>
#include <string.h>
#include <sys/uio.h>
#include <ucontext.h>

/* As it is in the slot. */
struct frame {
	u64 flags, link;
	stack_t stack;
	mcontext_t mc;
	u64 sigmask;
};
_Static_assert(offsetof(struct frame, mc) == offsetof(ucontext_t, uc_mcontext), "ucontext");
#define UC_FP_XSTATE 1
#define UC_SIGCONTEXT_SS 2
#define UC_STRICT_RESTORE_SS 4

/*
 * How the host describes the XSAVE area of a frame, in bytes 464 to 511 of the area; magic2 behind
 * it.
 */
struct sw_bytes {
	u32 magic1, extended_size;
	u64 features;
	u32 size, pad[7];
};
#define SW_OFFSET 464
#define XSTATE_BV 512
#define XSTATE_HEADER 64
#define SW_MAGIC1 0x46505853u
#define SW_MAGIC2 0x46505845u

static void *slot_ptr(const struct host_task *ht, uaddr_t addr)
{
	return (u8 *)slot_alias(ht->global_slot) + (addr - slot_addr(ht->slot));
}

static struct frame *frame_of(const struct host_task *ht)
{
	return slot_ptr(ht, ht->uc);
}

void stopframe_first(struct host_task *ht)
{
	uaddr_t base = slot_addr(ht->slot);
	struct frame *f = slot_ptr(ht, base + SLOT_FRAME);

	memset(f, 0, sizeof(*f));
	f->flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	f->stack = (stack_t){.ss_sp = (void *)(base + SLOT_SIGSTACK),
			     .ss_size = SLOT_SIGSTACK_SIZE};
	f->mc.gregs[REG_CSGSFS] = USER_CS | (greg_t)USER_DS << 48;
	ht->uc = base + SLOT_FRAME;
	ht->stopped = true;
}

bool stopframe_read(struct host_task *ht, uaddr_t uc, struct pt_regs *r)
{
	mcontext_t mc;

	if (!slot_read(ht, &mc, uc + offsetof(struct frame, mc), sizeof(mc)))
		return false;
	regs_from_frame(r, mc.gregs);
	r->cs = USER_CS;
	r->ss = USER_DS;
	ht->uc = uc;
	ht->stopped = true;
	return true;
}

void stopframe_fault(const struct host_task *ht, struct fault *f)
{
	const greg_t *g = frame_of(ht)->mc.gregs;

	f->trapno = g[REG_TRAPNO];
	f->error_code = g[REG_ERR];
	f->cr2 = g[REG_CR2];
}

void stopframe_write_regs(const struct host_task *ht, const struct pt_regs *r)
{
	greg_t *g = frame_of(ht)->mc.gregs;

	g[REG_R15] = r->r15, g[REG_R14] = r->r14, g[REG_R13] = r->r13, g[REG_R12] = r->r12;
	g[REG_RBP] = r->rbp, g[REG_RBX] = r->rbx, g[REG_R11] = r->r11, g[REG_R10] = r->r10;
	g[REG_R9] = r->r9, g[REG_R8] = r->r8, g[REG_RAX] = r->rax, g[REG_RCX] = r->rcx;
	g[REG_RDX] = r->rdx, g[REG_RSI] = r->rsi, g[REG_RDI] = r->rdi;
	g[REG_RIP] = r->rip, g[REG_EFL] = r->eflags, g[REG_RSP] = r->rsp;
}

/* ---- vector states ---- */

/* The frame's area, xstate_frame() bytes; NULL: it has none in the slot. */
static u8 *frame_area(const struct host_task *ht)
{
	uaddr_t at = (uaddr_t)load_relaxed(&frame_of(ht)->mc.fpregs);
	u64 features;
	size_t size = xstate_frame(&features);

	if (at < slot_addr(ht->slot) || at > slot_addr(ht->slot) + SLOT_SIZE - size - sizeof(u32))
		return NULL;
	return slot_ptr(ht, at);
}

/* Without what frames don't have. */
static void clip_features(u8 *xstate_bv)
{
	u64 features, bv;

	(void)xstate_frame(&features);
	memcpy(&bv, xstate_bv, sizeof(bv));
	bv &= features;
	memcpy(xstate_bv, &bv, sizeof(bv));
}

bool stopframe_get_xstate(const struct host_task *ht, void *buf, size_t size)
{
	const u8 *area = frame_area(ht);
	u64 features;

	if (!area)
		return false;
	memset(buf, 0, size);
	memcpy(buf, area, min(xstate_frame(&features), size));
	memset((u8 *)buf + SW_OFFSET, 0, sizeof(struct sw_bytes));
	return true;
}

void stopframe_set_xstate(const struct host_task *ht, const void *xs)
{
	struct sw_bytes sw = {};
	u32 magic2 = SW_MAGIC2;
	u64 features;
	size_t size = xstate_frame(&features);
	u8 *area = frame_area(ht);

	if (!area) {
		area = slot_field(ht, SLOT_XSTATE);
		frame_of(ht)->mc.fpregs = (void *)(slot_addr(ht->slot) + SLOT_XSTATE);
	}
	memcpy(area, xs, size);
	if (size > XSTATE_BV) {
		clip_features(area + XSTATE_BV);
		sw = (struct sw_bytes){.magic1 = SW_MAGIC1,
				       .size = size,
				       .extended_size = size + sizeof(magic2),
				       .features = features};
		memcpy(area + size, &magic2, sizeof(magic2));
	}
	memcpy(area + SW_OFFSET, &sw, sizeof(sw));
}

void stopframe_save_xstate(const struct host_task *ht, uaddr_t to)
{
	u64 features;
	size_t size = xstate_frame(&features), upper = size - XSTATE_BV;
	const u8 *area = frame_area(ht);
	/* Not what describes it, in between: that is there already. */
	struct iovec iov[2] = {{(void *)to, SW_OFFSET}, {(void *)(to + XSTATE_BV), upper}};
	u8 *buf = area ? kmalloc(size) : NULL, *header;

	if (!buf)
		return;
	header = buf + SW_OFFSET;
	memcpy(buf, area, SW_OFFSET);
	memcpy(header, area + XSTATE_BV, upper);
	clip_features(header);
	memset(header + sizeof(u64), 0, XSTATE_HEADER - sizeof(u64));
	(void)host_mm_writev(ht->hm, iov, 2, buf);
	kfree(buf);
}
