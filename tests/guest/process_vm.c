/* process_vm_readv and process_vm_writev: copies, where they end, and who may. */
#include "t.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#define PAGE 4096UL

/* As the kernel has it: the library's prototypes don't take what nobody should give. */
static long readv_raw(pid_t pid, const void *local, unsigned long nl, const void *remote,
		      unsigned long nr, unsigned long flags)
{
	return syscall(SYS_process_vm_readv, (long)pid, local, nl, remote, nr, flags);
}

static long writev_raw(pid_t pid, const void *local, unsigned long nl, const void *remote,
		       unsigned long nr, unsigned long flags)
{
	return syscall(SYS_process_vm_writev, (long)pid, local, nl, remote, nr, flags);
}

static long read_from(pid_t pid, void *to, const void *from, size_t n)
{
	struct iovec l = {to, n}, r = {(void *)from, n};

	return readv_raw(pid, &l, 1, &r, 1, 0);
}

static long write_to(pid_t pid, void *to, const void *from, size_t n)
{
	struct iovec l = {(void *)from, n}, r = {to, n};

	return writev_raw(pid, &l, 1, &r, 1, 0);
}

static char *pages(size_t n)
{
	return MUST(
		mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static char place[64] = "parent";

TEST(memory_of_a_child_is_read_and_written)
{
	struct t_gate ready = t_gate(), go = t_gate();
	char buf[64] = "";
	pid_t pid = SPAWN({
		strcpy(place, "child");
		t_gate_open(&ready);
		t_gate_pass(&go);
		CHECK_STR(place, "told");
	});

	t_gate_pass(&ready);
	CHECK_EQ(read_from(pid, buf, place, 6), 6);
	CHECK_STR(buf, "child");
	CHECK_EQ(write_to(pid, place, "told", 5), 5);
	CHECK_STR(place, "parent");
	t_gate_open(&go);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(pieces_of_both_sides_need_not_match)
{
	char a[4] = "", b[8] = "", from[] = "abcdefghij", to[11] = "..........";
	struct iovec l[3] = {{a, 2}, {NULL, 0}, {b, 7}};
	struct iovec r[3] = {{from + 5, 5}, {NULL, 0}, {from, 3}};
	struct iovec w[2] = {{to + 8, 2}, {to, 6}};

	CHECK_EQ(readv_raw(getpid(), l, 3, r, 3, 0), 8);
	CHECK_STR(a, "fg");
	CHECK_STR(b, "hijabc");
	CHECK_EQ(writev_raw(getpid(), l, 3, w, 2, 0), 8);
	CHECK_STR(to, "hijabc..fg");
}

TEST(large_transfers_come_whole)
{
	const size_t size = (1 << 20) + 4099;
	char *from = pages(300), *to = pages(300);

	for (size_t i = 0; i < size; i++)
		from[i] = (char)(i * 7 + i / 4096);
	CHECK_EQ(read_from(getpid(), to + 5, from + 3, size), (long)size);
	CHECK(!memcmp(to + 5, from + 3, size));
	memset(to, 0, size);
	CHECK_EQ(write_to(getpid(), to + 1, from + 3, size), (long)size);
	CHECK(!memcmp(to + 1, from + 3, size));
}

static struct t_gate ready, go;

static void *stay(void *tid)
{
	*(pid_t *)tid = (pid_t)syscall(SYS_gettid);
	t_gate_open(&ready);
	t_gate_pass(&go);
	return NULL;
}

TEST(a_thread_stands_for_its_process)
{
	pid_t *tid = t_shared(sizeof(*tid)), pid;
	char buf[8] = "";

	ready = t_gate();
	go = t_gate();
	pid = SPAWN({
		pthread_t thread;

		strcpy(place, "thread");
		CHECK_EQ(pthread_create(&thread, NULL, stay, tid), 0);
		CHECK_EQ(pthread_join(thread, NULL), 0);
	});
	t_gate_pass(&ready);
	CHECK(*tid != pid);
	CHECK_EQ(read_from(*tid, buf, place, 7), 7);
	CHECK_STR(buf, "thread");
	t_gate_open(&go);
	CHECK_EXITED(t_wait(pid), 0);
}

/* ---- where they end ---- */

TEST(a_transfer_ends_where_the_other_memory_does)
{
	char *p = pages(4), *buf = pages(4);
	struct iovec l = {buf, 4 * PAGE}, r[2] = {{p, 10}, {p, 4 * PAGE}};

	memset(p, 'x', 4 * PAGE);
	MUST(munmap(p + 2 * PAGE, PAGE));
	CHECK_EQ(read_from(getpid(), buf, p, 4 * PAGE), 2 * PAGE);
	CHECK(buf[2 * PAGE - 1] == 'x' && !buf[2 * PAGE]);
	CHECK_EQ(read_from(getpid(), buf, p + 2 * PAGE - 3, 100), 3);
	CHECK_EQ(write_to(getpid(), p + 2 * PAGE - 3, buf, 100), 3);
	CHECK_EQ(readv_raw(getpid(), &l, 1, r, 2, 0), 10 + 2 * PAGE);
	CHECK_ERR(read_from(getpid(), buf, p + 2 * PAGE, 1), EFAULT);
	CHECK_ERR(write_to(getpid(), p + 2 * PAGE, buf, 1), EFAULT);
	r[0].iov_base = p + 2 * PAGE;
	CHECK_ERR(readv_raw(getpid(), &l, 1, r, 2, 0), EFAULT); /* what comes later isn't tried */
}

TEST(a_transfer_ends_where_ones_own_memory_does)
{
	char *p = pages(3), *buf = pages(3);

	MUST(munmap(p + PAGE, PAGE));
	CHECK_EQ(read_from(getpid(), p, buf, 2 * PAGE), PAGE);
	CHECK_EQ(write_to(getpid(), buf, p, 2 * PAGE), PAGE);
	CHECK_ERR(read_from(getpid(), p + PAGE, buf, 1), EFAULT);
	CHECK_ERR(write_to(getpid(), buf, p + PAGE, 1), EFAULT);
}

TEST(protection_holds_for_others_too)
{
	char *p = pages(3), buf[4] = "new";

	strcpy(p, "old");
	MUST(mprotect(p, PAGE, PROT_READ));
	MUST(mprotect(p + PAGE, PAGE, PROT_NONE));
	CHECK_ERR(write_to(getpid(), p, buf, 4), EFAULT);
	CHECK_ERR(read_from(getpid(), buf, p + PAGE, 4), EFAULT);
	CHECK_EQ(read_from(getpid(), buf, p, 4), 4);
	CHECK_STR(buf, "old");
}

TEST(nothing_to_copy_is_no_error)
{
	struct iovec none = {place, 0}, some = {place, 1};

	CHECK_EQ(readv_raw(-1, NULL, 0, NULL, 0, 0), 0);
	CHECK_EQ(readv_raw(-1, &none, 1, &some, 1, 0), 0);
	CHECK_EQ(readv_raw(-1, &none, 1, (void *)8, 1, 0), 0); /* isn't looked at */
	CHECK_EQ(writev_raw(-1, &some, 1, &none, 1, 0), 0);
	CHECK_EQ(writev_raw(-1, &some, 1, NULL, 0, 0), 0);
}

/* ---- errors ---- */

TEST(flags_are_refused_first)
{
	CHECK_ERR(readv_raw(-1, NULL, 0, NULL, 0, 1), EINVAL);
	CHECK_ERR(writev_raw(getpid(), (void *)8, 1, (void *)8, 1, 1UL << 40), EINVAL);
}

TEST(vectors_are_checked)
{
	static struct iovec many[1025];
	struct iovec ok = {place, 1}, negative = {place, (size_t)-1}, high = {(void *)(-PAGE), 1},
		     wraps = {(void *)-1L, PAGE};
	pid_t me = getpid();
	char buf[4];

	for (int i = 0; i < 1025; i++)
		many[i] = (struct iovec){buf, i < 1024};
	CHECK_ERR(readv_raw(me, many, 1025, &ok, 1, 0), EINVAL);
	CHECK_ERR(readv_raw(me, &ok, 1, many, 1025, 0), EINVAL);
	CHECK_EQ(readv_raw(me, many, 1024, many, 1024, 0), 1024);
	CHECK_ERR(readv_raw(me, (void *)8, 1, &ok, 1, 0), EFAULT);
	CHECK_ERR(readv_raw(me, &ok, 1, (void *)8, 1, 0), EFAULT);
	CHECK_ERR(writev_raw(me, &negative, 1, &ok, 1, 0), EINVAL);
	CHECK_ERR(writev_raw(me, &ok, 1, &negative, 1, 0), EINVAL);
	CHECK_ERR(readv_raw(me, &high, 1, &ok, 1, 0), EFAULT);
	CHECK_ERR(readv_raw(me, &ok, 1, &high, 1, 0), EFAULT);
	CHECK_ERR(writev_raw(me, &ok, 1, &wraps, 1, 0), EFAULT);
}

TEST(who_isnt_there_is_esrch)
{
	pid_t pid = SPAWN(pause());
	char buf[4];

	CHECK_ERR(read_from(0, buf, place, 1), ESRCH);
	CHECK_ERR(read_from(-1, buf, place, 1), ESRCH);
	CHECK_EQ(read_from(pid, buf, place, 1), 1);
	MUST(kill(pid, SIGKILL));
	t_wait_state(pid, 'Z');
	CHECK_ERR(read_from(pid, buf, place, 1), ESRCH);
	CHECK_KILLED(t_wait(pid), SIGKILL);
	CHECK_ERR(read_from(pid, buf, place, 1), ESRCH);
}

/* ---- who may ---- */

TEST(a_process_that_isnt_dumpable_is_closed_to_its_user)
{
	struct t_gate closed = t_gate(), end = t_gate();
	char buf[4];
	pid_t pid;

	t_become_ordinary();
	MUST(prctl(PR_SET_DUMPABLE, 1));
	pid = SPAWN({
		MUST(prctl(PR_SET_DUMPABLE, 0));
		CHECK_EQ(read_from(getpid(), buf, place, 1), 1);
		t_gate_open(&closed);
		t_gate_pass(&end);
	});
	t_gate_pass(&closed);
	CHECK_ERR(read_from(pid, buf, place, 1), EPERM);
	CHECK_ERR(write_to(pid, place, buf, 1), EPERM);
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(memory_of_another_user_is_closed)
{
	char buf[4];
	pid_t root = getpid();

	if (!t_is_root())
		SKIP("needs root to have a process of another user");
	CHECK_EXITED(IN_CHILD({
			     t_become_ordinary();
			     CHECK_ERR(read_from(root, buf, place, 1), EPERM);
			     CHECK_ERR(write_to(root, place, buf, 1), EPERM);
		     }),
		     0);
}

TEST(root_reads_processes_of_others)
{
	struct t_gate is = t_gate(), end = t_gate();
	char buf[4];
	pid_t pid;

	if (!t_may(CAP_SYS_PTRACE))
		SKIP("needs CAP_SYS_PTRACE");
	pid = SPAWN({
		t_become_ordinary();
		t_gate_open(&is);
		t_gate_pass(&end);
	});
	t_gate_pass(&is);
	CHECK_EQ(read_from(pid, buf, place, 1), 1);
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
}

/* ---- processes that change meanwhile ---- */

HELPER(end)
{
	return 0;
}

/* Whatever comes of each: there may be another program at that address, or none. */
TEST(reading_goes_on_while_they_execute_and_end)
{
	char *buf = pages(64);

	for (int i = 0; i < 30; i++) {
		pid_t pid = SPAWN(T_EXEC_HELPER("end"));
		long n;

		do {
			n = read_from(pid, buf, place, 64 * PAGE);
			CHECK(n > 0 || errno == EFAULT || errno == ESRCH);
		} while (n > 0 || errno != ESRCH);
		CHECK_EXITED(t_wait(pid), 0);
	}
}
