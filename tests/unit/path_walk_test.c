/*
 * Path walks and the dentry cache, on a tmpfs, without tasks: what each path leads to, what happens
 * under renames on other CPUs, and that the cache is bounded.
 */
#include "fs.h"
#include "kernel/fs/mount.h"
#include "smp_util.h"
#include "tmpfs.h"
#include <stdio.h>
#include <string.h>

/* ---- making things ---- */

static void setup(void)
{
	static bool initialised;
	struct super_block *sb;

	if (!initialised)
		must(!vfs_init());
	initialised = true;
	root_mount = NULL; /* each test begins with an empty tree */
	sb = tmpfs_fs_type.mount(&tmpfs_fs_type, "none", NULL, 0);
	must(!IS_ERR(sb));
	must(!mount_root(sb, 0));
	sb_put(sb);
}

static void make_dir(const char *name)
{
	struct path parent;
	struct dentry *d;

	must(!path_create(AT_FDCWD, name, true, &parent, &d));
	must(!parent.dentry->inode->ops->mkdir(parent.dentry->inode, d, S_IFDIR | 0755));
	path_create_done(&parent, d);
}

static void make_link(const char *target, const char *name)
{
	struct path parent;
	struct dentry *d;

	must(!path_create(AT_FDCWD, name, false, &parent, &d));
	must(!parent.dentry->inode->ops->symlink(parent.dentry->inode, d, target));
	path_create_done(&parent, d);
}

static void make_file(const char *name)
{
	struct file *f = file_open(AT_FDCWD, name, O_CREAT | O_EXCL | O_RDWR, 0644);

	must(!IS_ERR(f));
	file_put(f);
}

static int lookup(const char *name, unsigned flags)
{
	struct path p;
	int err = path_lookup(AT_FDCWD, name, flags, &p);

	if (!err)
		path_put(&p);
	return err;
}

/* The path that `name` leads to, or an error. */
static int leads_to(const char *name, unsigned flags, const char *where)
{
	char buf[256], *text;
	struct path p;
	int err = path_lookup(AT_FDCWD, name, flags, &p);

	if (err)
		return err;
	text = path_name(&p, buf, sizeof(buf));
	must(!IS_ERR(text));
	err = strcmp(text, where);
	path_put(&p);
	return err;
}

/* ---- tests ---- */

static void names(void)
{
	char name[300];

	setup();
	make_dir("/a");
	make_dir("/a/b");
	make_file("/a/f");
	/* Each twice: from the file system, and from the cache. */
	for (int i = 0; i < 2; i++) {
		must(!leads_to("/a/b", 0, "/a/b"));
		must(!leads_to("a//b///", 0, "/a/b"));
		must(!leads_to("/a/./b/..", 0, "/a"));
		must(!leads_to("/../../a/../..", 0, "/"));
		must(!leads_to("///", 0, "/"));
		must(lookup("", 0) == -ENOENT);
		must(!leads_to("", LOOKUP_EMPTY, "/"));
		must(lookup("/a/x", 0) == -ENOENT);
		must(lookup("/a/x/y", 0) == -ENOENT);
		must(lookup("/a/f/y", 0) == -ENOTDIR);
		must(lookup("/a/f/", 0) == -ENOTDIR);
		must(lookup("/a/f/.", 0) == -ENOTDIR);
		must(lookup("/a/f", LOOKUP_DIRECTORY) == -ENOTDIR);
		must(!leads_to("/a/f", 0, "/a/f"));
	}
	memset(name, 'n', sizeof(name));
	name[256] = 0;
	must(lookup(name, 0) == -ENAMETOOLONG);
	name[255] = 0;
	must(lookup(name, 0) == -ENOENT);
}

static void symlinks(void)
{
	char name[16], target[16];

	setup();
	make_dir("/d");
	make_dir("/d/e");
	make_link("e", "/d/rel");
	make_link("/d", "/abs");
	make_link("../..", "/d/e/up");
	make_link("loop", "/loop");
	make_link("nothing", "/dangling");
	make_link("/d/", "/slash");
	must(!leads_to("/d/rel", LOOKUP_FOLLOW, "/d/e"));
	must(!leads_to("/d/rel", 0, "/d/rel"));
	must(!leads_to("/d/rel/", 0, "/d/e"));
	must(!leads_to("/abs/rel/up/abs/e", 0, "/d/e"));
	must(!leads_to("/slash", LOOKUP_FOLLOW, "/d"));
	must(lookup("/loop", LOOKUP_FOLLOW) == -ELOOP);
	must(!lookup("/loop", 0));
	must(lookup("/dangling", LOOKUP_FOLLOW) == -ENOENT);
	must(lookup("/d/rel", LOOKUP_FOLLOW | LOOKUP_NO_SYMLINKS) == -ELOOP);
	must(lookup("/abs", LOOKUP_FOLLOW | LOOKUP_BENEATH) == -EXDEV);
	must(lookup("..", LOOKUP_BENEATH) == -EXDEV);
	must(!leads_to("../../abs", LOOKUP_FOLLOW | LOOKUP_IN_ROOT, "/d"));
	/* A chain of 40 is the longest. */
	for (int i = 0; i < 41; i++) {
		snprintf(name, sizeof(name), "/l%d", i);
		snprintf(target, sizeof(target), i ? "l%d" : "d", i - 1);
		make_link(target, name);
	}
	must(!leads_to("/l39", LOOKUP_FOLLOW, "/d"));
	must(lookup("/l40", LOOKUP_FOLLOW) == -ELOOP);
}

