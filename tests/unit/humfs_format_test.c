/*
 * Texts of the humfs format: what we write is read again, what old tools write is read, and
 * everything else is refused.
 * objects: kernel/fs/humfs/format.o
 */
#include "kernel/fs/humfs/format.h"
#include "unit.h"
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>

static int parse(const char *text, struct humfs_meta *m)
{
	return humfs_meta_parse(text, strlen(text), m);
}

START_TEST(metadata_of_old_tools)
{
	struct humfs_meta m;

	ck_assert_int_eq(parse("420 0 0\n", &m), 0);
	ck_assert(m.mode == 0644 && !m.uid && !m.gid && !m.type);
	ck_assert_int_eq(parse("432 1000 44 b 8 1\n", &m), 0);
	ck_assert(m.mode == 0660 && m.uid == 1000 && m.gid == 44 && m.type == 'b' && m.major == 8 &&
		  m.minor == 1);
	ck_assert_int_eq(parse("384 5 6 p\n", &m), 0);
	ck_assert_int_eq(m.type, 'p');
	ck_assert_int_eq(parse("4095 4294967294 4294967294 c 4095 1048575\n", &m), 0);
	ck_assert(m.mode == 07777 && m.uid == UINT32_MAX - 1 && m.major == 4095 &&
		  m.minor == 1048575);
}
END_TEST

START_TEST(metadata_goes_round)
{
	static const u32 types[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK};

	srandom(1);
	for (int i = 0; i < 20000; i++) {
		u32 type = types[random() % ARRAY_SIZE(types)], mode = type | (random() & 07777);
		u32 uid = random() >> random() % 31, gid = random() >> random() % 31, got;
		dev_t dev = makedev(random() & 0xfff, random() & 0xfffff);
		struct humfs_meta m = humfs_meta_of(mode, uid, gid, dev), n;
		char text[HUMFS_META_SIZE];

		humfs_meta_format(&m, text);
		ck_assert_int_eq(humfs_meta_parse(text, sizeof(text), &n), 0);
		ck_assert(n.mode == m.mode && n.uid == m.uid && n.gid == m.gid &&
			  n.type == m.type && n.major == m.major && n.minor == m.minor);
		ck_assert_int_eq(
			humfs_meta_mode(&n, type == S_IFDIR || type == S_IFLNK ? type : S_IFREG,
					&got),
			0);
		ck_assert_uint_eq(got, mode);
		if (S_ISCHR(mode) || S_ISBLK(mode))
			ck_assert(makedev(n.major, n.minor) == dev);
	}
}
END_TEST

START_TEST(bad_metadata_is_refused)
{
	static const char *const bad[] = {
		"",
		"\n",
		"420",
		"420 0",
		"420 0 0",     /* cut off: it might have gone on */
		"420 0 \n",    /* a number is missing */
		"420 0 0\n\n", /* something behind it */
		"420 0 0\nx",
		"-1 0 0\n",
		"+420 0 0\n",
		"0x1a4 0 0\n",
		"4096 0 0\n",	      /* 13 bits */
		"33188 0 0\n",	      /* with type bits */
		"420 4294967295 0\n", /* means "unchanged" to chown */
		"420 0 99999999999999999999999\n",
		"420 0 0 d 1 1\n",
		"420 0 0 c\n",
		"420 0 0 c 1\n",
		"420 0 0 c 4096 1\n",
		"420 0 0 c 1 1048576\n",
		"420 0 0 cc 1 1\n",
		"420 0 0 c 1 1 1\n",
		"420,0,0\n",
	};
	struct humfs_meta m;
	char text[200];
	u32 mode;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(parse(bad[i], &m) == -EUCLEAN, "accepted: %s", bad[i]);
	ck_assert_int_eq(humfs_meta_parse("420 0 0 \0 1 1\n", 14, &m), -EUCLEAN);
	memset(text, ' ', sizeof(text));
	memcpy(text, "420 0 0", 7);
	text[sizeof(text) - 1] = '\n';
	ck_assert_int_eq(humfs_meta_parse(text, sizeof(text), &m), -EUCLEAN);
	/*
	 * Metadata of a device on a directory; a real device whose metadata says nothing of it, or
	 * something else.
	 */
	ck_assert_int_eq(parse("420 0 0 c 1 1\n", &m), 0);
	ck_assert_int_eq(humfs_meta_mode(&m, S_IFDIR, &mode), -EUCLEAN);
	ck_assert_int_eq(humfs_meta_mode(&m, S_IFBLK, &mode), -EUCLEAN);
	ck_assert_int_eq(humfs_meta_mode(&m, S_IFCHR, &mode), 0);
	ck_assert_int_eq(parse("420 0 0\n", &m), 0);
	ck_assert_int_eq(humfs_meta_mode(&m, S_IFBLK, &mode), -EUCLEAN);
	/* What old tools leave among the data. */
	ck_assert_int_eq(humfs_meta_mode(&m, S_IFIFO | 0755, &mode), 0);
	ck_assert_uint_eq(mode, S_IFIFO | 0644);
}
END_TEST

