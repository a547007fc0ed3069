/*
 * Files: what was written is there, what failed has changed nothing but the bytes that it was
 * about, names are where they were moved to. A model in memory says what has to be there.
 */
#include "load.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NAMES 10
#define MADE 5 /* so many are there before */
#define SIZE_MAX_ 40000

static struct file {
	bool exists;
	size_t size, size_or; /* if a call that changes it failed, it may be either */
	mode_t mode;
	unsigned char data[SIZE_MAX_];
	bool unknown[SIZE_MAX_]; /* bytes that a failed write was about */
} model[NAMES];

static char path[4096], path2[4096];

static const char *name(const char *dir, int i)
{
	snprintf(path, sizeof(path), "%s/f%d", dir, i);
	return path;
}

static const char *name2(const char *dir, int i)
{
	snprintf(path2, sizeof(path2), "%s/f%d", dir, i);
	return path2;
}

static void made(int i)
{
	struct file *f = &model[i];

	memset(f, 0, sizeof(*f));
	f->exists = true;
	f->size = f->size_or = 3000 * i + 17;
	f->mode = 0644;
	pattern(f->data, f->size, i, 0);
}

void files_make(const char *dir)
{
	umask(022);
	for (int i = 0; i < MADE; i++) {
		int fd = open(name(dir, i), O_WRONLY | O_CREAT | O_EXCL, 0644);

		made(i);
		if (fd < 0 || write(fd, model[i].data, model[i].size) != (ssize_t)model[i].size ||
		    close(fd))
			wrong("%s: can't be made", path);
	}
}

static void compare(int i, const unsigned char *buf, size_t n, size_t at, const char *how)
{
	const struct file *f = &model[i];

	for (size_t k = at; k < at + n; k++)
		if (k >= SIZE_MAX_ || (!f->unknown[k] && f->data[k] != buf[k - at]))
			wrong("f%d: %s: byte %zu of %zu is %#x, not %#x", i, how, k, f->size,
			      buf[k - at], k < SIZE_MAX_ ? f->data[k] : -1);
}

static void size_is(int i, size_t size, const char *how)
{
	struct file *f = &model[i];

	if (size != f->size && size != f->size_or)
		wrong("f%d: %s: %zu bytes, not %zu", i, how, size, f->size);
	f->size = f->size_or = size;
}

static void close_it(int fd)
{
	ok(close(fd) == 0, "close");
}

static int open_it(const char *dir, int i, int flags)
{
	int fd = open(name(dir, i), flags, 0644);

	if (fd < 0 && errno == ENOENT && !model[i].exists)
		return -1;
	if (ok(fd >= 0, "open") && !model[i].exists && !(flags & O_CREAT))
		wrong("f%d: opened, but it isn't there", i);
	return fd;
}

static void read_back(const char *dir, int i)
{
	static unsigned char buf[SIZE_MAX_ + 1];
	int fd = open_it(dir, i, O_RDONLY);
	struct stat st;
	size_t at = 0;
	ssize_t n;

	if (fd < 0)
		return;
	do {
		n = pread(fd, buf, sizeof(buf) - at, at);
		if (!ok(n >= 0, "pread"))
			break;
		compare(i, buf, n, at, "pread");
		at += n;
	} while (n);
	if (!n)
		size_is(i, at, "read to the end");
	if (ok(fstat(fd, &st) == 0, "fstat"))
		size_is(i, st.st_size, "fstat");
	close_it(fd);
}

static void map_it(const char *dir, int i)
{
	struct file *f = &model[i];
	int fd = open_it(dir, i, O_RDWR);
	unsigned char *p;

	if (fd < 0)
		return;
	if (f->size && f->size == f->size_or) {
		p = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (ok(p != MAP_FAILED, "mmap")) {
			size_t at = next_random() % f->size;

			compare(i, p, f->size, 0, "mmap");
			p[at] = f->data[at] = next_random();
			f->unknown[at] = false;
			ok(msync(p, f->size, MS_SYNC) == 0, "msync");
			PERSIST(munmap(p, f->size) == 0, "munmap");
		}
	}
	close_it(fd);
}

