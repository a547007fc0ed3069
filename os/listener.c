/*
 * Listeners: the descriptors by which the seccomp engine hears of the calls of host processes and
 * answers them, one a process. What the calls mean is the business of seccomp.c.
 */
#include "os/listener.h"
#include "cpu.h"
#include "host.h"
#include "ktime.h"
#include "log.h"
#include "os/atonce.h"
#include "os/fault.h"
#include "os/fdpass.h"
#include "os/newer.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define KICK_CPU_MAX (200 * NSEC_PER_MSEC)

bool seccomp_polls;

/* The end of a process ends who waits for its notifications, since Linux 6.11. */
static bool listeners_tell_of_death(void)
{
	struct utsname u;
	int major, minor;

	return !uname(&u) && sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 11));
}

void listener_probe(void)
{
	if (!listeners_tell_of_death())
		seccomp_polls = true;
}

/* ---- calls ---- */

/* Was what interrupted this thread a kick? Not if a slice went on. */
static bool was_kicked(void)
{
	struct cpu *c = this_cpu();

	return !c || load_relaxed(&c->kick_pending);
}

/* Its kick was on its way when it had used `then` ns of CPU time. */
static bool overdue(const struct host_task *ht, ktime_t then)
{
	return at_once_cputime(ht->pid) - then > KICK_CPU_MAX;
}

/*
 * Is there a notification? Waits for KICK_CHECK at most. -EINTR: a host signal came; -EAGAIN: none
 * yet, or it died.
 */
static int notified(const struct host_task *ht)
{
	struct pollfd p = {.fd = ht->listener, .events = POLLIN};

	if (poll(&p, 1, KICK_CHECK / NSEC_PER_MSEC) < 0)
		return -errno;
	return p.revents & POLLIN ? 0 : -EAGAIN;
}

int listener_receive(struct host_task *ht, struct seccomp_notif *n, bool kicked)
{
	bool late = false;
	ktime_t used = 0; /* when it was first found late */

	for (;;) {
		int err = kicked || seccomp_polls ? notified(ht) : 0;

		if (err && process_is_dead(ht->pid))
			return -ESRCH;
		if (err && !kicked) {
			kicked = err == -EINTR && was_kicked();
			continue;
		}
		/* Not only when its time is up: kicks come as often. */
		if (err) {
			if (!late)
				used = at_once_cputime(ht->pid);
			late = true;
			if (!overdue(ht, used))
				continue;
			log_info("host process %d ignores kicks: killed\n", ht->pid);
			kill(ht->pid, SIGKILL);
			return -ESRCH;
		}
		memset(n, 0, sizeof(*n));
		if (fault_inject(FAULT_notif))
			kill(ht->pid, SIGKILL);
		if (ioctl(ht->listener, SECCOMP_IOCTL_NOTIF_RECV, n) == 0) {
			ht->notif_id = n->id;
			return 0;
		}
		if (errno == EINTR && !kicked)
			kicked = was_kicked();
		else if (errno != EINTR && (errno != ENOENT || process_is_dead(ht->pid)))
			return -ESRCH;
	}
}

/*
 * A listener's calls other than RECV. EINTR: a host signal (an IPI) came while another call had its
 * lock, and nothing was done.
 */
static int listener_call(int fd, unsigned long request, void *arg)
{
	int ret;

	do
		ret = ioctl(fd, request, arg);
	while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : ret;
}

int listener_answer(const struct host_task *ht, u64 val)
{
	struct seccomp_notif_resp r = {.id = ht->notif_id};

	if ((s64)val < 0 && (s64)val >= -MAX_ERRNO)
		r.error = (s32)val;
	else
		r.val = val;
	if (fault_inject(FAULT_notif))
		kill(ht->pid, SIGKILL);
	return listener_call(ht->listener, SECCOMP_IOCTL_NOTIF_SEND, &r);
}

/* ---- a new process ---- */

/* fd is a new descriptor or an error: is it worth trying again? */
static bool freed_descriptors(int fd)
{
	return fd == -EMFILE && this_cpu() && host_free_descriptors && host_free_descriptors();
}

/* The process's descriptor 0. */
static int fetch_by_pidfd(const struct host_task *ht)
{
	int pidfd, fd;

	do
		pidfd = HOST_CALL(pidfd, syscall(SYS_pidfd_open, ht->pid, 0));
	while (freed_descriptors(pidfd));
	if (pidfd < 0)
		return pidfd == -ESRCH ? -ESRCH : -EAGAIN;
	do
		fd = HOST_CALL(pidfd, syscall(SYS_pidfd_getfd, pidfd, 0, 0));
	while (freed_descriptors(fd));
	close(pidfd);
	return fd;
}

/*
 * What it sends: between its filter and the guest's first instruction nothing but its end keeps it
 * from that.
 */
static int fetch_by_socket(const struct host_task *ht)
{
	ktime_t step = NSEC_PER_MSEC;

	for (;;) {
		int fd = fdpass_listener(ht->pid);

		if (fd != -ENOENT && !freed_descriptors(fd))
			return fd;
		if (process_is_dead(ht->pid))
			return -ESRCH;
		if (fd == -ENOENT)
			fdpass_wait(step);
		step = min(2 * step, NSEC_PER_SEC);
	}
}

int listener_fetch(struct host_task *ht)
{
	int fd = fdpass_by_socket() ? fetch_by_socket(ht) : fetch_by_pidfd(ht);

	if (fd < 0)
		return fd == -EAGAIN || fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM ? -EAGAIN
											: -ESRCH;
	/*
	 * Whoever says for it that it is ready, before it is, has us fetch another descriptor. Of a
	 * listener no notification has this number.
	 */
	if (listener_call(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &(u64){0}) != -ENOENT) {
		close(fd);
		return -ESRCH;
	}
	/* Older hosts lack it: slower. */
	(void)listener_call(fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS,
			    (void *)SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	ht->listener = fd;
	return 0;
}
