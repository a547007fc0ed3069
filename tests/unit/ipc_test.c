/*
 * Pipes, fifos, event descriptors, epoll and poll as system calls, by tasks on 1, 2 and 4 CPUs: no
 * wake-up is lost, nothing is left behind.
 * objects: kernel/ipc/epoll*.o kernel/ipc/pipe*.o kernel/ipc/fifo.o kernel/ipc/eventfd.o kernel/ipc/timerfd.o kernel/ipc/poll*.o kernel/ipc/select.o kernel/signal/sigqueue.o kernel/signal/sighand.o kernel/signal/send.o kernel/signal/stop.o kernel/task/cred.o smp/[a-z]*.o os/alloc.o os/fault.o os/clock.o os/log.o os/panic.o os/slice.o os/stack.o os/symbols.o os/thread.o
 */
#include "ipc_util.h"
#include "pipe.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>

/* ---- pipes ---- */

#define ROUNDS 2000

static int p[2][2];

static void echo(long arg)
{
	char c;

	for (int i = 0; i < ROUNDS; i++) {
		must_eq(fu_read(p[0][0], &c, 1), 1);
		must_eq(c, (char)i);
		must_eq(fu_write(p[1][1], &c, 1), 1);
	}
}

static void ping(long arg)
{
	char c;

	for (int i = 0; i < ROUNDS; i++) {
		c = (char)i;
		must_eq(fu_write(p[0][1], &c, 1), 1);
		must_eq(fu_read(p[1][0], &c, 1), 1);
		must_eq(c, (char)i);
	}
}

static void ping_pong(void)
{
	must(!sys_pipe2(U(p[0]), 0) && !sys_pipe2(U(p[1]), 0));
	go(echo, 0);
	go(ping, 0);
	settle(2);
	close_all();
	nothing_left();
}

#define MSG 700 /* so that several share the pipe, and some don't fit a slot */
static u64 sums[2];

static void writer(long n)
{
	u8 buf[MSG];
	u64 sum = 0;

	for (int i = 0; i < 400; i++) {
		memset(buf, (int)(n + i) & 0xff, sizeof(buf));
		sum += (u64)buf[0] * sizeof(buf);
		must_eq(fu_write(p[0][1], buf, sizeof(buf)), MSG);
	}
	__atomic_fetch_add(&sums[0], sum, __ATOMIC_SEQ_CST);
}

/* Writes of up to PIPE_BUF are atomic: whoever reads in the same pieces finds no mixture. */
static void reader(long n)
{
	u8 buf[MSG];
	u64 sum = 0;
	ssize_t got;

	while ((got = fu_read(p[0][0], buf, sizeof(buf))) > 0) {
		must_eq(got, MSG);
		for (int i = 0; i < MSG; i++)
			must_eq(buf[i], buf[0]);
		sum += (u64)buf[0] * MSG;
	}
	must_eq(got, 0);
	__atomic_fetch_add(&sums[1], sum, __ATOMIC_SEQ_CST);
}

static void crowd(void)
{
	sums[0] = sums[1] = 0;
	must(!sys_pipe2(U(p[0]), 0));
	for (int i = 0; i < 5; i++)
		go(writer, i * 17);
	for (int i = 0; i < 3; i++)
		go(reader, i);
	settle(5);
	must(!fd_close(p[0][1]));
	settle(3);
	must_eq(sums[0], sums[1]);
	close_all();
	nothing_left();
}

static void big_writer(long n)
{
	static u8 buf[300000];

	must_eq(fu_write(p[0][1], buf, sizeof(buf)), sizeof(buf));
}

