/*
 * An overlay whose layer is in a directory, hostfs or humfs: against a plain host directory, and
 * once more after it is mounted anew.
 * test: quick=no
 */
#include "fs_model.h"
#include "fh/handle.h"
#include "kernel/fs/overlaydir/overlaydir.h"
#include "layerfs.h"
#include <sys/wait.h>

static bool in_humfs;

/* The lower tree without hard links, which copying up breaks. */
static void build(void)
{
	build_trees();
	exdev_allowed = true;
	run("cd %s && rm -rf lower model before && mkdir -p lower/a/b/c lower/a/c lower/b lower/d/d layer && echo one >lower/a/a && "
	    "echo two >lower/b/a && echo three >lower/b/b && ln -s a lower/a/d && ln -s b lower/c && echo deep >lower/a/b/c/d && "
	    "cp -a lower model && cp -a lower before");
	if (in_humfs)
		make_humfs("layer", 1000000);
}

static struct super_block *mount_overlay(void)
{
	const struct hostfs_options ro = {.exclusive = true}, rw = {.rw = true, .exclusive = true};
	struct super_block *lower, *layer, *sb;
	char path[400];

	snprintf(path, sizeof(path), "%s/lower", base);
	must(!hostfs_mount_dir(path, &ro, &lower));
	snprintf(path, sizeof(path), "%s/layer", base);
	must(!(in_humfs ? humfs_mount_dir(path, true, &layer)
			: hostfs_mount_dir(path, &rw, &layer)));
	sb = overlay_create_dir(lower, layer);
	must(!IS_ERR(sb));
	return sb;
}

static void first_use(void)
{
	struct super_block *sb;

	must(!vfs_init());
	sb = mount_overlay();
	must(!mount_root(sb, 0));
	random_operations(sb, 1500);
	vfs_stop();
	run("diff -r --no-dereference %s/lower %s/before");
	run("test -z \"$(ls %s/layer/work %s/layer/data/work 2>/dev/null | grep -v :)\"");
}

/* What was changed is there again, and can be changed further. */
static void second_use(void)
{
	struct super_block *sb;
	int nodes = 0;

	must(!vfs_init());
	sb = mount_overlay();
	must(!mount_root(sb, 0));
	compare_tree("", &nodes);
	random_operations(sb, 500);
	vfs_stop();
	run("diff -r --no-dereference %s/lower %s/before");
}

/* Each use in a process of its own: there is one root mount a process. */
static void use(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid) {
		if (fh_init())
			_exit(3);
		with_cpus(1, fn);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

static void both_uses(bool humfs, int n)
{
	in_humfs = humfs;
	seed = 5000 + n;
	build();
	use(first_use);
	use(second_use);
	run("rm -rf %s");
}

START_TEST(layer_in_a_plain_directory)
{
	both_uses(false, _i);
}
END_TEST

START_TEST(layer_in_a_humfs)
{
	both_uses(true, _i);
}
END_TEST

/* As on a hostfs (hostfs_test.c): what the layer's file is told, all that have it open are. */
static void lose_data(void)
{
	struct file *a, *b;
	struct fh *h;

	must(!vfs_init());
	must(!mount_root(mount_overlay(), 0));
	a = file_open(AT_FDCWD, "/a/a", O_RDWR, 0);
	b = file_open(AT_FDCWD, "/a/a", O_RDWR, 0);
	must(!IS_ERR(a) && !IS_ERR(b));
	h = odir_i(a->inode)->upper_file->priv;
	h->lost = -EIO;
	must_eq(a->ops->flush(a), -EIO);
	must_eq(a->ops->flush(a), 0);
	must_eq(b->ops->fsync(b, false), -EIO);
	must_eq(b->ops->fsync(b, false), 0);
	file_put(a);
	file_put(b);
	vfs_stop();
}

START_TEST(lost_data_is_told_to_who_closes_and_to_who_syncs)
{
	in_humfs = _i;
	build();
	use(lose_data);
	run("rm -rf %s");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("overlaydir");

	tcase_add_loop_test(tc, layer_in_a_plain_directory, 0, 4);
	tcase_add_loop_test(tc, layer_in_a_humfs, 0, 4);
	tcase_add_loop_test(tc, lost_data_is_told_to_who_closes_and_to_who_syncs, 0, 2);
	return run_forked(tc, "overlaydir");
}
