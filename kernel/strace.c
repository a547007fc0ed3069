/*
 * --strace. Lines look like strace's, but a call is printed when it returns, whole, so that the
 *lines of CPUs that run at once can't be torn apart:
 *
 *	[3] openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3
 *	[3] --- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER, si_pid=1, si_uid=0} ---
 *
 * Everything known about arguments comes from the table; nothing here depends on a particular call.
 */
#include "log.h"
#include "strace.h"
#include "task.h"
#include "uaccess.h"
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_ 1024 /* a longer line is cut and ends with "..." */
#define STRING_MAX 48  /* bytes shown of a string or buffer */
#define ELEMS_MAX 8    /* elements shown of an array */

bool strace_enabled;

/* A line in the making. */
struct line {
	char buf[LINE_MAX_];
	size_t len;
};

/* One call, as far as its printers need it. exiting: results are there; ret is valid. */
struct call {
	const struct syscall_desc *d;
	const u64 *args;
	bool exiting;
	long ret;
};

static void put(struct line *l, const char *fmt, ...) printf_like(2, 3);
static void put(struct line *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->buf + l->len, sizeof(l->buf) - l->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		l->len = min(l->len + (size_t)n, sizeof(l->buf) - 1);
}

static void put_end(struct line *l)
{
	if (l->len >= sizeof(l->buf) - 1) {
		l->len = sizeof(l->buf) - 5;
		put(l, "...");
	}
	l->buf[l->len++] = '\n';
	log_line(l->buf, l->len);
}

/* Bytes as a C string. more: there would be more to show. */
static void put_bytes(struct line *l, const u8 *p, size_t n, bool more)
{
	static const char letters[] = "\a\b\t\n\v\f\r";

	put(l, "\"");
	for (size_t i = 0; i < n; i++) {
		const char *special = p[i] ? strchr(letters, p[i]) : NULL;
		bool digit_follows = i + 1 < n && p[i + 1] >= '0' && p[i + 1] <= '7';

		if (p[i] == '"' || p[i] == '\\')
			put(l, "\\%c", p[i]);
		else if (special)
			put(l, "\\%c", "abtnvfr"[special - letters]);
		else if (p[i] >= ' ' && p[i] < 0x7f)
			put(l, "%c", p[i]);
		else
			put(l, digit_follows ? "\\%03o" : "\\%o", p[i]);
	}
	put(l, more ? "\"..." : "\"");
}

static void put_string(struct line *l, uaddr_t addr)
{
	char buf[STRING_MAX + 1];
	ssize_t n = strncpy_from_user(buf, addr, sizeof(buf));

	if (!addr)
		put(l, "NULL");
	else if (n == -ENAMETOOLONG && !copy_from_user(buf, addr, STRING_MAX))
		put_bytes(l, (u8 *)buf, STRING_MAX, true);
	else if (n < 0)
		put(l, "%#" PRIx64, addr);
	else
		put_bytes(l, (u8 *)buf, (size_t)n, false);
}

static void put_strings(struct line *l, uaddr_t addr)
{
	uaddr_t str;

	if (!addr || get_user(str, addr)) {
		put(l, "%#" PRIx64, addr);
		return;
	}
	put(l, "[");
	for (int i = 0; str; i++) {
		if (i)
			put(l, ", ");
		if (i == ELEMS_MAX) {
			put(l, "...");
			break;
		}
		put_string(l, str);
		if (get_user(str, addr + (i + 1) * sizeof(str)))
			break;
	}
	put(l, "]");
}

/* base 'd', 'x' or 'o' */
static void put_integer(struct line *l, const void *p, size_t size, char base)
{
	u64 v = 0;
	s64 s;

	memcpy(&v, p, min(size, sizeof(v)));
	s = size == 4 ? (s64)(s32)v : (s64)v;
	if (base == 'd')
		put(l, "%" PRId64, s);
	else
		put(l, base == 'x' ? "%#" PRIx64 : "%#" PRIo64, v);
}

/* One of the t->count parts of a type. */
static void put_part(struct line *l, const struct arg_type *t, const u8 *p)
{
	u32 size = t->size / t->count;

	if (!t->nfields) {
		put_integer(l, p, size, size == 8 ? 'x' : 'd');
		return;
	}
	put(l, "{");
	for (int i = 0; i < t->nfields; i++) {
		const struct field_name *f = &t->fields[i];

		put(l, "%s%s=", i ? ", " : "", f->name);
		put_integer(l, p + f->offset, f->size, f->format);
	}
	put(l, "}");
}

