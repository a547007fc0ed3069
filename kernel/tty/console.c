/*
 * The console: the host terminal that heddle was started on, as a tty of the guest.
 *
 * The line discipline is ours; output processing is the host's, whose OPOST flags follow the
 * guest's. Until the guest first reads from the console or sets its modes the host terminal stays
 * as it is: a program that only writes leaves type-ahead, ^C and ^Z to the host, which makes them
 * signals to heddle, and those go to the console's foreground. From then on it is in raw mode.
 *
 * Output goes to the host at once, by whoever wrote; what the host doesn't take the event thread
 * sends later.
 */
#include "console.h"
#include "event.h"
#include "ktime.h"
#include "log.h"
#include "sched.h"
#include "task.h"
#include "tty_priv.h"
#include <signal.h>
#include <string.h>

#define CHUNK 2048

/* Constant after console_init(): what stdin, stdout and stderr are. */
static struct host_stdio hosts[3];

/* c constant after console_tty_init()   t console.lock   a atomic */
static struct tty console;
static bool present;		/* c */
static struct host_stdio *host; /* c */
static struct host_ready ready; /* c */
static bool raw;		/* a: the guest has taken the terminal */
static bool sending;		/* t: somebody passes output on */
static bool modes_dirty;	/* t: the host's output flags are to follow when output is gone */
static bool input_full;		/* t: not watching until there is room */

/* ---- output ---- */

static void apply_modes(void)
{
	u32 oflag;

	spin_lock(&console.lock);
	oflag = console.termios.c_oflag;
	modes_dirty = false;
	spin_unlock(&console.lock);
	host_tty_raw(oflag);
}

/* Takes a piece of what may be sent; a flush leaves it in the queue meanwhile. */
static size_t next_piece(u8 *buf)
{
	const u8 *p;
	size_t n = 0;

	if (tty_out_ready(&console)) {
		n = min(byteq_peek(&console.out, &p), tty_out_ready(&console));
		n = min(n, (size_t)CHUNK);
		memcpy(buf, p, n);
		console.out_sent = console.out.tail + n;
	}
	return n;
}

/*
 * One sender at a time, so order is kept; who finds another at work leaves it the rest. True: all
 * is sent.
 */
static bool send_output(bool *sent)
{
	u8 buf[CHUNK];
	size_t n;

	spin_lock(&console.lock);
	if (sending) {
		spin_unlock(&console.lock);
		return false;
	}
	sending = true;
	while ((n = next_piece(buf))) {
		ssize_t done;

		spin_unlock(&console.lock);
		done = host_stdio_write(host, buf, n);
		spin_lock(&console.lock);
		console.out_sent = 0;
		if (done == -EAGAIN)
			break;
		if (done < 0) /* the terminal is gone: nobody will ever see it */
			done = n;
		byteq_skip(&console.out, done);
		*sent = true;
	}
	sending = false;
	byteq_trim(&console.out);
	spin_unlock(&console.lock);
	return n == 0;
}

static void console_output(struct tty *t)
{
	bool sent = false, all = send_output(&sent), dirty;

	if (sent)
		tty_wake_writers(t);
	if (!all)
		host_ready_want(&ready, POLLOUT);
	spin_lock(&t->lock);
	dirty = modes_dirty && !byteq_used(&t->out);
	spin_unlock(&t->lock);
	if (dirty)
		apply_modes();
}

/* ---- input ---- */

static void hung_up(void)
{
	tty_hangup(&console, false);
}

/* How much input there is room for, and arranges to be told when there is none. */
static size_t input_room(void)
{
	size_t room;

	spin_lock(&console.lock);
	room = byteq_room(&console.in);
	input_full = room == 0;
	spin_unlock(&console.lock);
	return room;
}

/*
 * Nothing is read between a suspension and on_continue(), which arms this again: what the host
 * still edits isn't ours to take, and an end of file that is typed then would come as a NUL once
 * the terminal is raw.
 */
