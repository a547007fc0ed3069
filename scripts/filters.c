/*
 * Says what a task's seccomp filter does, from the program itself:  filters ZYGOTE.ELF ADDRESS
 * CALLS
 *
 * The filter is the struct sock_fprog at ADDRESS. CALLS has lines "number name ...". Every path
 * through the program is followed, with the conditions under which it is taken; each that can be
 * taken is a row of the table. For the documents; not a part of heddle.
 */
#include <elf.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS (sizeof(struct seccomp_data) / 4)
#define NR (offsetof(struct seccomp_data, nr) / 4)
#define ARCH (offsetof(struct seccomp_data, arch) / 4)
#define IP_LOW (offsetof(struct seccomp_data, instruction_pointer) / 4)
#define IP_HIGH (IP_LOW + 1)
#define ARG_LOW(i) (offsetof(struct seccomp_data, args) / 4 + 2 * (i))
#define MAX_CALLS 512
#define MAX_ROWS 512
#define TEXT 512

static const char *call_names[MAX_CALLS];

static void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("filters: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

/* ---- the image ---- */

static unsigned char *image;
static size_t image_size;

static void read_image(const char *path)
{
	FILE *f = fopen(path, "rb");
	long size;

	if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < (long)sizeof(Elf64_Ehdr))
		fail("can't read %s", path);
	rewind(f);
	image_size = size;
	image = malloc(image_size);
	if (!image || fread(image, 1, image_size, f) != image_size)
		fail("can't read %s", path);
	fclose(f);
}

/* The n bytes that the image has at an address. */
static const void *bytes_at(uint64_t addr, size_t n)
{
	const Elf64_Ehdr *eh = (const void *)image;
	const Elf64_Phdr *ph = (const void *)(image + eh->e_phoff);

	for (int i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && addr >= ph[i].p_vaddr &&
		    addr + n <= ph[i].p_vaddr + ph[i].p_filesz)
			return image + ph[i].p_offset + (addr - ph[i].p_vaddr);
	fail("nothing lies at %#lx", (unsigned long)addr);
	return NULL;
}

static void read_calls(const char *path)
{
	FILE *f = fopen(path, "r");
	char name[64];
	int nr;

	if (!f)
		fail("can't read %s", path);
	while (fscanf(f, "%d %63s %*s", &nr, name) == 2)
		if (nr >= 0 && nr < MAX_CALLS)
			call_names[nr] = strdup(name);
	fclose(f);
}

/* ---- paths ---- */

/* What is known of a field on a path. Compared whole, or some of its bits. */
struct known {
	bool equal;
	uint32_t value;	  /* when equal */
	int unequal;	  /* how many values it is known not to have */
	char other[TEXT]; /* conditions of other kinds, as text */
};

struct state {
	struct known field[FIELDS];
	unsigned at; /* the loaded field */
	uint32_t mask;
};

struct row {
	uint32_t action;
	char call[TEXT], where[TEXT], args[TEXT];
};

static const struct sock_filter *program;
static unsigned program_len;
static struct row rows[MAX_ROWS];
static int nrows;

__attribute__((format(printf, 2, 3))) static void append(char *text, const char *fmt, ...)
{
	size_t n = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text + n, TEXT - n, fmt, ap) >= (int)(TEXT - n))
		fail("a condition is too long: %s", text);
	va_end(ap);
}

static void add_row(const struct row *r)
{
	for (int i = 0; i < nrows; i++)
		if (!memcmp(&rows[i], r, sizeof(*r)))
			return;
	if (nrows == MAX_ROWS)
		fail("too many paths");
	rows[nrows++] = *r;
}

static void describe_args(const struct state *s, char *text)
{
	for (unsigned f = ARG_LOW(0); f < FIELDS; f++)
		if (s->field[f].unequal && !s->field[f].equal) {
			append(text, "other arguments");
			return;
		}
	for (int i = 0; i < 6; i++) {
		const struct known *low = &s->field[ARG_LOW(i)], *high = low + 1;

		if (low->equal && high->equal)
			append(text, "%sargument %d is `%#lx`", *text ? ", " : "", i + 1,
			       (unsigned long)((uint64_t)high->value << 32 | low->value));
		else if (low->equal)
			append(text, "%sargument %d is %u", *text ? ", " : "", i + 1, low->value);
		else if (high->equal)
			append(text, "%sargument %d is above 4 GiB", *text ? ", " : "", i + 1);
		append(text, "%s%s", low->other, high->other);
	}
}

static void end_path(const struct state *s, uint32_t action)
{
	const struct known *nr = &s->field[NR], *low = &s->field[IP_LOW],
			   *high = &s->field[IP_HIGH];
	struct row r;

	memset(&r, 0, sizeof(r));
	r.action = action;
	if (nr->equal && nr->value < MAX_CALLS && call_names[nr->value])
		append(r.call, "%s", call_names[nr->value]);
	else if (nr->equal)
		append(r.call, "number %u", nr->value);
	else
		append(r.call, "%s%s", nr->unequal ? "any other" : "any", nr->other);
	if (!s->field[ARCH].equal)
		append(r.call, " of another architecture (int 0x80)");
	else if (s->field[ARCH].value != AUDIT_ARCH_X86_64)
		append(r.call, " of architecture %#x", s->field[ARCH].value);
	if (low->equal && high->equal)
		append(r.where, "`%#lx`",
		       (unsigned long)((uint64_t)high->value << 32 | low->value));
	else if (low->unequal || high->unequal)
		append(r.where, "anywhere else");
	else
		append(r.where, "anywhere");
	append(r.where, "%s%s", low->other, high->other);
	describe_args(s, r.args);
	add_row(&r);
}

