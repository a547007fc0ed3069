/*
 * Texts of the humfs format. What is read may be anything: it comes from files that anybody may
 * have written.
 */
#include "kernel/fs/humfs/format.h"

#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

/* ---- scanning ---- */

struct scan {
	const char *p, *end;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void skip_blanks(struct scan *s)
{
	while (s->p < s->end && is_blank(*s->p))
		s->p++;
}

/* A decimal number up to max; digits only. */
static bool scan_number(struct scan *s, u64 max, u64 *out)
{
	u64 n = 0;
	const char *start;

	skip_blanks(s);
	for (start = s->p; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *s->p - '0', &n))
			return false;
	*out = n;
	return s->p > start && n <= max;
}

static bool scan_u32(struct scan *s, u32 max, u32 *out)
{
	u64 n;

	if (!scan_number(s, max, &n))
		return false;
	*out = n;
	return true;
}

static bool scan_word(struct scan *s, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n))
		return false;
	s->p += n;
	return true;
}

/* The rest of the line is blank, and the line ends. */
static bool scan_eol(struct scan *s)
{
	skip_blanks(s);
	return s->p < s->end && *s->p++ == '\n';
}

/* ---- metadata ---- */

#define MAJOR_MAX 0xfff
#define MINOR_MAX 0xfffff

void humfs_meta_format(const struct humfs_meta *m, char out[HUMFS_META_SIZE])
{
	char text[HUMFS_META_SIZE + 1];
	int n;

	if (m->type)
		n = snprintf(text, sizeof(text), "%u %u %u %c %u %u", m->mode, m->uid, m->gid,
			     m->type, m->major, m->minor);
	else
		n = snprintf(text, sizeof(text), "%u %u %u", m->mode, m->uid, m->gid);
	memset(out, ' ', HUMFS_META_SIZE);
	memcpy(out, text, n);
	out[HUMFS_META_SIZE - 1] = '\n';
}

static bool scan_device(struct scan *s, struct humfs_meta *m)
{
	if (s->p == s->end || !strchr("cbps", *s->p) || !*s->p)
		return false;
	m->type = *s->p++;
	skip_blanks(s);
	/* Old tools know no numbers for what has none. */
	if ((m->type == 'p' || m->type == 's') && s->p < s->end && *s->p == '\n')
		return true;
	return scan_u32(s, MAJOR_MAX, &m->major) && scan_u32(s, MINOR_MAX, &m->minor);
}

int humfs_meta_parse(const char *text, size_t len, struct humfs_meta *m)
{
	struct scan s = {text, text + len};

	*m = (struct humfs_meta){0};
	if (len > HUMFS_META_MAX || !scan_u32(&s, 07777, &m->mode) ||
	    !scan_u32(&s, UINT32_MAX - 1, &m->uid) || !scan_u32(&s, UINT32_MAX - 1, &m->gid))
		return -EUCLEAN;
	skip_blanks(&s);
	if (s.p < s.end && *s.p != '\n' && !scan_device(&s, m))
		return -EUCLEAN;
	return scan_eol(&s) && s.p == s.end ? 0 : -EUCLEAN;
}

struct humfs_meta humfs_meta_of(u32 mode, u32 uid, u32 gid, dev_t dev)
{
	struct humfs_meta m = {.mode = mode & 07777, .uid = uid, .gid = gid};

	switch (mode & S_IFMT) {
	case S_IFCHR:
	case S_IFBLK:
		m.type = S_ISCHR(mode) ? 'c' : 'b';
		m.major = major(dev);
		m.minor = minor(dev);
		break;
	case S_IFIFO:
		m.type = 'p';
		break;
	case S_IFSOCK:
		m.type = 's';
		break;
	}
	return m;
}

static u32 type_of(char c)
{
	switch (c) {
	case 'c':
		return S_IFCHR;
	case 'b':
		return S_IFBLK;
	case 'p':
		return S_IFIFO;
	case 's':
		return S_IFSOCK;
	}
	return 0;
}

