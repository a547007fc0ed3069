/*
 * hostfs, read-write and changed behind its back, and tmpfs: against a plain host directory.
 * test: quick=no
 */
#include "fs_model.h"
#include "fh/handle.h"
#include "hostfault.h"
#include "layerfs.h"
#include "tmpfs.h"

#include <grp.h>
#include <sys/resource.h>

static char host_path[320];

static struct super_block *mount_hostfs(bool rw, bool exclusive)
{
	struct super_block *sb;

	must(!vfs_init());
	snprintf(host_path, sizeof(host_path), "%s/lower", base);
	must(!hostfs_mount_dir(host_path,
			       &(struct hostfs_options){.rw = rw, .exclusive = exclusive}, &sb));
	must(!mount_root(sb, 0));
	return sb;
}

static bool exclusive_cache;

static void write_through(void)
{
	random_operations(mount_hostfs(true, exclusive_cache), 2000);
	run("diff -r --no-dereference %s/lower %s/model");
}

/* With few descriptors, so that handles are reopened all the time. */
START_TEST(writing_through_matches_the_host)
{
	seed = 2000 + _i;
	build_trees();
	ck_assert_int_eq(fh_init(), 0);
	if (_i % 2)
		fh_set_budget(4);
	exclusive_cache = _i >= 4;
	with_cpus(1, write_through);
	run("rm -rf %s");
}
END_TEST

static void tmpfs_steps(void)
{
	struct super_block *sb;

	must(!vfs_init());
	sb = tmpfs_fs_type.mount(&tmpfs_fs_type, "tmpfs", "size=10m,mode=755", 0);
	must(!IS_ERR(sb));
	must(!mount_root(sb, 0));
	random_operations(sb, 3000);
}

START_TEST(tmpfs_matches_the_host)
{
	seed = 3000 + _i;
	build_trees();
	run("rm -rf %s/model/*");
	ck_assert_int_eq(fh_init(), 0);
	with_cpus(1, tmpfs_steps);
	run("rm -rf %s");
}
END_TEST

static void changed_below(void)
{
	struct super_block *sb = mount_hostfs(false, false);
	struct stat st;
	struct file *f;
	char buf[16];
	long n;

	must(!sys_stat(U("/a/a"), U(&st)));
	must_eq(st.st_size, 4);
	must_eq(sys_stat(U("/a/x"), U(&st)), -ENOENT);
	/* Names and attributes are the host's at each use. */
	run("echo longer >%s/lower/a/a; echo new >%s/lower/a/x; rm -r %s/lower/b");
	must(!sys_stat(U("/a/a"), U(&st)));
	must_eq(st.st_size, 7);
	must(!sys_stat(U("/a/x"), U(&st)));
	must_eq(sys_stat(U("/b/a"), U(&st)), -ENOENT);
	/*
	 * Of two names the one by which the file was found last goes: it is still found by the
	 * other one.
	 */
	run("ln %s/lower/a/x %s/lower/a/x2");
	must(!sys_stat(U("/a/x2"), U(&st)));
	must(!sys_stat(U("/a/x"), U(&st)));
	must_eq(st.st_nlink, 2);
	run("rm %s/lower/a/x2");
	n = sys_getxattr(U("/a/x"), U("user.none"), U(buf), sizeof(buf));
	must(n == -ENODATA || n == -EOPNOTSUPP);
	/* An open file stays that file when its name goes to another. */
	f = file_open(AT_FDCWD, "/a/x", O_RDONLY, 0);
	must(!IS_ERR(f));
	run("echo other >%s/lower/a/y; mv %s/lower/a/y %s/lower/a/x");
	must_eq(kernel_read(f, buf, sizeof(buf), 0), 4);
	must(!memcmp(buf, "new\n", 4));
	file_put(f);
	f = file_open(AT_FDCWD, "/a/x", O_RDONLY, 0);
	must(!IS_ERR(f));
	must_eq(kernel_read(f, buf, sizeof(buf), 0), 6);
	file_put(f);
	/* Nothing can be changed. */
	must_eq(sys_mkdir(U("/a/n"), 0755), -EROFS);
	must_eq(sys_unlink(U("/a/x")), -EROFS);
	must_eq(guest_write("/a/x", O_WRONLY, "x", 0), -EROFS);
	(void)sb;
}

