/*
 * What travels with messages: files (SCM_RIGHTS), credentials (SCM_CREDENTIALS), the time
 * (SCM_TIMESTAMP, SCM_TIMESTAMPNS).
 */
#include "alloc.h"
#include "cred.h"
#include "task.h"
#include "unix.h"
#include <linux/capability.h>
#include <string.h>

#define OVERFLOW_ID 65534u /* who isn't known */

/* ---- sending ---- */

/* Adds the files of one control message. */
static int add_files(struct scm *scm, const u8 *data, size_t len)
{
	int n = (int)(len / sizeof(int)), fd;
	struct scm_files *files = scm->files;

	if (n > SCM_MAX_FDS || (files && files->n + n > SCM_MAX_FDS))
		return -EINVAL;
	if (!n)
		return 0;
	files = krealloc(files, sizeof(*files) +
					(size_t)(n + (files ? files->n : 0)) * sizeof(files->f[0]));
	if (!files)
		return -ENOMEM;
	if (!scm->files)
		*files = (struct scm_files){.n = 0};
	scm->files = files;
	for (int i = 0; i < n; i++) {
		memcpy(&fd, data + (size_t)i * sizeof(fd), sizeof(fd));
		files->f[files->n] = fd_get_raw(fd);
		if (!files->f[files->n])
			return -EBADF;
		files->n++;
	}
	return 0;
}

/* May the current task say that it is this? */
static bool creds_allowed(const struct ucred *c)
{
	const struct cred *me = current->cred;

	return (c->pid == tg_nr(current->tg) || capable(CAP_SYS_ADMIN)) &&
	       (c->uid == me->uid || c->uid == me->euid || c->uid == me->suid ||
		capable(CAP_SETUID)) &&
	       (c->gid == me->gid || c->gid == me->egid || c->gid == me->sgid ||
		capable(CAP_SETGID));
}

static int set_creds(struct scm *scm, const u8 *data, size_t len)
{
	struct pid *pid;

	if (len != sizeof(scm->creds))
		return -EINVAL;
	memcpy(&scm->creds, data, len);
	if (!creds_allowed(&scm->creds))
		return -EPERM;
	if (scm->creds.uid == (uid_t)-1 || scm->creds.gid == (gid_t)-1)
		return -EINVAL;
	if (scm->creds.pid != tg_nr(current->tg)) {
		pid = scm->creds.pid > 0 ? find_pid(scm->creds.pid) : NULL;
		if (!pid)
			return -ESRCH;
		pid_put(pid);
	}
	scm->has_creds = true;
	return 0;
}

static int parse_one(struct scm *scm, const struct cmsghdr *h, const u8 *data)
{
	size_t len = h->cmsg_len - CMSG_LEN(0);

	if (h->cmsg_level != SOL_SOCKET)
		return 0;
	switch (h->cmsg_type) {
	case SCM_RIGHTS:
		return add_files(scm, data, len);
	case SCM_CREDENTIALS:
		return set_creds(scm, data, len);
	default:
		return -EINVAL;
	}
}

int scm_parse(struct scm *scm, const u8 *control, size_t len)
{
	struct cmsghdr h;
	int err = 0;

	for (size_t at = 0; !err && len - at >= sizeof(h);) {
		memcpy(&h, control + at, sizeof(h));
		if (h.cmsg_len < sizeof(h) || h.cmsg_len > len - at) {
			err = -EINVAL;
			break;
		}
		err = parse_one(scm, &h, control + at + CMSG_LEN(0));
		at += min(CMSG_ALIGN(h.cmsg_len), len - at);
	}
	if (err)
		scm_drop(scm);
	return err;
}

/* ---- receiving ---- */

#define CONTROL_MAX                                                                                \
	(CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(struct ucred)) +                  \
	 CMSG_SPACE(SCM_MAX_FDS * sizeof(int)))

/* The control buffer being filled. */
struct control {
	struct sock_msg *m;
	size_t size, used;
	u8 buf[CONTROL_MAX];
};

/* As much of a control message as there is room for. */
static void put_cmsg(struct control *c, int type, const void *data, size_t len)
{
	struct cmsghdr h = {.cmsg_len = CMSG_LEN(len), .cmsg_level = SOL_SOCKET, .cmsg_type = type};
	size_t room = c->size - c->used;

	if (room < sizeof(h)) {
		c->m->out_flags |= MSG_CTRUNC;
		return;
	}
	if (room < h.cmsg_len) {
		c->m->out_flags |= MSG_CTRUNC;
		h.cmsg_len = room;
	}
	memcpy(c->buf + c->used, &h, sizeof(h));
	memcpy(c->buf + c->used + sizeof(h), data, h.cmsg_len - sizeof(h));
	c->used += min(CMSG_SPACE(len), room);
}

