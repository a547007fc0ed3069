/* POSIX shared memory and semaphores, named and unnamed, between processes. */
#include "t.h"

#include <sched.h>
#include <semaphore.h>

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)

/* Names are global, so they hold our pid. */
static const char *name(void)
{
	static char text[64];

	snprintf(text, sizeof(text), "/guest-test-%d", getpid());
	return text;
}

TEST(shm_object_is_seen_by_another_process)
{
	const char *shm = name();
	int fd = MUST(shm_open(shm, O_RDWR | O_CREAT | O_EXCL, 0600));
	char *p;

	MUST(ftruncate(fd, PAGE));
	p = MUST(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
	CHECK_EXITED(IN_CHILD({
			     int other = MUST(shm_open(shm, O_RDWR, 0));
			     char *q = MUST(mmap(NULL, PAGE, RW, MAP_SHARED, other, 0));
			     strcpy(q, "from the child");
		     }),
		     0);
	MUST(shm_unlink(shm));
	CHECK_STR(p, "from the child");
}

TEST(shm_unlink_keeps_what_is_mapped)
{
	const char *shm = name();
	int fd = MUST(shm_open(shm, O_RDWR | O_CREAT, 0600));
	char *p;

	MUST(ftruncate(fd, PAGE));
	p = MUST(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
	MUST(shm_unlink(shm));
	CHECK_ERR(shm_open(shm, O_RDWR, 0), ENOENT);
	CHECK_ERR(shm_unlink(shm), ENOENT);
	p[5] = 1;
	MUST(close(fd));
	p[6] = 1;
}

TEST(shm_exclusive_creation)
{
	const char *shm = name();

	MUST(shm_open(shm, O_RDWR | O_CREAT | O_EXCL, 0600));
	CHECK_ERR(shm_open(shm, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	MUST(shm_unlink(shm));
}

TEST(shm_descriptor_is_close_on_exec)
{
	int fd = MUST(shm_open(name(), O_RDWR | O_CREAT, 0600));

	MUST(shm_unlink(name()));
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

TEST(shm_has_mode_and_size)
{
	int fd = MUST(shm_open(name(), O_RDWR | O_CREAT, 0640));
	struct stat st;

	MUST(shm_unlink(name()));
	MUST(ftruncate(fd, 12345));
	MUST(fstat(fd, &st));
	CHECK(S_ISREG(st.st_mode));
	CHECK_EQ(st.st_mode & 0777, 0640);
	CHECK_EQ(st.st_size, 12345);
	CHECK_EQ(st.st_uid, geteuid());
}

TEST(unnamed_semaphore_between_processes)
{
	sem_t *sem = t_shared(4096);
	pid_t pid;

	CHECK_EQ(sem_init(sem, 1, 0), 0);
	pid = SPAWN({
		for (int i = 0; i < 100; i++)
			CHECK_EQ(sem_wait(sem), 0);
	});
	for (int i = 0; i < 100; i++)
		CHECK_EQ(sem_post(sem), 0);
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(named_semaphore_between_processes)
{
	sem_t *sem = sem_open(name(), O_CREAT | O_EXCL, 0600, 2);
	const char *sem_name = name();
	int value;

	CHECK(sem != SEM_FAILED);
	CHECK_EXITED(IN_CHILD({
			     sem_t *same = sem_open(sem_name, 0);
			     CHECK(same != SEM_FAILED);
			     CHECK_EQ(sem_wait(same), 0);
		     }),
		     0);
	MUST(sem_unlink(sem_name));
	CHECK_EQ(sem_getvalue(sem, &value), 0);
	CHECK_EQ(value, 1);
	CHECK_EQ(sem_trywait(sem), 0);
	CHECK_ERR(sem_trywait(sem), EAGAIN);
	CHECK_EQ(sem_close(sem), 0);
}

TEST(semaphore_wait_times_out)
{
	struct timespec ts;
	sem_t sem;

	CHECK_EQ(sem_init(&sem, 0, 0), 0);
	clock_gettime(CLOCK_REALTIME, &ts);
	CHECK_ERR(sem_timedwait(&sem, &ts), ETIMEDOUT);
	ts.tv_sec += 1000;
	CHECK_EQ(sem_post(&sem), 0);
	CHECK_EQ(sem_timedwait(&sem, &ts), 0);
}

static void nothing(int sig)
{
	(void)sig;
}

TEST(semaphore_wait_is_interrupted)
{
	sem_t *sem = t_shared(4096);
	pid_t pid;

	CHECK_EQ(sem_init(sem, 1, 0), 0);
	t_handle(SIGUSR1, nothing);
	pid = SPAWN(CHECK_ERR(sem_wait(sem), EINTR));
	t_wait_state(pid, 'S');
	MUST(kill(pid, SIGUSR1));
	CHECK_EXITED(t_wait(pid), 0);
}

TEST(semaphore_lets_only_so_many_in)
{
	struct shared {
		sem_t sem;
		int inside;
	} *s = t_shared(4096);
	pid_t pid[6];

	CHECK_EQ(sem_init(&s->sem, 1, 2), 0);
	for (int i = 0; i < 6; i++)
		pid[i] = SPAWN({
			for (int k = 0; k < 50; k++) {
				int n;
				CHECK_EQ(sem_wait(&s->sem), 0);
				n = __atomic_add_fetch(&s->inside, 1, __ATOMIC_SEQ_CST);
				CHECK(n <= 2);
				sched_yield();
				__atomic_sub_fetch(&s->inside, 1, __ATOMIC_SEQ_CST);
				CHECK_EQ(sem_post(&s->sem), 0);
			}
		});
	for (int i = 0; i < 6; i++)
		CHECK_EXITED(t_wait(pid[i]), 0);
}
