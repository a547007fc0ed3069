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

/* One string: in growing pieces, as its length is not known. */
static int add_user_string(struct exec_strings *s, uaddr_t str)
{
	size_t most = min(MAX_ARG_STRLEN, s->limit - min(s->len, s->limit));

	for (size_t room = 256;; room *= 4) {
		size_t piece = min(room, most);
		ssize_t n;
		int err = piece ? reserve(s, piece) : -E2BIG;

		if (err)
			return err;
		n = strncpy_from_user(s->buf + s->len, str, piece);
		if (n >= 0) {
			s->len += n + 1;
			return 0;
		}
		if (n != -ENAMETOOLONG)
			return n;
		if (piece == most)
			return -E2BIG;
	}
}

int exec_strings_user(struct exec_strings *s, uaddr_t array, int *count)
{
	*count = 0;
	if (!array)
		return 0;
	for (;;) { /* pointers in groups, up to page ends: the array may end right before a hole */
		uaddr_t at = array + (u64)*count * 8, p[32];
		size_t bytes = min(sizeof(p), PAGE_SIZE - (at & ~PAGE_MASK)), got;

		if (bytes < 8)
			bytes = 8;
		got = access_ok(at, bytes) ? copy_from_user_partial(p, at, bytes & ~7UL) : 0;
		if (got < 8)
			return -EFAULT;
		for (size_t i = 0; i < got / 8; i++) {
			int err;

			if (!p[i])
				return 0;
			err = add_user_string(s, p[i]);
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
}
