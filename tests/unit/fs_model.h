/*
 * For tests of file systems, driven through the VFS: random operations on the mounted root and on a
 * plain host directory (BASE/model) must give the same results, errors and trees. "User memory" is
 * the test's own.
 */
#ifndef TESTS_UNIT_FS_MODEL_H
#define TESTS_UNIT_FS_MODEL_H

#include "fh.h"
#include "fs.h"
#include "smp_util.h"
#include "syscall_protos.h"
#include "uaccess.h"
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- user memory that isn't: kernel/uaccess.o is not linked ---- */

bool access_ok(uaddr_t addr, size_t n)
{
	return true;
}

int copy_from_user_nofault(void *to, uaddr_t from, size_t n)
{
	memcpy(to, (void *)from, n);
	return 0;
}

int copy_from_user(void *to, uaddr_t from, size_t n)
{
	memcpy(to, (void *)from, n);
	return 0;
}

int copy_struct_from_user(void *to, size_t ksize, uaddr_t from, size_t usize)
{
	return usize == ksize ? copy_from_user(to, from, usize) : -E2BIG;
}

int copy_to_user(uaddr_t to, const void *from, size_t n)
{
	memcpy((void *)to, from, n);
	return 0;
}

int copy_to_mm(struct mm *mm, uaddr_t to, const void *from, size_t n)
{
	return copy_to_user(to, from, n);
}

void uaccess_expect_out(uaddr_t addr, size_t n)
{
}

size_t copy_from_user_partial(void *to, uaddr_t from, size_t n)
{
	return copy_from_user(to, from, n) ? 0 : n;
}

size_t copy_to_user_partial(uaddr_t to, const void *from, size_t n)
{
	return copy_to_user(to, from, n) ? 0 : n;
}

ssize_t strncpy_from_user(char *to, uaddr_t from, size_t size)
{
	return snprintf(to, size, "%s", (const char *)from);
}

char *path_from_user(uaddr_t from)
{
	return kstrdup((const char *)from);
}

void iov_iter_kernel(struct iov_iter *it, void *base, size_t len)
{
	*it = (struct iov_iter){.kernel = true, .nr = 1, .count = len, .single = {base, len}};
}

int iov_iter_user(struct iov_iter *it, uaddr_t base, size_t len)
{
	iov_iter_kernel(it, (void *)base, len);
	return 0;
}

int iov_iter_user_iov(struct iov_iter *it, uaddr_t iov, unsigned long n)
{
	return -EINVAL;
}

void iov_iter_done(struct iov_iter *it)
{
}

static char *iov_at(struct iov_iter *it, size_t *n)
{
	char *p = (char *)it->single.iov_base + it->off;

	*n = min(*n, it->count);
	it->off += *n;
	it->count -= *n;
	return p;
}

size_t copy_to_iter(const void *from, size_t n, struct iov_iter *it)
{
	char *p = iov_at(it, &n);

	memcpy(p, from, n);
	return n;
}

size_t copy_from_iter(void *to, size_t n, struct iov_iter *it)
{
	char *p = iov_at(it, &n);

	memcpy(to, p, n);
	return n;
}

size_t zero_iter(size_t n, struct iov_iter *it)
{
	char *p = iov_at(it, &n);

	memset(p, 0, n);
	return n;
}

size_t read_remote_vm(struct mm *mm, void *to, uaddr_t from, size_t n)
{
	return 0;
}

size_t write_remote_vm(struct mm *mm, uaddr_t to, const void *from, size_t n)
{
	return 0;
}

size_t mm_file_io(struct fh *h, struct iov_iter *it, u64 off, bool write)
{
	return 0;
}

void iov_iter_advance(struct iov_iter *it, size_t n)
{
	iov_at(it, &n);
}

void iov_iter_revert(struct iov_iter *it, size_t n)
{
	it->off -= n;
	it->count += n;
}

/* ---- both worlds ---- */

static char base[64];
static bool exdev_allowed; /* a rename of a directory may be refused, and is then skipped */
static unsigned seed;

