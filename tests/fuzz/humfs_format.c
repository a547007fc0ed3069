/*
 * Fuzzes the texts of the humfs format. The first byte says which; what parses must come out the
 * same when it is written and parsed again. sources: kernel/fs/humfs/format.c
 */
#include "kernel/fs/humfs/format.h"

#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void fuzz_meta(const char *text, size_t n)
{
	static const u32 types[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFBLK};
	struct humfs_meta m, again, made;
	char out[HUMFS_META_SIZE];
	u32 mode;

	if (humfs_meta_parse(text, n, &m))
		return;
	check(m.mode <= 07777 && m.major <= 0xfff && m.minor <= 0xfffff);
	humfs_meta_format(&m, out);
	check(out[HUMFS_META_SIZE - 1] == '\n');
	check(!humfs_meta_parse(out, sizeof(out), &again));
	check(!memcmp(&m, &again, sizeof(m)));
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (humfs_meta_mode(&m, types[i], &mode))
			continue;
		check((mode & 07777) == m.mode);
		made = humfs_meta_of(mode, m.uid, m.gid, makedev(m.major, m.minor));
		check(made.type == m.type && made.uid == m.uid && made.gid == m.gid);
	}
}

static void fuzz_super(const char *text, size_t n)
{
	struct humfs_super s, again;
	char out[HUMFS_SUPER_MAX];

	if (humfs_super_parse(text, n, &s))
		return;
	check(s.used <= INT64_MAX && s.total <= INT64_MAX);
	check(!humfs_super_parse(out, humfs_super_format(&s, out), &again));
	check(!memcmp(&s, &again, sizeof(s)));
}

static void fuzz_name(const char *text, size_t n)
{
	char name[NAME_MAX + 1] = {0}, out[NAME_MAX + 1];

	memcpy(name, text, n < NAME_MAX ? n : NAME_MAX);
	if (humfs_dir_name(name, out))
		return;
	check(strcmp(out, HUMFS_DIR_FILE));
	humfs_dir_name_back(out);
	check(!strcmp(out, name));
}

static void check_record(const char *text, size_t n)
{
	struct humfs_rename r, again;
	char *out;
	ssize_t len;

	if (!humfs_journal_parse(text, n, &r))
		return;
	check(r.from >= text && r.to > r.from && r.to + strlen(r.to) < text + n);
	out = malloc(n + 1);
	check(out);
	len = humfs_journal_format(&r, out, n);
	check(len > 0 && (size_t)len <= n);
	out[len] = '\0';
	check(humfs_journal_parse(out, len, &again) && again.ino == r.ino && again.meta == r.meta &&
	      !strcmp(again.from, r.from) && !strcmp(again.to, r.to));
	free(out);
}

/* As it stands: its sum is hardly ever right. And the same as two paths, in a record of our own. */
static void fuzz_journal(const char *text, size_t n)
{
	const char *nul = memchr(text, 0, n);
	struct humfs_rename r = {.ino = n, .exchange = n & 1, .meta = 1, .from = text, .to = ""};
	char *out = malloc(n + 200);
	ssize_t len;

	check(out);
	check_record(text, n);
	if (nul)
		r.to = nul + 1;
	len = humfs_journal_format(&r, out, n + 200);
	check(len > 0);
	out[len] = '\0';
	check_record(out, len);
	out[n % len] ^= 1;
	check_record(out, len);
	free(out);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	char *text;

	if (!size)
		return 0;
	/*
	 * Of its exact size, so that the sanitizer sees every byte read behind it; the journal's
	 * has a NUL there.
	 */
	text = malloc(size);
	check(text);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0] % 4) {
	case 0: {
		char *exact = malloc(size - 1 ? size - 1 : 1);

		check(exact);
		memcpy(exact, text, size - 1);
		fuzz_meta(exact, size - 1);
		fuzz_super(exact, size - 1);
		free(exact);
		break;
	}
	case 1:
		fuzz_super(text, size - 1);
		break;
	case 2:
		fuzz_name(text, size - 1);
		break;
	default:
		fuzz_journal(text, size - 1);
	}
	free(text);
	return 0;
}
