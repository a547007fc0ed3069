/*
 * Makes calls by sites of both forms (see kernel/patch/README.md), its own and the C library's,
 * from one thread and from several, and says whether they all were right.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FUNCTION(name, code)                                                                       \
	long name(long a, void *b, long c);                                                        \
	__asm__(".text\n.p2align 5\n.type " #name ", @function\n" #name ":\n.cfi_startproc\n" code \
		"syscall\nret\n.cfi_endproc\n.size " #name ", . - " #name                          \
		"\n.skip 16, 0x90\n.p2align 5\n")

FUNCTION(own_getpid, "mov $39, %eax\n");
FUNCTION(own_getppid, "mov $110, %eax\n");
FUNCTION(own_write, "mov $1, %eax\n");
FUNCTION(own_close, "mov $3, %eax\n");
FUNCTION(own_read, "xor %eax, %eax\n");
FUNCTION(own_getppid_far, "mov $100, %eax\nadd $10, %eax\n");

#define ROUNDS 500

static long wrong;

static void expect(int good)
{
	if (!good)
		__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
}

static void *work(void *arg)
{
	int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
	pid_t pid = getpid(), ppid = getppid(), tid = syscall(SYS_gettid);

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		char c = 1;
		struct stat st;

		expect(own_getpid(0, NULL, 0) == pid);
		expect(own_getppid(0, NULL, 0) == ppid);
		expect(own_write(null, &c, 1) == 1);
		expect(own_close(-1, NULL, 0) == -9);
		expect(own_read(zero, &c, 1) == 1 && c == 0);
		expect(own_getppid_far(0, NULL, 0) == ppid);
		c = 1;
		expect(read(zero, &c, 1) == 1 && c == 0);
		expect(write(null, &c, 1) == 1);
		expect(lseek(zero, 0, SEEK_CUR) == 0);
		expect(fstat(null, &st) == 0 && S_ISCHR(st.st_mode));
		expect(stat("/", &st) == 0 && S_ISDIR(st.st_mode));
		expect(getpid() == pid && getppid() == ppid);
		expect(syscall(SYS_gettid) == tid);
		expect(getuid() == geteuid());
	}
	close(zero);
	close(null);
	return NULL;
}

int main(void)
{
	pthread_t thread[3];
	int status;
	pid_t child;

	work(NULL);
	child = fork();
	if (child == 0) {
		work(NULL);
		_exit(wrong != 0);
	}
	expect(child > 0 && waitpid(child, &status, 0) == child && status == 0);
	for (int i = 0; i < 3; i++)
		expect(pthread_create(&thread[i], NULL, work, NULL) == 0);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	if (wrong)
		printf("%ld calls were wrong\n", wrong);
	return wrong != 0;
}
