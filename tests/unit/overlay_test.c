/*
 * The overlay over a host directory: against a plain host directory, its own rules, and what it
 * leaves behind.
 */
#include "fs_model.h"
#include "kernel/fs/mount.h"
#include "layerfs.h"
#include "tmpfs.h"

static char host_path[320];

static struct super_block *mount_overlay(void)
{
	struct super_block *lower, *sb;

	snprintf(host_path, sizeof(host_path), "%s/lower", base);
	must(!hostfs_mount_dir(host_path, &(struct hostfs_options){.exclusive = true}, &lower));
	sb = overlay_create(lower);
	must(!IS_ERR(sb));
	return sb;
}

static void random_steps(void)
{
	struct super_block *sb;

	must(!vfs_init());
	sb = mount_overlay();
	must(!mount_root(sb, 0));
	random_operations(sb, 3000);
	run("diff -r --no-dereference %s/lower %s/before");
}

START_TEST(random_operations_match_the_host)
{
	seed = 1000 + _i;
	build_trees();
	ck_assert_int_eq(fh_init(), 0);
	with_cpus(1, random_steps);
	run("rm -rf %s");
}
END_TEST

/* ---- single rules ---- */

static u64 ino_of(const char *path)
{
	struct stat st;

	must(!sys_lstat(U(path), U(&st)));
	return st.st_ino;
}

static void rules(void)
{
	struct super_block *sb;
	struct file *f, *g;
	struct stat st, lst;
	char buf[16];
	u64 ino;

	must(!vfs_init());
	sb = mount_overlay();
	must(!mount_root(sb, 0));

	/* Inode numbers stay across the first write, and a file opened before sees it. */
	f = file_open(AT_FDCWD, "/a/a", O_RDONLY, 0);
	must(!IS_ERR(f));
	ino = ino_of("/a/a");
	snprintf(host_path, sizeof(host_path), "%s/lower/a/a", base);
	must(!lstat(host_path, &lst));
	must_eq(ino, lst.st_ino);
	must(!guest_write("/a/a", O_WRONLY, "ONE", 0));
	must_eq(ino_of("/a/a"), ino);
	must_eq(kernel_read(f, buf, sizeof(buf), 0), 4);
	must(!memcmp(buf, "ONE\n", 4));
	file_put(f);

	/* Hard links below stay one file. */
	must_eq(ino_of("/b/b"), ino);
	f = file_open(AT_FDCWD, "/d/d/a", O_RDONLY, 0);
	must(!IS_ERR(f) && kernel_read(f, buf, sizeof(buf), 0) == 4 && !memcmp(buf, "ONE\n", 4));
	file_put(f);
	must(!sys_unlink(U("/a/a")));
	must(!sys_stat(U("/b/b"), U(&st)));
	must_eq(st.st_nlink, 2);

	/* A new directory in a removed one's place is opaque. */
	must_eq(sys_rmdir(U("/a/b")), -ENOTEMPTY);
	must(!sys_unlink(U("/a/b/c/d")) && !sys_rmdir(U("/a/b/c")) && !sys_rmdir(U("/a/b")));
	must(!sys_mkdir(U("/a/b"), 0755));
	must_eq(sys_stat(U("/a/b/c"), U(&st)), -ENOENT);

	/* Unlinked but open: contents stay. */
	f = file_open(AT_FDCWD, "/b/a", O_RDONLY, 0);
	must(!IS_ERR(f) && !sys_unlink(U("/b/a")));
	must_eq(kernel_read(f, buf, sizeof(buf), 0), 4);
	must(!memcmp(buf, "two\n", 4));
	file_put(f);

	/* Renaming a lower directory takes everything along, and is no copy. */
	ino = ino_of("/d/d");
	must(!sys_rename(U("/d"), U("/a/e")));
	must_eq(ino_of("/a/e/d"), ino);
	must_eq(sys_stat(U("/d"), U(&st)), -ENOENT);

	/* O_TMPFILE gets its first name. */
	f = file_open(AT_FDCWD, "/a", O_TMPFILE | O_RDWR, 0600);
	must(!IS_ERR(f) && !f->inode->nlink);
	g = file_open(AT_FDCWD, "/a", O_RDONLY | O_DIRECTORY, 0);
	must(!IS_ERR(g));
	file_put(g);
	file_put(f);
	run("diff -r --no-dereference %s/lower %s/before");
}

START_TEST(layers_follow_the_rules)
{
	build_trees();
	ck_assert_int_eq(fh_init(), 0);
	with_cpus(cpu_counts[_i], rules);
	run("rm -rf %s");
}
END_TEST

/* ---- the end ---- */

static struct super_block *root_tmpfs(void)
{
	struct super_block *sb = tmpfs_fs_type.mount(&tmpfs_fs_type, "root", NULL, 0);

	must(!IS_ERR(sb));
	must(!mount_root(sb, 0));
	return sb;
}

/* Fills a mount with everything that can be left behind, unmounts it, and counts what remains. */
static void leave_much_behind(void)
{
	struct vfs_stats before, after;
	struct fh_stats handles;
	struct path at;

	must(!vfs_init());
	root_tmpfs();
	must(!sys_mkdir(U("/m"), 0755));
	vfs_get_stats(&before);
	must(!path_lookup(AT_FDCWD, "/m", 0, &at));
	struct super_block *sb = mount_overlay();
	must(!mount_at(&at, sb, sb->root, 0));
	sb_put(sb); /* the mount has its own */
	path_put(&at);
	must(!sys_rename(U("/m/d"), U("/m/a/e")));
	must(!sys_mkdir(U("/m/b/n"), 0755) && !sys_mkdir(U("/m/b/n/n"), 0755));
	must(!sys_rename(U("/m/a/b"), U("/m/b/n/n/b")));
	must(!guest_write("/m/b/n/n/b/c/d", O_WRONLY, "changed", 0));
	must(!guest_write("/m/b/n/f", O_WRONLY | O_CREAT, "new", 0));
	must(!sys_link(U("/m/b/n/f"), U("/m/g")));
	must(!sys_symlink(U("x"), U("/m/s")));
	must(!sys_unlink(U("/m/b/a")));
	must(!sys_chmod(U("/m/b/b"), 0600));
	/* Deeper than a kernel stack could recurse. */
	must(!sys_mkdir(U("/m/deep"), 0755));
	for (int i = 0; i < 3000; i++) {
		must(!sys_mkdir(U("/m/new"), 0755));
		must(!sys_rename(U("/m/deep"), U("/m/new/d")));
		must(!sys_rename(U("/m/new"), U("/m/deep")));
	}
	must(!path_lookup(AT_FDCWD, "/m", 0, &at));
	must(!mount_remove(&at, false));
	path_put(&at);
	vfs_get_stats(&after);
	must_eq(after.inodes, before.inodes);
	fh_get_stats(&handles);
	must_eq(handles.handles, 0);
}

START_TEST(unmounting_frees_everything)
{
	build_trees();
	ck_assert_int_eq(fh_init(), 0);
	with_cpus(1, leave_much_behind);
	run("rm -rf %s");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("overlay");

	tcase_add_loop_test(tc, layers_follow_the_rules, 0, 3);
	tcase_add_loop_test(tc, random_operations_match_the_host, 0, 4);
	tcase_add_test(tc, unmounting_frees_everything);
	return run_forked(tc, "overlay");
}