static bool holds(const struct sock_filter *i, uint32_t value)
{
	switch (BPF_OP(i->code)) {
	case BPF_JEQ:
		return value == i->k;
	case BPF_JGT:
		return value > i->k;
	case BPF_JGE:
		return value >= i->k;
	case BPF_JSET:
		return value & i->k;
	}
	fail("instruction %#x", i->code);
	return false;
}

/* Notes that the condition held, or didn't, on this path. */
static void learn(struct state *s, const struct sock_filter *i, bool yes)
{
	struct known *k = &s->field[s->at];
	const char *op = BPF_OP(i->code) == BPF_JEQ   ? (yes ? "==" : "!=")
			 : BPF_OP(i->code) == BPF_JGT ? (yes ? ">" : "<=")
			 : BPF_OP(i->code) == BPF_JGE ? (yes ? ">=" : "<")
						      : (yes ? "has" : "lacks");

	if (BPF_OP(i->code) == BPF_JEQ && s->mask == UINT32_MAX) {
		if (yes) {
			k->equal = true;
			k->value = i->k;
			k->unequal = 0;
		} else {
			k->unequal++;
		}
	} else if (s->mask == UINT32_MAX) {
		append(k->other, " (%s %#x)", op, i->k);
	} else {
		append(k->other, " (& %#x %s %#x)", s->mask, op, i->k);
	}
}

static void follow(struct state s, unsigned pc)
{
	for (;;) {
		const struct sock_filter *i = &program[pc];

		if (pc++ >= program_len)
			fail("the program has no end");
		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			if (i->code != (BPF_LD | BPF_W | BPF_ABS) || i->k % 4 || i->k / 4 >= FIELDS)
				fail("instruction %#x", i->code);
			s.at = i->k / 4;
			s.mask = UINT32_MAX;
			break;
		case BPF_ALU:
			if (i->code != (BPF_ALU | BPF_AND | BPF_K))
				fail("instruction %#x", i->code);
			s.mask &= i->k;
			break;
		case BPF_RET:
			end_path(&s, i->k);
			return;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_JA) {
				pc += i->k;
			} else if (s.field[s.at].equal) {
				pc += holds(i, s.field[s.at].value & s.mask) ? i->jt : i->jf;
			} else {
				struct state other = s;

				learn(&other, i, true);
				follow(other, pc + i->jt);
				learn(&s, i, false);
				pc += i->jf;
			}
			break;
		default:
			fail("instruction %#x", i->code);
		}
	}
}

/* ---- the table ---- */

static const struct {
	uint32_t action;
	const char *what;
} actions[] = {
	{SECCOMP_RET_ALLOW, "made"},
	{SECCOMP_RET_USER_NOTIF, "notified: the kernel answers"},
	{SECCOMP_RET_TRAP, "not made: SIGSYS"},
};

/* Rows that differ in nothing but the call are one. */
static void print_from(int first)
{
	struct row *r = &rows[first];

	printf("| %s", r->call);
	for (int i = first + 1; i < nrows; i++)
		if (rows[i].action == r->action && !strcmp(rows[i].where, r->where) &&
		    !strcmp(rows[i].args, r->args) && *rows[i].call) {
			printf(", %s", rows[i].call);
			rows[i].call[0] = 0;
		}
	printf(" | %s | %s | ", r->where, r->args);
	r->call[0] = 0;
	for (size_t a = 0; a < sizeof(actions) / sizeof(actions[0]); a++)
		if (actions[a].action == (r->action & SECCOMP_RET_ACTION_FULL))
			printf("%s |\n", actions[a].what);
}

int main(int argc, char **argv)
{
	struct state start;
	const unsigned char *fprog;
	uint64_t addr;
	uint16_t len;

	if (argc != 4)
		fail("usage: filters ZYGOTE.ELF ADDRESS CALLS");
	read_image(argv[1]);
	read_calls(argv[3]);
	fprog = bytes_at(strtoull(argv[2], NULL, 0), 16);
	memcpy(&len, fprog, sizeof(len));
	memcpy(&addr, fprog + 8, sizeof(addr));
	program_len = len;
	program = bytes_at(addr, len * sizeof(*program));
	memset(&start, 0, sizeof(start));
	start.mask = UINT32_MAX;
	follow(start, 0);
	printf("| call | behind the instruction at | if | |\n| --- | --- | --- | --- |\n");
	for (size_t a = 0; a < sizeof(actions) / sizeof(actions[0]); a++)
		for (int i = 0; i < nrows; i++)
			if (rows[i].action == actions[a].action && *rows[i].call)
				print_from(i);
	for (int i = 0; i < nrows; i++)
		if (*rows[i].call)
			fail("action %#x has no name here", rows[i].action);
	return 0;
}
