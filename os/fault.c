/*
 * Faults of the host, injected on request (--fault): which there are, and which call is hit.
 *
 * Whether a call is hit depends on its number only: the Nth since the guest's first program started
 * (with `boot`: since the kernel did), of those that the fault is about, and, for a random share,
 * the seed. So one seed gives the same choice each time, if not to the same caller: who makes the
 * Nth call is the scheduler's business.
 */
#include "os/fault.h"
#include "hostfault.h"
#include "ktime.h"
#include "stub/layout.h"
#include <linux/futex.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FAULTS_MAX 32
#define MILLION 1000000 /* what shares are parts of */
#define DELAY_MAX (10 * 1000 * 1000UL)

static const struct {
	const char *name, *errors;
} calls[] = {
#define FAULT(id, name, errors, what) {name, errors},
#include "os/faults.def"
#undef FAULT
};

/* Constant after boot, but for the counters, which are atomic. */
static struct fault {
	const char *spec;
	enum fault_call call;
	int err;	 /* -errno; 0: it is late */
	u64 delay;	 /* us */
	u64 first, last; /* the calls that are hit, from 1; or */
	u32 share;	 /* so many of a million */
	u64 seen, hits;
} faults[FAULTS_MAX];
static int nr_faults;
static u64 seed;
static bool seed_given;
static bool from_boot; /* constant after the options */

u64 fault_mask;

/* ---- SPEC ---- */

static int find_call(const char *s, size_t len)
{
	for (int i = 0; i < FAULT_CALLS; i++)
		if (strlen(calls[i].name) == len && !memcmp(calls[i].name, s, len))
			return i;
	return -1;
}

static int find_error(const char *s, size_t len)
{
	for (int e = 1; e < 200; e++) {
		const char *name = strerrorname_np(e);

		if (name && strlen(name) == len && !memcmp(name, s, len))
			return e;
	}
	return 0;
}

static bool may_fail(enum fault_call call, const char *error, size_t len)
{
	const char *list = calls[call].errors;

	return !list || memmem(list, strlen(list), error, len);
}

/* Digits, at least one and no more than fit; *end behind them. */
static bool number(const char *s, const char **end, u64 *n)
{
	const char *p = s;

	for (*n = 0; *p >= '0' && *p <= '9' && *n < UINT32_MAX; p++)
		*n = *n * 10 + (*p - '0');
	*end = p;
	return p > s && !(*p >= '0' && *p <= '9');
}

static bool parse_delay(const char *s, size_t len, u64 *us)
{
	static const struct {
		const char *name;
		u64 us;
	} units[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}};
	const char *unit;

	if (!number(s, &unit, us))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if ((size_t)(s + len - unit) == strlen(units[i].name) &&
		    !memcmp(unit, units[i].name, strlen(units[i].name))) {
			*us *= units[i].us;
			return *us && *us <= DELAY_MAX;
		}
	}
	return false;
}

/* P%, with up to four digits behind the point. */
static bool parse_share(const char *s, u32 *share)
{
	u64 whole, part = 0, scale = MILLION / 100;

	if (!number(s, &s, &whole) || whole > 100)
		return false;
	if (*s == '.') {
		for (s++; *s >= '0' && *s <= '9' && scale > 1; s++) {
			scale /= 10;
			part += (*s - '0') * scale;
		}
	}
	*share = whole * (MILLION / 100) + part;
	return !strcmp(s, "%") && *share && *share <= MILLION;
}

static bool parse_when(const char *s, struct fault *f)
{
	const char *end;

	if (strchr(s, '%'))
		return parse_share(s, &f->share);
	if (!number(s, &end, &f->first) || !f->first)
		return false;
	f->last = *end == '+' ? UINT64_MAX : f->first;
	return !end[*end == '+'];
}

static const char *parse_seed(const char *s)
{
	const char *end;

	if (!number(s, &end, &seed) || *end)
		return "seed= wants a number below 2^32";
	seed_given = true;
	return NULL;
}

const char *fault_add(const char *spec)
{
	struct fault f = {.spec = spec};
	const char *what, *when;
	size_t len;
	int call;

	if (!strncmp(spec, "seed=", 5))
		return parse_seed(spec + 5);
	if (!strcmp(spec, "boot")) {
		from_boot = true;
		return NULL;
	}
	what = strchr(spec, ':');
	when = what ? strchr(what + 1, ':') : NULL;
	if (!when)
		return "use CALL:ERROR:WHEN, CALL:delay=TIME:WHEN, seed=N or boot";
	call = find_call(spec, what++ - spec);
	if (call < 0)
		return "no such call; heddle(1) lists them";
	f.call = call;
	len = when++ - what;
	if (!strncmp(what, "delay=", 6)) {
		if (!parse_delay(what + 6, len - 6, &f.delay))
			return "a delay is a number with us, ms or s, at most 10s";
	} else {
		f.err = -find_error(what, len);
		if (!f.err)
			return "no such error; use a name such as EIO, or delay=TIME";
		if (!may_fail(f.call, what, len))
			return "this call doesn't fail in that way";
	}
	if (!parse_when(when, &f))
		return "when is N, N+ or P%, with N from 1 and P at most 100";
	if (nr_faults == FAULTS_MAX)
		return "too many faults";
	faults[nr_faults++] = f;
	return NULL;
}

