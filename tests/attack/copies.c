/*
 * test:
 * The kernel's own copies and calls, with addresses in the stub: none may read or write there, and
 * no mapping there may be changed.
 */
#include "attack.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/uio.h>

static const uint64_t places[] = {
	STUB_TEXT,
	STUB_CTL,
	STUB_CTL + CTL_OPS,
	STUB_SLOTS,
	STUB_SLOTS + SLOT_SIZE,
	STUB_SLOTS + SLOT_SIZE + SLOT_FRAME,
	STUB_END - 8,
	0x7ffffffff000 - 8,
};
#define NPLACES (sizeof(places) / sizeof(places[0]))

#define EACH_PLACE(p)                                                                              \
	for (size_t i_ = 0; i_ < NPLACES; i_++)                                                    \
		for (void *p = (void *)places[i_]; p; p = NULL)

static int full_pipe(void)
{
	int fd[2];

	MUST(pipe(fd));
	MUST(write(fd[1], "0123456789abcdef", 16));
	return fd[0];
}

TEST(reads_and_writes_fault)
{
	int in = full_pipe(), out = open("/dev/null", O_WRONLY), zero = open("/dev/zero", O_RDONLY);
	char byte;

	EACH_PLACE(p)
	{
		struct iovec iov[2] = {{&byte, 1}, {p, 8}};

		EXPECT_ERR(read(in, p, 8), EFAULT);
		EXPECT_ERR(read(zero, p, 8), EFAULT);
		EXPECT_ERR(write(memfd_create("m", 0), p, 8), EFAULT);
		EXPECT_ERR(pwrite(out, p, -1UL >> 1, 0) < 0 ? -1 : (errno = EFAULT, -1), EFAULT);
		EXPECT_ERR(readv(zero, iov + 1, 1), EFAULT);
		EXPECT_ERR(readv(zero, iov, 2), EFAULT);
		EXPECT_ERR(writev(memfd_create("m", 0), iov + 1, 1), EFAULT);
		EXPECT_ERR(writev(out, p, 1), EFAULT);
		EXPECT_ERR(open(p, O_RDONLY), EFAULT);
		EXPECT_ERR(syscall(SYS_getcwd, p, 100), EFAULT);
		EXPECT_ERR(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, p), EFAULT);
		EXPECT_ERR(syscall(SYS_rt_sigprocmask, SIG_SETMASK, p, NULL, 8), EFAULT);
		EXPECT_ERR(syscall(SYS_rt_sigaction, SIGUSR1, p, NULL, 8), EFAULT);
		EXPECT_ERR(syscall(SYS_rt_sigpending, p, 8), EFAULT);
		EXPECT_ERR(syscall(SYS_execve, p, NULL, NULL), EFAULT);
		EXPECT_ERR(syscall(SYS_arch_prctl, 0x1003 /* ARCH_GET_FS */, p), EFAULT);
	}
}

/* What straddles the border: the part below it may be written, that above may not. */
TEST(range_across_the_border_faults)
{
	char *last = mmap((void *)(STUB_TEXT - PAGE), PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	int zero = open("/dev/zero", O_RDONLY);

	if (last == MAP_FAILED)
		last = NULL; /* something of the kernel's may lie there */
	EXPECT_ERR(read(zero, (void *)(STUB_TEXT - 8), 16), EFAULT);
	EXPECT_ERR(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, STUB_TEXT - 8), EFAULT);
	EXPECT(munmap((void *)(STUB_TEXT - PAGE), 2 * PAGE) == 0 || errno == EINVAL);
}

TEST(process_vm_calls_fail)
{
	char buf[8] = "";
	struct iovec local = {buf, 8};

	EACH_PLACE(p)
	{
		struct iovec remote = {p, 8};

		EXPECT(process_vm_readv(getpid(), &local, 1, &remote, 1, 0) < 0);
		EXPECT(process_vm_writev(getpid(), &local, 1, &remote, 1, 0) < 0);
	}
}

TEST(proc_mem_fails)
{
	int fd = open("/proc/self/mem", O_RDWR);
	uint64_t word = 0;

	if (fd < 0)
		return;
	EACH_PLACE(p)
	{
		EXPECT(pread(fd, &word, 8, (off_t)p) <= 0);
		EXPECT(pwrite(fd, &word, 8, (off_t)p) <= 0);
	}
}

TEST(futexes_fault)
{
	struct timespec soon = {0, 1000000};
	uint32_t word = 0;

	EACH_PLACE(p)
	{
		EXPECT_ERR(syscall(SYS_futex, p, FUTEX_WAIT, 0, &soon, NULL, 0), EFAULT);
		EXPECT(syscall(SYS_futex, p, FUTEX_WAKE, 1, NULL, NULL, 0) <= 0);
		EXPECT_ERR(syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE, 1, 1, p, 0), EFAULT);
		EXPECT_ERR(syscall(SYS_futex, &word, FUTEX_WAKE_OP, 1, 1, p,
				   FUTEX_OP(FUTEX_OP_SET, 1, 0, 0)),
			   EFAULT);
	}
}

