/* Faults: the signal, its code and address, and error code, trap number and cr2 in the frame. */
#include "t.h"

#include <ucontext.h>

#define PAGE 4096ul

static sigjmp_buf env;
static volatile int *volatile const null =
	(volatile int *)16; /* the compiler may not see through it */
static siginfo_t info;
static unsigned long err, trapno, cr2, rip;
static volatile int got;

static void note(int sig, siginfo_t *si, void *ctx)
{
	greg_t *r = ((ucontext_t *)ctx)->uc_mcontext.gregs;

	got = sig;
	info = *si;
	err = (unsigned long)r[REG_ERR];
	trapno = (unsigned long)r[REG_TRAPNO];
	cr2 = (unsigned long)r[REG_CR2];
	rip = (unsigned long)r[REG_RIP];
	siglongjmp(env, 1);
}

/*
 * Runs the statement with SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGTRAP handled; got tells which
 * came.
 */
#define FAULT(...)                                                                                 \
	do {                                                                                       \
		static const int sigs_[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};             \
		for (int i_ = 0; i_ < 5; i_++)                                                     \
			t_handle_info(sigs_[i_], note);                                            \
		got = 0;                                                                           \
		if (!sigsetjmp(env, 1)) {                                                          \
			__VA_ARGS__;                                                               \
		}                                                                                  \
	} while (0)