static int super(const char *text, struct humfs_super *s)
{
	return humfs_super_parse(text, strlen(text), s);
}

START_TEST(superblocks)
{
	struct humfs_super s, t = {12345, 1ULL << 40};
	char text[HUMFS_SUPER_MAX];
	size_t n = humfs_super_format(&t, text);

	ck_assert_int_eq(humfs_super_parse(text, n, &s), 0);
	ck_assert(s.used == t.used && s.total == t.total);
	ck_assert_int_eq(super("total 7\nused 3\nmetadata shadow_fs\nversion 2\n", &s), 0);
	ck_assert(s.used == 3 && s.total == 7);
	ck_assert_int_eq(super("version 1\nmetadata shadow_fs\nused 1\ntotal 1\n", &s), -EINVAL);
	ck_assert_int_eq(super("version 2\nmetadata other\nused 1\ntotal 1\n", &s), -EINVAL);
	ck_assert_int_eq(super("version 2\nmetadata shadow_fs\nused 1\ntotal 1\nmore 1\n", &s),
			 -EINVAL);
	ck_assert_int_eq(super("version 2\nmetadata shadow_fs\nused 1\n", &s), -EUCLEAN);
	ck_assert_int_eq(super("version 2\nmetadata shadow_fs\nused 1\ntotal 1", &s), -EUCLEAN);
	ck_assert_int_eq(super("version 2\nmetadata shadow_fs\nused 1\nused 1\ntotal 1\n", &s),
			 -EUCLEAN);
	ck_assert_int_eq(super("version 2\nmetadata shadow_fs\nused -1\ntotal 1\n", &s), -EUCLEAN);
	ck_assert_int_eq(super("version 2\nmetadata shadow_fsx\nused 1\ntotal 1\n", &s), -EUCLEAN);
	ck_assert_int_eq(super("", &s), -EUCLEAN);
}
END_TEST

START_TEST(a_directory_called_metadata)
{
	char out[NAME_MAX + 1], longest[NAME_MAX + 1];

	ck_assert_int_eq(humfs_dir_name("metadata", out), 0);
	ck_assert_str_eq(out, "metadata~");
	ck_assert_int_eq(humfs_dir_name("metadata~~", out), 0);
	ck_assert_str_eq(out, "metadata~~~");
	humfs_dir_name_back(out);
	ck_assert_str_eq(out, "metadata~~");
	ck_assert_int_eq(humfs_dir_name("metadata~x", out), 0);
	ck_assert_str_eq(out, "metadata~x");
	humfs_dir_name_back(out);
	ck_assert_str_eq(out, "metadata~x");
	memset(longest, '~', NAME_MAX);
	longest[NAME_MAX] = '\0';
	memcpy(longest, "metadata", 8);
	ck_assert_int_eq(humfs_dir_name(longest, out), -ENAMETOOLONG);
}
END_TEST