static void mounts(void)
{
	struct super_block *sb = NULL;
	struct path m;

	setup();
	make_dir("/m");
	make_dir("/m/hidden");
	sb = tmpfs_fs_type.mount(&tmpfs_fs_type, "none", NULL, 0);
	must(!path_lookup(AT_FDCWD, "/m", 0, &m));
	must(!mount_at(&m, sb, sb->root, 0));
	sb_put(sb);
	path_put(&m);
	make_dir("/m/x");
	must(!leads_to("/m/x", 0, "/m/x"));
	must(!leads_to("/m/x/../..", 0, "/"));
	must(lookup("/m/hidden", 0) == -ENOENT);
	must(lookup("/m/x", LOOKUP_NO_XDEV) == -EXDEV);
	must(!path_lookup(AT_FDCWD, "/m", 0, &m));
	must(!mount_remove(&m, false));
	path_put(&m);
	must(!lookup("/m/hidden", 0));
	must(lookup("/m/x", 0) == -ENOENT);
}

static bool stop_renaming;

static void rename_back_and_forth(long arg)
{
	while (!__atomic_load_n(&stop_renaming, __ATOMIC_RELAXED)) {
		struct path a, b;
		struct dentry *old, *new;
		struct dname *dn;

		/* What rename(2) does, without a guest's memory for the names. */
		must(!path_lookup(AT_FDCWD, "/a", 0, &a) && !path_lookup(AT_FDCWD, "/b", 0, &b));
		mutex_lock(&a.dentry->sb->rename_mutex);
		down_write(&a.dentry->inode->lock);
		down_write_nested(&b.dentry->inode->lock);
		old = d_lookup_or_load_locked(a.dentry, "x", 1);
		new = d_lookup_or_load_locked(b.dentry, "y", 1);
		must(!IS_ERR(old) && !IS_ERR(new));
		dn = dname_alloc(old->inode ? b.dentry : a.dentry, old->inode ? "y" : "x", 1);
		must(dn);
		{
			struct path from = old->inode ? a : b, to = old->inode ? b : a;
			struct dentry *src = old->inode ? old : new, *dst = old->inode ? new : old;
			struct rename_ctx rc = {from.dentry->inode, to.dentry->inode, src, dst, 0};

			down_write_nested(&src->inode->lock);
			must(!from.dentry->inode->ops->rename(&rc));
			d_drop(dst);
			d_move(src, to.dentry, dn);
			up_write(&src->inode->lock);
		}
		up_write(&b.dentry->inode->lock);
		up_write(&a.dentry->inode->lock);
		mutex_unlock(&a.dentry->sb->rename_mutex);
		d_put(old);
		d_put(new);
		path_put(&a);
		path_put(&b);
		sched_yield_cpu();
	}
}

static u64 file_ino;

static void look_for_it(long arg)
{
	static const char *const paths[] = {"/a/x/f", "/b/y/f", "/a/x/../../b/y/f",
					    "/b/y/../../a/x/f"};
	unsigned found = 0;

	for (int i = 0; i < 20000 || !found; i++) {
		struct path p;
		int err = path_lookup(AT_FDCWD, paths[i % 4], 0, &p);

		must(!err || err == -ENOENT);
		if (!err) {
			must(p.dentry->inode->ino == file_ino);
			path_put(&p);
			found++;
		}
		if (i % 64 == 0)
			sched_yield_cpu();
	}
	__atomic_store_n(&stop_renaming, true, __ATOMIC_RELAXED);
}

static void renames(void)
{
	struct path p;

	setup();
	make_dir("/a");
	make_dir("/b");
	make_dir("/a/x");
	make_file("/a/x/f");
	must(!path_lookup(AT_FDCWD, "/a/x/f", 0, &p));
	file_ino = p.dentry->inode->ino;
	path_put(&p);
	stop_renaming = false;
	spawn(rename_back_and_forth, 0);
	spawn(look_for_it, 0);
	spawn(look_for_it, 1);
}

static void look_for_nothing(long arg)
{
	char name[64];

	for (int i = 0; i < 30000; i++) {
		snprintf(name, sizeof(name), "/d%ld/none%d", arg, i);
		must(lookup(name, 0) == -ENOENT);
		if (i % 256 == 0) /* others want this CPU, and freed memory a grace period */
			sched_yield_cpu();
	}
}

static void bounded(void)
{
	setup();
	make_dir("/d0");
	make_dir("/d1");
	make_dir("/d2");
	look_for_nothing(0);
	spawn(look_for_nothing, 1);
	spawn(look_for_nothing, 2);
}

static void after_bounded(void)
{
	struct vfs_stats st;

	vfs_get_stats(&st);
	ck_assert_uint_le(st.unused, 33000);
	ck_assert_uint_gt(st.unused, 1000);
}

START_TEST(names_lead_where_they_say)
{
	with_cpus(1, names);
}
END_TEST

START_TEST(symlinks_are_followed_up_to_forty)
{
	with_cpus(1, symlinks);
}
END_TEST

START_TEST(mounts_are_crossed_both_ways)
{
	with_cpus(2, mounts);
}
END_TEST

START_TEST(renames_never_show_anything_else)
{
	with_cpus(cpu_counts[_i], renames);
}
END_TEST

START_TEST(what_is_cached_and_unused_is_bounded)
{
	with_cpus(cpu_counts[_i], bounded);
	after_bounded();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("path walks");

	tcase_add_test(tc, names_lead_where_they_say);
	tcase_add_test(tc, symlinks_are_followed_up_to_forty);
	tcase_add_test(tc, mounts_are_crossed_both_ways);
	tcase_add_loop_test(tc, renames_never_show_anything_else, 0, 3);
	tcase_add_loop_test(tc, what_is_cached_and_unused_is_bounded, 0, 3);
	return run_suite(tc, "path walks");
}