static void write_some(const char *dir, int i)
{
	static unsigned char buf[SIZE_MAX_];
	struct file *f = &model[i];
	size_t at = next_random() % (f->exists ? f->size + 1 : 1), n = 1 + next_random() % 9000;
	bool append = next_random() % 3 == 0;
	int fd = open_it(dir, i, O_RDWR | O_CREAT | (append ? O_APPEND : 0));
	ssize_t got;

	if (fd < 0) {
		/* Was it made? Not if it failed. */
		return;
	}
	if (!f->exists) {
		memset(f, 0, sizeof(*f));
		f->exists = true;
		f->mode = 0644;
	}
	if (append && f->size != f->size_or) {
		close_it(fd);
		return;
	}
	if (append)
		at = f->size;
	if (at + n > SIZE_MAX_)
		n = SIZE_MAX_ - at;
	pattern(buf, n, next_random(), at);
	got = append ? write(fd, buf, n) : pwrite(fd, buf, n, at);
	if (ok(got >= 0, "write")) {
		if ((size_t)got > n)
			wrong("f%d: wrote %zd of %zu", i, got, n);
		memcpy(f->data + at, buf, got);
		memset(f->unknown + at, 0, got);
	} else {
		got = 0;
	}
	if (at + got > f->size)
		f->size = at + got;
	if (at + got > f->size_or || f->size_or < f->size)
		f->size_or = f->size;
	if ((size_t)got < n) { /* what of the rest has come there nobody knows */
		memset(f->unknown + at + got, 1, n - got);
	}
	if (next_random() % 2)
		ok((next_random() % 2 ? fsync(fd) : fdatasync(fd)) == 0, "fsync");
	close_it(fd);
}

static void truncate_it(const char *dir, int i)
{
	struct file *f = &model[i];
	size_t to = next_random() % SIZE_MAX_;
	bool good;

	if (!f->exists || f->size != f->size_or)
		return;
	good = ok(truncate(name(dir, i), to) == 0, "truncate");
	if (good) {
		if (to > f->size) {
			memset(f->data + f->size, 0, to - f->size);
			memset(f->unknown + f->size, 0, to - f->size);
		}
		f->size = f->size_or = to;
	}
}

static bool there(const char *dir, int i)
{
	struct stat st;
	int err = 0;

	for (int tries = 0; tries < 1000; tries++) {
		if (lstat(name(dir, i), &st) == 0)
			return true;
		err = errno;
		if (err == ENOENT)
			return false;
		ok(false, "lstat");
	}
	wrong("lstat fails for ever: errno %d", err);
}

static void rename_it(const char *dir, int i, int j)
{
	if (!model[i].exists || i == j)
		return;
	if (ok(rename(name(dir, i), name2(dir, j)) == 0, "rename")) {
		model[j] = model[i];
		model[i].exists = false;
	}
}

static void unlink_it(const char *dir, int i)
{
	if (model[i].exists && ok(unlink(name(dir, i)) == 0, "unlink"))
		model[i].exists = false;
}

static void chmod_it(const char *dir, int i)
{
	mode_t mode = 0600 | (next_random() & 077);
	struct stat st;

	if (!model[i].exists)
		return;
	if (ok(chmod(name(dir, i), mode) == 0, "chmod"))
		model[i].mode = mode;
	if (ok(stat(name(dir, i), &st) == 0, "stat") && (st.st_mode & 07777) != model[i].mode)
		wrong("f%d: mode %o, not %o", i, st.st_mode & 07777, model[i].mode);
}

/* A part of i goes where a part of j is. */
static void copy_it(const char *dir, int i, int j)
{
	struct file *from = &model[i], *to = &model[j];
	size_t n, in, out;
	loff_t in_off, out_off;
	ssize_t got;
	int fd, fd2;

	if (i == j || !from->exists || !to->exists || from->size != from->size_or ||
	    to->size != to->size_or || !from->size)
		return;
	fd = open_it(dir, i, O_RDONLY);
	fd2 = fd < 0 ? -1 : open_it(dir, j, O_RDWR);
	if (fd2 >= 0) {
		in = next_random() % from->size;
		out = next_random() % (to->size + 1);
		n = 1 + next_random() % (from->size - in);
		if (out + n > SIZE_MAX_)
			n = SIZE_MAX_ - out;
		in_off = in, out_off = out;
		got = copy_file_range(fd, &in_off, fd2, &out_off, n, 0);
		if (!ok(got >= 0, "copy_file_range"))
			got = 0;
		if ((size_t)got > n)
			wrong("f%d: %zd bytes of %zu were copied", j, got, n);
		memcpy(to->data + out, from->data + in, got);
		memcpy(to->unknown + out, from->unknown + in, got);
		memset(to->unknown + out + got, 1, n - got);
		if (out + got > to->size)
			to->size = to->size_or = out + got;
		close_it(fd2);
	}
	if (fd >= 0)
		close_it(fd);
}

