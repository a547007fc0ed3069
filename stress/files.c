/*
 * Very many open files: threads read, write, splice, rename and unlink them at random, and every
 *byte is compared with a model in memory.
 *
 *	files DIR FILES SECONDS THREADS SEED alone|replaced
 *
 * All FILES are open at all times, but for those a thread has in hand. A record's contents tell
 *whose it is and which version, so data of another file, or old data, is noticed. When somebody
 *else replaces files meanwhile ("replaced"), a call may fail with ESTALE, and nothing else: the
 *file is then given up and made anew. Prints figures as NAME=VALUE, and what was wrong. Runs on the
 *host as well.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DIRS 64
#define RECORDS 8
#define WORDS 16 /* of a record */
#define RECORD_BYTES (WORDS * sizeof(uint32_t))
#define UNLINKED_MAX 24 /* such files keep a host descriptor each */

/* Under lock. */
struct slot {
	pthread_mutex_t lock;
	int fd, dir;
	unsigned name;		   /* 0: none any more */
	unsigned records;	   /* size in records */
	uint32_t version[RECORDS]; /* 0: never written: zeros */
	struct id {
		uint64_t ino, born_s, born_ns;
	} id;
};

static struct slot *slots;
static int nslots;
static int dirs[DIRS];
static unsigned next_name; /* atomic */
static int unlinked, stop; /* atomic */
static pthread_mutex_t dir_lock = PTHREAD_MUTEX_INITIALIZER;
static char dir_name[DIRS][24]; /* dir_lock */
static bool replaced;		/* constant */

static uint64_t ops, stale, failures; /* atomic */

static void fail(int slot, const char *fmt, ...)
{
	char text[200];
	va_list ap;
	uint64_t n = __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n <= 20)
		printf("wrong: file %d: %s\n", slot, text);
}

struct thread {
	pthread_t id;
	uint64_t random;
	int pipe[2]; /* nothing in it between two operations */
};

static unsigned random_below(struct thread *t, unsigned n)
{
	t->random = t->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (t->random >> 33) % n;
}

static void fill(int slot, unsigned record, uint32_t version, uint32_t *words)
{
	for (unsigned i = 0; i < WORDS; i++)
		words[i] = version ? (slot * RECORDS + record) * 0x9e3779b1u +
					     version * 0x85ebca6bu + i
				   : 0;
}

static void name_of(unsigned n, char *buf)
{
	sprintf(buf, "f%u", n);
}

/* Was it ESTALE? Anything else is a fault. */
static bool is_stale(int slot, const char *what)
{
	if (errno == ESTALE && replaced) {
		__atomic_add_fetch(&stale, 1, __ATOMIC_RELAXED);
		return true;
	}
	fail(slot, "%s: %s", what, strerror(errno));
	return false;
}

/*
 * The inode number alone doesn't do: the host may use it again while no descriptor keeps the file
 * that had it.
 */
static int identify(int fd, struct id *id)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &sx) < 0)
		return -1;
	*id = (struct id){sx.stx_ino, sx.stx_btime.tv_sec, sx.stx_btime.tv_nsec};
	return 0;
}

static bool same(const struct id *a, const struct id *b)
{
	return a->ino == b->ino && a->born_s == b->born_s && a->born_ns == b->born_ns;
}

/* ---- what is done with a file; false: it is lost, and has to be made anew ---- */

static bool write_record(int i, unsigned record)
{
	struct slot *s = &slots[i];
	uint32_t words[WORDS];
	ssize_t n;

	fill(i, record, s->version[record] + 1, words);
	n = pwrite(s->fd, words, RECORD_BYTES, record * RECORD_BYTES);
	if (n < 0)
		return is_stale(i, "pwrite") ? false : true;
	if (n != RECORD_BYTES)
		fail(i, "pwrite wrote %zd bytes", n);
	s->version[record]++;
	if (s->records <= record)
		s->records = record + 1;
	return true;
}

static void check_record(int i, unsigned record, const uint32_t *words)
{
	uint32_t want[WORDS];

	fill(i, record, slots[i].version[record], want);
	if (memcmp(words, want, RECORD_BYTES))
		fail(i, "record %u is %08x..., not %08x...", record, words[0], want[0]);
}