START_TEST(changes_of_the_host_show)
{
	build_trees();
	ck_assert_int_eq(fh_init(), 0);
	with_cpus(cpu_counts[_i], changed_below);
	run("rm -rf %s");
}
END_TEST

/* ---- a second name, found beside a writer ---- */

#define LINKS 3000

static bool all_found; /* atomic */

static void find_links(long arg)
{
	char path[32];

	(void)arg;
	for (int i = 0; i < LINKS; i++) {
		struct file *f;

		snprintf(path, sizeof(path), "/a/l%d", i);
		f = file_open(AT_FDCWD, path, O_PATH, 0);
		must(!IS_ERR(f));
		file_put(f);
		cond_resched();
	}
	__atomic_store_n(&all_found, true, __ATOMIC_SEQ_CST);
}

static void write_meanwhile(void)
{
	struct iov_iter it;
	struct file *f;
	u64 pos = 0;

	mount_hostfs(true, false);
	f = file_open(AT_FDCWD, "/a/grows", O_WRONLY, 0);
	must(!IS_ERR(f));
	spawn(find_links, 0);
	while (!__atomic_load_n(&all_found, __ATOMIC_SEQ_CST)) {
		iov_iter_kernel(&it, "x", 1);
		must_eq(f->ops->write(f, &it, &pos), 1);
		burn_us(20);
		/* As is known, without asking the host. */
		must_eq(inode_size(f->inode), pos);
		cond_resched();
	}
	file_put(f);
}

START_TEST(size_that_was_written_is_not_lost_to_a_look_up)
{
	char from[100], to[100];

	build_trees();
	run(": >%s/lower/a/grows");
	snprintf(from, sizeof(from), "%s/lower/a/grows", base);
	for (int i = 0; i < LINKS; i++) {
		snprintf(to, sizeof(to), "%s/lower/a/l%d", base, i);
		ck_assert_int_eq(link(from, to), 0);
	}
	ck_assert_int_eq(fh_init(), 0);
	all_found = false;
	with_cpus(2, write_meanwhile);
	run("rm -rf %s");
}
END_TEST

static void inside_only(void)
{
	struct stat st;
	char buf[64];

	mount_hostfs(false, false);
	/* Symlinks are the guest's: "/" is the mount, ".." ends there. */
	must_eq(sys_stat(U("/abs"), U(&st)), -ENOENT);
	must_eq(sys_stat(U("/up"), U(&st)), -ENOENT);
	must_eq(sys_stat(U("/../../../etc/passwd"), U(&st)), -ENOENT);
	must(sys_readlink(U("/abs"), U(buf), sizeof(buf)) == 11);
	must(!sys_stat(U("/in"), U(&st)) && S_ISREG(st.st_mode));
	/* A directory that the host swaps for a symlink to the outside. */
	must(!sys_stat(U("/d/d/a"), U(&st)));
	run("mv %s/lower/d %s/lower/gone; ln -s /etc %s/lower/d");
	must_eq(sys_stat(U("/d/passwd"), U(&st)), -ENOENT);
	must_eq(sys_stat(U("/d/d/a"), U(&st)), -ENOENT);
}

START_TEST(nothing_outside_can_be_reached)
{
	build_trees();
	run("cd %s/lower; ln -s /etc/passwd abs; ln -s ../../../../../etc/passwd up; ln -s /a/a in");
	ck_assert_int_eq(fh_init(), 0);
	with_cpus(1, inside_only);
	run("rm -rf %s");
}
END_TEST

/* ---- errors of closing a descriptor ---- */

/*
 * It was reclaimed, and the host said that data is lost: whoever closes hears it, and so does who
 * syncs.
 */
static void lose_data(void)
{
	struct super_block *sb = mount_hostfs(true, false);
	struct file *a = file_open(AT_FDCWD, "/a/a", O_RDWR, 0),
		    *b = file_open(AT_FDCWD, "/a/a", O_RDWR, 0);
	struct fh *h;

	must(!IS_ERR(a) && !IS_ERR(b));
	h = a->priv;
	h->lost = -EIO;
	must_eq(a->ops->flush(a), -EIO);
	must_eq(a->ops->flush(a), 0);
	must_eq(a->ops->fsync(a, false), 0);
	must_eq(b->ops->flush(b), 0);
	must_eq(b->ops->fsync(b, false), -EIO);
	must_eq(b->ops->fsync(b, false), 0);
	file_put(a);
	file_put(b);
	(void)sb;
}