/* A whole file, so large that the host may copy it by itself. */
static void copy_big(const char *dir)
{
	static unsigned char data[512 << 10], back[sizeof(data)];
	char sub[4000], from[4096], to[4096];
	loff_t in = 0, out = 0;
	ssize_t n, got;
	int fd, fd2;

	snprintf(sub, sizeof(sub), "%s/big", dir);
	snprintf(from, sizeof(from), "%s/from", sub);
	snprintf(to, sizeof(to), "%s/to", sub);
	if (!ok(mkdir(sub, 0755) == 0, "mkdir"))
		return;
	fd = open(from, O_RDWR | O_CREAT, 0644);
	if (ok(fd >= 0, "open")) {
		pattern(data, sizeof(data), next_random(), 0);
		n = write(fd, data, sizeof(data));
		fd2 = open(to, O_RDWR | O_CREAT, 0644);
		if (ok(n >= 0, "write") && ok(fd2 >= 0, "open")) {
			n = copy_file_range(fd, &in, fd2, &out, n, 0);
			got = ok(n >= 0, "copy_file_range") ? pread(fd2, back, n, 0) : 0;
			if (ok(got >= 0, "pread") && memcmp(data, back, got))
				wrong("%s isn't what was copied", to);
		}
		if (fd2 >= 0) {
			close_it(fd2);
			PERSIST(unlink(to) == 0, "unlink");
		}
		close_it(fd);
		PERSIST(unlink(from) == 0, "unlink");
	}
	PERSIST(rmdir(sub) == 0, "rmdir");
}

/* What is called a hole has nothing but zeroes in it. */
static void seek_it(const char *dir, int i)
{
	struct file *f = &model[i];
	size_t at;
	off_t to;
	int fd;

	if (!f->exists || f->size != f->size_or || !f->size)
		return;
	fd = open_it(dir, i, O_RDONLY);
	if (fd < 0)
		return;
	at = next_random() % f->size;
	to = lseek(fd, at, SEEK_DATA);
	if (to < 0 && errno == ENXIO)
		to = f->size;
	if (ok(to >= 0, "lseek")) {
		if (to < (off_t)at || to > (off_t)f->size)
			wrong("f%d: data behind %zu of %zu at %ld", i, at, f->size, (long)to);
		for (; (off_t)at < to; at++)
			if (f->data[at] && !f->unknown[at])
				wrong("f%d: byte %zu is said to be in a hole", i, at);
	}
	close_it(fd);
}

static void chown_it(const char *dir, int i)
{
	struct stat st, now;

	if (!model[i].exists || !ok(stat(name(dir, i), &st) == 0, "stat"))
		return;
	if (ok(chown(name(dir, i), st.st_uid, st.st_gid) == 0, "chown") &&
	    ok(stat(name(dir, i), &now) == 0, "stat") && now.st_uid != st.st_uid)
		wrong("f%d: its owner is %u, not %u", i, now.st_uid, st.st_uid);
}

static void attributes(const char *dir, int i)
{
	struct timespec times[2] = {{.tv_sec = 1000 + i}, {.tv_sec = 2000 + i}};
	char got[8];
	struct stat st;
	ssize_t n;

	if (!model[i].exists)
		return;
	if (ok(utimensat(AT_FDCWD, name(dir, i), times, 0) == 0, "utimensat") &&
	    ok(stat(name(dir, i), &st) == 0, "stat") && st.st_mtime != 2000 + i)
		wrong("f%d: its time is %ld", i, (long)st.st_mtime);
	if (setxattr(name(dir, i), "user.what", "that", 4, 0)) {
		if (errno != EOPNOTSUPP)
			ok(false, "setxattr");
		return;
	}
	n = getxattr(name(dir, i), "user.what", got, sizeof(got));
	if (ok(n >= 0, "getxattr") && (n != 4 || memcmp(got, "that", 4)))
		wrong("f%d: another attribute", i);
}

/* A directory of its own, with a link, a hard link and a fifo; all of it goes again. */
static void directories(const char *dir, int i)
{
	char sub[4000], to[4096], link_name[4096], fifo[4096], got[100];
	struct stat st;
	ssize_t n;

	snprintf(sub, sizeof(sub), "%s/sub%d", dir, i);
	snprintf(link_name, sizeof(link_name), "%s/link", sub);
	snprintf(to, sizeof(to), "%s/hard", sub);
	snprintf(fifo, sizeof(fifo), "%s/fifo", sub);
	if (ok(mkdir(sub, 0755) == 0, "mkdir")) {
		if (ok(symlink("nowhere", link_name) == 0, "symlink")) {
			n = readlink(link_name, got, sizeof(got));
			if (ok(n >= 0, "readlink") && (n != 7 || memcmp(got, "nowhere", 7)))
				wrong("%s leads elsewhere", link_name);
			PERSIST(unlink(link_name) == 0, "unlink");
		}
		if (model[i].exists && ok(link(name(dir, i), to) == 0, "link")) {
			if (ok(stat(to, &st) == 0, "stat") && (size_t)st.st_size != model[i].size &&
			    (size_t)st.st_size != model[i].size_or)
				wrong("%s: %ld bytes", to, (long)st.st_size);
			PERSIST(unlink(to) == 0, "unlink");
		}
		if (ok(mkfifo(fifo, 0600) == 0, "mkfifo")) {
			if (ok(lstat(fifo, &st) == 0, "lstat") && !S_ISFIFO(st.st_mode))
				wrong("%s has mode %o", fifo, st.st_mode);
			PERSIST(unlink(fifo) == 0, "unlink");
		}
		PERSIST(rmdir(sub) == 0, "rmdir");
	}
	if (lstat(sub, &st) == 0)
		wrong("%s is there", sub);
	else if (errno != ENOENT)
		ok(false, "lstat");
}