static bool read_all(int i, unsigned from)
{
	struct slot *s = &slots[i];
	uint32_t words[RECORDS * WORDS];
	ssize_t n = pread(s->fd, words, sizeof(words), from * RECORD_BYTES);
	ssize_t want = s->records > from ? (ssize_t)((s->records - from) * RECORD_BYTES) : 0;

	if (n < 0)
		return is_stale(i, "pread") ? false : true;
	if (n != want)
		fail(i, "pread gives %zd bytes from record %u, not %zd", n, from, want);
	else
		for (unsigned r = from; r < s->records; r++)
			check_record(i, r, words + (r - from) * WORDS);
	return true;
}

/* The same two by way of a pipe, which moves the data between descriptors. */
static bool write_spliced(struct thread *t, int i, unsigned record)
{
	struct slot *s = &slots[i];
	uint32_t words[WORDS];
	loff_t at = record * RECORD_BYTES;
	ssize_t n;

	fill(i, record, s->version[record] + 1, words);
	if (write(t->pipe[1], words, RECORD_BYTES) != RECORD_BYTES)
		fail(i, "write to a pipe: %s", strerror(errno));
	n = splice(t->pipe[0], NULL, s->fd, &at, RECORD_BYTES, 0);
	if (n < 0) {
		bool is = is_stale(i, "splice to the file");

		if (read(t->pipe[0], words, RECORD_BYTES) != RECORD_BYTES)
			fail(i, "read from a pipe: %s", strerror(errno));
		return !is;
	}
	if (n != RECORD_BYTES)
		fail(i, "splice wrote %zd bytes", n);
	s->version[record]++;
	if (s->records <= record)
		s->records = record + 1;
	return true;
}

static bool read_spliced(struct thread *t, int i, unsigned from)
{
	struct slot *s = &slots[i];
	uint32_t words[RECORDS * WORDS];
	loff_t at = from * RECORD_BYTES;
	ssize_t want = s->records > from ? (ssize_t)((s->records - from) * RECORD_BYTES) : 0;
	ssize_t n = splice(s->fd, &at, t->pipe[1], NULL, sizeof(words), 0);

	if (n < 0)
		return !is_stale(i, "splice from the file");
	if (n && read(t->pipe[0], words, sizeof(words)) != n)
		fail(i, "read from a pipe: %s", strerror(errno));
	if (n != want)
		fail(i, "splice gives %zd bytes from record %u, not %zd", n, from, want);
	else
		for (unsigned r = from; r < s->records; r++)
			check_record(i, r, words + (r - from) * WORDS);
	return true;
}

static bool check_stat(int i)
{
	struct slot *s = &slots[i];
	struct stat st;

	if (fstat(s->fd, &st) < 0)
		return is_stale(i, "fstat") ? false : true;
	if (st.st_ino != s->id.ino)
		fail(i, "inode number is %ju, not %ju", (uintmax_t)st.st_ino, (uintmax_t)s->id.ino);
	if ((size_t)st.st_size != s->records * RECORD_BYTES)
		fail(i, "size is %ju, not %zu", (uintmax_t)st.st_size, s->records * RECORD_BYTES);
	return true;
}

static bool truncate_at(int i, unsigned records)
{
	struct slot *s = &slots[i];

	if (ftruncate(s->fd, records * RECORD_BYTES) < 0)
		return is_stale(i, "ftruncate") ? false : true;
	for (unsigned r = records; r < RECORDS; r++)
		s->version[r] = 0;
	s->records = records;
	return true;
}

/* Through a mapping: what it shows, and that what it writes can be read. */
static bool map(int i)
{
	struct slot *s = &slots[i];
	uint32_t *at;

	if (!s->records)
		return true;
	at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (at == MAP_FAILED)
		return is_stale(i, "mmap") ? false : true;
	for (unsigned r = 0; r < s->records; r++)
		check_record(i, r, at + r * WORDS);
	fill(i, 0, ++s->version[0], at);
	munmap(at, 4096);
	return read_all(i, 0);
}

/* The name is ours: only one who replaces files can have taken it. */
static bool lost_name(int i, const char *what)
{
	if ((errno == ENOENT || errno == ESTALE) && replaced) {
		__atomic_add_fetch(&stale, 1, __ATOMIC_RELAXED);
		return false;
	}
	fail(i, "%s: %s", what, strerror(errno));
	return true;
}