START_TEST(journal_records)
{
	struct humfs_rename r = {.ino = 0x123456789abcULL,
				 .exchange = true,
				 .meta = 7,
				 .from_dir = 8,
				 .to_dir = UINT64_MAX,
				 .from = "a/b",
				 .to = "c"};
	static const char *const outside[] = {
		"/etc/x", "..", "../x", "a/..", "a/../b", "a//b", "a/", "", ".", "./a", "a/./b",
	};
	struct humfs_rename got;
	char text[400], cut[400];
	ssize_t n = humfs_journal_format(&r, text, sizeof(text));

	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(humfs_journal_parse(text, n, &got), 1);
	ck_assert(got.ino == r.ino && got.exchange && got.meta == 7 && got.from_dir == 8 &&
		  got.to_dir == UINT64_MAX);
	ck_assert_str_eq(got.from, "a/b");
	ck_assert_str_eq(got.to, "c");
	/* Cut off anywhere, over whatever was there: no record. */
	for (ssize_t i = 0; i < n; i++) {
		memset(cut, 'x', sizeof(cut));
		memcpy(cut, text, i);
		ck_assert_int_eq(humfs_journal_parse(cut, sizeof(cut) - 1, &got), 0);
		ck_assert_int_eq(humfs_journal_parse(cut, i, &got), 0);
	}
	memcpy(text, HUMFS_JOURNAL_IDLE, strlen(HUMFS_JOURNAL_IDLE));
	ck_assert_int_eq(humfs_journal_parse(text, n, &got), 0);
	for (size_t i = 0; i < ARRAY_SIZE(outside); i++) {
		struct humfs_rename bad = r;

		bad.from = outside[i];
		n = humfs_journal_format(&bad, text, sizeof(text));
		ck_assert_int_gt(n, 0);
		ck_assert_int_eq(humfs_journal_parse(text, n, &got), 0);
		bad.from = r.from;
		bad.to = outside[i];
		n = humfs_journal_format(&bad, text, sizeof(text));
		ck_assert_int_gt(n, 0);
		ck_assert_int_eq(humfs_journal_parse(text, n, &got), 0);
	}
	ck_assert_int_eq(humfs_journal_format(&r, text, 50), -ENAMETOOLONG);
}
END_TEST

START_TEST(extended_attributes_go_round)
{
	static const char *const kept[] = {"user.x",	  "security.capability",
					   "trusted.a.b", "user.humfs.trusted.x",
					   "user.humfs.", "user.humfsx"};
	static const char *const others[] = {"system.posix_acl_access", "trustedx", "other.x"};
	char host[HUMFS_XATTR_MAX + 1], longest[HUMFS_XATTR_MAX + 1] = "trusted.";

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		ck_assert_int_eq(humfs_xattr_to_host(kept[i], host), 0);
		ck_assert_int_eq(strncmp(host, "user.", 5), 0);
		ck_assert_str_eq(humfs_xattr_of_host(host), kept[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		ck_assert_int_eq(humfs_xattr_to_host(others[i], host), -EOPNOTSUPP);
	ck_assert_ptr_null(humfs_xattr_of_host("security.selinux"));
	ck_assert_ptr_null(humfs_xattr_of_host("user.humfs.strange"));
	ck_assert_ptr_null(humfs_xattr_of_host("user.humfs.user.x"));
	memset(longest + 8, 'x', 244 - 8);
	ck_assert_int_eq(humfs_xattr_to_host(longest, host), 0);
	ck_assert_str_eq(humfs_xattr_of_host(host), longest);
	longest[244] = 'x';
	ck_assert_int_eq(humfs_xattr_to_host(longest, host), -ERANGE);
}
END_TEST

UNIT_MAIN("humfs format", metadata_of_old_tools, metadata_goes_round, bad_metadata_is_refused,
	  superblocks, a_directory_called_metadata, journal_records, extended_attributes_go_round)
