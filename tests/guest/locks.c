/* POSIX record locks, open-file-description locks and flock. */
#include "t.h"

#include <pthread.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>

static int file(void)
{
	t_cd_tmpdir();
	if (access("f", F_OK))
		t_write_file("f", "0123456789");
	return MUST(open("f", O_RDWR));
}

static int lock(int fd, int cmd, int type, off_t start, off_t len)
{
	struct flock l = {
		.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};

	return fcntl(fd, cmd, &l);
}

/* The lock that is in the way of a whole-file write lock, as another process sees it. */
static struct flock blocking_lock(int fd, off_t start, off_t len)
{
	struct flock *l = t_shared(4096);

	*l = (struct flock){
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
	CHECK_EXITED(IN_CHILD(MUST(fcntl(fd, F_GETLK, l))), 0);
	return *l;
}

TEST(write_lock_excludes_other_processes)
{
	int fd = file();

	MUST(lock(fd, F_SETLK, F_WRLCK, 0, 0));
	CHECK_EXITED(IN_CHILD({
			     CHECK_ERR(lock(fd, F_SETLK, F_RDLCK, 0, 1), EAGAIN);
			     CHECK_ERR(lock(fd, F_SETLK, F_WRLCK, 100, 0), EAGAIN);
		     }),
		     0);
	MUST(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	CHECK_EXITED(IN_CHILD(MUST(lock(fd, F_SETLK, F_WRLCK, 0, 0))), 0);
}

TEST(read_locks_share)
{
	int fd = file();

	MUST(lock(fd, F_SETLK, F_RDLCK, 0, 0));
	CHECK_EXITED(IN_CHILD({
			     MUST(lock(fd, F_SETLK, F_RDLCK, 0, 0));
			     CHECK_ERR(lock(fd, F_SETLK, F_WRLCK, 0, 0), EAGAIN);
		     }),
		     0);
}

TEST(own_locks_never_conflict_and_are_converted)
{
	int fd = file(), other = file();

	MUST(lock(fd, F_SETLK, F_WRLCK, 0, 0));
	MUST(lock(other, F_SETLK, F_RDLCK, 0, 5));
	CHECK_EQ(blocking_lock(fd, 0, 5).l_type, F_RDLCK);
	CHECK_EQ(blocking_lock(fd, 5, 0).l_type, F_WRLCK);
}

TEST(getlk_describes_the_lock_in_the_way)
{
	int fd = file();
	struct flock l;

	CHECK_EQ(blocking_lock(fd, 0, 0).l_type, F_UNLCK);
	MUST(lock(fd, F_SETLK, F_WRLCK, 3, 4));
	l = blocking_lock(fd, 0, 0);
	CHECK_EQ(l.l_type, F_WRLCK);
	CHECK_EQ(l.l_start, 3);
	CHECK_EQ(l.l_len, 4);
	CHECK_EQ(l.l_whence, SEEK_SET);
	CHECK_EQ(l.l_pid, getpid());
	CHECK_EQ(blocking_lock(fd, 0, 3).l_type, F_UNLCK);
	CHECK_EQ(blocking_lock(fd, 7, 0).l_type, F_UNLCK);
}

TEST(unlock_in_the_middle_splits)
{
	int fd = file();

	MUST(lock(fd, F_SETLK, F_WRLCK, 0, 10));
	MUST(lock(fd, F_SETLK, F_UNLCK, 4, 2));
	CHECK_EQ(blocking_lock(fd, 0, 0).l_len, 4);
	CHECK_EQ(blocking_lock(fd, 4, 2).l_type, F_UNLCK);
	CHECK_EQ(blocking_lock(fd, 5, 0).l_start, 6);
}

TEST(adjacent_locks_merge)
{
	int fd = file();
	struct flock l;

	MUST(lock(fd, F_SETLK, F_WRLCK, 0, 5));
	MUST(lock(fd, F_SETLK, F_WRLCK, 5, 5));
	l = blocking_lock(fd, 0, 0);
	CHECK(l.l_start == 0 && l.l_len == 10);
}

TEST(length_zero_reaches_to_the_end_and_negative_lengths_go_back)
{
	int fd = file();
	struct flock l;

	MUST(lock(fd, F_SETLK, F_WRLCK, 5, 0));
	l = blocking_lock(fd, 1000000, 1);
	CHECK(l.l_start == 5 && l.l_len == 0);
	MUST(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	MUST(lock(fd, F_SETLK, F_WRLCK, 5, -3));
	l = blocking_lock(fd, 0, 0);
	CHECK(l.l_start == 2 && l.l_len == 3);
	CHECK_ERR(lock(fd, F_SETLK, F_WRLCK, 2, -3), EINVAL);
}

TEST(lock_relative_to_position_and_end)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = 1, .l_len = 1};
	int fd = file();

	MUST(lseek(fd, 4, SEEK_SET));
	MUST(fcntl(fd, F_SETLK, &l));
	CHECK_EQ(blocking_lock(fd, 0, 0).l_start, 5);
	MUST(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -2, .l_len = 1};
	MUST(fcntl(fd, F_SETLK, &l));
	CHECK_EQ(blocking_lock(fd, 0, 0).l_start, 8);
}

TEST(any_close_of_the_file_drops_the_locks)
{
	int fd = file(), other = file();

	MUST(lock(fd, F_SETLK, F_WRLCK, 0, 0));
	MUST(close(other));
	CHECK_EQ(blocking_lock(fd, 0, 0).l_type, F_UNLCK);
}

TEST(locks_are_not_inherited_by_fork_and_end_with_the_process)
{
	struct t_gate locked = t_gate(), end = t_gate();
	int fd = file();
	pid_t pid = SPAWN({
		MUST(lock(fd, F_SETLK, F_WRLCK, 0, 0));
		CHECK_EXITED(IN_CHILD(CHECK_ERR(lock(fd, F_SETLK, F_WRLCK, 0, 0), EAGAIN)), 0);
		t_gate_open(&locked);
		t_gate_pass(&end);
	});

	t_gate_pass(&locked);
	CHECK_ERR(lock(fd, F_SETLK, F_WRLCK, 0, 0), EAGAIN);
	t_gate_open(&end);
	CHECK_EXITED(t_wait(pid), 0);
	MUST(lock(fd, F_SETLK, F_WRLCK, 0, 0));
}

HELPER(try_lock)
{
	return lock(MUST(open("f", O_RDWR)), F_SETLK, F_WRLCK, 0, 0) == -1 ? 0 : 1;
}

HELPER(keep_lock)
{
	int status = IN_CHILD(T_EXEC_HELPER("try_lock"));

	return WIFEXITED(status) ? WEXITSTATUS(status) : 9;
}

TEST(locks_survive_exec)
{
	int fd = file();

	CHECK_EXITED(IN_CHILD({
			     MUST(lock(fd, F_SETLK, F_WRLCK, 0, 0));
			     T_EXEC_HELPER("keep_lock");
		     }),
		     0);
}

static void *wait_for_the_end(void *arg)
{
	pause();
	return arg;
}

TEST(locks_survive_exec_that_ends_threads)
{
	int fd = file();

	CHECK_EXITED(IN_CHILD({
			     pthread_t thread;
			     MUST(lock(fd, F_SETLK, F_WRLCK, 0, 0));
			     CHECK_EQ(pthread_create(&thread, NULL, wait_for_the_end, NULL), 0);
			     T_EXEC_HELPER("keep_lock");
		     }),
		     0);
}

TEST(waiter_gets_the_lock_when_it_is_free)
{
	int fd = file();
	pid_t pid;

	MUST(lock(fd, F_SETLK, F_WRLCK, 0, 0));
	pid = SPAWN(MUST(lock(fd, F_SETLKW, F_WRLCK, 0, 0)));
	t_wait_state(pid, 'S');
	MUST(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(deadlock_is_found)
{
	struct t_gate ready = t_gate();
	int fd = file();
	pid_t pid;

	MUST(lock(fd, F_SETLK, F_WRLCK, 0, 1));
	pid = SPAWN({
		MUST(lock(fd, F_SETLK, F_WRLCK, 1, 1));
		t_gate_open(&ready);
		MUST(lock(fd, F_SETLKW, F_WRLCK, 0, 1));
	});
	t_gate_pass(&ready);
	t_wait_state(pid, 'S');
	CHECK_ERR(lock(fd, F_SETLKW, F_WRLCK, 1, 1), EDEADLK);
	MUST(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(lock_needs_the_right_access_mode)
{
	int fd = file(), ro = MUST(open("f", O_RDONLY)), wo = MUST(open("f", O_WRONLY));

	CHECK_ERR(lock(ro, F_SETLK, F_WRLCK, 0, 0), EBADF);
	CHECK_ERR(lock(wo, F_SETLK, F_RDLCK, 0, 0), EBADF);
	CHECK_EQ(lock(ro, F_SETLK, F_RDLCK, 0, 0), 0);
	CHECK_EQ(lock(wo, F_SETLK, F_WRLCK, 0, 0), 0);
	CHECK_EQ(lock(fd, F_SETLK, F_UNLCK, 0, 0), 0);
}

TEST(ofd_locks_belong_to_the_open_file)
{
	int fd = file(), other = file(), copy = MUST(dup(fd));

	MUST(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 0));
	CHECK_ERR(lock(other, F_OFD_SETLK, F_WRLCK, 0, 0), EAGAIN);
	CHECK_EQ(lock(copy, F_OFD_SETLK, F_RDLCK, 0, 5), 0);
	CHECK_EXITED(IN_CHILD(MUST(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 0))), 0);
	MUST(close(fd)); /* the copy still holds it */
	CHECK_ERR(lock(other, F_OFD_SETLK, F_WRLCK, 0, 0), EAGAIN);
	MUST(close(copy));
	CHECK_EQ(lock(other, F_OFD_SETLK, F_WRLCK, 0, 0), 0);
}

TEST(ofd_and_process_locks_conflict)
{
	int fd = file(), other = file();
	struct flock l = {.l_type = F_WRLCK};

	MUST(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 0));
	CHECK_ERR(lock(other, F_SETLK, F_RDLCK, 0, 0), EAGAIN);
	MUST(fcntl(other, F_GETLK, &l));
	CHECK_EQ(l.l_pid, -1);
}

TEST(flock_excludes_other_opens)
{
	int fd = file(), other = file();

	MUST(flock(fd, LOCK_EX));
	CHECK_ERR(flock(other, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	CHECK_ERR(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	MUST(flock(fd, LOCK_SH)); /* converted */
	MUST(flock(other, LOCK_SH | LOCK_NB));
	CHECK_ERR(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	MUST(flock(other, LOCK_UN));
	MUST(flock(other, LOCK_UN));
}

TEST(flock_is_shared_by_duplicates_and_children)
{
	int fd = file(), copy = MUST(dup(fd)), other = file();

	MUST(flock(fd, LOCK_EX));
	MUST(flock(copy, LOCK_EX | LOCK_NB));
	CHECK_EXITED(IN_CHILD(MUST(flock(fd, LOCK_EX | LOCK_NB))), 0);
	MUST(close(fd));
	CHECK_ERR(flock(other, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	MUST(close(copy));
	MUST(flock(other, LOCK_EX | LOCK_NB));
}

TEST(flock_waits_until_it_is_free)
{
	int fd = file(), other = file();
	pid_t pid;

	MUST(flock(fd, LOCK_EX));
	pid = SPAWN(MUST(flock(other, LOCK_EX)));
	t_wait_state(pid, 'S');
	MUST(flock(fd, LOCK_UN));
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(flock_ends_with_its_last_holder)
{
	int fd = file(), other;

	CHECK_KILLED(IN_CHILD({
			     other = file();
			     MUST(flock(other, LOCK_EX));
			     raise(SIGKILL);
		     }),
		     SIGKILL);
	MUST(flock(fd, LOCK_EX | LOCK_NB));
}

TEST(flock_works_on_read_only_files_and_directories)
{
	file();
	MUST(flock(MUST(open("f", O_RDONLY)), LOCK_EX | LOCK_NB));
	MUST(flock(MUST(open(".", O_RDONLY)), LOCK_EX | LOCK_NB));
}

TEST(flock_and_record_locks_ignore_each_other)
{
	int fd = file();

	MUST(flock(fd, LOCK_EX));
	CHECK_EXITED(IN_CHILD(MUST(lock(file(), F_SETLK, F_WRLCK, 0, 0))), 0);
}

TEST(flock_ignores_mandatory_locks)
{
	int fd;

	t_cd_tmpdir();
	fd = MUST(open("f", O_RDWR | O_CREAT, 0666));
	CHECK_EQ(flock(fd, 32 | 64 /* LOCK_MAND | LOCK_READ */), 0);
	CHECK_EQ(flock(fd, 32 | LOCK_EX), 0);
	CHECK_EQ(flock(MUST(open("f", O_RDWR)), LOCK_EX | LOCK_NB), 0); /* it wasn't taken */
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* What /proc/locks has of one holder: kind, mode, type and range, sorted. */
static int locks_read(pid_t pid, char line[][96], int max)
{
	FILE *f = fopen("/proc/locks", "r"); /* others may have thousands */
	char l[256];
	int n = 0;

	CHECK(f);
	while (fgets(l, sizeof(l), f)) {
		char kind[16], mode[16], type[16], from[32], to[32];
		unsigned int major, minor;
		unsigned long ino;
		int holder, nr;

		if (sscanf(l, "%d: %15s %15s %15s %d %x:%x:%lu %31s %31s", &nr, kind, mode, type,
			   &holder, &major, &minor, &ino, from, to) != 10 ||
		    holder != pid)
			continue;
		CHECK(ino != 0);
		if (n < max)
			snprintf(line[n], 96, "%s %s %s %s %s", kind, mode, type, from, to);
		n++; /* also one seen again: others move as some are entered */
	}
	fclose(f);
	qsort(line, (size_t)(n < max ? n : max), 96, by_text);
	return n;
}

/*
 * Reads until there are n. Others' locks come and go between the pieces in which it is read, so
 * some may be passed over, again and again.
 */
static void proc_locks(pid_t pid, char line[][96], int max, int n)
{
	while (locks_read(pid, line, max) != n)
		sched_yield();
}

TEST(held_locks_are_listed)
{
	int fd = file();
	char line[8][96];

	proc_locks(getpid(), line, 8, 0);
	MUST(lock(fd, F_SETLK, F_RDLCK, 5, 10));
	MUST(lock(fd, F_SETLK, F_WRLCK, 100, 0));
	MUST(flock(fd, LOCK_EX));
	proc_locks(getpid(), line, 8, 3);
	CHECK_STR(line[0], "FLOCK ADVISORY WRITE 0 EOF");
	CHECK_STR(line[1], "POSIX ADVISORY READ 5 14");
	CHECK_STR(line[2], "POSIX ADVISORY WRITE 100 EOF");
	CHECK_EXITED(IN_CHILD(proc_locks(getppid(), line, 8, 3)), 0);
	MUST(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	proc_locks(getpid(), line, 8, 1);
	MUST(flock(fd, LOCK_UN));
	proc_locks(getpid(), line, 8, 0);
}

TEST(listed_locks_tell_their_inode)
{
	/*
	 * Of other files stat() may tell another device than the locks do, where one file system
	 * lies on top of another.
	 */
	int fd = MUST(memfd_create("locked", 0));
	char want[128], l[256];
	bool found = false;
	struct stat st;

	MUST(fstat(fd, &st));
	MUST(flock(fd, LOCK_SH));
	snprintf(want, sizeof(want), ": FLOCK  ADVISORY  READ %d %02x:%02x:%lu 0 EOF\n", getpid(),
		 major(st.st_dev), minor(st.st_dev), (unsigned long)st.st_ino);
	while (!found) {
		FILE *f = fopen("/proc/locks", "r");

		CHECK(f);
		while (!found && fgets(l, sizeof(l), f))
			found = strstr(l, want);
		fclose(f);
	}
}

/* Each close looks for locks of the closer, among those of others. */
TEST(closing_many_descriptors_lets_others_have_the_cpu)
{
	const int locks = 4000, dups = 10000;
	struct t_gate ready = t_gate(), go = t_gate();
	long long last, now;
	struct rusage used;
	int waits = 0;
	struct rlimit lim;
	int fd = file(), other, status;
	pid_t pid;

	MUST(getrlimit(RLIMIT_NOFILE, &lim));
	if (lim.rlim_max < (rlim_t)dups + 100)
		SKIP("needs a higher limit of descriptors");
	lim.rlim_cur = lim.rlim_max;
	MUST(setrlimit(RLIMIT_NOFILE, &lim));
	t_use_one_cpu();
	for (int i = 0; i < locks; i++)
		MUST(lock(fd, F_SETLK, F_WRLCK, 2 * i, 1));
	pid = SPAWN({
		t_write_file("g", "");
		other = MUST(open("g", O_RDWR));
		MUST(lock(other, F_SETLK, F_WRLCK, 0,
			  0)); /* so it does have locks to be looked for */
		for (int i = 0; i < dups; i++)
			MUST(dup(fd));
		t_gate_open(&ready);
		t_gate_pass(&go);
	});
	t_gate_pass(&ready);
	last = t_now_ms();
	t_gate_open(&go);
	while (MUST(wait4(pid, &status, WNOHANG, &used)) == 0) {
		now = t_now_ms();
		waits += now - last >= 2; /* it had the CPU, and gave it back */
		last = now;
	}
	CHECK_EXITED(status, 0);
	CHECK(waits >= 4 || used.ru_stime.tv_sec * 1000000 + used.ru_stime.tv_usec < 100000);
}
