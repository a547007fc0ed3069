/*
 * The ring of a pipe: against a model that keeps what Linux keeps, page by page; packets, faults,
 * resizing.
 * objects: kernel/ipc/pipe_ring.o os/alloc.o os/fault.o
 */
#include "kernel/ipc/pipe_ring.h"
#include "alloc.h"
#include "cpu.h"
#include "hostfault.h"
#include "unit.h"
#include <string.h>

__thread struct cpu *this_cpu_ptr;

/* ---- iterators over a buffer, which is bad from `fault` on ---- */

static size_t fault = SIZE_MAX;

static struct iov_iter iter(void *base, size_t n)
{
	return (struct iov_iter){.kernel = true, .nr = 1, .count = n, .single = {base, n}};
}

static size_t copy(struct iov_iter *it, void *mem, size_t n, bool to)
{
	u8 *at = (u8 *)it->single.iov_base + it->off;

	n = min(n, it->count);
	if (it->off + n > fault)
		n = it->off < fault ? fault - it->off : 0;
	if (to)
		memcpy(at, mem, n);
	else
		memcpy(mem, at, n);
	it->off += n;
	it->count -= n;
	return n;
}

size_t copy_to_iter(const void *from, size_t n, struct iov_iter *it)
{
	return copy(it, (void *)from, n, true);
}

size_t copy_from_iter(void *to, size_t n, struct iov_iter *it)
{
	return copy(it, to, n, false);
}

/* ---- helpers ---- */

static struct pipe_ring r;
static u8 out[1 << 20], in[1 << 20];

static ssize_t put(size_t n, bool packet)
{
	struct iov_iter it = iter(out, n);

	return pipe_ring_write(&r, &it, packet);
}

static ssize_t get(size_t n)
{
	struct iov_iter it = iter(in, n);

	return pipe_ring_read(&r, &it);
}

static void start(u32 nslots)
{
	fault = SIZE_MAX;
	pipe_ring_init(&r, nslots);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (u8)(i * 7 + i / 251);
}

/* ---- tests ---- */

START_TEST(capacity_is_counted_in_slots)
{
	start(16);
	ck_assert_int_eq(put(100000, false), 65536);
	ck_assert_int_eq(put(1, false), 0);
	ck_assert(pipe_ring_full(&r));
	ck_assert_int_eq(get(4095), 4095);
	ck_assert(pipe_ring_full(&r));
	ck_assert_int_eq(put(1, false), 0);
	ck_assert_int_eq(get(1), 1);
	ck_assert(!pipe_ring_full(&r));
	ck_assert_int_eq(put(4096, false), 4096);
	pipe_ring_destroy(&r);
}
END_TEST

START_TEST(small_writes_share_a_slot_only_if_they_fit)
{
	start(4);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(put(3000, false), 3000);
	ck_assert_int_eq(put(3000, false), 0);
	ck_assert_int_eq(put(1096, false), 1096);
	ck_assert_int_eq(put(1, false), 0);
	ck_assert_int_eq(get(20000), 13096);
	for (int i = 0; i < 4 * 4096; i++)
		ck_assert_int_eq(put(1, false), 1);
	ck_assert_int_eq(put(1, false), 0);
	pipe_ring_destroy(&r);
}
END_TEST

START_TEST(a_packet_is_read_alone_and_whole)
{
	start(4);
	ck_assert_int_eq(put(10, false), 10);
	ck_assert_int_eq(put(5000, true), 5000); /* two packets */
	ck_assert_int_eq(put(3, false), 3);	 /* not appended to a packet */
	ck_assert_uint_eq(pipe_ring_used(&r), 4);
	ck_assert_int_eq(get(9), 9);
	ck_assert_int_eq(get(100), 1);
	ck_assert_int_eq(get(5), 5);
	ck_assert_mem_eq(in, out, 5);
	ck_assert_uint_eq(r.bytes, 904 + 3);
	ck_assert_int_eq(get(100000), 904);
	ck_assert_mem_eq(in, out + 4096, 904);
	ck_assert_int_eq(get(100000), 3);
	ck_assert_int_eq(get(1), 0);
	ck_assert_uint_eq(r.bytes, 0);
	pipe_ring_destroy(&r);
}
END_TEST

START_TEST(faults_keep_whole_slots)
{
	start(16);
	fault = 0;
	ck_assert_int_eq(put(10, false), -EFAULT);
	ck_assert_uint_eq(pipe_ring_used(&r), 0);
	fault = 100;
	ck_assert_int_eq(put(200, false), -EFAULT);
	ck_assert_uint_eq(r.bytes, 0);
	fault = 10000;
	ck_assert_int_eq(put(20000, false), 8192);
	fault = 50;
	ck_assert_int_eq(get(100), -EFAULT);
	fault = 5000;
	ck_assert_int_eq(get(8192), 4096);
	fault = SIZE_MAX;
	ck_assert_int_eq(get(8192), 4096);
	ck_assert_mem_eq(in, out + 4096, 4096);
	ck_assert_uint_eq(r.bytes, 0);
	pipe_ring_destroy(&r);
}
END_TEST