static void pipe_errors(void)
{
	static u8 buf[100000];
	int fd, v;

	must_eq(sys_pipe2(U(p[0]), 012345), -EINVAL);
	must_eq(sys_pipe2(8, 0), -EFAULT);
	nothing_left();
	must(!sys_pipe2(U(p[0]), O_NONBLOCK));
	must_eq(fu_read(p[0][0], buf, 1), -EAGAIN);
	must_eq(fu_write(p[0][1], buf, sizeof(buf)), 65536);
	must_eq(fu_write(p[0][1], buf, 1), -EAGAIN);
	must_eq(pipe_get_size(fu_table[p[0][0]]), 65536);
	must_eq(pipe_set_size(fu_table[p[0][0]], 4096), -EBUSY);
	must_eq(pipe_set_size(fu_table[p[0][0]], 70000), 131072);
	must_eq(pipe_set_size(fu_table[p[0][0]], (1u << 20) + 1), -EPERM);
	must_eq(pipe_set_size(fu_table[p[0][0]], (1u << 31) + 1), -EINVAL);
	must_eq(fu_write(p[0][1], buf, sizeof(buf)), 65536);
	must(!fifo_ops.ioctl(fu_table[p[0][0]], FIONREAD, U(&v)) && v == 131072);
	fd = fu_dup(p[0][0]);
	must(!fd_close(p[0][0]));
	must_eq(fifo_ops.poll(fu_table[p[0][1]], NULL), 0);
	must(!fd_close(fd));
	must_eq(fifo_ops.poll(fu_table[p[0][1]], NULL), POLLERR);
	must_eq(fu_write(p[0][1], buf, 1), -EPIPE);
	must(!fd_close(p[0][1]));
	nothing_left();
	/* A write that waits learns that nobody will read. */
	must(!sys_pipe2(U(p[0]), 0));
	must(!fd_close(p[0][1]));
	must_eq(fu_read(p[0][0], buf, 1), 0);
	must_eq(fifo_ops.poll(fu_table[p[0][0]], NULL), POLLHUP);
	close_all();
	/* An ordinary user's pipes get small when there are very many. */
	for (int i = 0; i < 1024; i++)
		must(!sys_pipe2(U(p[0]), 0));
	must_eq(pipe_get_size(fu_table[p[0][0]]), 65536);
	must(!sys_pipe2(U(p[1]), 0));
	must_eq(pipe_get_size(fu_table[p[1][0]]), 8192);
	must_eq(pipe_set_size(fu_table[p[0][0]], 131072), -EPERM);
	close_all();
	must_eq(current->cred->user->pipe_slots, 0);
	must(!sys_pipe2(U(p[0]), 0));
	go(big_writer, 0);
	for (size_t n = 0; n < 300000;) {
		ssize_t got = fu_read(p[0][0], buf, 50000);

		must(got > 0);
		n += (size_t)got;
	}
	settle(1);
	close_all();
	nothing_left();
}

/* ---- fifos ---- */

static struct inode *fifo;
static struct file *fifo_files[2];

static struct file *fifo_open_as(int flags, int *err)
{
	struct file *f = fu_file(&fifo_ops, NULL, flags);

