/*
 * test:
 * Other ways into a kernel, and segment registers: int 0x80, x32 numbers and vsyscalls end as said
 * here; bases and selectors of any kind are the thread's own affair.
 */
#include "attack.h"
#include <pthread.h>
#include <sys/prctl.h>

static long int80(long nr, long a)
{
	long ret;

	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(nr), "b"(a), "c"(0), "d"(0)
			 : "r8", "r9", "r10", "r11", "memory");
	return ret;
}

/*
 * No 32-bit calls: ENOSYS, as from a kernel that was built without them; it may be a fault as well,
 * where the host has none.
 */
TEST(int80_is_enosys_or_a_fault)
{
	int status = IN_CHILD(_exit(int80(20 /* getpid */, 0) == -ENOSYS ? 11 : 12));

	CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGSEGV : WEXITSTATUS(status) == 11);
	/* exit: it doesn't. */
	status = IN_CHILD({
		int80(1, 5);
		_exit(11);
	});
	CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGSEGV : WEXITSTATUS(status) == 11);
}

TEST(x32_numbers_are_enosys)
{
	for (long nr = 0; nr < 560; nr++)
		EXPECT_ERR(syscall(0x40000000 | nr, -1, -1, -1, -1, -1, -1), ENOSYS);
}

/* The upper half of rax is not looked at by a kernel; numbers of no call are ENOSYS. */
TEST(numbers_of_no_call_are_enosys)
{
	static const long none[] = {1000, 4096, 0x3fffffff, 0x7fffffff,	 -1,
				    -2,	  -512, -4095,	    0x80000000L, 0xffffffffL};

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		EXPECT_ERR(syscall(none[i], 0, 0, 0, 0, 0, 0), ENOSYS);
}

/* The host's vsyscall page gives the call, or a fault where the host has none. */
TEST(vsyscalls_are_calls_or_faults)
{
	int status = IN_CHILD({
		time_t (*vtime)(time_t *) = (void *)0xffffffffff600400;
		time_t now = time(NULL);
		time_t v = vtime(NULL);

		_exit(v >= now && v < now + 10 ? 0 : 1);
	});

	CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGSEGV : WEXITSTATUS(status) == 0);
	/* An address that can't be written, in the stub. */
	status = IN_CHILD(((time_t(*)(time_t *))0xffffffffff600400)((time_t *)STUB_CTL));
	CHECK(WIFSIGNALED(status) || WIFEXITED(status));
	DARE(50, ((void (*)(void))0xffffffffff600001)());
}

TEST(bases_in_the_stub)
{
	static const uint64_t bases[] = {
		STUB_TEXT,
		STUB_CTL,
		STUB_SLOTS,
		STUB_SLOTS + SLOT_SIZE,
		STUB_SLOTS + 2 * SLOT_SIZE,
		STUB_SLOTS + 4095UL * SLOT_SIZE,
		STUB_SLOTS + SLOT_SIZE + 8,
		STUB_END,
		8,
		1UL << 46,
	};

	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		DARE(50, {
			uint64_t got = 0;

			catch_faults();
			syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, bases[i]);
			for (int n = 0; n < 300; n++)
				getppid();
			try_write(8, 0);
			syscall(SYS_arch_prctl, 0x1004 /* ARCH_GET_GS */, &got);
			if (fork() == 0)
				_exit(0);
			_exit(0);
		});
		DARE(50, {
			__asm__ volatile("wrgsbase %0" : : "r"(bases[i]));
			for (int n = 0; n < 300; n++)
				getppid();
			raise(SIGURG);
			_exit(0);
		});
		DARE(50, {
			syscall(SYS_arch_prctl, 0x1002 /* ARCH_SET_FS */, bases[i]);
			for (int n = 0; n < 300; n++)
				__asm__ volatile("syscall"
						 :
						 : "a"(SYS_getppid)
						 : "rcx", "r11", "memory");
			*(volatile int *)8 = 0;
		});
	}
}

static uint64_t get_gs(void)
{
	uint64_t base;

	if (has_fsgsbase())
		__asm__ volatile("rdgsbase %0" : "=r"(base));
	else
		MUST(syscall(SYS_arch_prctl, 0x1004 /* ARCH_GET_GS */, &base));
	return base;
}

TEST(base_is_kept_over_calls_faults_and_signals)
{
	catch_faults();
	t_handle(SIGUSR1, SIG_IGN);
	for (uint64_t base = 0x1000; base < 1UL << 46; base *= 7) {
		set_gs(base);
		getppid();
		try_write(8, 0);
		raise(SIGUSR1);
		EXPECT_EQ(get_gs(), base);
	}
	set_gs(0);
}

/* Those that a program can't load fault; with the others it goes on as far as it can. */
TEST(odd_selectors)
{
	for (unsigned int sel = 0; sel < 0x100; sel++)
		for (int reg = 0; reg < 4; reg++)
			DARE(50, {
				unsigned int s = sel < 0xf8 ? sel : 0xff00 | sel;

				if (reg == 0)
					__asm__ volatile("mov %0, %%gs" : : "r"(s));
				else if (reg == 1)
					__asm__ volatile("mov %0, %%fs" : : "r"(s));
				else if (reg == 2)
					__asm__ volatile("mov %0, %%ds; mov %0, %%es" : : "r"(s));
				else
					__asm__ volatile("mov %0, %%ss" : : "r"(s));
				for (int n = 0; n < 3; n++)
					__asm__ volatile("syscall"
							 :
							 : "a"(SYS_getppid)
							 : "rcx", "r11", "memory");
				*(volatile int *)8 = 0;
			});
}

/* The keeper has it there: a thread that does too is no keeper. */
TEST(base_pointer_to_the_control_page_means_nothing)
{
	static volatile int faults;

	catch_faults();
	for (int i = 0; i < 10; i++) {
		if (sigsetjmp(access_fault, 0)) {
			faults++;
			continue;
		}
		__asm__ volatile("push %%rbp; mov %0, %%rbp; movl $0, 8; pop %%rbp"
				 :
				 : "r"(STUB_CTL)
				 : "memory");
	}
	CHECK_EQ(faults, 10);
}
