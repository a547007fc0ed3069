/*
 * The floating-point and vector state in signal frames.
 *
 * A frame holds every feature that the host has enabled, except those that a program must ask for
 * first (AMX tile data: 8 KiB that would overflow ordinary alternate stacks). Guests can't ask, so
 * those are always in their initial state.
 */
#include "sigframe.h"

#include "alloc.h"
#include "engine.h"
#include "task.h"
#include <string.h>

#define MAGIC1 0x46505853u
#define MAGIC2 0x46505845u
#define LEGACY_SIZE 512u
#define HEADER_SIZE 64u
#define XFEATURE_FPSSE 3ull

/* Where Linux describes the area inside the area: bytes 464 to 511 of the legacy part. */
struct sw_bytes {
	u32 magic1;
	u32 extended_size; /* with MAGIC2 */
	u64 xfeatures;
	u32 xstate_size;
	u32 pad[7];
};
#define SW_OFFSET 464
_Static_assert(sizeof(struct sw_bytes) == 48, "sw_reserved");

/* The fixed part of an XSAVE area. */
struct xheader {
	u64 xstate_bv, xcomp_bv, reserved[6];
};

static u64 frame_features(void)
{
	u64 features;

	(void)xstate_frame(&features);
	return features;
}

static u32 frame_xsize(void)
{
	u64 features;

	return (u32)xstate_frame(&features);
}

static bool has_xsave(void)
{
	return frame_xsize() > LEGACY_SIZE;
}

size_t xframe_size(void)
{
	return frame_xsize() + (has_xsave() ? sizeof(u32) : 0);
}

/* The state as it is now, as far as frames have it. */
static int get_state(struct task *t, u8 *area)
{
	size_t size = max(xstate_size(), (size_t)frame_xsize());
	u8 *buf = kmalloc(size);
	int err;

	if (!buf)
		return -ENOMEM;
	err = engine->get_xstate(t->ctx, buf, size);
	if (!err)
		memcpy(area, buf, frame_xsize());
	kfree(buf);
	return err;
}

int xframe_save(struct task *t, void *to, uaddr_t fp)
{
	const u32 magic2 = MAGIC2;
	u8 *area = to;
	struct sw_bytes sw;
	bool itself = has_xsave() && engine->save_xstate && engine->save_xstate(t->ctx, fp);
	int err = itself ? 0 : get_state(t, area);

	if (err)
		return err;
	memset(&sw, 0, sizeof(sw));
	if (has_xsave()) {
		struct xheader *h = (struct xheader *)(area + LEGACY_SIZE);

		/* As Linux: handlers write there without looking whether it is used. */
		h->xstate_bv &= frame_features();
		if (!itself)
			h->xstate_bv |= XFEATURE_FPSSE;
		memset(h->reserved, 0, sizeof(h->reserved));
		sw.magic1 = MAGIC1;
		sw.extended_size = (u32)xframe_size();
		sw.xfeatures = frame_features();
		sw.xstate_size = frame_xsize();
		memcpy(area + frame_xsize(), &magic2, sizeof(magic2));
	}
	memcpy(area + SW_OFFSET, &sw, sizeof(sw));
	return itself;
}

/*
 * How much of the area is there: all that its description says if that makes sense, else the legacy
 * part only.
 */
static u32 described_size(const u8 *area, const struct sw_bytes *sw)
{
	const u32 magic2 = MAGIC2;

	if (!has_xsave() || sw->magic1 != MAGIC1 || sw->xstate_size < LEGACY_SIZE + HEADER_SIZE ||
	    sw->xstate_size > frame_xsize() || sw->xstate_size > sw->extended_size ||
	    memcmp(area + sw->xstate_size, &magic2, sizeof(magic2)))
		return LEGACY_SIZE;
	return sw->xstate_size;
}

/*
 * Makes an area, of which n bytes were there and the rest is zero, one that the engine can load:
 * every feature that it lacks becomes initial.
 */
static int check_area(u8 *area, uaddr_t fp, size_t n)
{
	struct xheader *h = (struct xheader *)(area + LEGACY_SIZE);
	struct sw_bytes sw;

	if (n < LEGACY_SIZE)
		return -EFAULT;
	memcpy(&sw, area + SW_OFFSET, sizeof(sw));
	memset(area + SW_OFFSET, 0, sizeof(sw));
	if (described_size(area, &sw) == LEGACY_SIZE) {
		memset(h, 0, frame_xsize() - LEGACY_SIZE);
		if (has_xsave())
			h->xstate_bv = XFEATURE_FPSSE;
		return 0;
	}
	if (fp & 63)
		return -EFAULT;
	if (h->xcomp_bv || (h->xstate_bv & ~frame_features()))
		return -EINVAL;
	h->xstate_bv &= sw.xfeatures;
	return 0;
}

int xframe_restore(struct task *t, uaddr_t fp, const void *area, size_t n)
{
	size_t size = max(xstate_size(), xframe_size());
	u8 *buf;
	int err;

	if (!fp)
		return context_reset_xstate(t->ctx);
	if (fp & 15)
		return -EFAULT;
	buf = kzalloc(size);
	if (!buf)
		return -ENOMEM;
	memcpy(buf, area, min(n, xframe_size()));
	err = check_area(buf, fp, n);
	if (!err)
		err = engine->set_xstate(t->ctx, buf, xstate_size());
	kfree(buf);
	return err < 0 ? err : 0;
}