	f->inode = inode_get(fifo);
	*err = fifo_ops.open(fifo, f);
	if (!*err)
		return f;
	inode_put(fifo);
	kfree(f);
	__atomic_fetch_sub(&fu_live_files, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void open_end(long flags)
{
	int err;

	fifo_files[flags == O_WRONLY] = fifo_open_as((int)flags, &err);
	must(!err);
}

static void fifos(void)
{
	struct file *f;
	int err;

	fifo = fu_inode(S_IFIFO | 0600);
	must(!fifo_open_as(O_WRONLY | O_NONBLOCK, &err) && err == -ENXIO);
	f = fifo_open_as(O_RDONLY | O_NONBLOCK, &err);
	must(f && !err);
	must_eq(fifo_ops.poll(f, NULL), 0); /* no writer came yet: no hang-up */
	fifo_files[1] = fifo_open_as(O_WRONLY | O_NONBLOCK, &err);
	must(fifo_files[1]);
	file_put(fifo_files[1]);
	must_eq(fifo_ops.poll(f, NULL), POLLHUP);
	file_put(f);
	must(!fifo->pipe);
	for (int i = 0; i < 200; i++) {
		go(open_end, i & 1 ? O_RDONLY : O_WRONLY);
		go(open_end, i & 1 ? O_WRONLY : O_RDONLY);
		settle(2);
		file_put(fifo_files[0]);
		file_put(fifo_files[1]);
		must(!fifo->pipe);
	}
	inode_put(fifo);
	nothing_left();
}

/* ---- event descriptors ---- */

static int ev;
static u64 taken; /* atomic */

static void ev_write(long n)
{
	u64 v = 3;

	for (int i = 0; i < n; i++)
		must_eq(fu_write(ev, &v, 8), 8);
}

static void ev_take(long n)
{
	u64 v;

	for (int i = 0; i < n; i++) {
		must_eq(fu_read(ev, &v, 8), 8);
		must_eq(v, 1);
		__atomic_fetch_add(&taken, v, __ATOMIC_SEQ_CST);
	}
}

static void eventfds(void)
{
	u64 v = 5;

	taken = 0;
	ev = (int)sys_eventfd2(0, EFD_SEMAPHORE);
	must(ev >= 0);
	for (int i = 0; i < 3; i++) {
		go(ev_take, 300);
		go(ev_write, 100);
	}
	settle(6);
	must_eq(taken, 900);
	must(!fd_close(ev));
	ev = (int)sys_eventfd2(7, EFD_NONBLOCK);
	must(fu_read(ev, &v, 8) == 8 && v == 7);
	must_eq(fu_read(ev, &v, 8), -EAGAIN);
	must_eq(fu_read(ev, &v, 7), -EINVAL);
	v = UINT64_MAX;
	must_eq(fu_write(ev, &v, 8), -EINVAL);
	v = UINT64_MAX - 1;
	must_eq(fu_write(ev, &v, 8), 8);
	v = 1;
	must_eq(fu_write(ev, &v, 8), -EAGAIN);
	must_eq(sys_eventfd2(0, 3 << 20), -EINVAL);
	close_all();
	nothing_left();
}

static void timerfds(void)
{
	struct itimerspec its = {.it_value.tv_nsec = 2000000, .it_interval.tv_nsec = 1000000}, old;
	u64 ticks = 0, n;
	int fd = (int)sys_timerfd_create(CLOCK_MONOTONIC, 0);

	must(!sys_timerfd_settime(fd, 0, U(&its), U(&old)));
	must(!old.it_value.tv_sec && !old.it_value.tv_nsec);
	for (int i = 0; i < 5; i++) {
		must_eq(fu_read(fd, &n, 8), 8);
		must(n > 0);
		ticks += n;
	}
	sleep_us(5000);
	must_eq(fu_read(fd, &n, 8), 8);
	must(n >= 3);
	its.it_value.tv_nsec = 0;
	must(!sys_timerfd_settime(fd, 0, U(&its), 0));
	must(!sys_timerfd_gettime(fd, U(&old)) && !old.it_value.tv_nsec);
	/* Long ago: at once. */
	its = (struct itimerspec){.it_value.tv_sec = 1};
	must(!sys_timerfd_settime(fd, TFD_TIMER_ABSTIME, U(&its), 0));
	must(fu_table[fd]->ops->poll(fu_table[fd], NULL) == POLLIN);
	must(fu_read(fd, &n, 8) == 8 && n == 1);
	its.it_value.tv_nsec = 1000000000;
	must_eq(sys_timerfd_settime(fd, 0, U(&its), 0), -EINVAL);
	close_all();
	nothing_left();
}

/* ---- epoll ---- */

static struct epoll_event event(u32 events, u64 data)
{
	return (struct epoll_event){.events = events, .data.u64 = data};
}

static int ctl(int ep, int op, int fd, u32 events, u64 data)
{
	struct epoll_event e = event(events, data);

	return (int)sys_epoll_ctl(ep, op, fd, U(&e));
}

static int wait_n(int ep, struct epoll_event *e, int max, int ms)
{
	return (int)sys_epoll_wait(ep, U(e), max, ms);
}

static void epoll_modes(void)
{
	int ep = (int)sys_epoll_create1(0), fd;
	struct epoll_event e[4];
	char c = 0;

	must(!sys_pipe2(U(p[0]), O_NONBLOCK));
	must_eq(wait_n(ep, e, 4, 0), 0);
	must(!ctl(ep, EPOLL_CTL_ADD, p[0][0], EPOLLIN, 11));
	must_eq(ctl(ep, EPOLL_CTL_ADD, p[0][0], EPOLLIN, 11), -EEXIST);
	must_eq(ctl(ep, EPOLL_CTL_ADD, ep, EPOLLIN, 1), -EINVAL);
	must_eq(ctl(ep, EPOLL_CTL_ADD, 77, EPOLLIN, 1), -EBADF);
	must_eq(ctl(ep, EPOLL_CTL_MOD, p[0][1], EPOLLIN, 1), -ENOENT);
	must_eq(ctl(p[0][0], EPOLL_CTL_ADD, p[0][1], EPOLLIN, 1), -EINVAL);
	must_eq(ctl(ep, EPOLL_CTL_MOD, p[0][0], EPOLLIN | EPOLLEXCLUSIVE, 1), -EINVAL);
	must_eq(wait_n(ep, e, 4, 0), 0);
	fu_write(p[0][1], &c, 1);
	/* Level: again and again. */
	for (int i = 0; i < 3; i++) {
		must_eq(wait_n(ep, e, 4, 0), 1);
		must(e[0].events == EPOLLIN && e[0].data.u64 == 11);
	}
	/* A bad buffer loses nothing. */
	must_eq(sys_epoll_wait(ep, 8, 4, 0), -EFAULT);
	must_eq(wait_n(ep, e, 4, 0), 1);
	/* Edge: once for each write. */
	must(!ctl(ep, EPOLL_CTL_MOD, p[0][0], EPOLLIN | EPOLLET, 12));
	must_eq(wait_n(ep, e, 4, 0), 1);
	must_eq(wait_n(ep, e, 4, 0), 0);
	fu_write(p[0][1], &c, 1);
	must_eq(wait_n(ep, e, 4, 0), 1);
	must_eq(wait_n(ep, e, 4, 0), 0);
	/* One shot: once until it is set again. */
	must(!ctl(ep, EPOLL_CTL_MOD, p[0][0], EPOLLIN | EPOLLONESHOT, 13));
	must_eq(wait_n(ep, e, 4, 0), 1);
	fu_write(p[0][1], &c, 1);
	must_eq(wait_n(ep, e, 4, 0), 0);
	must(!ctl(ep, EPOLL_CTL_MOD, p[0][0], EPOLLIN | EPOLLONESHOT, 13));
	must_eq(wait_n(ep, e, 4, 0), 1);
	/* A duplicate keeps the file, and so the watch, under the old number. */
	must(!ctl(ep, EPOLL_CTL_MOD, p[0][0], EPOLLIN, 14));
	fd = fu_dup(p[0][0]);
	must(!ctl(ep, EPOLL_CTL_ADD, fd, EPOLLIN, 15));
	must_eq(wait_n(ep, e, 4, 0), 2);
	must(!fd_close(p[0][0]));
	must_eq(wait_n(ep, e, 4, 0), 2);
	must(!fd_close(fd));
	must_eq(wait_n(ep, e, 4, 0), 0);
	/* The eventpoll goes first. */
	must(!ctl(ep, EPOLL_CTL_ADD, p[0][1], EPOLLOUT, 16));
	must(wait_n(ep, e, 4, 0) == 1 && e[0].events == (EPOLLOUT | EPOLLERR));
	must(!fd_close(ep));
	close_all();
	nothing_left();
}

static void epoll_nested(void)
{
	struct epoll_event e[4];
	int ep[7];
	char c = 0;

	for (int i = 0; i < 7; i++)
		ep[i] = (int)sys_epoll_create1(0);
	must(!sys_pipe2(U(p[0]), 0));
	for (int i = 0; i < 4; i++)
		must(!ctl(ep[i], EPOLL_CTL_ADD, ep[i + 1], EPOLLIN, (u64)i));
	must_eq(ctl(ep[4], EPOLL_CTL_ADD, ep[0], EPOLLIN, 0), -ELOOP);
	must_eq(ctl(ep[4], EPOLL_CTL_ADD, ep[5], EPOLLIN, 0), -ELOOP); /* six deep */
	must_eq(ctl(ep[6], EPOLL_CTL_ADD, ep[0], EPOLLIN, 0), -ELOOP);
	must(!ctl(ep[5], EPOLL_CTL_ADD, ep[1], EPOLLIN, 0));
	must(!ctl(ep[4], EPOLL_CTL_ADD, p[0][0], EPOLLIN, 44));
	must_eq(wait_n(ep[0], e, 4, 0), 0);
	fu_write(p[0][1], &c, 1);
	must_eq(wait_n(ep[0], e, 4, 0), 1);
	must_eq(wait_n(ep[5], e, 4, 0), 1);
	must(wait_n(ep[4], e, 4, 0) == 1 && e[0].data.u64 == 44);
	must_eq(fu_read(p[0][0], &c, 1), 1);
	must_eq(wait_n(ep[0], e, 4, 0), 0);
	must(!fd_close(ep[2]));
	fu_write(p[0][1], &c, 1);
	must_eq(wait_n(ep[0], e, 4, 0), 0);
	close_all();
	nothing_left();
}

static void too_many_ways_up(void)
{
	int inner = (int)sys_epoll_create1(0), err = 0, n;

	for (n = 0; n < 1000 && !err; n++)
		err = ctl((int)sys_epoll_create1(0), EPOLL_CTL_ADD, inner, EPOLLIN, 0);
	must_eq(err, -EINVAL);
	must_eq(n, 501);
	close_all();
	nothing_left();
}

/*
 * Producers write to many pipes, consumers wait at one eventpoll: everything arrives, in each mode.
 */
#define PIPES 20
#define TOTAL 2000

static int many[PIPES][2], ep_fd;
static long left; /* atomic */

static void produce(long seed)
{
	char c = 1;

	for (int i = 0; i < TOTAL; i++)
		must_eq(fu_write(many[(i * 7 + seed) % PIPES][1], &c, 1), 1);
}

/* Takes what is there, as an edge-triggered reader has to. */
static void consume(long mode)
{
	struct epoll_event e[3];
	char buf[64];

	while (__atomic_load_n(&left, __ATOMIC_SEQ_CST) > 0) {
		int n = wait_n(ep_fd, e, 3, 20);

		must(n >= 0);
		for (int i = 0; i < n; i++) {
			int fd = (int)e[i].data.u64;
			ssize_t got;

			while ((got = fu_read(fd, buf, sizeof(buf))) > 0)
				__atomic_fetch_sub(&left, got, __ATOMIC_SEQ_CST);
			must_eq(got, -EAGAIN);
			if (mode & EPOLLONESHOT)
				must(!ctl(ep_fd, EPOLL_CTL_MOD, fd, EPOLLIN | (u32)mode, (u64)fd));
		}
	}
}

/* Meanwhile somebody adds and removes watches, and closes watched files. */
static void disturb(long arg)
{
	struct epoll_event e;
	int q[2], dup;

	while (__atomic_load_n(&left, __ATOMIC_SEQ_CST) > 0) {
		must(!sys_pipe2(U(q), O_NONBLOCK));
		must(!ctl(ep_fd, EPOLL_CTL_ADD, q[0], EPOLLOUT, 0));
		dup = fu_dup(q[0]);
		must(!ctl(ep_fd, EPOLL_CTL_ADD, dup, EPOLLOUT, 0));
		must(!fd_close(q[0]));
		must(!sys_epoll_ctl(ep_fd, EPOLL_CTL_DEL, dup, 0));
		must_eq(sys_epoll_ctl(ep_fd, EPOLL_CTL_DEL, dup, U(&e)), -ENOENT);
		must(!ctl(ep_fd, EPOLL_CTL_ADD, dup, EPOLLOUT, 0));
		must(!fd_close(dup));
		must(!fd_close(q[1]));
		sched_yield_cpu();
	}
}

static void crowd_at_epoll(u32 mode)
{
	ep_fd = (int)sys_epoll_create1(0);
	for (int i = 0; i < PIPES; i++) {
		must(!sys_pipe2(U(many[i]), O_NONBLOCK));
		must(!ctl(ep_fd, EPOLL_CTL_ADD, many[i][0], EPOLLIN | mode, (u64)many[i][0]));
	}
	left = 3 * TOTAL;
	for (int i = 0; i < 3; i++) {
		go(consume, mode);
		go(produce, i * 5);
	}
	go(disturb, 0);
	settle(7);
	close_all();
	nothing_left();
}

static void epoll_crowds(void)
{
	crowd_at_epoll(0);
	crowd_at_epoll(EPOLLET);
	crowd_at_epoll(EPOLLONESHOT);
	crowd_at_epoll(EPOLLET | EPOLLONESHOT);
	crowd_at_epoll(EPOLLEXCLUSIVE);
}

/* ---- poll and select ---- */

static void poll_reader(long arg)
{
	struct pollfd fds[40];
	char buf[16];

	for (int i = 0; i < PIPES; i++)
		fds[2 * i] = fds[2 * i + 1] = (struct pollfd){.fd = many[i][0], .events = POLLIN};
	while (__atomic_load_n(&left, __ATOMIC_SEQ_CST) > 0) {
		long n = sys_poll(U(fds), 40, 20);

		must(n >= 0);
		for (int i = 0; n && i < 40; i++) {
			if (!fds[i].revents)
				continue;
			must_eq(fds[i].revents, POLLIN);
			for (ssize_t got; (got = fu_read(fds[i].fd, buf, sizeof(buf))) > 0;)
				__atomic_fetch_sub(&left, got, __ATOMIC_SEQ_CST);
		}
	}
}

static void select_reader(long arg)
{
	char buf[16];
	fd_set in;

	while (__atomic_load_n(&left, __ATOMIC_SEQ_CST) > 0) {
		struct timeval tv = {0, 20000};
		int top = 0;
		long n;

		FD_ZERO(&in);
		for (int i = 0; i < PIPES; i++) {
			FD_SET(many[i][0], &in);
			top = max(top, many[i][0] + 1);
		}
		n = sys_select(top, U(&in), 0, 0, U(&tv));
		must(n >= 0);
		for (int i = 0; n && i < PIPES; i++)
			if (FD_ISSET(many[i][0], &in))
				for (ssize_t got;
				     (got = fu_read(many[i][0], buf, sizeof(buf))) > 0;)
					__atomic_fetch_sub(&left, got, __ATOMIC_SEQ_CST);
	}
}

static void polls(void)
{
	struct pollfd bad[3] = {
		{.fd = -5, .events = POLLIN}, {.fd = 999, .events = POLLIN}, {.fd = 0}};
	struct timeval tv = {0, 0};
	fd_set set;

	for (int i = 0; i < PIPES; i++)
		must(!sys_pipe2(U(many[i]), O_NONBLOCK));
	left = 3 * TOTAL;
	for (int i = 0; i < 3; i++)
		go(produce, i * 5);
	go(poll_reader, 0);
	go(select_reader, 0);
	settle(5);
	must_eq(sys_poll(U(bad), 3, -1), 1);
	must(!bad[0].revents && bad[1].revents == POLLNVAL && !bad[2].revents);
	FD_ZERO(&set);
	FD_SET(999, &set); /* beyond the table: isn't looked at */
	must_eq(sys_select(1000, U(&set), 0, 0, U(&tv)), 0);
	FD_SET(200, &set);
	must_eq(sys_select(201, U(&set), 0, 0, U(&tv)), -EBADF);
	must_eq(sys_select(-1, 0, 0, 0, U(&tv)), -EINVAL);
	must_eq(sys_select(10, 8, 0, 0, U(&tv)), -EFAULT);
	must_eq(sys_poll(8, 2, 0), -EFAULT);
	group->rlim[RLIMIT_NOFILE].rlim_cur = 10;
	must_eq(sys_poll(U(bad), 11, 0), -EINVAL);
	group->rlim[RLIMIT_NOFILE].rlim_cur = RLIM64_INFINITY;
	must_eq(sys_poll(U(bad), 1, 3), 0); /* over in time */
	close_all();
	nothing_left();
}

/* ---- running ---- */

static void (*const parts[])(void) = {
	pipe_errors,  ping_pong,	crowd,	      fifos, eventfds, timerfds, epoll_modes,
	epoll_nested, too_many_ways_up, epoll_crowds, polls,
};

static void all_parts(void)
{
	run_parts(parts, ARRAY_SIZE(parts));
}

START_TEST(works_on_some_cpus)
{
	group = make_group();
	must(!ipc_init());
	with_cpus(cpu_counts[_i], all_parts);
	free_group(group);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ipc");

	tcase_add_loop_test(tc, works_on_some_cpus, 0, ARRAY_SIZE(cpu_counts));
	return run_suite(tc, "ipc");
}