int humfs_meta_mode(const struct humfs_meta *m, u32 data_mode, u32 *mode)
{
	u32 data = data_mode & S_IFMT, type = type_of(m->type);

	switch (data) {
	case S_IFREG:
		break;
	case S_IFDIR:
	case S_IFLNK:
		if (type)
			return -EUCLEAN;
		break;
	case S_IFIFO:
	case S_IFSOCK:
		if (type && type != data)
			return -EUCLEAN;
		break;
	default:
		if (type != data)
			return -EUCLEAN;
	}
	*mode = (type ? type : data) | m->mode;
	return 0;
}

/* ---- the superblock ---- */

int humfs_super_parse(const char *text, size_t len, struct humfs_super *s)
{
	struct scan c = {text, text + len};
	bool version = false, metadata = false, used = false, total = false;
	u64 n;

	*s = (struct humfs_super){0};
	if (len > HUMFS_SUPER_MAX)
		return -EUCLEAN;
	while (c.p < c.end) {
		if (scan_word(&c, "version ")) {
			if (version || !scan_number(&c, UINT64_MAX, &n))
				return -EUCLEAN;
			if (n != 2)
				return -EINVAL;
			version = true;
		} else if (scan_word(&c, "metadata ")) {
			skip_blanks(&c);
			if (!scan_word(&c, "shadow_fs"))
				return -EINVAL;
			if (metadata)
				return -EUCLEAN;
			metadata = true;
		} else if (scan_word(&c, "used ")) {
			if (used || !scan_number(&c, INT64_MAX, &s->used))
				return -EUCLEAN;
			used = true;
		} else if (scan_word(&c, "total ")) {
			if (total || !scan_number(&c, INT64_MAX, &s->total))
				return -EUCLEAN;
			total = true;
		} else {
			return -EINVAL;
		}
		if (!scan_eol(&c))
			return -EUCLEAN;
	}
	return version && metadata && used && total ? 0 : -EUCLEAN;
}

size_t humfs_super_format(const struct humfs_super *s, char out[HUMFS_SUPER_MAX])
{
	return snprintf(out, HUMFS_SUPER_MAX,
			"version 2\nmetadata shadow_fs\nused %lu\ntotal %lu\n", s->used, s->total);
}

/* ---- names in dir_metadata ---- */

static bool needs_tilde(const char *name)
{
	size_t n = strlen(HUMFS_DIR_FILE);

	return !strncmp(name, HUMFS_DIR_FILE, n) && name[n + strspn(name + n, "~")] == '\0';
}

int humfs_dir_name(const char *name, char out[NAME_MAX + 1])
{
	int n = snprintf(out, NAME_MAX + 1, "%s%s", name, needs_tilde(name) ? "~" : "");

	return n > NAME_MAX ? -ENAMETOOLONG : 0;
}

void humfs_dir_name_back(char *name)
{
	if (needs_tilde(name) && name[strlen(HUMFS_DIR_FILE)])
		name[strlen(name) - 1] = '\0';
}

/* ---- the journal ---- */

/*
 *	"rename " sum " " size " " ino " " exchange " " meta " " from_dir " " to_dir "\n" from "\0"
 *to "\0"
 *
 * All numbers in hexadecimal, of fixed width. sum is of all that follows it, so that a record which
 *was cut off is none: then the rename it announces hasn't begun.
 */
#define SUM_AT 7 /* in the text: 16 digits */
#define BODY_AT 23
#define PATHS_AT 103

static u64 fnv1a(const char *p, size_t n)
{
	u64 h = 0xcbf29ce484222325ULL;

	while (n--)
		h = (h ^ (u8)*p++) * 0x100000001b3ULL;
	return h;
}