static void put_element(struct line *l, const struct arg_type *t, const u8 *p)
{
	put(l, t->count > 1 ? "[" : "");
	for (u32 i = 0; i < t->count; i++) {
		put(l, i ? ", " : "");
		put_part(l, t, p + i * (t->size / t->count));
	}
	put(l, t->count > 1 ? "]" : "");
}

/* Large types without named fields say nothing when printed. */
static bool shows_something(const struct arg_type *t)
{
	return t->nfields || t->size / t->count <= 8;
}

static void put_elements(struct line *l, const struct arg_type *t, uaddr_t addr, u64 n, bool array)
{
	u8 buf[512];

	if (!shows_something(t) || t->size > sizeof(buf)) {
		put(l, "%#" PRIx64, addr);
		return;
	}
	put(l, array ? "[" : "");
	for (u64 i = 0; i < n; i++) {
		put(l, i ? ", " : "");
		if (i == ELEMS_MAX || copy_from_user(buf, addr + i * t->size, t->size)) {
			put(l, i == ELEMS_MAX ? "..." : "%#" PRIx64, addr + i * t->size);
			break;
		}
		put_element(l, t, buf);
	}
	put(l, array ? "]" : "");
}

static void put_buffer(struct line *l, uaddr_t addr, u64 len)
{
	u8 buf[STRING_MAX];
	size_t n = min(len, (u64)sizeof(buf));

	if (copy_from_user(buf, addr, n))
		put(l, "%#" PRIx64, addr);
	else
		put_bytes(l, buf, n, len > n);
}

/* The length or count of what argument a points to, as far as it is there to be shown. */
static u64 extent(const struct call *c, const struct syscall_arg *a)
{
	u64 n;
	u32 stored;

	if (a->len_arg < 0)
		return 1;
	n = c->args[a->len_arg];
	if (c->d->args[a->len_arg].kind == ARG_INT || c->d->args[a->len_arg].kind == ARG_UINT)
		n = (u32)n;
	if (a->len_is_ptr)
		n = get_user(stored, n) ? 0 : stored;
	else if (a->kind == ARG_OUT && c->exiting)
		n = min(n, (u64)c->ret); /* as much as was stored */
	return n;
}

static void put_pointed(struct line *l, const struct call *c, const struct syscall_arg *a,
			uaddr_t addr)
{
	bool unset = a->kind == ARG_OUT && (!c->exiting || c->ret < 0);

	if (!addr)
		put(l, "NULL");
	else if (unset)
		put(l, "%#" PRIx64, addr);
	else if (a->type)
		put_elements(l, a->type, addr, extent(c, a), a->len_arg >= 0);
	else if (a->len_arg >= 0)
		put_buffer(l, addr, extent(c, a));
	else
		put(l, "%#" PRIx64, addr);
}

static void put_flags(struct line *l, const struct flag_name *f, u64 v)
{
	bool any = false;

	for (; f->name; f++) {
		/* A name for "no bits" stands only for an empty field. */
		if ((v & f->mask) != f->value)
			continue;
		put(l, "%s%s", any ? "|" : "", f->name);
		v &= ~f->mask;
		any = true;
		if (f->mask == ~0u)
			return;
	}
	if (v || !any)
		put(l, any ? "|%#" PRIx64 : "%#" PRIx64, v);
}

static void put_signal(struct line *l, int sig)
{
	const char *abbrev = sig > 0 && sig < 32 ? sigabbrev_np(sig) : NULL;

	if (abbrev)
		put(l, "SIG%s", abbrev);
	else if (sig >= 32 && sig <= 64)
		put(l, "SIGRT_%d", sig - 32);
	else
		put(l, "%d", sig);
}

