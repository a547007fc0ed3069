/* The auxiliary vector and the initial stack. */
#include "t.h"

#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

extern char **environ;

TEST(identity_in_the_vector_is_ours)
{
	CHECK_EQ(getauxval(AT_UID), getuid());
	CHECK_EQ(getauxval(AT_EUID), geteuid());
	CHECK_EQ(getauxval(AT_GID), getgid());
	CHECK_EQ(getauxval(AT_EGID), getegid());
	CHECK_EQ(getauxval(AT_SECURE), 0);
}

TEST(page_size_and_clock_tick)
{
	CHECK_EQ(getauxval(AT_PAGESZ), 4096);
	CHECK_EQ(getauxval(AT_CLKTCK), 100);
	CHECK_EQ(sysconf(_SC_PAGESIZE), 4096);
}

TEST(program_headers_are_those_of_this_program)
{
	const Elf64_Phdr *ph = (const Elf64_Phdr *)getauxval(AT_PHDR);

	CHECK(ph != NULL);
	CHECK_EQ(getauxval(AT_PHENT), sizeof(Elf64_Phdr));
	CHECK(getauxval(AT_PHNUM) >= 3 && getauxval(AT_PHNUM) < 30);
	CHECK(ph[0].p_type == PT_PHDR || ph[0].p_type == PT_LOAD);
}

TEST(entry_lies_in_executable_memory_of_this_program)
{
	unsigned long entry = getauxval(AT_ENTRY), start, end;
	char line[512], perms[8];
	FILE *f = fopen("/proc/self/maps", "r");
	bool found = false;

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %7s", &start, &end, perms) == 3 && entry >= start &&
		    entry < end)
			found = !strcmp(perms, "r-xp");
	fclose(f);
	CHECK(found);
}

TEST(executed_path_is_told)
{
	const char *name = (const char *)getauxval(AT_EXECFN);

	CHECK(name != NULL);
	CHECK_STR(strrchr(name, '/') ? strrchr(name, '/') + 1 : name, strrchr(t_self(), '/') + 1);
}

HELPER(execfn)
{
	return strcmp((const char *)getauxval(AT_EXECFN), argv[1]) ? 1 : 0;
}

TEST(executed_path_is_as_it_was_given)
{
	char dir[PATH_MAX], rel[PATH_MAX];

	strcpy(dir, t_self());
	*strrchr(dir, '/') = 0;
	snprintf(rel, sizeof(rel), "./%s", strrchr(t_self(), '/') + 1);
	MUST(chdir(dir));
	CHECK_EXITED(IN_CHILD({
			     execl(rel, "any-name", "--helper", "execfn", rel, NULL);
			     _exit(98);
		     }),
		     0);
}

TEST(random_bytes_differ_from_run_to_run)
{
	const unsigned char *r = (const unsigned char *)getauxval(AT_RANDOM);
	int nonzero = 0;

	CHECK(r != NULL);
	for (int i = 0; i < 16; i++)
		nonzero += r[i] != 0;
	CHECK(nonzero > 4);
}

TEST(platform_is_x86_64)
{
	CHECK_STR((const char *)getauxval(AT_PLATFORM), "x86_64");
}

/* As it lies on the stack: getauxval() has its own idea. */
static unsigned long given(unsigned long type)
{
	char **p = environ;
	const Elf64_auxv_t *a;

	while (*p)
		p++;
	for (a = (const Elf64_auxv_t *)(p + 1); a->a_type != AT_NULL; a++)
		if (a->a_type == type)
			return a->a_un.a_val;
	return 0;
}

TEST(processor_features_are_told)
{
	/* FPU, TSC, CX8, CMOV, MMX, FXSR, SSE, SSE2: every x86-64 has them. */
	const unsigned long all = 1 | 1 << 4 | 1 << 8 | 1 << 15 | 0xf << 23;

	CHECK_EQ(given(AT_HWCAP) & all, all);
}

TEST(signal_stack_size_is_told)
{
	CHECK(getauxval(AT_MINSIGSTKSZ) >= 1000);
	CHECK(getauxval(AT_MINSIGSTKSZ) < 100000);
}

TEST(vdso_exports_the_clock_functions)
{
	const char *base = (const char *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)base;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)(base + eh->e_phoff);
	const Elf64_Dyn *dyn = NULL;
	const char *strtab = NULL;
	const Elf64_Sym *symtab = NULL;
	int found = 0;

	CHECK(base && eh->e_machine == EM_X86_64);
	for (int i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const Elf64_Dyn *)(base + ph[i].p_offset);
	CHECK(dyn != NULL);
	for (; dyn->d_tag; dyn++) {
		if (dyn->d_tag == DT_STRTAB)
			strtab = base + dyn->d_un.d_ptr;
		if (dyn->d_tag == DT_SYMTAB)
			symtab = (const Elf64_Sym *)(base + dyn->d_un.d_ptr);
	}
	CHECK(strtab && symtab && (const char *)symtab < strtab);
	for (const Elf64_Sym *s = symtab; (const char *)s < strtab; s++) {
		found += !strcmp(strtab + s->st_name, "__vdso_clock_gettime");
		found += !strcmp(strtab + s->st_name, "__vdso_gettimeofday");
		found += !strcmp(strtab + s->st_name, "__vdso_getcpu");
		found += !strcmp(strtab + s->st_name, "__vdso_time");
	}
	CHECK_EQ(found, 4);
}

TEST(vector_in_proc_is_the_same)
{
	unsigned long v[128];
	int fd = MUST(open("/proc/self/auxv", O_RDONLY));
	ssize_t n = MUST(read(fd, v, sizeof(v)));
	int found = 0;

	CHECK(n > 0 && n % 16 == 0);
	for (ssize_t i = 0; i < n / 8; i += 2) {
		if (v[i] == AT_ENTRY)
			found += v[i + 1] == getauxval(AT_ENTRY);
		if (v[i] == AT_PHDR)
			found += v[i + 1] == getauxval(AT_PHDR);
		if (v[i] == AT_NULL)
			CHECK_EQ(i, n / 8 - 2);
	}
	CHECK_EQ(found, 2);
}

TEST(stack_holds_environment_behind_arguments)
{
	char **end = environ;

	while (*end)
		end++;
	/* The vector follows the environment's NULL. */
	CHECK_EQ(((unsigned long *)(end + 1))[0] > 0, 1);
	CHECK((char *)environ < environ[0]);
}

HELPER(aligned)
{
	/* argc lies at the stack pointer of the start, which is aligned to 16. */
	return ((unsigned long)(argv - 2) - 8) % 16 == 0 && argc ? 0 : 1;
}

TEST(initial_stack_is_aligned_for_any_argument)
{
	char text[64] = "";

	for (int n = 0; n < 20; n++) {
		memset(text, 'x', (size_t)n);
		text[n] = 0;
		CHECK_EXITED(IN_CHILD(T_EXEC_HELPER("aligned", text)), 0);
	}
}

HELPER(secure)
{
	return getauxval(AT_SECURE) == 1 ? 0 : 1;
}

TEST(different_real_and_effective_users_make_a_program_secure)
{
	if (!t_is_root())
		SKIP("needs root");
	CHECK_EXITED(IN_CHILD({
			     MUST((int)syscall(SYS_setresuid, 65534, 0, 0));
			     T_EXEC_HELPER("secure");
		     }),
		     0);
}