static void read_input(void)
{
	u8 buf[CHUNK];
	size_t room;
	ssize_t n;

	if (!host_tty_is_raw())
		return;
	room = input_room();
	if (!room)
		return;
	n = host_stdio_read(host, buf, min(room, sizeof(buf)));
	if (n == 0 || (n < 0 && n != -EAGAIN)) {
		hung_up();
		return;
	}
	if (n > 0)
		tty_input(&console, buf, n);
	host_ready_want(&ready, POLLIN);
}

static void on_ready(void *arg, u32 events)
{
	if (events & POLLOUT)
		console_output(&console);
	if (events & POLLIN)
		read_input();
}

static void console_room(struct tty *t)
{
	bool arm;

	spin_lock(&t->lock);
	arm = input_full && byteq_room(&t->in);
	if (arm)
		input_full = false;
	spin_unlock(&t->lock);
	if (arm)
		host_ready_want(&ready, POLLIN);
}

/*
 * The host's modes become the guest's: at the start, and again until the guest uses the terminal,
 * since whoever started us in the background may have had it in other modes.
 */
static void import_modes(const struct host_tty_modes *m)
{
	struct ktermios *k = &console.termios;

	spin_lock(&console.lock);
	k->c_iflag = m->iflag;
	k->c_oflag = m->oflag;
	k->c_cflag = m->cflag;
	k->c_lflag = m->lflag;
	memcpy(k->c_cc, m->cc, sizeof(m->cc));
	spin_unlock(&console.lock);
}

/* The guest uses the terminal: it is ours from now on. keep: it has set modes of its own. */
static void take_terminal(int sig, bool keep)
{
	struct host_tty_modes m;

	if (load_acquire(&raw))
		return;
	host_tty_foreground(sig);
	if (__atomic_exchange_n(&raw, true, __ATOMIC_ACQ_REL))
		return;
	if (!keep && !host_tty_modes(&m))
		import_modes(&m);
	apply_modes();
	host_ready_want(&ready, POLLIN);
}

static void console_reading(struct tty *t)
{
	take_terminal(SIGTTIN, false);
}

/* Output that was written before still needs the old flags. */
static void console_modes_changed(struct tty *t, const struct ktermios *old)
{
	bool changed;

	take_terminal(SIGTTOU, true);
	spin_lock(&t->lock);
	changed = t->termios.c_oflag != old->c_oflag;
	modes_dirty = modes_dirty || changed;
	spin_unlock(&t->lock);
	if (changed)
		console_output(t);
}

static const struct tty_driver console_driver = {
	.output = console_output,
	.room = console_room,
	.reading = console_reading,
	.modes_changed = console_modes_changed,
	.device_opost = true,
};

/* ---- host signals, on the event thread ---- */

static void read_winsize(void)
{
	struct winsize ws = {0};
	u16 v[4];

	if (host_tty_winsize(v))
		return;
	ws = (struct winsize){.ws_row = v[0], .ws_col = v[1], .ws_xpixel = v[2], .ws_ypixel = v[3]};
	tty_set_winsize(&console, &ws);
}

static void on_winch(int signo)
{
	read_winsize();
}

void console_suspend(const struct thread_group *tg)
{
	if (present && load_relaxed(&tg->tty) == &console &&
	    tty_foreground_nr(&console) == tg_nr(tg))
		host_tty_suspend();
}

/* ^C or ^\ typed at a host terminal that isn't in raw mode (yet): for the console's foreground. */
static void on_interrupt(int signo)
{
	if (present && tty_foreground_nr(&console) > 0)
		tty_signal(&console, signo);
	else
		log_info("signal %d: nobody is in the console's foreground", signo);
}

static void on_suspend(int signo)
{
	host_tty_suspend();
}

/*
 * Went on in the background: the terminal is the shell's until the guest uses it again. True if
 * nobody waits to do so.
 */
static bool give_up_terminal(void)
{
	if (host_tty_in_foreground())
		return false;
	__atomic_store_n(&raw, false, __ATOMIC_SEQ_CST);
	return !(wait_queue_active(&console.read_wait) || fasync_wanted(&console.async)) ||
	       __atomic_exchange_n(&raw, true, __ATOMIC_SEQ_CST);
}