START_TEST(lost_data_is_told_to_who_closes_and_to_who_syncs)
{
	build_trees();
	ck_assert_int_eq(fh_init(), 0);
	with_cpus(1, lose_data);
	run("rm -rf %s");
}
END_TEST

/* ---- descriptors that are kept for good ---- */

#define KEPT_BY_MANY 300

/* When all have been closed that may be, there is little left. */
static bool few_are_kept(void)
{
	struct fh_stats s;

	while (clock_reclaim(32))
		;
	fh_get_stats(&s);
	return s.open < 10;
}

static bool guest_reads(const char *path, const char *text)
{
	struct file *f = file_open(AT_FDCWD, path, O_RDONLY, 0);
	char buf[40] = "";
	ssize_t n;

	must(!IS_ERR(f));
	n = kernel_read(f, buf, sizeof(buf) - 1, 0);
	file_put(f);
	return n == (ssize_t)strlen(text) && !strcmp(buf, text);
}

/* As git makes its objects; and as copies of a tree by links come and go. */
static void other_names_go(void)
{
	struct file *open;

	mount_hostfs(true, exclusive_cache);
	for (int i = 0; i < KEPT_BY_MANY; i++) {
		must(!guest_write("/a/tmp", O_WRONLY | O_CREAT | O_EXCL, numbered("", i), 0));
		must(!sys_link(U("/a/tmp"), U(numbered("/b/n", i))));
		must(!sys_unlink(U("/a/tmp")));
	}
	must(few_are_kept());
	for (int i = 0; i < KEPT_BY_MANY; i++)
		must(!sys_link(U(numbered("/b/n", i)), U(numbered("/d/n", i))));
	open = file_open(AT_FDCWD, "/d/n7", O_RDONLY, 0);
	must(!IS_ERR(open));
	for (int i = 0; i < KEPT_BY_MANY; i++)
		must(!sys_unlink(U(numbered("/d/n", i))));
	must(few_are_kept());
	file_put(open);
	for (int i = 0; i < KEPT_BY_MANY; i++) {
		must(guest_reads(numbered("/b/n", i), numbered("", i)));
		must(!sys_chmod(U(numbered("/b/n", i)), 0600));
	}
	/* A name that was moved, while another one is where the file was found last. */
	must(!sys_link(U("/b/n7"), U("/d/n7")));
	must(!sys_rename(U("/b/n7"), U("/b/m7")));
	must(!sys_unlink(U("/d/n7")));
	must(few_are_kept());
	must(guest_reads("/b/m7", "7"));
	/* Names of before, in the order in which they were found and in the other one. */
	must(guest_reads("/a/a", "one\n") && guest_reads("/b/b", "one\n"));
	must(!sys_unlink(U("/a/a")));
	must(few_are_kept());
	must(guest_reads("/b/b", "one\n") && guest_reads("/d/d/a", "one\n"));
	must(!sys_unlink(U("/d/d/a")));
	must(few_are_kept());
	must(guest_reads("/b/b", "one\n"));
}

static void in_trees(bool exclusive, int cpus, void (*fn)(void))
{
	build_trees();
	ck_assert_int_eq(fh_init(), 0);
	exclusive_cache = exclusive;
	with_cpus(cpus, fn);
	run("rm -rf %s");
}

START_TEST(a_file_with_another_name_keeps_no_descriptor)
{
	in_trees(_i, 1, other_names_go);
}
END_TEST

/* The last two names of one file, gone at once; it stays open. */
static struct file *held;
static u32 both_ready; /* atomic */

static void remove_one(long arg)
{
	const char *path = arg ? "/a/one" : "/b/two";

	__atomic_add_fetch(&both_ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&both_ready, __ATOMIC_SEQ_CST) < 2)
		cond_resched();
	must(!sys_unlink(U(path)));
}