static void put_stamp(struct control *c, ktime_t ns, bool as_ns)
{
	struct timespec ts = ns_to_timespec(ns);
	struct timeval tv = {.tv_sec = ts.tv_sec,
			     .tv_usec = ts.tv_nsec / (suseconds_t)NSEC_PER_USEC};

	if (as_ns)
		put_cmsg(c, SCM_TIMESTAMPNS, &ts, sizeof(ts));
	else
		put_cmsg(c, SCM_TIMESTAMP, &tv, sizeof(tv));
}

static void put_creds(struct control *c, const struct scm *scm)
{
	struct ucred creds = {.pid = 0, .uid = OVERFLOW_ID, .gid = OVERFLOW_ID};

	if (scm->has_creds)
		creds = scm->creds;
	put_cmsg(c, SCM_CREDENTIALS, &creds, sizeof(creds));
}

/* Reserves descriptors for as many files as the buffer has room for: how many. */
static int reserve_fds(struct control *c, const struct scm_files *files, int *fds)
{
	size_t room = c->size - c->used;
	int n = 0, most = 0;

	if (room > sizeof(struct cmsghdr))
		most = (int)min((room - sizeof(struct cmsghdr)) / sizeof(int), (size_t)files->n);
	while (n < most) {
		fds[n] = fd_reserve(0, c->m->flags & MSG_CMSG_CLOEXEC);
		if (fds[n] < 0)
			break;
		n++;
	}
	if (n < files->n)
		c->m->out_flags |= MSG_CTRUNC;
	if (n)
		put_cmsg(c, SCM_RIGHTS, fds, (size_t)n * sizeof(int));
	return n;
}

/* The first n files become descriptors, if the guest was told; the others are put. */
static void install_fds(struct scm_files *files, const int *fds, int n, bool told)
{
	for (int i = 0; i < n; i++) {
		if (told)
			fd_install(fds[i], file_get(files->f[i]));
		else
			fd_unreserve(fds[i]);
	}
}

void scm_deliver(struct unix_sock *sk, struct sock_msg *m, uaddr_t control, size_t *len)
{
	bool passcred = sock_option(sk, OPT_PASSCRED), told;
	struct control c = {.m = m, .used = 0};
	int fds[SCM_MAX_FDS], n = 0;

	c.size = control ? min(*len, sizeof(c.buf)) : 0;
	if (m->scm.stamp)
		put_stamp(&c, m->scm.stamp, sock_option(sk, OPT_TIMESTAMPNS));
	if (passcred)
		put_creds(&c, &m->scm);
	if (m->scm.files)
		n = reserve_fds(&c, m->scm.files, fds);
	told = !c.used || !copy_to_user(control, c.buf, c.used);
	if (!told)
		m->out_flags |= MSG_CTRUNC;
	if (m->scm.files)
		install_fds(m->scm.files, fds, n, told);
	scm_drop(&m->scm);
	*len = told ? c.used : 0;
}

/* ---- files ---- */

void scm_peek(struct sock_msg *m, const struct skb *skb)
{
	const struct scm_files *files = skb->scm.files;
	struct scm_files *copy = kmalloc(sizeof(*copy) + (size_t)files->n * sizeof(copy->f[0]));

	if (!copy) {
		m->out_flags |= MSG_CTRUNC;
		return;
	}
	*copy = (struct scm_files){.n = files->n};
	unix_gc_lock(); /* the collector must not see the old number of references and miss these */
	for (int i = 0; i < files->n; i++)
		copy->f[i] = file_get(files->f[i]);
	unix_gc_unlock();
	m->scm.files = copy;
}

/*
 * Files that are not (or no more) in flight; NULL is allowed.
 *
 * Putting the last reference of a socket drops its messages, whose files may be sockets with
 * messages ... So a task that is at it only notes further files, and the loop below gets to them:
 * no recursion, however deep the guest has nested them.
 */
static void scm_files_put(struct scm_files *files)
{
	struct task *t = current;

	if (!files)
		return;
	files->next = t->scm_doomed;
	t->scm_doomed = files;
	if (t->scm_dropping)
		return;
	t->scm_dropping = true;
	while ((files = t->scm_doomed)) {
		t->scm_doomed = files->next;
		for (int i = 0; i < files->n; i++)
			file_put(files->f[i]);
		kfree(files);
	}
	t->scm_dropping = false;
}

void scm_drop(struct scm *scm)
{
	struct scm_files *files = scm->files;

	scm->files = NULL;
	scm_files_put(files);
}
