/*
 * test: quick=no kind=host
 * A directory of the host that is mounted by two guests and changed by a process of the host all at
 * once: nothing beside it may be reached, nor what others put into it in the place of what a guest
 * has just made.
 *
 * What lies beside it are canaries. Directories are moved out to stand between them and back in,
 * names change between directory, symlink, file and fifo, links lead to the canaries. The host says
 * whether a canary was opened, changed, or got a neighbour (inotify), and the guests what they saw.
 * A guest that has a directory which is moved out goes on to have it, as on Linux, and what is in
 * it; so nothing else is put in there.
 */
#include "t.h"
#include "tests/hostile/hostile.h"

#include <sys/inotify.h>
#include <sys/prctl.h>

#define GUESTS 2

struct scene {
	char top[PATH_MAX], root[PATH_MAX], inside[PATH_MAX], out[PATH_MAX];
	char secret[PATH_MAX], canary[3][PATH_MAX];
	struct stat was[3];
	char inodes[6][24];
	uint64_t seed;
	int notify, watch_out;
};

static void join(char *buf, const char *dir, const char *name)
{
	CHECK(snprintf(buf, PATH_MAX, "%s/%s", dir, name) < PATH_MAX);
}

static void write_file(const char *path, const char *text)
{
	int fd = MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));

	CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void note_inode(struct scene *s, int i, const char *path)
{
	struct stat st;

	MUST(stat(path, &st));
	snprintf(s->inodes[i], sizeof(s->inodes[i]), "%lu", (unsigned long)st.st_ino);
}

/* A root with nothing in it but one program. */
static void make_root(struct scene *s, const char *program)
{
	char path[PATH_MAX + 16], cmd[3 * PATH_MAX];

	join(s->root, s->top, "root");
	MUST(mkdir(s->root, 0777));
	snprintf(path, sizeof(path), "%s/mnt", s->root);
	MUST(mkdir(path, 0777));
	snprintf(cmd, sizeof(cmd), "cp '%s/%s' '%s'", getenv("HOSTILE_BIN"), program, s->root);
	CHECK_EQ(system(cmd), 0);
}

/*
 * "door" is a file, or a fifo of the host's which no kernel of a guest may open, and rovers go in
 * all the time. Who changes them does so until the test ends.
 */
static void swap_doors(struct scene *s)
{
	write_file("door", "inside");
	MUST(mkfifo("fifo", 0666));
	MUST(inotify_add_watch(s->notify, "fifo", IN_OPEN));
	if (MUST(fork()))
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() != 1)
		MUST(renameat2(AT_FDCWD, "door", AT_FDCWD, "fifo", RENAME_EXCHANGE));
	_exit(0);
}

/*
 * top/in is the mount, top/out what it is moved to; canaries lie in top, in top/out, and in a
 * directory of its own.
 */