/*
 * A thread's end writes to the word, and walks the list: of its own slot, which it could write
 * itself, nothing may change.
 */
static uint64_t end_word;
static volatile pid_t end_tid;

static void *end_with_word(void *unused)
{
	static struct robust_list_head head;

	head.list.next = (struct robust_list *)(end_word - 8);
	head.futex_offset = 8;
	head.list_op_pending = (struct robust_list *)(end_word - 8);
	end_tid = syscall(SYS_gettid);
	syscall(SYS_set_tid_address, end_word);
	syscall(SYS_set_robust_list, end_word % 16 ? (void *)&head : (void *)end_word,
		sizeof(head));
	syscall(SYS_exit, 0);
	return unused;
}

TEST(ends_of_threads_write_nothing)
{
	volatile uint32_t *word = (uint32_t *)(slot(1) + 0x300); /* below the frames */

	end_word = (uint64_t)word;
	for (int i = 0; i < 20; i++) {
		pid_t pid = SPAWN({
			be_harmless();
			end_word = i % 2 ? (uint64_t)word + 8 : places[i / 2 % NPLACES];
			end_with_word(NULL);
		});

		CHECK_EXITED(t_wait(pid), 0);
	}
	end_word = (uint64_t)word;
	*word = 0x1234;
	CHECK_EXITED(IN_CHILD({
			     pthread_t t;

			     *word = 0x1234;
			     CHECK_EQ(pthread_create(&t, NULL, end_with_word, NULL), 0);
			     while (!end_tid)
				     t_sleep_ms(1);
			     t_wait_thread_state(getpid(), end_tid, 0);
			     _exit(*word != 0x1234);
		     }),
		     0);
	CHECK_EXITED(IN_CHILD({
			     pid_t pid;

			     *word = 0x1234;
			     pid = MUST(syscall(SYS_clone,
						SIGCHLD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID |
							CLONE_CHILD_CLEARTID,
						0, word, word, 0));
			     if (pid == 0) /* with a slot of its own */
				     _exit(*word == (uint32_t)getpid());
			     CHECK_EXITED(t_wait(pid), 0);
			     _exit(*word != 0x1234);
		     }),
		     0);
}

static void on_signal(int sig)
{
	_exit(sig == SIGUSR1 ? 5 : 6);
}

TEST(signal_frames_go_nowhere_in_the_stub)
{
	EACH_PLACE(p)
	{
		stack_t ss = {.ss_sp = p, .ss_size = 16384};
		int status = IN_CHILD({
			if (syscall(SYS_sigaltstack, &ss, NULL))
				_exit(7);
			t_handle_flags(SIGUSR1, on_signal, SA_ONSTACK);
			raise(SIGUSR1);
			_exit(0);
		});

		/* As where any stack can't be written. */
		EXPECT(WIFSIGNALED(status) ? WTERMSIG(status) == SIGSEGV
					   : WEXITSTATUS(status) == 7);
	}
}

TEST(mappings_of_the_stub_stay)
{
	static const unsigned char *const text = (unsigned char *)STUB_TEXT;
	unsigned char before[256];
	void *own = MUST(mmap(NULL, PAGE, RW, ANON, -1, 0));

	memcpy(before, text, sizeof(before));
	EACH_PLACE(q)
	{
		void *p = (void *)((uint64_t)q & -PAGE);

		munmap(p, PAGE);
		EXPECT(mmap(p, PAGE, RW, ANON | MAP_FIXED, -1, 0) == MAP_FAILED);
		EXPECT(mmap(p, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED);
		EXPECT(mmap(p, PAGE, RW, ANON, -1, 0) != p);
		EXPECT(mprotect(p, PAGE, RW) < 0);
		EXPECT(mprotect(p, PAGE, PROT_NONE) < 0);
		EXPECT(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
		EXPECT(mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, own) == MAP_FAILED);
		EXPECT(mremap(own, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p) == MAP_FAILED);
		EXPECT(mremap(p, 0, PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
		for (int advice = 0; advice < 30; advice++)
			EXPECT(madvise(p, PAGE, advice) < 0);
		EXPECT(mlock(p, PAGE) < 0);
		EXPECT(munlock(p, PAGE) < 0);
		EXPECT(msync(p, PAGE, MS_SYNC) < 0);
		EXPECT(mincore(p, PAGE, before + 255) < 0);
		EXPECT(syscall(SYS_remap_file_pages, p, PAGE, 0, 0, 0) < 0);
		EXPECT(prctl(PR_SET_VMA, 0, p, PAGE, "name") < 0);
		EXPECT(syscall(SYS_brk, p) != (long)p);
	}
	munmap((void *)STUB_TEXT, STUB_END - STUB_TEXT);
	munmap((void *)(STUB_TEXT - (1UL << 30)), 2UL << 30);
	CHECK(memcmp(before, text, 255) == 0);
	CHECK_EXITED(IN_CHILD(_exit(9)), 9);
}