static bool rename_file(struct thread *t, int i)
{
	struct slot *s = &slots[i];
	int dir = random_below(t, DIRS);
	char from[16], to[16];
	unsigned n = __atomic_add_fetch(&next_name, 1, __ATOMIC_RELAXED);

	if (!s->name)
		return true;
	name_of(s->name, from);
	name_of(n, to);
	if (renameat(dirs[s->dir], from, dirs[dir], to) < 0)
		return lost_name(i, "renameat");
	s->dir = dir;
	s->name = n;
	return true;
}

static void give_up(int i)
{
	struct slot *s = &slots[i];
	char name[16];

	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	if (s->name) {
		name_of(s->name, name);
		unlinkat(dirs[s->dir], name, 0);
	} else {
		__atomic_sub_fetch(&unlinked, 1, __ATOMIC_RELAXED);
	}
	s->name = 0;
}

static void make(int i, int dir)
{
	struct slot *s = &slots[i];
	char name[16];

	s->name = __atomic_add_fetch(&next_name, 1, __ATOMIC_RELAXED);
	s->dir = dir;
	s->records = 0;
	memset(s->version, 0, sizeof(s->version));
	name_of(s->name, name);
	s->fd = openat(dirs[dir], name, O_RDWR | O_CREAT | O_EXCL, 0644);
	if (s->fd < 0) {
		fail(i, "can't be made: %s", strerror(errno));
		return;
	}
	if (identify(s->fd, &s->id) < 0) {
		(void)!is_stale(i, "statx");
		close(s->fd);
		s->fd = -1; /* made anew when it is its turn */
		return;
	}
	(void)!write_record(i, 0);
}

/* Without a name it lives on, for a while. */
static bool unlink_file(int i)
{
	struct slot *s = &slots[i];
	char name[16];

	if (!s->name)
		return false;
	if (__atomic_add_fetch(&unlinked, 1, __ATOMIC_RELAXED) > UNLINKED_MAX) {
		__atomic_sub_fetch(&unlinked, 1, __ATOMIC_RELAXED);
		return false;
	}
	name_of(s->name, name);
	if (unlinkat(dirs[s->dir], name, 0) < 0) {
		__atomic_sub_fetch(&unlinked, 1, __ATOMIC_RELAXED);
		return lost_name(i, "unlinkat");
	}
	s->name = 0;
	return read_all(i, 0);
}

static bool reopen(int i)
{
	struct slot *s = &slots[i];
	struct id id;
	char name[16];
	int fd;

	if (!s->name)
		return true;
	name_of(s->name, name);
	fd = openat(dirs[s->dir], name, O_RDWR);
	if (fd < 0)
		return lost_name(i, "openat");
	if (identify(fd, &id) == 0 && !same(&id, &s->id)) {
		__atomic_add_fetch(&stale, 1, __ATOMIC_RELAXED); /* replaced */
		close(fd);
		return false;
	}
	close(s->fd);
	s->fd = fd;
	return true;
}

/*
 * A directory gets another name, beside or below another one of the first half; those never move.
 */
static void rename_dir(struct thread *t)
{
	int d = DIRS / 2 + random_below(t, DIRS / 2), below = random_below(t, DIRS / 2);
	char to[24];

	pthread_mutex_lock(&dir_lock);
	snprintf(to, sizeof(to), "d%d/m%d", below, d);
	if (strcmp(to, dir_name[d])) {
		if (rename(dir_name[d], to) < 0)
			fail(-1, "rename of directory %s: %s", dir_name[d], strerror(errno));
		strcpy(dir_name[d], to);
	}
	pthread_mutex_unlock(&dir_lock);
}

static bool one(struct thread *t, int i)
{
	unsigned what = random_below(t, 1000);

	if (what < 380)
		return read_all(i, random_below(t, RECORDS));
	if (what < 450)
		return read_spliced(t, i, random_below(t, RECORDS));
	if (what < 650)
		return write_record(i, random_below(t, RECORDS));
	if (what < 700)
		return write_spliced(t, i, random_below(t, RECORDS));
	if (what < 780)
		return check_stat(i);
	if (what < 860)
		return rename_file(t, i);
	if (what < 900)
		return truncate_at(i, random_below(t, RECORDS + 1));
	if (what < 940)
		return reopen(i);
	if (what < 960)
		return map(i);
	if (what < 961)
		return fsync(slots[i].fd) == 0 || !is_stale(i, "fsync");
	if (what < 962) {
		rename_dir(t);
		return true;
	}
	return unlink_file(i);
}