static void put_arg(struct line *l, const struct call *c, int i)
{
	const struct syscall_arg *a = &c->d->args[i];
	u64 v = c->args[i];

	switch ((enum arg_kind)a->kind) {
	case ARG_PATH:
	case ARG_STR:
		put_string(l, v);
		break;
	case ARG_STRV:
		put_strings(l, v);
		break;
	case ARG_IN:
	case ARG_OUT:
	case ARG_INOUT:
		put_pointed(l, c, a, v);
		break;
	case ARG_FLAGS:
	case ARG_UFLAGS:
	case ARG_CLOCKID:
		put_flags(l, a->names, (u32)v);
		break;
	case ARG_LFLAGS:
		put_flags(l, a->names, v);
		break;
	case ARG_DFD:
		if ((int)v == AT_FDCWD)
			put(l, "AT_FDCWD");
		else
			put(l, "%d", (int)v);
		break;
	case ARG_SIG:
		put_signal(l, (int)v);
		break;
	case ARG_MODE:
		put(l, "%#o", (u32)v);
		break;
	case ARG_FD:
	case ARG_INT:
	case ARG_PID:
	case ARG_UID:
	case ARG_GID:
		put(l, "%d", (int)v);
		break;
	case ARG_UINT:
		put(l, "%u", (u32)v);
		break;
	case ARG_LONG:
	case ARG_OFF:
		put(l, "%" PRId64, (s64)v);
		break;
	case ARG_SIZE:
		put(l, "%" PRIu64, v);
		break;
	case ARG_IOV:
	case ARG_PTR:
	case ARG_ADDR:
	case ARG_ULONG:
	case ARG_DEV:
	case ARG_CMD:
		put(l, v ? "%#" PRIx64 : "0", v);
		break;
	}
}

static void put_call(struct line *l, u64 nr, const struct call *c)
{
	l->len = 0;
	put(l, "[%d] ", current->tid);
	if (!c->d || !c->d->name) {
		put(l, "syscall_%" PRIu64 "(%#" PRIx64 ", %#" PRIx64 ", %#" PRIx64 ", ...)", nr,
		    c->args[0], c->args[1], c->args[2]);
		return;
	}
	put(l, "%s(", c->d->name);
	for (int i = 0; i < c->d->nargs; i++) {
		put(l, i ? ", " : "");
		put_arg(l, c, i);
	}
	put(l, ")");
}

static void put_result(struct line *l, long ret)
{
	static const struct flag_name internal[] = {
		{"ERESTARTSYS", ERESTARTSYS, ~0u},
		{"ERESTARTNOINTR", ERESTARTNOINTR, ~0u},
		{"ERESTARTNOHAND", ERESTARTNOHAND, ~0u},
		{"ERESTART_RESTARTBLOCK", ERESTART_RESTARTBLOCK, ~0u},
		{NULL, 0, 0},
	};
	const char *name = ret < 0 && ret >= -MAX_ERRNO ? strerrorname_np((int)-ret) : NULL;

	if (name) {
		put(l, " = -1 %s", name);
	} else if (ret <= -ERESTARTSYS && ret >= -ERESTART_RESTARTBLOCK) {
		/* Interrupted: whether it restarts is up to signal delivery. */
		put(l, " = ? ");
		put_flags(l, internal, (u64)-ret);
	} else {
		put(l, ret < 0 || ret > 0xffffff ? " = %#lx" : " = %ld", (unsigned long)ret);
	}
}

void strace_enter(u64 nr, const struct syscall_desc *d, const u64 args[6])
{
	struct call c = {.d = d, .args = args};
	struct line l;

	if (!d || !d->early)
		return;
	put_call(&l, nr, &c);
	put(&l, " ...");
	put_end(&l);
}

void strace_exit(u64 nr, const struct syscall_desc *d, const u64 args[6], long ret)
{
	struct call c = {.d = d, .args = args, .exiting = true, .ret = ret};
	struct line l;

	if (d && d->early) {
		l.len = 0;
		put(&l, "[%d] ... %s", current->tid, d->name);
	} else {
		put_call(&l, nr, &c);
	}
	put_result(&l, ret);
	put_end(&l);
}

/* ---- signals ---- */