static void list(const char *dir)
{
	bool seen[NAMES] = {false};
	DIR *d = opendir(dir);
	struct dirent *e;

	if (!ok(d != NULL, "opendir"))
		return;
	for (errno = 0; (e = readdir(d)); errno = 0) {
		if (e->d_name[0] == '.')
			continue;
		if (e->d_name[0] != 'f' || e->d_name[1] < '0' || e->d_name[1] >= '0' + NAMES ||
		    !model[e->d_name[1] - '0'].exists || seen[e->d_name[1] - '0'])
			wrong("%s is listed", e->d_name);
		seen[e->d_name[1] - '0'] = true;
	}
	if (ok(errno == 0, "readdir"))
		for (int i = 0; i < NAMES; i++)
			if (model[i].exists && !seen[i])
				wrong("f%d isn't listed", i);
	PERSIST(closedir(d) == 0 || errno == EIO, "closedir");
}

static unsigned long sum_of(int i)
{
	const struct file *f = &model[i];
	unsigned long sum = 0;

	for (size_t k = 0; k < f->size; k++)
		sum = sum * 31 + f->data[k];
	return sum;
}

void files(const char *dir, int rounds)
{
	umask(022);
	for (int i = 0; i < MADE; i++)
		made(i);
	for (int round = 0; round < rounds; round++) {
		int i = next_random() % NAMES, j = next_random() % NAMES;

		switch (next_random() % 15) {
		case 0:
		case 1:
		case 2:
			write_some(dir, i);
			break;
		case 3:
			truncate_it(dir, i);
			break;
		case 4:
			rename_it(dir, i, j);
			break;
		case 5:
			unlink_it(dir, i);
			break;
		case 6:
			chmod_it(dir, i);
			break;
		case 7:
			attributes(dir, i);
			break;
		case 8:
			directories(dir, i);
			break;
		case 9:
			list(dir);
			break;
		case 10:
			map_it(dir, i);
			break;
		case 11:
			copy_it(dir, i, j);
			break;
		case 12:
			seek_it(dir, i);
			break;
		case 13:
			chown_it(dir, i);
			break;
		case 14:
			copy_big(dir);
			break;
		}
		for (int k = 0; k < NAMES; k++)
			if (there(dir, k) != model[k].exists)
				wrong("round %d: f%d is %sthere", round, k,
				      model[k].exists ? "not " : "");
		read_back(dir, i);
		read_back(dir, j);
	}
	/* What the host has to have then, byte for byte. */
	for (int i = 0; i < NAMES; i++) {
		bool known = model[i].exists && model[i].size == model[i].size_or;

		for (size_t k = 0; known && k < model[i].size; k++)
			known = !model[i].unknown[k];
		if (!model[i].exists)
			say("f%d none\n", i);
		else if (known)
			say("f%d %zu %o %lx\n", i, model[i].size, model[i].mode, sum_of(i));
		else
			say("f%d some\n", i);
	}
}

void files_check(const char *dir)
{
	char line[200], kind[20];
	unsigned long want;
	unsigned mode;
	size_t size;
	int i, n = 0;

	while (fgets(line, sizeof(line), stdin)) {
		struct stat st;

		if (sscanf(line, "f%d %19s", &i, kind) != 2)
			continue;
		n++;
		if (i < 0 || i >= NAMES)
			wrong("bad line %s", line);
		if ((lstat(name(dir, i), &st) == 0) != (strcmp(kind, "none") != 0))
			wrong("on the host: %s is not as in %s", path, line);
		if (sscanf(line, "f%d %zu %o %lx", &i, &size, &mode, &want) == 4) {
			FILE *f = fopen(path, "r");

			if (!f)
				wrong("%s: errno %d", path, errno);
			model[i].size = fread(model[i].data, 1, SIZE_MAX_, f);
			fclose(f);
			if (model[i].size != size || sum_of(i) != want ||
			    (st.st_mode & 07777) != mode)
				wrong("on the host: %s: %zu bytes, sum %lx, mode %o; not as in %s",
				      path, model[i].size, sum_of(i), st.st_mode & 07777, line);
		}
	}
	if (n != NAMES)
		wrong("%d names of %d", n, NAMES);
}