static void *work(void *arg)
{
	struct thread *t = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		int i = random_below(t, nslots);
		struct slot *s = &slots[i];

		if (pthread_mutex_trylock(&s->lock))
			continue;
		if (s->fd < 0 || !one(t, i)) {
			give_up(i);
			make(i, random_below(t, DIRS));
		}
		pthread_mutex_unlock(&s->lock);
		__atomic_add_fetch(&ops, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* ---- before and after ---- */

static void *make_part(void *arg)
{
	struct thread *t = arg;
	int part = t->random, parts = t->id;

	for (int i = part; i < nslots; i += parts)
		make(i, i % DIRS);
	return NULL;
}

static void *check_part(void *arg)
{
	struct thread *t = arg;
	int part = t->random, parts = t->id;

	for (int i = part; i < nslots; i += parts)
		if (slots[i].fd >= 0)
			(void)!(check_stat(i) && read_all(i, 0));
	return NULL;
}

static void in_parallel(void *(*fn)(void *), int threads)
{
	struct thread t[threads];
	pthread_t id[threads];

	for (int i = 0; i < threads; i++) {
		t[i] = (struct thread){.id = threads, .random = i};
		pthread_create(&id[i], NULL, fn, &t[i]);
	}
	for (int i = 0; i < threads; i++)
		pthread_join(id[i], NULL);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/*
 * The kernel's counters: "NAME VALUE" lines of a file, printed as PREFIX_NAME=VALUE. Not there on
 * the host.
 */
static void show(const char *prefix, const char *path)
{
	char line[100], *value;
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f)) {
		value = strchr(line, ' ');
		if (!value)
			continue;
		*value++ = 0;
		printf("%s_%s=%s", prefix, line, value);
	}
	fflush(stdout);
	if (f)
		fclose(f);
}

int main(int argc, char **argv)
{
	int seconds = argc > 3 ? atoi(argv[3]) : 0, threads = argc > 4 ? atoi(argv[4]) : 1;
	struct thread *t = calloc(threads, sizeof(*t));
	double start;

	if (argc < 7 || chdir(argv[1]) < 0) {
		fprintf(stderr, "usage: files DIR FILES SECONDS THREADS SEED alone|replaced\n");
		return 2;
	}
	nslots = atoi(argv[2]);
	replaced = !strcmp(argv[6], "replaced");
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){nslots + 200, nslots + 200});
	slots = calloc(nslots, sizeof(*slots));
	for (int d = 0; d < DIRS; d++) {
		sprintf(dir_name[d], "d%d", d);
		mkdir(dir_name[d], 0755);
		dirs[d] = open(dir_name[d], O_RDONLY | O_DIRECTORY);
		if (dirs[d] < 0) {
			perror(dir_name[d]);
			return 2;
		}
	}
	for (int i = 0; i < nslots; i++)
		pthread_mutex_init(&slots[i].lock, NULL);
	show("before", "/proc/heddle/memory");
	start = now();
	in_parallel(make_part, threads);
	printf("open_after_s=%.1f\n", now() - start);
	show("open", "/proc/heddle/memory");
	show("open", "/proc/heddle/fh");
	for (int i = 0; i < threads; i++) {
		t[i].random = strtoull(argv[5], NULL, 10) * 1000003ULL + i;
		if (pipe(t[i].pipe) < 0) {
			perror("pipe");
			return 2;
		}
		pthread_create(&t[i].id, NULL, work, &t[i]);
	}
	sleep(seconds);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < threads; i++)
		pthread_join(t[i].id, NULL);
	in_parallel(check_part, threads);
	show("end", "/proc/heddle/fh");
	printf("operations=%ju\nstale=%ju\nwrong=%ju\n", (uintmax_t)ops, (uintmax_t)stale,
	       (uintmax_t)failures);
	return failures ? 1 : 0;
}