static void both_go_at_once(void)
{
	char c;

	mount_hostfs(true, exclusive_cache);
	for (int i = 0; i < 200; i++) {
		must(!guest_write("/a/one", O_WRONLY | O_CREAT | O_EXCL, "x", 0));
		must(!sys_link(U("/a/one"), U("/b/two")));
		held = file_open(AT_FDCWD, "/a/one", O_RDONLY, 0);
		must(!IS_ERR(held));
		must(few_are_kept());
		both_ready = 0;
		spawn(remove_one, 0);
		spawn(remove_one, 1);
		join_all();
		while (clock_reclaim(32))
			;
		must_eq(kernel_read(held, &c, 1, 0), 1);
		file_put(held);
	}
}

START_TEST(two_who_remove_the_last_two_names_leave_the_open_file)
{
	in_trees(_i, 2, both_go_at_once);
}
END_TEST

/*
 * The names that are known have gone, and the last one doesn't go; or it has gone already, without
 * us.
 */
static void last_name_is_not_removed(void)
{
	struct file *f;
	u64 seed_of_faults;
	char c;

	mount_hostfs(true, exclusive_cache);
	for (int i = 0; i < 2; i++) {
		must(!guest_write("/a/x", O_WRONLY | O_CREAT | O_EXCL, "x", 0));
		must(!sys_link(U("/a/x"), U("/b/y")));
		must(!sys_link(U("/b/y"), U("/d/z")));
		f = file_open(AT_FDCWD, "/a/x", O_RDONLY, 0);
		must(!IS_ERR(f));
		must(!sys_unlink(U("/d/z")));
		must(!sys_unlink(U("/b/y")));
		if (i) {
			run("rm %s/lower/a/x");
			must_eq(sys_unlink(U("/a/x")), -ENOENT);
		} else {
			fault_start(false, &seed_of_faults);
			must_eq(sys_unlink(U("/a/x")), -EIO);
		}
		must(few_are_kept());
		must_eq(kernel_read(f, &c, 1, 0), 1);
		file_put(f);
		must_eq(sys_unlink(U("/a/x")), i ? -ENOENT : 0);
	}
}

START_TEST(an_open_file_survives_a_removal_that_fails)
{
	build_trees();
	ck_assert_int_eq(fh_init(), 0);
	ck_assert_ptr_null(fault_add("unlink:EIO:1"));
	exclusive_cache = _i;
	with_cpus(1, last_name_is_not_removed);
	run("rm -rf %s");
}
END_TEST

static void become_nobody(void)
{
	if (geteuid())
		return;
	must(!setgroups(0, NULL) && !setresgid(65534, 65534, 65534));
	must(!setresuid(65534, 65534, 65534));
}

static void modes_forbid_to_open_again(void)
{
	struct file *f;
	struct iov_iter it;
	u64 pos = 0;
	char c;

	mount_hostfs(true, exclusive_cache);
	for (int i = 0; i < KEPT_BY_MANY; i++) {
		f = file_open(AT_FDCWD, numbered("/a/r", i), O_RDWR | O_CREAT | O_EXCL, 0444);
		must(!IS_ERR(f));
		if (!i)
			must(few_are_kept());
		iov_iter_kernel(&it, "r", 1);
		pos = 0;
		must_eq(f->ops->write(f, &it, &pos), 1);
		must_eq(kernel_read(f, &c, 1, 0), 1);
		file_put(f);
		must(!guest_write(numbered("/a/w", i), O_WRONLY | O_CREAT | O_EXCL, "w", 0));
		must(!sys_chmod(U(numbered("/a/w", i)), 0444));
	}
	must(few_are_kept());
	for (int i = 0; i < KEPT_BY_MANY; i++)
		must(guest_reads(numbered("/a/r", i), "r") &&
		     guest_reads(numbered("/a/w", i), "w"));
}

START_TEST(a_closed_file_keeps_no_descriptor_for_its_mode)
{
	become_nobody();
	in_trees(_i, 1, modes_forbid_to_open_again);
}
END_TEST

/*
 * Of three names two are known. When those have gone, only the cached third one keeps the file,
 * which has to keep a descriptor.
 */