static void set_scene(struct scene *s)
{
	char path[PATH_MAX + 16];

	s->seed = hostile_seed();
	CHECK(realpath(t_tmpdir(), s->top));
	join(s->inside, s->top, "in");
	join(s->out, s->top, "out");
	join(s->secret, s->out, "canary.d");
	MUST(mkdir(s->inside, 0777));
	MUST(mkdir(s->out, 0777));
	MUST(mkdir(s->secret, 0777));
	join(s->canary[0], s->top, "canary");
	join(s->canary[1], s->out, "canary");
	join(s->canary[2], s->secret, "canary");
	make_root(s, "rover");
	for (int i = 0; i < 3; i++) {
		write_file(s->canary[i], "canary");
		MUST(stat(s->canary[i], &s->was[i]));
		note_inode(s, i, s->canary[i]);
	}
	note_inode(s, 3, s->top);
	note_inode(s, 4, s->out);
	note_inode(s, 5, s->secret);
	MUST(chdir(s->inside));
	for (const char *d = "abcd"; *d; d++) {
		snprintf(path, sizeof(path), "%c", *d);
		MUST(mkdir(path, 0777));
		snprintf(path, sizeof(path), "%c/f", *d);
		write_file(path, "inside");
	}
	write_file("f", "inside");
	MUST(symlink(s->out, "abs"));
	MUST(symlink("../out", "rel"));
	MUST(symlink("../../out", "a/rel"));
	MUST(symlink("..", "dot"));
	MUST(symlink(s->canary[0], "g"));

	/* Who opens, changes or adds: our own moves in and out are none of these. */
	s->notify = MUST(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	for (int i = 0; i < 3; i++)
		MUST(inotify_add_watch(s->notify, s->canary[i], IN_ALL_EVENTS));
	MUST(inotify_add_watch(s->notify, s->secret, IN_ALL_EVENTS));
	MUST(inotify_add_watch(s->notify, s->top, IN_CREATE | IN_DELETE | IN_MOVE));
	swap_doors(s);
	s->watch_out = MUST(inotify_add_watch(s->notify, s->out, IN_CREATE | IN_DELETE | IN_OPEN));
}

/* What is moved out may be opened there by who has it. */
static void check_events(struct scene *s)
{
	char buf[4096] __attribute__((aligned(8)));
	ssize_t n;

	while ((n = read(s->notify, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n;) {
			const struct inotify_event *e = (const void *)(buf + i);
			/* Its name may be the next one already. */
			bool moved = e->wd == s->watch_out && e->len && e->mask & IN_OPEN &&
				     strncmp(e->name, "canary", 6);

			i += sizeof(*e) + e->len;
			CHECK(moved || e->mask & IN_Q_OVERFLOW || e->mask & IN_IGNORED);
		}
	}
}

static void check_canaries(const struct scene *s)
{
	struct stat st;

	for (int i = 0; i < 3; i++) {
		MUST(stat(s->canary[i], &st));
		CHECK_EQ(st.st_nlink, 1);
		CHECK_EQ(st.st_mode, s->was[i].st_mode);
		CHECK_EQ(st.st_size, s->was[i].st_size);
		CHECK_EQ(st.st_ctim.tv_sec, s->was[i].st_ctim.tv_sec);
		CHECK_EQ(st.st_ctim.tv_nsec, s->was[i].st_ctim.tv_nsec);
	}
}

/* A name of the tree, in a directory that isn't reached by a link: only guests are to try that. */
struct spot {
	int dir;
	const char *name;
};

static struct spot spot_open(const char *dir, const char *name)
{
	return (struct spot){open(dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), name};
}

static struct spot pick_spot(struct scene *s)
{
	static const char *const dirs[] = {".", ".", ".", "a", "b"};
	static const char *const names[] = {"a", "b", "c", "d", "x", "own0", "out"};

	return spot_open(dirs[hostile_random(&s->seed) % 5], names[hostile_random(&s->seed) % 7]);
}

/* A directory goes out, a link takes its place, and it comes back, here or there. */
static void move_out(struct scene *s, struct spot one, struct spot two)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/m", s->out);
	if (renameat2(one.dir, one.name, AT_FDCWD, path, RENAME_NOREPLACE))
		return;
	(void)!symlinkat(hostile_random(&s->seed) % 2 ? s->out : "../out", one.dir, one.name);
	usleep(hostile_random(&s->seed) % 300);
	(void)!unlinkat(one.dir, one.name, 0);
	if (renameat(AT_FDCWD, path, one.dir, one.name) &&
	    renameat(AT_FDCWD, path, two.dir, two.name) &&
	    renameat2(AT_FDCWD, path, AT_FDCWD, "left", RENAME_NOREPLACE))
		MUST(renameat2(AT_FDCWD, path, AT_FDCWD, "left", RENAME_EXCHANGE));
}

/* The host's process changes something; any of it may fail, since guests do the same. */
static void disturb(struct scene *s)
{
	static const char *const links[] = {"abs", "rel", "dot", "g"};
	const char *link = links[hostile_random(&s->seed) % 4];
	struct spot one = pick_spot(s), two = pick_spot(s);

	switch (hostile_random(&s->seed) % 7) {
	case 0:
		move_out(s, one, two);
		break;
	case 1 ... 2:
		renameat2(one.dir, one.name, AT_FDCWD, link, RENAME_EXCHANGE);
		break;
	case 3:
		renameat2(one.dir, one.name, two.dir, two.name,
			  hostile_random(&s->seed) % 2 ? RENAME_EXCHANGE : 0);
		break;
	case 4:
		renameat2(AT_FDCWD, "f", AT_FDCWD, hostile_random(&s->seed) % 2 ? link : "b",
			  RENAME_EXCHANGE);
		break;
	case 5: /* what guests have taken away */
		(void)!mkdirat(one.dir, one.name, 0777);
		(void)!symlink(s->canary[1], link);
		break;
	case 6:
		(void)!symlinkat(hostile_random(&s->seed) % 2 ? s->out : "../../out", one.dir,
				 one.name);
		break;
	}
	close(one.dir);
	close(two.dir);
}

static pid_t start_guest(struct scene *s, const char *mount, int seconds, bool sandbox)
{
	char rover_seconds[16], seed[24];
	char *argv[32] = {getenv("HEDDLE_BIN"), "run", "-c",	getenv("CPUS"), "-e",
			  getenv("ENGINE"),	"-r",  s->root, "-v",		(char *)mount};
	int n = 10;
	pid_t pid;

	snprintf(rover_seconds, sizeof(rover_seconds), "%d", seconds);
	snprintf(seed, sizeof(seed), "%lu", (unsigned long)hostile_random(&s->seed));
	if (!sandbox)
		argv[n++] = "--no-sandbox";
	argv[n++] = "--";
	argv[n++] = "/rover";
	argv[n++] = rover_seconds;
	argv[n++] = seed;
	for (int i = 0; i < 6; i++)
		argv[n++] = s->inodes[i];
	pid = MUST(fork());
	if (pid == 0) {
		execv(argv[0], argv);
		_exit(127);
	}
	return pid;
}

static void race(int seconds, bool sandbox)
{
	static struct scene s;
	static char mount[GUESTS][PATH_MAX + 64];
	pid_t guest[GUESTS];
	int left = GUESTS, status;

	set_scene(&s);
	for (int i = 0; i < GUESTS; i++) {
		snprintf(mount[i], sizeof(mount[i]), "hostfs:%s:/mnt:cache=%s", s.inside,
			 i ? "exclusive" : "strict");
		guest[i] = start_guest(&s, mount[i], seconds, sandbox);
	}
	while (left) {
		for (int i = 0; i < 50; i++)
			disturb(&s);
		check_events(&s);
		for (int i = 0; i < GUESTS; i++) {
			if (guest[i] && MUST(waitpid(guest[i], &status, WNOHANG)) == guest[i]) {
				CHECK_EXITED(status, 0);
				guest[i] = 0;
				left--;
			}
		}
	}
	check_events(&s);
	check_canaries(&s);
}

TEST(nothing_beside_a_mount_is_reached)
{
	race(hostile_seconds() / 2, true);
}

TEST(nothing_beside_a_mount_is_reached_without_the_sandbox)
{
	race(hostile_seconds(), false);
}

/* ---- what takes the place of something new ---- */

/*
 * Others' things: a process of the host puts each in the place of what the guest makes, and takes
 * it back, or what is kept of it.
 */
static const struct victim {
	const char *name, *kept; /* kept: a further name; NULL: a directory, with something in it */
	mode_t mode;
	uid_t uid;
} victims[] = {{"dir", NULL, S_IFDIR | 0700, 0},
	       {"dir.1234", NULL, S_IFDIR | 0700, 1234},
	       {"fifo", "fifo.kept", S_IFIFO | 0600, 0},
	       {"file", "file.kept", S_IFREG | 0600, 0},
	       {"sock", "sock.kept", S_IFSOCK | 0600, 1234}};

#define NR_VICTIMS (sizeof(victims) / sizeof(victims[0]))

static void make_victim(const struct victim *v)
{
	char path[64];

	if (S_ISDIR(v->mode)) {
		MUST(mkdir(v->name, 0700));
		snprintf(path, sizeof(path), "%s/file", v->name);
		write_file(path, "inside");
	} else {
		MUST(mknod(v->name, v->mode, 0));
		MUST(link(v->name, v->kept));
	}
	MUST(chown(v->name, v->uid, v->uid));
}

static void put_in_place(const struct victim *v, uint64_t *seed)
{
	const char *name = S_ISDIR(v->mode) ? "in/d" : "in/x";
	struct stat st, kept;

	if (renameat2(AT_FDCWD, v->name, AT_FDCWD, name, RENAME_EXCHANGE))
		return;
	if (hostile_random(seed) % 2)
		usleep(hostile_random(seed) % 50);
	if (S_ISDIR(v->mode)) {
		MUST(renameat2(AT_FDCWD, v->name, AT_FDCWD, name, RENAME_EXCHANGE));
		return;
	}
	/* The guest may have removed it, and made something else. */
	(void)!renameat2(AT_FDCWD, v->name, AT_FDCWD, name, RENAME_EXCHANGE);
	MUST(lstat(v->name, &st));
	MUST(lstat(v->kept, &kept));
	if (st.st_ino != kept.st_ino) {
		MUST(unlink(v->name));
		MUST(link(v->kept, v->name));
	}
}

static pid_t start_maker(const struct scene *s, int seconds)
{
	char how_long[16], mount[PATH_MAX + 64];
	pid_t pid;

	snprintf(how_long, sizeof(how_long), "%d", seconds);
	snprintf(mount, sizeof(mount), "hostfs:%s:/mnt:cache=strict", s->inside);
	pid = MUST(fork());
	if (pid)
		return pid;
	execl(getenv("HEDDLE_BIN"), "heddle", "run", "-c", getenv("CPUS"), "-e", getenv("ENGINE"),
	      "-r", s->root, "-v", mount, "--", "/maker", how_long, NULL);
	_exit(127);
}

TEST(what_takes_the_place_of_something_new_stays_as_it_is)
{
	static struct scene s;
	struct stat st;
	int status;
	pid_t guest;

	if (geteuid())
		SKIP("only root gives files away");
	s.seed = hostile_seed();
	CHECK(realpath(t_tmpdir(), s.top));
	MUST(chdir(s.top));
	join(s.inside, s.top, "in");
	MUST(mkdir(s.inside, 0777));
	MUST(chmod(s.inside, 0777));
	make_root(&s, "maker");
	for (size_t i = 0; i < NR_VICTIMS; i++)
		make_victim(&victims[i]);
	guest = start_maker(&s, hostile_seconds() / 2);
	while (!MUST(waitpid(guest, &status, WNOHANG)))
		put_in_place(&victims[hostile_random(&s.seed) % NR_VICTIMS], &s.seed);
	CHECK_EXITED(status, 0);
	for (size_t i = 0; i < NR_VICTIMS; i++) {
		MUST(lstat(victims[i].kept ? victims[i].kept : victims[i].name, &st));
		CHECK_EQ(st.st_uid, victims[i].uid);
		CHECK_EQ(st.st_mode, victims[i].mode);
	}
}
