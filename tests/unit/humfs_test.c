/* humfs: against a plain host directory, what it refuses, and what it leaves behind. */
#include "fs_model.h"
#include "fh/handle.h"
#include "hostfault.h"
#include "layerfs.h"
#include <sys/sysmacros.h>

static char humfs_path[320];

/* An empty humfs, and an empty model. */
static void build_humfs(void)
{
	build_trees();
	run("rm -rf %s/model/*");
	make_humfs("h", 100000);
	snprintf(humfs_path, sizeof(humfs_path), "%s/h", base);
}

static struct super_block *mount_humfs(void)
{
	struct super_block *sb;

	must(!vfs_init());
	must(!humfs_mount_dir(humfs_path, true, &sb));
	must(!mount_root(sb, 0));
	return sb;
}

static bool exists(const char *name)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", humfs_path, name);
	return !access(path, F_OK);
}

static void against_the_host(void)
{
	random_operations(mount_humfs(), 2000);
	must(exists("journal"));
	vfs_stop();
	must(!exists("journal"));
	/* The trees of metadata have what data has, and nothing else. */
	run("cd %s/h && (cd data && find . -type d | sort) >/tmp/$$.a && (cd file_metadata && find . -type d | sort) >/tmp/$$.b && "
	    "(cd dir_metadata && find . -type d | sort) >/tmp/$$.c && cmp /tmp/$$.a /tmp/$$.b && cmp /tmp/$$.a /tmp/$$.c && "
	    "(cd data && find . ! -type d | sort) >/tmp/$$.a && (cd file_metadata && find . ! -type d | sort) >/tmp/$$.b && "
	    "cmp /tmp/$$.a /tmp/$$.b; e=$?; rm -f /tmp/$$.[abc]; exit $e");
	/* What is used: each file once. */
	run("cd %s/h && test \"$(sed -n 's/used //p' superblock)\" = "
	    "\"$(find data -type f -printf '%%i %%s\\n' | sort -u | awk '{ n += $2 } END { print n + 0 }')\"");
}

/* With few descriptors, so that handles are reopened all the time. */
START_TEST(humfs_matches_the_host)
{
	seed = 4000 + _i;
	build_humfs();
	ck_assert_int_eq(fh_init(), 0);
	if (_i % 2)
		fh_set_budget(4);
	with_cpus(1, against_the_host);
	run("rm -rf %s");
}
END_TEST

static void damage(void)
{
	struct stat st;

	put_text("h/data/none", "x");
	put_text("h/data/bad", "x");
	put_text("h/file_metadata/bad", "rw-r--r-- root root\n");
	put_text("h/data/good", "x");
	put_text("h/file_metadata/good", "420 1 2\n");
	put_text("h/data/dev", "");
	put_text("h/file_metadata/dev", "432 0 6 b 8 1\n");
	put_text("h/data/cut", "x");
	put_text("h/file_metadata/cut", "420 1 2");
	run("cd %s/h && mkdir data/dir file_metadata/dir dir_metadata/dir && mkfifo data/fifo");
	mount_humfs();
	must_eq(sys_lstat(U("/none"), U(&st)), -EUCLEAN);
	must_eq(sys_lstat(U("/bad"), U(&st)), -EUCLEAN);
	must_eq(sys_lstat(U("/bad"), U(&st)), -EUCLEAN);
	must_eq(sys_lstat(U("/cut"), U(&st)), -EUCLEAN);
	must_eq(sys_lstat(U("/dir"), U(&st)), -EUCLEAN);
	must_eq(sys_lstat(U("/fifo"), U(&st)), -EUCLEAN); /* no metadata */
	must_eq(sys_lstat(U("/nothing"), U(&st)), -ENOENT);
	must(!sys_lstat(U("/good"), U(&st)));
	must(st.st_uid == 1 && st.st_gid == 2 && st.st_mode == (S_IFREG | 0644));
	must(!sys_lstat(U("/dev"), U(&st)));
	must(st.st_mode == (S_IFBLK | 0660) && st.st_rdev == makedev(8, 1) && !st.st_size);
}

START_TEST(a_damaged_file_is_that_file_only)
{
	build_humfs();
	ck_assert_int_eq(fh_init(), 0);
	with_cpus(1, damage);
	run("rm -rf %s");
}
END_TEST