static unsigned rnd(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

static void run(const char *fmt)
{
	char cmd[1200];

	snprintf(cmd, sizeof(cmd), fmt, base, base, base);
	must(!system(cmd));
}

/* The model's path of a guest path. The result lives until the second next call. */
static const char *model(const char *path)
{
	static char buf[2][400];
	static int turn;

	turn ^= 1;
	snprintf(buf[turn], sizeof(buf[0]), "%s/model%s", base, path);
	return buf[turn];
}

static int host_result(long ret)
{
	return ret < 0 ? -errno : 0;
}

#define U(p) ((uaddr_t)(p))

static int guest_write(const char *path, int flags, const char *text, u64 pos)
{
	struct file *f = file_open(AT_FDCWD, path, flags, 0644);
	struct iov_iter it;
	ssize_t n;

	if (IS_ERR(f))
		return PTR_ERR(f);
	iov_iter_kernel(&it, (void *)text, strlen(text));
	n = f->ops->write(f, &it, &pos);
	file_put(f);
	return n < 0 ? n : 0;
}

static int host_write(const char *path, int flags, const char *text, u64 pos)
{
	int fd = open(model(path), flags, 0644), err = 0;

	if (fd < 0)
		return -errno;
	if ((flags & O_APPEND ? write(fd, text, strlen(text))
			      : pwrite(fd, text, strlen(text), pos)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* A path of up to three components out of four names. */
static const char *random_path(char *buf)
{
	int depth = 1 + rnd(3);

	*buf = '\0';
	for (int i = 0; i < depth; i++)
		sprintf(buf + strlen(buf), "/%c", "abcd"[rnd(4)]);
	return buf;
}

static void one_step(int n)
{
	static const int open_flags[] = {O_WRONLY | O_CREAT | O_TRUNC, O_WRONLY | O_CREAT | O_EXCL,
					 O_RDWR, O_WRONLY | O_CREAT | O_APPEND};
	static const unsigned rename_flags[] = {0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};
	char p[40], q[40], text[32];
	int g, h, op = rnd(12), i;
	u64 pos;

	random_path(p);
	random_path(q);
	sprintf(text, "step %d", n);
	switch (op) {
	case 0:
	case 1:
		g = sys_mkdir(U(p), 0755);
		h = host_result(mkdir(model(p), 0755));
		break;
	case 2:
		g = sys_rmdir(U(p));
		h = host_result(rmdir(model(p)));
		break;
	case 3:
		g = sys_unlink(U(p));
		h = host_result(unlink(model(p)));
		break;
	case 4:
		g = sys_symlink(U("a"), U(p)); /* to a sibling */
		h = host_result(symlink("a", model(p)));
		break;
	case 5:
		g = sys_link(U(p), U(q));
		h = host_result(link(model(p), model(q)));
		break;
	case 6:
	case 7:
	case 8:
		i = rnd(ARRAY_SIZE(rename_flags));
		g = sys_renameat2(AT_FDCWD, U(p), AT_FDCWD, U(q), rename_flags[i]);
		if (g == -EXDEV && exdev_allowed)
			return;
		h = host_result(renameat2(AT_FDCWD, model(p), AT_FDCWD, model(q), rename_flags[i]));
		break;
	case 9:
		pos = rnd(20);
		g = sys_truncate(U(p), pos);
		h = host_result(truncate(model(p), pos));
		break;
	case 10:
		g = sys_chmod(U(p), 0700 + n % 64);
		h = host_result(chmod(model(p), 0700 + n % 64));
		break;
	default:
		i = rnd(ARRAY_SIZE(open_flags));
		pos = rnd(10);
		g = guest_write(p, open_flags[i], text, pos);
		h = host_write(p, open_flags[i], text, pos);
		break;
	}
	if (g != h)
		panic("step %d: operation %d on %s %s: %d, the host says %d", n, op, p, q, g, h);
}

/* ---- comparing trees ---- */

struct names {
	struct dir_context dc;
	int n;
	struct {
		char name[32];
		u64 ino;
		unsigned type;
	} e[64];
};

static bool collect(struct dir_context *dc, const char *name, size_t len, u64 ino, unsigned type,
		    u64 next_pos)
{
	struct names *l = caa_container_of(dc, struct names, dc);

	must(l->n < 64 && len < 32);
	memcpy(l->e[l->n].name, name, len);
	l->e[l->n].name[len] = '\0';
	l->e[l->n].ino = ino;
	l->e[l->n++].type = type;
	dc->pos = next_pos;
	return l->n % 3; /* in several steps */
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void list_guest(const char *path, struct names *l)
{
	struct file *f = file_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	int before;

	must_eq(IS_ERR(f) ? PTR_ERR(f) : 0, 0);
	*l = (struct names){.dc.emit = collect};
	do {
		before = l->n;
		must(!f->ops->iterate(f, &l->dc));
	} while (l->n > before);
	file_put(f);
	qsort(l->e, l->n, sizeof(l->e[0]), by_name);
}

static void compare_file(const char *path, const struct stat *st)
{
	struct file *f = file_open(AT_FDCWD, path, O_RDONLY, 0);
	char ours[200], theirs[200];
	int fd = open(model(path), O_RDONLY), n;

	must(!IS_ERR(f) && fd >= 0);
	n = read(fd, theirs, sizeof(theirs));
	must_eq(kernel_read(f, ours, sizeof(ours), 0), n);
	must(!memcmp(ours, theirs, n));
	must_eq(n, st->st_size);
	close(fd);
	file_put(f);
}

static void compare_tree(const char *path, int *nodes)
{
	struct names *l = kmalloc(sizeof(*l));
	DIR *d = opendir(model(path));
	struct stat g, h;
	struct dirent *e;
	char sub[256];
	int n = 0;

	must(d && l);
	while ((e = readdir(d)))
		n++;
	closedir(d);
	list_guest(*path ? path : "/", l);
	if (l->n != n)
		panic("%s: %d entries, the host has %d", path, l->n, n);
	for (int i = 0; i < n; i++) {
		if (i && !strcmp(l->e[i].name, l->e[i - 1].name))
			panic("%s/%s: twice", path, l->e[i].name);
		if (!strcmp(l->e[i].name, ".."))
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, l->e[i].name);
		if (lstat(model(sub), &h))
			panic("%s: not on the host", sub);
		must(!sys_lstat(U(sub), U(&g)));
		if (g.st_mode != h.st_mode || (!S_ISDIR(g.st_mode) && g.st_size != h.st_size))
			panic("%s: mode %o, size %lu; the host has %o, %lu", sub, g.st_mode,
			      g.st_size, h.st_mode, h.st_size);
		if (g.st_nlink != h.st_nlink && !(S_ISDIR(g.st_mode) && g.st_nlink == 1))
			panic("%s: %lu links, the host has %lu", sub, g.st_nlink, h.st_nlink);
		if (g.st_ino != l->e[i].ino)
			panic("%s: number %lx, %lx in the directory", sub, g.st_ino, l->e[i].ino);
		must(l->e[i].type == IFTODT(g.st_mode) ||
		     (l->e[i].type == DT_UNKNOWN && !S_ISDIR(g.st_mode)));
		(*nodes)++;
		if (S_ISREG(g.st_mode))
			compare_file(sub, &g);
		else if (S_ISDIR(g.st_mode) && l->e[i].name[0] != '.')
			compare_tree(sub, nodes);
	}
	kfree(l);
}

/* Forgets what is cached below d, so that everything is looked up anew. */
static void forget(struct dentry *d, int depth)
{
	struct dentry *child;

	for (int i = 0; depth < 5 && i < 4; i++) {
		child = d_lookup_or_load(d, &"abcd"[i], 1);
		must(!IS_ERR(child));
		if (child->inode && S_ISDIR(child->inode->mode))
			forget(child, depth + 1);
		d_put(child);
	}
	d_prune_children(d);
}

/* BASE/lower, and the same as BASE/model and BASE/before. */
static void build_trees(void)
{
	strcpy(base, "/tmp/fs-test-XXXXXX");
	must(mkdtemp(base));
	run("cd %s && mkdir -p lower/a/b/c lower/a/c lower/b lower/d/d && echo one >lower/a/a && echo two >lower/b/a && "
	    "ln lower/a/a lower/b/b && ln lower/a/a lower/d/d/a && ln -s a lower/a/d && ln -s b lower/c && echo deep >lower/a/b/c/d");
	run("cd %s && cp -a lower model && cp -a lower before");
}

/* A file of that name below BASE. */
static inline void put_text(const char *name, const char *text)
{
	char path[400];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", base, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* BASE/name: an empty humfs of so many bytes. */
static inline void make_humfs(const char *name, unsigned long total)
{
	static const char *const dirs[] = {"", "/data", "/file_metadata", "/dir_metadata"};
	char path[400], text[100];

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s%s", base, name, dirs[i]);
		must(!mkdir(path, 0755) || errno == EEXIST);
	}
	snprintf(path, sizeof(path), "%s/superblock", name);
	snprintf(text, sizeof(text), "version 2\nmetadata shadow_fs\nused 0\ntotal %lu\n", total);
	put_text(path, text);
	snprintf(path, sizeof(path), "%s/dir_metadata/metadata", name);
	put_text(path, "493 0 0\n");
}

/*
 * `steps` operations on the mounted root; compares now and then, and forgets what is cached now and
 * then.
 */
static void random_operations(struct super_block *sb, int steps)
{
	int nodes = 0;

	compare_tree("", &nodes);
	for (int i = 0; i < steps; i++) {
		one_step(i);
		if (i % 50 == 49)
			compare_tree("", &nodes);
		if (i % 97 == 96)
			forget(sb->root, 0);
	}
	compare_tree("", &nodes);
	must(nodes > steps / 10);
}

static inline const char *numbered(const char *prefix, int i)
{
	static char buf[4][40];
	static int turn;
	char *b = buf[turn++ % 4];

	snprintf(b, sizeof(buf[0]), "%s%d", prefix, i);
	return b;
}

/* ---- links beside changes ---- */

#define NEW_LINKS 500

static const char *exchanged[2];
static bool all_linked; /* atomic */

static void exchange_names(long arg)
{
	while (!__atomic_load_n(&all_linked, __ATOMIC_ACQUIRE)) {
		must(!sys_renameat2(AT_FDCWD, U(exchanged[0]), AT_FDCWD, U(exchanged[1]),
				    RENAME_EXCHANGE));
		cond_resched();
	}
}

/*
 * Gives the file `a` NEW_LINKS new names, numbered(prefix, i), while another task exchanges it with
 * `b` all the time.
 */
static inline void link_beside_exchanges(const char *a, const char *b, const char *prefix)
{
	exchanged[0] = a;
	exchanged[1] = b;
	all_linked = false;
	spawn(exchange_names, 0);
	for (int i = 0; i < NEW_LINKS; i++) {
		must(!sys_link(U(a), U(numbered(prefix, i))));
		cond_resched();
	}
	__atomic_store_n(&all_linked, true, __ATOMIC_RELEASE);
	join_all();
}

/* There is one root mount a process: each test runs in a child, forked before there are threads. */
static int run_forked(TCase *tc, const char *name)
{
	Suite *s = suite_create(name);
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_fork_status(sr, CK_FORK);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
