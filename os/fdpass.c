/* Descriptors for host processes, and of theirs: see fdpass.h. */
#include "os/fdpass.h"
#include "alloc.h"
#include "cpu.h"
#include "engine.h"
#include "lock.h"
#include "log.h"
#include "os/context.h"
#include "os/hostmm_priv.h"
#include "os/zygote.h"
#include "stub/layout.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int to_keeper[MAX_CPUS + 1], from_tasks;

/* Listeners that have come while another task's was looked for. */
struct arrived {
	struct cds_list_head link;
	pid_t pid;
	int fd;
};
static CDS_LIST_HEAD(arrived);	     /* arrived_lock */
static struct spinlock arrived_lock; /* rank OS */

static int pair(int *ours, int *theirs)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	*ours = ends[0];
	*theirs = ends[1];
	return 0;
}

int fdpass_init(struct zygote_fds *z)
{
	int fd = syscall(SYS_pidfd_getfd, z->kernel_pidfd, z->kernel_pidfd, 0), err = 0;

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	log_info("pidfd_getfd: %s; descriptors are passed through sockets\n",
		 strerrordesc_np(errno));
	spin_init(&arrived_lock, "listeners", RANK_OS);
	for (int i = 0; i < z->nreports / 2 && !err; i++) {
		err = pair(&to_keeper[i], &z->socket[i]);
		z->nsockets++;
	}
	if (!err)
		err = pair(&from_tasks, &z->socket[z->nsockets++]);
	if (!err && setsockopt(from_tasks, SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)) < 0)
		err = -errno;
	return err;
}

bool fdpass_by_socket(void)
{
	return keeper_fds.nsockets;
}

/* ---- to keepers ---- */

/* This CPU's: one batch at a time answers there. */
static int socket_index(void)
{
	return report_index() / 2;
}

static int send_fds(int sock, const int *fds, int n)
{
	char byte = 0, control[CMSG_SPACE(2 * sizeof(int))] = {};
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	return sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* One with a byte of data, that lies at an address of the guest's. */
static struct stub_message message_at(uaddr_t at)
{
	return (struct stub_message){
		.iov = {at + offsetof(struct stub_message, byte), 1},
		.iov_at = at + offsetof(struct stub_message, iov),
		.iov_len = 1,
		.control_at = at + offsetof(struct stub_message, control),
		.control_len = sizeof(((struct stub_message *)0)->control),
	};
}

/*
 * The header lies in the keeper's slot, since the host writes to it; so threads of the guest may
 * change it. They can't change what is received, nor the order in which descriptors get their
 * numbers: a keeper that gets none fails in the call that needs it.
 */
static void prepare_header(struct host_mm *hm)
{
	struct stub_message m = message_at(STUB_SLOTS + SLOT_MESSAGE);

	memcpy((u8 *)slot_alias(2 * hm->id) + SLOT_MESSAGE, &m, sizeof(m));
}

int fdpass_to_keeper(struct host_mm *hm, const int *fds, int n)
{
	struct stub_ctl *ctl = hm->ctl;
	int err;

	ASSERT(n <= 2);
	if (!fdpass_by_socket()) {
		for (int i = 0; i < n; i++)
			op_add(ctl, 0, SYS_pidfd_getfd, KEEPER_FD_KERNEL, fds[i], 0, 0, 0, 0);
		return 0;
	}
	err = send_fds(to_keeper[socket_index()], fds, n);
	if (err)
		return err;
	prepare_header(hm);
	op_add(ctl, 0, SYS_recvmsg, KEEPER_FD_REPORT + keeper_fds.nreports + socket_index(),
	       STUB_SLOTS + SLOT_MESSAGE, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, 0, 0, 0);
	return 0;
}

void fdpass_failed(void)
{
	char byte;

	if (fdpass_by_socket())
		while (recv(keeper_fds.socket[socket_index()], &byte, 1, MSG_DONTWAIT) >= 0)
			;
}

/* ---- listeners of tasks ---- */

void fdpass_prepare(struct host_mm *hm)
{
	struct stub_message *l = &hm->ctl->listener;

	hm->ctl->task_socket = CTL_NO_SOCKET;
	hm->ctl->task_start = engine->setup->start;
	if (!fdpass_by_socket() || !engine->setup->filter_flags)
		return;
	hm->ctl->task_socket = keeper_fds.keeper_end - 1;
	hm->ctl->task_start = STUB_SEND;
	*l = message_at(STUB_CTL + CTL_LISTENER);
	/* A new task has no other descriptors below the socket: its listener is 0. */
	l->control[0] = CMSG_LEN(sizeof(int));
	l->control[1] = SOL_SOCKET | (u64)SCM_RIGHTS << 32;
}

static struct arrived *arrived_find(pid_t pid)
{
	struct arrived *a;

	cds_list_for_each_entry(a, &arrived, link)
		if (a->pid == pid)
			return a;
	return NULL;
}

/* Takes one from the list; NULL is fine. */
static void arrived_drop(struct arrived *a)
{
	if (!a)
		return;
	cds_list_del(&a->link);
	close(a->fd);
	kfree(a);
}

/*
 * Of two of one pid the first is a dead process's. Who gets no memory for it gives up a task that
 * would have been started.
 */
static void arrived_add(pid_t pid, int fd)
{
	struct arrived *a = kmalloc(sizeof(*a));

	arrived_drop(arrived_find(pid));
	if (!a) {
		close(fd);
		return;
	}
	*a = (struct arrived){.pid = pid, .fd = fd};
	cds_list_add(&a->link, &arrived);
}

/*
 * The next message's sender and descriptor. -EAGAIN: there is none; -EMFILE and the like: there is,
 * and remains so.
 */
static int receive_one(pid_t *pid)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
	} control;
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};
	int fd = -EMFILE;

	*pid = 0;
	if (recvmsg(from_tasks, &m, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		struct ucred cred;

		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
		if (c->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&cred, CMSG_DATA(c), sizeof(cred));
			*pid = cred.pid;
		}
	}
	if (fd >= 0 && recv(from_tasks, &byte, 1, MSG_DONTWAIT) < 0)
		ASSERT(false); /* nobody else receives */
	return fd;
}

/* All that has come gets on the list. */
static int receive_all(void)
{
	pid_t pid;
	int fd;

	while ((fd = receive_one(&pid)) >= 0)
		arrived_add(pid, fd);
	return fd == -EAGAIN ? 0 : fd;
}

int fdpass_listener(pid_t pid)
{
	struct arrived *a;
	int err, fd = -ENOENT;

	spin_lock(&arrived_lock);
	err = receive_all();
	a = arrived_find(pid);
	if (a) {
		fd = a->fd;
		cds_list_del(&a->link);
		kfree(a);
	} else if (err) {
		fd = err;
	}
	spin_unlock(&arrived_lock);
	return fd;
}

void fdpass_wait(ktime_t ns)
{
	(void)poll(&(struct pollfd){.fd = from_tasks, .events = POLLIN}, 1, ns / NSEC_PER_MSEC);
}

void fdpass_forget(pid_t pid)
{
	if (!fdpass_by_socket() || !engine->setup->filter_flags || !pid)
		return;
	spin_lock(&arrived_lock);
	if (receive_all())
		log_info("a listener that nobody wants can't be received now\n");
	arrived_drop(arrived_find(pid));
	spin_unlock(&arrived_lock);
}
