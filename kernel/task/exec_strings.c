/* exec's arguments: copied from the guest before its memory goes. */
#include "alloc.h"
#include "kernel/task/exec.h"
#include "uaccess.h"
#include <string.h>

#define MAX_ARG_STRLEN (32 * PAGE_SIZE)
#define MAX_ARG_STRINGS 0x7fffffff

static int reserve(struct exec_strings *s, size_t n)
{
	size_t cap = s->cap ? s->cap : 4096;
	char *buf;

	if (s->len + n > s->limit)
		return -E2BIG;
	while (cap < s->len + n)
		cap *= 2;
	if (cap == s->cap)
		return 0;
	buf = krealloc(s->buf, cap);
	if (!buf)
		return -ENOMEM;
	s->buf = buf;
	s->cap = cap;
	return 0;
}

int exec_strings_add(struct exec_strings *s, const char *str)
{
	size_t n = strlen(str) + 1;
	int err = n > MAX_ARG_STRLEN ? -E2BIG : reserve(s, n);

	if (err)
		return err;
	memcpy(s->buf + s->len, str, n);
	s->len += n;
	return 0;
}

#define PIECES                                                                                     \
	3 /* a program's first variables lie on its stack, those that it changed on its heap; and  \
	     the pointers */

/*
 * Pieces of the guest's memory. Strings mostly lie near each other, in any order, and each copy is
 * a host call: so they are copied a piece at a time, and looked at here.
 */
struct pieces {
	unsigned turn; /* the one that is replaced next */
	struct piece {
		uaddr_t start;
		size_t len;
		char bytes[2 * PAGE_SIZE];
	} piece[PIECES];
};

static bool contains(const struct piece *p, uaddr_t addr)
{
	return addr >= p->start && addr - p->start < p->len;
}

/* What lies at addr: *len bytes, at least one. NULL: -EFAULT. */
static const char *peek(struct pieces *ps, uaddr_t addr, size_t *len)
{
	struct piece *p = ps->piece;

	while (p < ps->piece + PIECES && !contains(p, addr))
		p++;
	if (p == ps->piece + PIECES) {
		p = &ps->piece[ps->turn++ % PIECES];
		p->start = addr & PAGE_MASK;
		p->len = copy_from_user_partial(p->bytes, p->start, sizeof(p->bytes));
		if (!contains(p, addr))
			return NULL;
	}
	*len = p->start + p->len - addr;
	return p->bytes + (addr - p->start);
}

static int add_user_string(struct exec_strings *s, struct pieces *p, uaddr_t str)
{
	size_t most = min(MAX_ARG_STRLEN, s->limit - min(s->len, s->limit));

	while (most) {
		size_t n;
		const char *bytes = peek(p, str, &n), *end;
		int err;

		if (!bytes)
			return -EFAULT;
		n = min(n, most);
		end = memchr(bytes, 0, n);
		if (end)
			n = end + 1 - bytes;
		err = reserve(s, n);
		if (err)
			return err;
		memcpy(s->buf + s->len, bytes, n);
		s->len += n;
		if (end)
			return 0;
		most -= n;
		str += n;
	}
	return -E2BIG;
}

/* The pointer at addr, which may lie across two pieces. */
static int peek_pointer(struct pieces *p, uaddr_t addr, uaddr_t *out)
{
	for (size_t done = 0, n; done < sizeof(*out); done += n) {
		const char *bytes = peek(p, addr + done, &n);

		if (!bytes)
			return -EFAULT;
		n = min(n, sizeof(*out) - done);
		memcpy((char *)out + done, bytes, n);
	}
	return 0;
}

static int add_all(struct exec_strings *s, struct pieces *p, uaddr_t array, int *count)
{
	uaddr_t str;

	*count = 0;
	if (!array)
		return 0;
	for (;;) {
		int err = peek_pointer(p, array + (u64)*count * 8, &str);

		if (!err && !str)
			return 0;
		if (!err)
			err = add_user_string(s, p, str);
		if (err)
			return err;
		/* pointers count against the limit too */
		if (s->limit < 8 || s->len + 8 > s->limit)
			return -E2BIG;
		s->limit -= 8;
		if (++*count == MAX_ARG_STRINGS)
			return -E2BIG;
	}
}

int exec_strings_user(struct exec_strings *args, uaddr_t argv, struct exec_strings *env,
		      uaddr_t envp)
{
	struct pieces *p = kmalloc(sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->turn = 0;
	for (int i = 0; i < PIECES; i++)
		p->piece[i].len = 0;
	err = add_all(args, p, argv, &args->argc);
	if (!err) {
		env->limit = args->limit > args->len ? args->limit - args->len : 0;
		err = add_all(env, p, envp, &env->envc);
	}
	kfree(p);
	return err;
}
