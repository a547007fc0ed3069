/* What the tests of inotify share: events as texts. */
#ifndef GUEST_INOTIFY_H
#define GUEST_INOTIFY_H

#include "hostile.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/xattr.h>

static const struct {
	unsigned int bit;
	const char *name;
} bits[] = {
	{IN_ACCESS, "access"},
	{IN_MODIFY, "modify"},
	{IN_ATTRIB, "attrib"},
	{IN_CLOSE_WRITE, "close_write"},
	{IN_CLOSE_NOWRITE, "close_nowrite"},
	{IN_OPEN, "open"},
	{IN_MOVED_FROM, "moved_from"},
	{IN_MOVED_TO, "moved_to"},
	{IN_CREATE, "create"},
	{IN_DELETE, "delete"},
	{IN_DELETE_SELF, "delete_self"},
	{IN_MOVE_SELF, "move_self"},
	{IN_UNMOUNT, "unmount"},
	{IN_Q_OVERFLOW, "overflow"},
	{IN_IGNORED, "ignored"},
	{IN_ISDIR, "isdir"},
};

static char text[64 << 10];

static inline const char *event_text(const struct inotify_event *e, char *out)
{
	char *at = out + sprintf(out, "%d:", e->wd);
	bool first = true;

	for (size_t i = 0; i < sizeof(bits) / sizeof(*bits); i++)
		if (e->mask & bits[i].bit) {
			at += sprintf(at, "%s%s", first ? "" : "|", bits[i].name);
			first = false;
		}
	if (e->len)
		sprintf(at, "(%s)", e->name);
	return out;
}

/* All that is queued, as "WD:EVENT|isdir(NAME) ...". */
static inline const char *events(int fd)
{
	static char buf[256 << 10] __attribute__((aligned(8)));
	char one[512];
	size_t have = 0;
	int queued;

	text[0] = 0;
	MUST(ioctl(fd, FIONREAD, &queued));
	while (queued > 0) {
		ssize_t n = MUST(read(fd, buf, sizeof(buf)));

		for (ssize_t at = 0; at < n;) {
			struct inotify_event *e = (struct inotify_event *)(buf + at);

			CHECK(have < sizeof(text) - 600);
			have += (size_t)sprintf(text + have, "%s%s", have ? " " : "",
						event_text(e, one));
			at += (ssize_t)(sizeof(*e) + e->len);
		}
		MUST(ioctl(fd, FIONREAD, &queued));
	}
	return text;
}

/* An instance that watches what is given. */
static inline int watching(const char *path, unsigned int mask)
{
	int fd = MUST(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));

	CHECK_EQ(MUST(inotify_add_watch(fd, path, mask)), 1);
	return fd;
}

#define ALL IN_ALL_EVENTS
#define CHECK_EVENTS(fd, want) CHECK_STR(events(fd), want)

static inline void touch(const char *path)
{
	MUST(close(MUST(open(path, O_WRONLY | O_CREAT, 0644))));
}

/* What the watched file f is told, and its watched directory: f is 1, the directory 2. */
static inline int watching_both(void)
{
	int fd;

	t_cd_tmpdir();
	t_write_file("f", "text");
	fd = watching("f", ALL);
	CHECK_EQ(inotify_add_watch(fd, ".", ALL), 2);
	return fd;
}

#endif