/* ---- faults ---- */

bool fault_start(bool boot, u64 *chosen_by)
{
	bool random = false;
	u64 mask = 0;
	u32 any;

	if (boot != from_boot)
		return false;
	for (int i = 0; i < nr_faults; i++) {
		mask |= 1ULL << faults[i].call;
		random |= faults[i].share != 0;
	}
	if (random && !seed_given && getrandom(&any, sizeof(any), 0) == sizeof(any))
		seed = any;
	*chosen_by = seed;
	store_release(&fault_mask, mask);
	return random;
}

bool fault_stats(int i, const char **spec, u64 *seen, u64 *hits)
{
	if (i >= nr_faults)
		return false;
	*spec = faults[i].spec;
	*seen = load_relaxed(&faults[i].seen);
	*hits = load_relaxed(&faults[i].hits);
	return true;
}

/* splitmix64, by Sebastiano Vigna (public domain): each number well mixed. */
static u64 mix(u64 x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static bool is_hit(const struct fault *f, u64 n)
{
	if (f->share)
		return mix(mix(seed + (f - faults)) + n) % MILLION < f->share;
	return n >= f->first && n <= f->last;
}

/* All of it, whatever interrupts it: a host that is slow is slow for kicks, too. */
static void be_late(u64 us)
{
	u32 word = 0;
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += (ts.tv_nsec + us * NSEC_PER_USEC) / NSEC_PER_SEC;
	ts.tv_nsec = (ts.tv_nsec + us * NSEC_PER_USEC) % NSEC_PER_SEC;
	while (syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, &ts, NULL,
		       FUTEX_BITSET_MATCH_ANY) == 0 ||
	       errno != ETIMEDOUT)
		;
}

int fault_roll(enum fault_call call)
{
	int err = 0;

	for (int i = 0; i < nr_faults; i++) {
		struct fault *f = &faults[i];

		if (f->call != call ||
		    !is_hit(f, __atomic_add_fetch(&f->seen, 1, __ATOMIC_RELAXED)))
			continue;
		__atomic_add_fetch(&f->hits, 1, __ATOMIC_RELAXED);
		if (f->delay)
			be_late(f->delay);
		if (!err)
			err = f->err;
	}
	return err;
}

/* ---- orders to keepers ---- */

static const struct {
	u64 nr;
	enum fault_call call;
} orders[] = {
	{SYS_clone, FAULT_batch_clone},	       {SYS_madvise, FAULT_batch_madvise},
	{SYS_membarrier, FAULT_batch_mincore}, {SYS_mincore, FAULT_batch_mincore},
	{SYS_mlock, FAULT_batch_mlock},	       {SYS_mmap, FAULT_batch_mmap},
	{SYS_mprotect, FAULT_batch_mprotect},  {SYS_mremap, FAULT_batch_mremap},
	{SYS_munlock, FAULT_batch_mlock},      {SYS_munmap, FAULT_batch_munmap},
	{SYS_pidfd_getfd, FAULT_batch_getfd},
};

static int order_fault(const struct stub_op *op)
{
	int err;

	if (op->flags & (OPF_CMPXCHG | OPF_CMPXCHG64 | OPF_IGNORE | OPF_EXPECT))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		if (orders[i].nr == op->nr) {
			err = fault_inject(FAULT_batch);
			return err ? err : fault_inject(orders[i].call);
		}
	}
	return 0;
}

struct fault_batch fault_batch_cut(struct stub_ctl *ctl)
{
	struct fault_batch fault = {.nops = ctl->nops};

	if (likely(!load_acquire(&fault_mask)))
		return fault;
	for (u32 i = 0; i < fault.nops && !fault.err; i++) {
		fault.err = order_fault(&ctl->ops[i]);
		if (fault.err)
			ctl->nops = i;
	}
	return fault;
}

void fault_batch_result(struct stub_ctl *ctl, struct fault_batch fault, int done, u32 *last)
{
	if (likely(!fault.err))
		return;
	/* Unless the host had one before it fail. */
	if (done == (int)ctl->nops)
		*last = fault.err;
	ctl->nops = fault.nops;
}