static volatile char *page(int prot)
{
	return MUST(mmap(NULL, PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

TEST(read_of_unmapped_memory)
{
	volatile char *p = page(PROT_READ);

	MUST(munmap((void *)p, PAGE));
	FAULT((void)p[123]);
	CHECK_EQ(got, SIGSEGV);
	CHECK_EQ(info.si_code, SEGV_MAPERR);
	CHECK(info.si_addr == (void *)&p[123]);
	CHECK_EQ(err, 4); /* user, read, not present */
	CHECK_EQ(trapno, 14);
	CHECK_EQ(cr2, (unsigned long)&p[123]);
}

TEST(write_to_unmapped_memory)
{
	volatile char *p = page(PROT_READ);

	MUST(munmap((void *)p, PAGE));
	FAULT(p[5] = 1);
	CHECK_EQ(info.si_code, SEGV_MAPERR);
	CHECK_EQ(err, 6);
	CHECK_EQ(cr2, (unsigned long)&p[5]);
}

TEST(null_pointer)
{
	FAULT(*null = 1);
	CHECK_EQ(got, SIGSEGV);
	CHECK_EQ(info.si_code, SEGV_MAPERR);
	CHECK(info.si_addr == (void *)16);
	CHECK_EQ(err, 6);
}

TEST(write_to_read_only_page_that_is_present)
{
	volatile char *p = page(PROT_READ);

	(void)p[0];
	FAULT(p[7] = 1);
	CHECK_EQ(got, SIGSEGV);
	CHECK_EQ(info.si_code, SEGV_ACCERR);
	CHECK(info.si_addr == (void *)&p[7]);
	CHECK_EQ(err, 7);
	CHECK_EQ(trapno, 14);
}

TEST(read_of_a_page_without_access)
{
	volatile char *p = page(PROT_NONE);

	FAULT((void)p[9]);
	CHECK_EQ(got, SIGSEGV);
	CHECK_EQ(info.si_code, SEGV_ACCERR);
	CHECK(info.si_addr == (void *)&p[9]);
	CHECK_EQ(err & ~1ul, 4);
}

TEST(execution_of_a_page_that_is_not_executable)
{
	volatile char *p = page(PROT_READ | PROT_WRITE);

	p[0] = (char)0xc3;
	FAULT(((void (*)(void))p)());
	CHECK_EQ(got, SIGSEGV);
	CHECK_EQ(info.si_code, SEGV_ACCERR);
	CHECK(info.si_addr == (void *)p);
	CHECK_EQ(err, 0x15);
	CHECK_EQ(rip, (unsigned long)p);
}

TEST(jump_to_unmapped_memory)
{
	volatile char *p = page(PROT_READ);

	MUST(munmap((void *)p, PAGE));
	FAULT(((void (*)(void))p)());
	CHECK_EQ(got, SIGSEGV);
	CHECK_EQ(info.si_code, SEGV_MAPERR);
	CHECK_EQ(err, 0x14);
	CHECK_EQ(rip, (unsigned long)p);
}

TEST(non_canonical_address_is_a_general_protection_fault)
{
	FAULT(*(volatile char *)0x800000000000ul = 1);
	CHECK_EQ(got, SIGSEGV);
	CHECK_EQ(info.si_code, SI_KERNEL);
	CHECK(info.si_addr == NULL);
	CHECK_EQ(trapno, 13);
	CHECK_EQ(err, 0);
}

TEST(kernel_address)
{
	FAULT(*(volatile char *)0xffff800000000000ul = 1);
	CHECK_EQ(got, SIGSEGV);
	CHECK_EQ(info.si_code, SEGV_MAPERR);
	CHECK(info.si_addr == (void *)0xffff800000000000ul);
	CHECK_EQ(trapno, 14);
}

TEST(privileged_instruction)
{
	FAULT(__asm__ volatile("hlt"));
	CHECK_EQ(got, SIGSEGV);
	CHECK_EQ(info.si_code, SI_KERNEL);
	CHECK_EQ(trapno, 13);
	FAULT(__asm__ volatile("mov %%cr0, %%rax" ::: "rax"));
	CHECK_EQ(got, SIGSEGV);
	FAULT(__asm__ volatile("cli"));
	CHECK_EQ(got, SIGSEGV);
}

TEST(undefined_instruction)
{
	FAULT(__asm__ volatile("ud2"));
	CHECK_EQ(got, SIGILL);
	CHECK_EQ(info.si_code, ILL_ILLOPN);
	CHECK_EQ((unsigned long)info.si_addr, rip);
	CHECK_EQ(trapno, 6);
}

TEST(integer_division_by_zero)
{
	volatile int zero = 0;

	FAULT(zero = 100 / zero);
	CHECK_EQ(got, SIGFPE);
	CHECK_EQ(info.si_code, FPE_INTDIV);
	CHECK_EQ((unsigned long)info.si_addr, rip);
	CHECK_EQ(trapno, 0);
}

TEST(integer_division_that_overflows)
{
	volatile int min = INT_MIN, minus = -1;

	FAULT(min = min / minus);
	CHECK_EQ(got, SIGFPE);
	CHECK_EQ(info.si_code, FPE_INTDIV);
}

TEST(sse_exception_that_is_unmasked)
{
	unsigned int mxcsr = 0x1f80 & ~0x200u; /* unmask division by zero */
	volatile double one = 1, zero = 0;

	FAULT({
		__asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
		one = one / zero;
	});
	CHECK_EQ(got, SIGFPE);
	CHECK_EQ(info.si_code, FPE_FLTDIV);
	CHECK_EQ(trapno, 19);
}

TEST(x87_exception_that_is_unmasked)
{
	unsigned short cw = 0x037b; /* unmask division by zero */

	FAULT(__asm__ volatile("fninit; fldcw %0; fldz; fld1; fdivp; fwait" ::"m"(cw)));
	CHECK_EQ(got, SIGFPE);
	CHECK_EQ(info.si_code, FPE_FLTDIV);
	CHECK_EQ(trapno, 16);
}

TEST(breakpoint_instruction)
{
	FAULT(__asm__ volatile("int3"));
	CHECK_EQ(got, SIGTRAP);
	CHECK_EQ(info.si_code, SI_KERNEL);
	CHECK_EQ(trapno, 3);
}

TEST(single_step_flag)
{
	FAULT(__asm__ volatile("pushf; orq $0x100, (%%rsp); popf; nop; nop" ::: "memory"));
	CHECK_EQ(got, SIGTRAP);
	CHECK_EQ(info.si_code, TRAP_TRACE);
	CHECK_EQ(trapno, 1);
}

TEST(interrupt_instruction_that_is_not_allowed)
{
	FAULT(__asm__ volatile("int $0x41"));
	CHECK_EQ(got, SIGSEGV);
	CHECK_EQ(info.si_code, SI_KERNEL);
	CHECK_EQ(trapno, 13);
	CHECK_EQ(err, 0x41 * 8 + 2);
}

TEST(handled_fault_can_be_repaired_and_retried)
{
	volatile char *p = page(PROT_NONE);

	for (int i = 0; i < 100; i++) {
		FAULT(p[0] = 1);
		CHECK_EQ(got, SIGSEGV);
		MUST(mprotect((void *)p, PAGE, PROT_READ | PROT_WRITE));
		FAULT(p[0] = 1);
		CHECK_EQ(got, 0);
		MUST(mprotect((void *)p, PAGE, PROT_NONE));
	}
}

TEST(fault_that_is_blocked_kills)
{
	CHECK_KILLED(IN_CHILD({
			     t_handle_info(SIGSEGV, note);
			     t_block(SIGSEGV);
			     *null = 1;
		     }),
		     SIGSEGV);
}

TEST(fault_that_is_ignored_kills)
{
	CHECK_KILLED(IN_CHILD({
			     signal(SIGSEGV, SIG_IGN);
			     *null = 1;
		     }),
		     SIGSEGV);
	CHECK_KILLED(IN_CHILD({
			     signal(SIGILL, SIG_IGN);
			     __asm__ volatile("ud2");
		     }),
		     SIGILL);
}

TEST(fault_in_its_own_handler_kills)
{
	CHECK_KILLED(IN_CHILD({
			     t_handle(SIGSEGV, (void (*)(int))(void *)8ul);
			     *null = 1;
		     }),
		     SIGSEGV);
}

TEST(sent_sigsegv_has_no_address_and_returns)
{
	FAULT(raise(SIGSEGV));
	CHECK_EQ(got, SIGSEGV);
	CHECK_EQ(info.si_code, SI_TKILL);
	signal(SIGSEGV, SIG_IGN);
	raise(SIGSEGV);
}