static void refused(void)
{
	struct super_block *sb, *other;

	must(!vfs_init());
	must(!humfs_mount_dir(humfs_path, true, &sb));
	must_eq(humfs_mount_dir(humfs_path, true, &other), -EBUSY);
	must_eq(humfs_mount_dir(humfs_path, false, &other), -EBUSY);
	sb_put(sb);
	/* Many may read. */
	must(!humfs_mount_dir(humfs_path, false, &sb));
	must(!humfs_mount_dir(humfs_path, false, &other));
	must_eq(humfs_mount_dir(humfs_path, true, &other), -EBUSY);
	sb_put(sb);
	sb_put(other);
	put_text("h/journal", "");
	must_eq(humfs_mount_dir(humfs_path, true, &sb), -EUCLEAN);
	must_eq(humfs_mount_dir(humfs_path, false, &sb), -EUCLEAN);
	run("rm %s/h/journal");
	put_text("h/superblock", "version 3\nmetadata shadow_fs\nused 0\ntotal 100000\n");
	must_eq(humfs_mount_dir(humfs_path, true, &sb), -EINVAL);
	put_text("h/superblock", "version 2\nmetadata shadow_fs\nused 0\ntotal x\n");
	must_eq(humfs_mount_dir(humfs_path, true, &sb), -EUCLEAN);
	run("rm -r %s/h/dir_metadata");
	put_text("h/superblock", "version 2\nmetadata shadow_fs\nused 0\ntotal 100000\n");
	must(humfs_mount_dir(humfs_path, true, &sb) < 0);
	must(!exists("journal"));
}

START_TEST(mounting_is_refused)
{
	build_humfs();
	ck_assert_int_eq(fh_init(), 0);
	with_cpus(1, refused);
	run("rm -rf %s");
}
END_TEST

/* What interrupted operations have left is in nobody's way. */
static void orphans(void)
{
	struct stat st;

	run("cd %s/h/file_metadata && mkdir -p d/e/f && echo bad >d/e/f/g && echo bad >file && mkdir -p asfile/x");
	run("cd %s/h/dir_metadata && mkdir -p d/e/f r && echo bad >d/e/metadata && echo bad >asfile");
	mount_humfs();
	must(!sys_mkdir(U("/d"), 01755));
	must(!sys_lstat(U("/d"), U(&st)) && st.st_mode == (S_IFDIR | 01755));
	must_eq(sys_lstat(U("/d/e"), U(&st)), -ENOENT);
	must(!sys_mkdir(U("/d/e"), 0700));
	must(!guest_write("/file", O_WRONLY | O_CREAT, "x", 0));
	must(!sys_lstat(U("/file"), U(&st)) && st.st_size == 1);
	must(!guest_write("/asfile", O_WRONLY | O_CREAT, "x", 0));
	must(!sys_mkdir(U("/q"), 0711));
	must(!sys_rename(U("/q"), U("/r")));
	must(!sys_lstat(U("/r"), U(&st)) && st.st_mode == (S_IFDIR | 0711));
	must(!sys_rename(U("/file"), U("/r/file")));
	must(!sys_rmdir(U("/d/e")));
	must(!sys_rmdir(U("/d")));
}

START_TEST(orphans_are_in_nobodys_way)
{
	build_humfs();
	ck_assert_int_eq(fh_init(), 0);
	with_cpus(1, orphans);
	run("rm -rf %s");
}
END_TEST

#define HELD 40

/*
 * Symlinks that have no name any more, but are open: the host has forgotten them, and gives their
 * numbers to what is made next. (Hosts that use no number again make this an easy test.)
 */
static void numbers_again(void)
{
	struct stat st;
	char target[20], moved[40];
	struct file *held[HELD];

	mount_humfs();
	for (int i = 0; i < HELD; i++) {
		must(!sys_symlink(U("old target"), U(numbered("/l", i))));
		held[i] = file_open(AT_FDCWD, numbered("/l", i), O_PATH | O_NOFOLLOW, 0);
		must(!IS_ERR(held[i]));
	}
	for (int i = 0; i < HELD; i++)
		must(!sys_unlink(U(numbered("/l", i))));
	for (int i = 0; i < HELD; i += 4) {
		must(!sys_mkdir(U(numbered("/d", i)), 0700));
		must(!guest_write(numbered("/f", i), O_WRONLY | O_CREAT, "x", 0));
		must(!sys_symlink(U("new"), U(numbered("/s", i))));
		must(!sys_mknod(U(numbered("/p", i)), S_IFIFO | 0600, 0));
	}
	for (int i = 0; i < HELD; i += 4) {
		must(!sys_lstat(U(numbered("/d", i)), U(&st)));
		must(st.st_mode == (S_IFDIR | 0700));
		must(!sys_lstat(U(numbered("/f", i)), U(&st)));
		must(S_ISREG(st.st_mode) && st.st_size == 1 && st.st_nlink == 1);
		must_eq(sys_readlink(U(numbered("/s", i)), U(target), sizeof(target)), 3);
		must(!sys_lstat(U(numbered("/p", i)), U(&st)));
		must(st.st_mode == (S_IFIFO | 0600));
		snprintf(moved, sizeof(moved), "%s", numbered("/moved", i));
		must(!sys_rename(U(numbered("/d", i)), U(moved)));
		must(exists(numbered("/dir_metadata/moved", i)));
	}
	for (int i = 0; i < HELD; i++)
		file_put(held[i]);
}