ssize_t humfs_journal_format(const struct humfs_rename *r, char *out, size_t size)
{
	size_t from = strlen(r->from) + 1, to = strlen(r->to) + 1;
	char head[PATHS_AT + 32], sum[17];

	if (PATHS_AT + from + to > size)
		return -ENAMETOOLONG;
	snprintf(head, sizeof(head), "rename %016x %08zx %016lx %x %016lx %016lx %016lx\n", 0,
		 from + to, r->ino, r->exchange, r->meta, r->from_dir, r->to_dir);
	memcpy(out, head, PATHS_AT);
	memcpy(out + PATHS_AT, r->from, from);
	memcpy(out + PATHS_AT + from, r->to, to);
	snprintf(sum, sizeof(sum), "%016lx", fnv1a(out + BODY_AT, PATHS_AT - BODY_AT + from + to));
	memcpy(out + SUM_AT, sum, 16);
	return PATHS_AT + from + to;
}

static bool scan_hex(const char *p, int digits, u64 *out)
{
	*out = 0;
	for (; digits--; p++) {
		int d = *p >= '0' && *p <= '9'	 ? *p - '0'
			: *p >= 'a' && *p <= 'f' ? *p - 'a' + 10
						 : -1;

		if (d < 0)
			return false;
		*out = *out << 4 | d;
	}
	return true;
}

/*
 * Names below the top, and nothing that leads out: who completes the rename removes what is in the
 * new place.
 */
static bool path_stays_inside(const char *p)
{
	for (;; p++) {
		size_t n = strcspn(p, "/");

		if (!n || n > NAME_MAX || (*p == '.' && (n == 1 || (n == 2 && p[1] == '.'))))
			return false;
		p += n;
		if (!*p)
			return true;
	}
}

int humfs_journal_parse(const char *text, size_t len, struct humfs_rename *r)
{
	u64 sum, size, exchange;
	size_t from;

	if (len < PATHS_AT || memcmp(text, "rename ", 7) || !scan_hex(text + SUM_AT, 16, &sum) ||
	    !scan_hex(text + BODY_AT + 1, 8, &size) ||
	    !scan_hex(text + BODY_AT + 10, 16, &r->ino) ||
	    !scan_hex(text + BODY_AT + 27, 1, &exchange) ||
	    !scan_hex(text + BODY_AT + 29, 16, &r->meta) ||
	    !scan_hex(text + BODY_AT + 46, 16, &r->from_dir) ||
	    !scan_hex(text + BODY_AT + 63, 16, &r->to_dir) || size > len - PATHS_AT || size < 2)
		return 0;
	if (fnv1a(text + BODY_AT, PATHS_AT - BODY_AT + size) != sum)
		return 0;
	r->exchange = exchange;
	r->from = text + PATHS_AT;
	from = strnlen(r->from, size - 1) + 1;
	r->to = r->from + from;
	/* Both end within the record. */
	return from < size && from + strnlen(r->to, size - from) + 1 == size &&
	       path_stays_inside(r->from) && path_stays_inside(r->to);
}

/* ---- extended attributes ---- */

static bool begins(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

/* Is it stored with our prefix? */
static bool prefixed(const char *name)
{
	return begins(name, "security.") || begins(name, "trusted.") || begins(name, HUMFS_XATTR);
}

int humfs_xattr_to_host(const char *name, char out[HUMFS_XATTR_MAX + 1])
{
	const char *prefix = prefixed(name) ? HUMFS_XATTR : "";

	if (!*prefix && !begins(name, "user."))
		return -EOPNOTSUPP;
	if (strlen(prefix) + strlen(name) > HUMFS_XATTR_MAX)
		return -ERANGE;
	strcpy(stpcpy(out, prefix), name);
	return 0;
}

const char *humfs_xattr_of_host(const char *host)
{
	if (!begins(host, HUMFS_XATTR))
		return begins(host, "user.") ? host : NULL;
	host += strlen(HUMFS_XATTR);
	return prefixed(host) ? host : NULL;
}