/*
 * Back in the foreground: the terminal is as the shell left it, and the screen shows something
 * else. In the background a reader stops us all, as it would stop itself.
 */
static void on_continue(int signo)
{
	if (load_acquire(&raw) && !give_up_terminal()) {
		host_tty_foreground(SIGTTIN);
		apply_modes();
		host_ready_want(&ready, POLLIN);
		tty_signal(&console, SIGWINCH);
	}
	read_winsize();
}

static void on_hangup(int signo)
{
	hung_up();
}

static void on_terminate(int signo)
{
	host_tty_die(signo);
}

static int watch_signals(void)
{
	static const struct {
		int signo;
		void (*fn)(int signo);
	} table[] = {
		{SIGWINCH, on_winch},	 {SIGINT, on_interrupt}, {SIGQUIT, on_interrupt},
		{SIGTSTP, on_suspend},	 {SIGCONT, on_continue}, {SIGHUP, on_hangup},
		{SIGTERM, on_terminate},
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(table) && !err; i++)
		err = event_signal(table[i].signo, table[i].fn);
	return err;
}

/* ---- life ---- */

/* Makes the terminal that s is the console. -errno. */
static int console_tty_init(struct host_stdio *s)
{
	struct host_tty_modes modes;
	int err;

	if (present)
		return 0;
	host = s;
	err = host_tty_init(s->io, &modes);
	if (err)
		return err;
	tty_init(&console, &console_driver, DEV_CONSOLE);
	memcpy(console.name, "console", sizeof("console"));
	import_modes(&modes);
	read_winsize();
	err = host_ready_init(&ready, s->io, on_ready, NULL);
	if (err)
		return err;
	present = true;
	return watch_signals();
}

int console_init(void)
{
	int err = 0;

	for (int fd = 0; fd < 3 && !err; fd++) {
		host_stdio_probe(&hosts[fd], fd);
		err = stdfile_init(&hosts[fd]);
	}
	for (int fd = 0; fd < 3 && !err; fd++)
		if (hosts[fd].kind == HOST_STDIO_TTY)
			err = console_tty_init(&hosts[fd]);
	return err;
}

int console_open_std(int hostfd, struct file **f)
{
	struct host_stdio *h = &hosts[hostfd];

	switch (h->kind) {
	case HOST_STDIO_CLOSED:
		return -EBADF;
	case HOST_STDIO_TTY:
		*f = file_open(AT_FDCWD, "/dev/console", h->flags | O_NOCTTY, 0);
		break;
	case HOST_STDIO_NULL:
		*f = file_open(AT_FDCWD, "/dev/null", h->flags, 0);
		break;
	default:
		*f = stdfile_open(h);
	}
	return IS_ERR(*f) ? PTR_ERR(*f) : 0;
}

struct tty *console_tty(void)
{
	return present ? &console : NULL;
}

/*
 * What the host's terminal doesn't take within two seconds it won't take: somebody typed ^S, or it
 * is gone.
 */
void console_shutdown(void)
{
	ktime_t deadline = ktime_mono() + 2 * NSEC_PER_SEC;

	if (!present)
		return;
	console_output(&console);
	while (tty_out_ready(&console) && ktime_mono() < deadline)
		if (host_stdio_poll(host, POLLOUT, 50))
			console_output(&console);
	host_tty_restore();
}

void console_set_owner(u32 uid)
{
	struct path p;

	if (!present || path_lookup(AT_FDCWD, "/dev/console", LOOKUP_FOLLOW, &p))
		return;
	if (p.dentry->inode->rdev == DEV_CONSOLE) {
		down_write(&p.dentry->inode->lock);
		p.dentry->inode->uid = uid;
		up_write(&p.dentry->inode->lock);
	}
	path_put(&p);
}

static int console_open(struct inode *inode, struct file *f)
{
	return present ? tty_file_open(tty_get(&console), f) : -ENXIO;
}

const struct file_operations console_fops = {
	.open = console_open,
	.release = tty_file_release,
	.read = tty_read,
	.write = tty_write,
	.poll = tty_poll,
	.ioctl = tty_ioctl,
	.fasync = tty_fasync,
	.llseek = no_llseek,
};