static void names_are_forgotten(void)
{
	mount_hostfs(true, exclusive_cache);
	for (int i = 0; i < KEPT_BY_MANY; i++) {
		must(!guest_write(numbered("/a/x", i), O_WRONLY | O_CREAT, numbered("", i), 0));
		must(!sys_link(U(numbered("/a/x", i)), U("/a/y")));
		must(!sys_link(U("/a/y"), U("/a/z")));
		must(!sys_unlink(U("/a/z")));
		must(!sys_unlink(U("/a/y")));
	}
	for (int i = 0; i < KEPT_BY_MANY; i++)
		must(guest_reads(numbered("/a/x", i), numbered("", i)));
}

START_TEST(names_that_nobody_uses_make_room_for_descriptors)
{
	const struct rlimit few = {200, 200};

	build_trees();
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert_int_eq(fh_init(), 0);
	exclusive_cache = _i;
	with_cpus(1, names_are_forgotten);
	run("rm -rf %s");
}
END_TEST

/* ---- links beside changes ---- */

static void link_to_both(void)
{
	char path[400];
	struct stat g, h;

	mount_hostfs(true, exclusive_cache);
	must(!guest_write("/a/p", O_WRONLY | O_CREAT, "p", 0));
	must(!guest_write("/b/q", O_WRONLY | O_CREAT, "q", 0));
	link_beside_exchanges("/a/p", "/b/q", "/d/l");
	/* Both sides have the same file by that name. */
	for (int i = 0; i < NEW_LINKS; i++) {
		snprintf(path, sizeof(path), "%s%s", host_path, numbered("/d/l", i));
		must(!lstat(path, &h) && !sys_lstat(U(numbered("/d/l", i)), U(&g)));
		must_eq(g.st_ino, h.st_ino);
	}
}

START_TEST(a_link_beside_an_exchange_is_to_the_file_that_was_found)
{
	in_trees(_i, 2, link_to_both);
}
END_TEST

/* The guest's kernel was asked about another file than that which has the name now. */
static void link_what_was_replaced(void)
{
	struct file *dir, *f;
	struct inode *inode;
	struct dentry *d;
	char path[400];
	int err;

	mount_hostfs(true, exclusive_cache);
	dir = file_open(AT_FDCWD, "/d", O_RDONLY | O_DIRECTORY, 0);
	f = file_open(AT_FDCWD, "/b/a", O_PATH, 0);
	must(!IS_ERR(dir) && !IS_ERR(f));
	run("echo another >%s/lower/n && mv %s/lower/n %s/lower/b/a");
	d = d_alloc(dir->path.dentry, "new", 3);
	must(d);
	inode = dir->path.dentry->inode;
	down_write(&inode->lock);
	down_write(&f->inode->lock);
	err = inode->ops->link(inode, d, f->inode);
	up_write(&f->inode->lock);
	up_write(&inode->lock);
	must_eq(err, -ENOENT);
	snprintf(path, sizeof(path), "%s/d/new", host_path);
	must(access(path, F_OK));
	d_put(d);
	file_put(f);
	file_put(dir);
}

START_TEST(what_was_replaced_gets_no_link)
{
	in_trees(_i, 1, link_what_was_replaced);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("hostfs");

	tcase_add_loop_test(tc, writing_through_matches_the_host, 0, 8);
	tcase_add_loop_test(tc, tmpfs_matches_the_host, 0, 3);
	tcase_add_loop_test(tc, changes_of_the_host_show, 0, 3);
	tcase_add_test(tc, size_that_was_written_is_not_lost_to_a_look_up);
	tcase_add_test(tc, nothing_outside_can_be_reached);
	tcase_add_test(tc, lost_data_is_told_to_who_closes_and_to_who_syncs);
	tcase_add_loop_test(tc, a_file_with_another_name_keeps_no_descriptor, 0, 2);
	tcase_add_loop_test(tc, two_who_remove_the_last_two_names_leave_the_open_file, 0, 2);
	tcase_add_loop_test(tc, an_open_file_survives_a_removal_that_fails, 0, 2);
	tcase_add_loop_test(tc, a_closed_file_keeps_no_descriptor_for_its_mode, 0, 2);
	tcase_add_loop_test(tc, names_that_nobody_uses_make_room_for_descriptors, 0, 2);
	tcase_add_loop_test(tc, a_link_beside_an_exchange_is_to_the_file_that_was_found, 0, 2);
	tcase_add_loop_test(tc, what_was_replaced_gets_no_link, 0, 2);
	return run_forked(tc, "hostfs");
}