START_TEST(resizing_keeps_the_data)
{
	start(4);
	ck_assert_int_eq(put(4 * 4096, false), 4 * 4096);
	ck_assert_int_eq(get(2 * 4096 + 5), 2 * 4096 + 5);
	ck_assert_int_eq(put(4096, false), 4096); /* wraps */
	ck_assert_int_eq(pipe_ring_resize(&r, 2), -EBUSY);
	ck_assert_int_eq(pipe_ring_resize(&r, 64), 0);
	ck_assert_int_eq(get(100000), 2 * 4096 - 5 + 4096);
	ck_assert_mem_eq(in, out + 2 * 4096 + 5, 2 * 4096 - 5);
	ck_assert_mem_eq(in + 2 * 4096 - 5, out, 4096);
	ck_assert_int_eq(pipe_ring_resize(&r, 1), 0);
	ck_assert_int_eq(put(5000, false), 4096);
	pipe_ring_destroy(&r);
}
END_TEST

/*
 * The stream that went in comes out, whatever the sizes; and never less fits than there is room for
 * whole slots.
 */
START_TEST(random_sizes_keep_the_order)
{
	u64 wrote = 0, read = 0;

	start(8);
	srandom(1);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (u8)random();
	for (int i = 0; i < 20000; i++) {
		size_t n = (size_t)random() % (random() % 4 ? 5000 : 50000) + 1;
		ssize_t got;

		if (random() % 2) {
			struct iov_iter it = iter(out + wrote, n);
			u32 room = (r.nslots - r.used) * PIPE_SLOT_SIZE;

			got = pipe_ring_write(&r, &it, false);
			ck_assert_int_ge(got, min((ssize_t)room, (ssize_t)n));
			wrote += (u64)got;
		} else {
			got = get(n);
			ck_assert_int_eq(got, min((u64)n, wrote - read));
			ck_assert_mem_eq(in, out + read, got);
			read += (u64)got;
		}
		/*
		 * The next write goes on where this one ended in the buffer, until that is at its
		 * end.
		 */
		if (wrote + 50000 > sizeof(out)) {
			got = get(sizeof(in));
			ck_assert_int_eq(got, wrote - read);
			ck_assert_mem_eq(in, out + read, got);
			wrote = read = 0;
		}
		ck_assert_uint_eq(r.bytes, wrote - read);
	}
	pipe_ring_destroy(&r);
}
END_TEST

START_TEST(a_write_without_memory_leaves_an_empty_ring)
{
	static const char *const nth[] = {"kmalloc:ENOMEM:1", "kmalloc:ENOMEM:2"};
	u64 seed;

	for (size_t i = 0; i < ARRAY_SIZE(nth); i++) {
		start(16);
		ck_assert_ptr_null(fault_add(nth[i]));
		(void)fault_start(false, &seed);
		ck_assert_int_eq(put(100, false), -ENOMEM);
		ck_assert_int_eq(get(100), 0);
		ck_assert_int_eq(put(100, false), 100);
		ck_assert_int_eq(get(200), 100);
		ck_assert_mem_eq(in, out, 100);
		pipe_ring_destroy(&r);
	}
}
END_TEST

/* What splices do, at all places of a ring that wraps around. */
START_TEST(moving_and_looking_keep_the_order)
{
	struct pipe_ring to;
	struct iov_iter it;
	size_t n;

	for (u32 turn = 0; turn < 9; turn++) {
		start(4);
		pipe_ring_init(&to, 8);
		ck_assert_int_eq(pipe_ring_prepare(&to), 0);
		ck_assert_int_eq(put(4096 * 3 + 7, false), 4096 * 3 + 7);
		ck_assert_int_eq(get(1500 * turn), 1500 * turn);
		it = iter(in, sizeof(in));
		n = pipe_ring_peek(&r, &it);
		ck_assert_uint_eq(n, r.bytes);
		ck_assert_mem_eq(in, out + 1500 * turn, n);
		ck_assert_uint_eq(pipe_ring_move(&r, &to, 5000, true), min(n, (size_t)5000));
		ck_assert_uint_eq(r.bytes, n);
		ck_assert_uint_eq(pipe_ring_move(&r, &to, 100000, false), n);
		ck_assert_uint_eq(pipe_ring_used(&r), 0);
		ck_assert_uint_eq(to.bytes, n + min(n, (size_t)5000));
		it = iter(in, sizeof(in));
		ck_assert_int_eq(pipe_ring_read(&to, &it), n + min(n, (size_t)5000));
		ck_assert_mem_eq(in, out + 1500 * turn, min(n, (size_t)5000));
		ck_assert_mem_eq(in + min(n, (size_t)5000), out + 1500 * turn, n);
		pipe_ring_destroy(&to);
		pipe_ring_destroy(&r);
	}
}
END_TEST

START_TEST(appending_takes_slots_of_its_own)
{
	struct iov_iter it;

	start(4);
	ck_assert_int_eq(put(1, false), 1);
	for (int i = 0; i < 3; i++) {
		it = iter(out, 1);
		ck_assert_int_eq(pipe_ring_append(&r, &it), 1);
	}
	it = iter(out, 1);
	ck_assert_int_eq(pipe_ring_append(&r, &it), 0);
	pipe_ring_consume(&r, 2);
	it = iter(out, 100000);
	ck_assert_int_eq(pipe_ring_append(&r, &it), 8192);
	ck_assert_uint_eq(r.bytes, 8194);
	pipe_ring_destroy(&r);
}
END_TEST

UNIT_MAIN("pipe ring", capacity_is_counted_in_slots, small_writes_share_a_slot_only_if_they_fit,
	  a_packet_is_read_alone_and_whole, faults_keep_whole_slots, resizing_keeps_the_data,
	  random_sizes_keep_the_order, a_write_without_memory_leaves_an_empty_ring,
	  moving_and_looking_keep_the_order, appending_takes_slots_of_its_own)