/* Names of si_code; sig 0: of any signal's. */
static void put_code(struct line *l, int sig, int code)
{
#define CODE(sig, code)                                                                            \
	{                                                                                          \
		sig, code, #code                                                                   \
	}
	static const struct {
		int sig, code;
		const char *name;
	} names[] = {
		CODE(0, SI_USER),
		CODE(0, SI_KERNEL),
		CODE(0, SI_QUEUE),
		CODE(0, SI_TIMER),
		CODE(0, SI_MESGQ),
		CODE(0, SI_ASYNCIO),
		CODE(0, SI_SIGIO),
		CODE(0, SI_TKILL),
		CODE(SIGSEGV, SEGV_MAPERR),
		CODE(SIGSEGV, SEGV_ACCERR),
		CODE(SIGSEGV, SEGV_BNDERR),
		CODE(SIGSEGV, SEGV_PKUERR),
		CODE(SIGBUS, BUS_ADRALN),
		CODE(SIGBUS, BUS_ADRERR),
		CODE(SIGBUS, BUS_OBJERR),
		CODE(SIGFPE, FPE_INTDIV),
		CODE(SIGFPE, FPE_INTOVF),
		CODE(SIGFPE, FPE_FLTDIV),
		CODE(SIGFPE, FPE_FLTOVF),
		CODE(SIGFPE, FPE_FLTUND),
		CODE(SIGFPE, FPE_FLTRES),
		CODE(SIGFPE, FPE_FLTINV),
		CODE(SIGFPE, FPE_FLTSUB),
		CODE(SIGILL, ILL_ILLOPC),
		CODE(SIGILL, ILL_ILLOPN),
		CODE(SIGILL, ILL_ILLADR),
		CODE(SIGILL, ILL_ILLTRP),
		CODE(SIGILL, ILL_PRVOPC),
		CODE(SIGILL, ILL_PRVREG),
		CODE(SIGILL, ILL_COPROC),
		CODE(SIGILL, ILL_BADSTK),
		CODE(SIGTRAP, TRAP_BRKPT),
		CODE(SIGTRAP, TRAP_TRACE),
		CODE(SIGTRAP, TRAP_BRANCH),
		CODE(SIGTRAP, TRAP_HWBKPT),
		CODE(SIGCHLD, CLD_EXITED),
		CODE(SIGCHLD, CLD_KILLED),
		CODE(SIGCHLD, CLD_DUMPED),
		CODE(SIGCHLD, CLD_TRAPPED),
		CODE(SIGCHLD, CLD_STOPPED),
		CODE(SIGCHLD, CLD_CONTINUED),
		CODE(SIGPOLL, POLL_IN),
		CODE(SIGPOLL, POLL_OUT),
		CODE(SIGPOLL, POLL_MSG),
		CODE(SIGPOLL, POLL_ERR),
		CODE(SIGPOLL, POLL_PRI),
		CODE(SIGPOLL, POLL_HUP),
	};
#undef CODE

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].code == code && (!names[i].sig || names[i].sig == sig)) {
			put(l, "%s", names[i].name);
			return;
		}
	put(l, "%#x", code);
}

static void put_child(struct line *l, const siginfo_t *si)
{
	put(l, ", si_status=");
	if (si->si_code == CLD_EXITED)
		put(l, "%d", si->si_status);
	else
		put_signal(l, si->si_status);
	put(l, ", si_utime=%ld, si_stime=%ld", si->si_utime, si->si_stime);
}

static bool is_fault(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL || sig == SIGTRAP;
}

/* Which members count depends on who sent it. */
static void put_siginfo(struct line *l, const siginfo_t *si)
{
	int sig = si->si_signo, code = si->si_code;

	put(l, "{si_signo=");
	put_signal(l, sig);
	put(l, ", si_code=");
	put_code(l, sig, code);
	if (code == SI_TIMER)
		put(l, ", si_timerid=%#x, si_overrun=%d", si->si_timerid, si->si_overrun);
	else if (code <= 0 || sig == SIGCHLD)
		put(l, ", si_pid=%d, si_uid=%u", si->si_pid, si->si_uid);
	else if (is_fault(sig))
		put(l, si->si_addr ? ", si_addr=%p" : ", si_addr=NULL", si->si_addr);
	else if (sig == SIGPOLL)
		put(l, ", si_band=%ld", si->si_band);
	if (code > 0 && sig == SIGCHLD)
		put_child(l, si);
	else if (code < 0 && code != SI_TKILL && si->si_ptr)
		put(l, ", si_int=%d, si_ptr=%p", si->si_int, si->si_ptr);
	put(l, "}");
}

void strace_signal(const siginfo_t *si)
{
	struct line l = {.len = 0};

	put(&l, "[%d] --- ", current->tid);
	put_signal(&l, si->si_signo);
	put(&l, " ");
	put_siginfo(&l, si);
	put(&l, " ---");
	put_end(&l);
}