START_TEST(a_new_file_is_none_that_had_its_number)
{
	build_humfs();
	ck_assert_int_eq(fh_init(), 0);
	with_cpus(1, numbers_again);
	run("rm -rf %s");
}
END_TEST

static u64 written;	 /* atomic: the file's size so far */
static bool written_all; /* atomic */

/* What one task sees never falls behind what another one had written before. */
static void look(long arg)
{
	struct stat st;
	u64 least;

	while (!__atomic_load_n(&written_all, __ATOMIC_ACQUIRE)) {
		least = __atomic_load_n(&written, __ATOMIC_ACQUIRE);
		must(!sys_lstat(U("/grows"), U(&st)));
		must((u64)st.st_size >= least);
		cond_resched();
	}
}

static void write_on(long arg)
{
	const char text[] = "0123456789";
	ktime_t end = ktime_mono() + 2 * NSEC_PER_SEC;
	u64 size = 0;

	for (int i = 0; i < 4000 && ktime_mono() < end; i++) {
		int append = i % 4 == 3 ? O_APPEND : 0;

		must(!guest_write("/grows", O_WRONLY | append, text, append ? 0 : size));
		size += strlen(text);
		__atomic_store_n(&written, size, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&written_all, true, __ATOMIC_RELEASE);
}

static void write_while_others_look(void)
{
	mount_humfs();
	must(!guest_write("/grows", O_WRONLY | O_CREAT, "", 0));
	spawn(look, 0);
	spawn(look, 0);
	spawn(write_on, 0);
	join_all();
	vfs_stop();
	must(written);
	run("test \"$(sed -n 's/used //p' %s/h/superblock)\" = \"$(stat -c %%s %s/h/data/grows)\"");
}

START_TEST(who_looks_does_not_change_what_is_used)
{
	build_humfs();
	ck_assert_int_eq(fh_init(), 0);
	written = 0;
	written_all = false;
	with_cpus(4, write_while_others_look);
	run("rm -rf %s");
}
END_TEST

#define LINKED 100

/* As a copy of a tree by links that goes again: what was known last are the names that go. */
static void other_names_go(void)
{
	struct fh_stats s;
	char other[40];

	mount_humfs();
	for (int i = 0; i < LINKED; i++)
		must(!guest_write(numbered("/f", i), O_WRONLY | O_CREAT, "x", 0));
	for (int i = 0; i < LINKED; i++) {
		snprintf(other, sizeof(other), "/g%d", i);
		must(!sys_link(U(numbered("/f", i)), U(other)));
	}
	for (int i = 0; i < LINKED; i++)
		must(!sys_unlink(U(numbered("/g", i))));
	while (clock_reclaim(32))
		;
	fh_get_stats(&s);
	must(s.open < 10);
	for (int i = 0; i < LINKED; i++) {
		must(!sys_chmod(U(numbered("/f", i)), 0604));
		must(!guest_write(numbered("/f", i), O_WRONLY, "y", 1));
	}
	/* 0604 */
	run("cd %s/h && test \"$(cat file_metadata/f* | grep -c '^388 0 0 ')\" = 100 && test \"$(cat data/f* | tr -d '\\n')\" = "
	    "\"$(printf 'xy%%.0s' $(seq 100))\"");
}

START_TEST(a_file_with_another_name_keeps_no_descriptor)
{
	build_humfs();
	ck_assert_int_eq(fh_init(), 0);
	with_cpus(1, other_names_go);
	run("rm -rf %s");
}
END_TEST

#define CHANGES 5000

static struct file *changed_file;
static bool all_changed; /* atomic */

static int change_owner(u32 uid)
{
	struct iattr a = {.valid = ATTR_UID, .uid = uid};
	struct inode *inode = changed_file->inode;
	int err;

	down_write(&inode->lock);
	err = inode->ops->setattr(inode, &a);
	up_write(&inode->lock);
	return err;
}

static void change_and_sync(long arg)
{
	ktime_t end = ktime_mono() + 3 * NSEC_PER_SEC;

	for (int i = 0; i < CHANGES && ktime_mono() < end; i++) {
		must(!change_owner(100 + i % 2));
		must(!changed_file->ops->fsync(changed_file, false));
		cond_resched();
	}
	must(!change_owner(77));
	__atomic_store_n(&all_changed, true, __ATOMIC_RELEASE);
}

static void exchange_and_move(void)
{
	mount_humfs();
	must(!sys_mkdir(U("/d"), 0755) && !sys_mkdir(U("/e"), 0755));
	must(!guest_write("/d/1", O_WRONLY | O_CREAT, "changed", 0));
	must(!guest_write("/e/2", O_WRONLY | O_CREAT, "other", 0));
	changed_file = file_open(AT_FDCWD, "/d/1", O_RDWR, 0);
	must(!IS_ERR(changed_file));
	spawn(change_and_sync, 0);
	while (!__atomic_load_n(&all_changed, __ATOMIC_ACQUIRE)) {
		must(!sys_renameat2(AT_FDCWD, U("/d/1"), AT_FDCWD, U("/e/2"), RENAME_EXCHANGE));
		must(!sys_rename(U("/d/1"), U("/e/1")));
		must(!sys_rename(U("/e/1"), U("/d/1")));
		must(!sys_link(U("/e/2"), U("/d/3")));
		must(!sys_unlink(U("/e/2")));
		must(!sys_rename(U("/d/3"), U("/e/2")));
		cond_resched();
	}
	join_all();
	file_put(changed_file);
	vfs_stop();
	run("cd %s/h && for n in d/1 e/2; do case $(cat data/$n) in changed) grep -q '^420 77 0 ' file_metadata/$n ;; "
	    "other) grep -q '^420 0 0 ' file_metadata/$n ;; *) false ;; esac || exit 1; done");
}

START_TEST(a_change_beside_a_rename_is_the_files_own)
{
	build_humfs();
	ck_assert_int_eq(fh_init(), 0);
	if (_i)
		fh_set_budget(4);
	all_changed = false;
	with_cpus(2, exchange_and_move);
	run("rm -rf %s");
}
END_TEST

static void link_to_both(void)
{
	mount_humfs();
	must(!sys_mkdir(U("/d"), 0755) && !sys_mkdir(U("/e"), 0755));
	must(!guest_write("/d/1", O_WRONLY | O_CREAT, "1\n", 0) && !sys_chmod(U("/d/1"), 0601));
	must(!guest_write("/e/2", O_WRONLY | O_CREAT, "2\n", 0) && !sys_chmod(U("/e/2"), 0602));
	link_beside_exchanges("/d/1", "/e/2", "/l");
	vfs_stop();
	/* 0601 and 0602 */
	run("cd %s/h && for n in $(cd data && ls -d l* d/1 e/2); do read data <data/$n && read mode owner <file_metadata/$n && "
	    "test $mode = $((384 + data)) || exit 1; done");
}

START_TEST(a_link_beside_an_exchange_has_the_files_metadata)
{
	build_humfs();
	ck_assert_int_eq(fh_init(), 0);
	if (_i)
		fh_set_budget(4);
	with_cpus(2, link_to_both);
	run("rm -rf %s");
}
END_TEST

/* ---- the end ---- */

static bool changed;

static void end_on_a_bad_disk(void)
{
	u64 seed_of_faults;

	(void)mount_humfs();
	if (changed)
		must(!sys_mkdir(U("/d"), 0755));
	must(!fault_add("fsync:EIO:1+"));
	(void)fault_start(false, &seed_of_faults);
	vfs_stop();
	must_eq(exists("journal"), changed);
}

START_TEST(the_journal_stays_where_changes_are_not_safe)
{
	build_humfs();
	ck_assert_int_eq(fh_init(), 0);
	changed = _i;
	with_cpus(1, end_on_a_bad_disk);
	run("rm -rf %s");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("humfs");

	tcase_add_loop_test(tc, humfs_matches_the_host, 0, 4);
	tcase_add_test(tc, a_damaged_file_is_that_file_only);
	tcase_add_test(tc, mounting_is_refused);
	tcase_add_test(tc, orphans_are_in_nobodys_way);
	tcase_add_test(tc, a_new_file_is_none_that_had_its_number);
	tcase_add_test(tc, who_looks_does_not_change_what_is_used);
	tcase_add_test(tc, a_file_with_another_name_keeps_no_descriptor);
	tcase_add_loop_test(tc, a_change_beside_a_rename_is_the_files_own, 0, 2);
	tcase_add_loop_test(tc, a_link_beside_an_exchange_has_the_files_metadata, 0, 2);
	tcase_add_loop_test(tc, the_journal_stays_where_changes_are_not_safe, 0, 2);
	return run_forked(tc, "humfs");
}
