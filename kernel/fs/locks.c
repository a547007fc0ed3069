/*
 * Locks on files: POSIX record locks (owned by a descriptor table), OFD locks (owned by an open
 * file), and flock(2).
 *
 * inode->spin protects the lists. Who can't have a lock notes the list's generation, and sleeps
 * until it has changed: then it tries again. For POSIX locks those who sleep are also on a global
 * list, by which a circle of waiters is found (-EDEADLK).
 *
 * The lists of all inodes are on one list, for /proc/locks.
 */
#include "fdtable.h"
#include "locks.h"
#include <sys/file.h>

/* A sleeper: `owner` waits for a lock that `blocker` has. */
struct blocked {
	struct cds_list_head link;
	const void *owner, *blocker;
};
static struct spinlock blocked_lock = SPINLOCK_INIT("blocked_locks", RANK_MISC);
static CDS_LIST_HEAD(blocked_list); /* blocked_lock */

/* ---- lists ---- */

static struct spinlock lists_lock = SPINLOCK_INIT("file lock lists", RANK_FILE_LOCKS);
static CDS_LIST_HEAD(lists); /* lists_lock */

/* NULL: no memory. */
static struct file_lock_list *file_lock_list_get(struct inode *inode)
{
	struct file_lock_list *l = load_acquire(&inode->locks), *fresh;

	if (l)
		return l;
	fresh = kzalloc(sizeof(*fresh));
	if (!fresh)
		return NULL;
	CDS_INIT_LIST_HEAD(&fresh->posix.head);
	CDS_INIT_LIST_HEAD(&fresh->flock.head);
	wait_queue_init(&fresh->wait);
	fresh->inode = inode;
	spin_lock(&lists_lock);
	spin_lock(&inode->spin);
	l = inode->locks;
	if (!l) {
		l = fresh;
		store_release(&inode->locks, l);
		cds_list_add_tail(&l->link, &lists);
		fresh = NULL;
	}
	spin_unlock(&inode->spin);
	spin_unlock(&lists_lock);
	kfree(fresh);
	return l;
}

/* No file is open on it any more, so no lock is left. */
void file_locks_free(struct inode *inode)
{
	struct file_lock_list *l = inode->locks;

	if (!l)
		return;
	spin_lock(&lists_lock);
	cds_list_del(&l->link);
	spin_unlock(&lists_lock);
	inode->locks = NULL;
	kfree(l);
}

/* inode->spin held. Where there is a lock, a file is open: so there is a super block. */
static void report(const struct file_lock_list *l, const struct range_list *ranges,
		   void (*fn)(const struct file_lock_info *info, void *arg), void *arg)
{
	struct file_lock *fl;

	cds_list_for_each_entry(fl, &ranges->head, link) {
		const struct file_lock_info info = {
			.kind = ranges == &l->flock ? LOCK_FLOCK
				: fl->pid < 0	    ? LOCK_OFD
						    : LOCK_POSIX,
			.exclusive = fl->type == F_WRLCK,
			.pid = fl->pid,
			.dev = l->inode->sb->dev,
			.ino = l->inode->ino,
			.start = fl->start,
			.end = fl->end,
		};

		fn(&info, arg);
	}
}

void file_locks_for_each(void (*fn)(const struct file_lock_info *info, void *arg), void *arg)
{
	struct file_lock_list *l;

	spin_lock(&lists_lock);
	cds_list_for_each_entry(l, &lists, link) {
		spin_lock(&l->inode->spin);
		report(l, &l->posix, fn, arg);
		report(l, &l->flock, fn, arg);
		spin_unlock(&l->inode->spin);
	}
	spin_unlock(&lists_lock);
}

/* Sleeps until gen differs from what it was. 0 or -ERESTARTSYS. */
static int file_lock_wait(struct file_lock_list *l, u32 gen)
{
	return wait_event_expr(&l->wait, load_acquire(&l->gen) != gen, NULL);
}

static void release_all(struct inode *inode, const void *owner, bool flock)
{
	struct file_lock_list *l = load_acquire(&inode->locks);
	bool any;

	if (!l)
		return;
	spin_lock(&inode->spin);
	any = range_release(&l->posix, owner);
	if (flock)
		any |= range_release(&l->flock, owner);
	if (any)
		file_lock_changed(l);
	spin_unlock(&inode->spin);
	if (any)
		wake_up_all(&l->wait);
}

/*
 * Whose table never took a lock doesn't walk those of others, of which there may be many. The mark
 * is made before the lock, and descriptors are looked at again after it (fcntl_setlk); a close
 * first takes the descriptor away: one of the two sees the other.
 */
void file_locks_release_posix(struct file *f, struct files *owner)
{
	if (__atomic_load_n(&owner->locked, __ATOMIC_SEQ_CST))
		release_all(f->inode, owner, false);
}

void file_locks_release_flock(struct file *f)
{
	release_all(f->inode, f, true);
}

/* ---- deadlocks ---- */

/* Whom does owner wait for? blocked_lock held. */
static const void *waits_for(const void *owner)
{
	struct blocked *b;

	cds_list_for_each_entry(b, &blocked_list, link) {
		if (b->owner == owner)
			return b->blocker;
	}
	return NULL;
}

/*
 * Adds a sleeper, unless that closes a circle. OFD locks take no part: their owners are no
 * processes. inode->spin held.
 */
static int block(struct blocked *b, bool ofd)
{
	const void *who = b->blocker;
	int err = 0;

	spin_lock(&blocked_lock);
	/*
	 * Long chains are let through, as on Linux: threads of one table can form circles that are
	 * none.
	 */
	for (int depth = 0; !ofd && who && depth < 10; depth++) {
		if (who == b->owner)
			err = -EDEADLK;
		who = waits_for(who);
	}
	if (!err)
		cds_list_add(&b->link, &blocked_list);
	spin_unlock(&blocked_lock);
	return err;
}

static void unblock(struct blocked *b)
{
	spin_lock(&blocked_lock);
	cds_list_del(&b->link);
	spin_unlock(&blocked_lock);
}

/* ---- record locks ---- */

/* Tries once. 0, -EAGAIN with *gen (and, if it is given, a sleeper entered), -EDEADLK. */
static int try_lock(struct inode *inode, struct file_lock_list *l, const struct file_lock *want,
		    struct file_lock *spare[2], struct blocked *b, u32 *gen)
{
	struct file_lock *other;
	bool weaker = false;
	int err = 0;

	spin_lock(&inode->spin);
	*gen = l->gen;
	other = want->type == F_UNLCK ? NULL : range_conflict(&l->posix, want);
	if (other) {
		err = -EAGAIN;
		if (b) {
			*b = (struct blocked){.owner = want->owner, .blocker = other->owner};
			if (block(b, want->pid < 0))
				err = -EDEADLK;
		}
	} else if (l->posix.count >= RANGES_MAX && want->type != F_UNLCK) {
		err = -ENOLCK;
	} else {
		weaker = range_apply(&l->posix, want, spare);
		if (weaker)
			file_lock_changed(l);
	}
	spin_unlock(&inode->spin);
	if (weaker)
		wake_up_all(&l->wait);
	return err;
}

static int set_lock(struct file *f, const struct file_lock *want, bool wait)
{
	struct file_lock_list *l = file_lock_list_get(f->inode);
	struct file_lock *spare[2];
	struct blocked b;
	u32 gen;
	int err;

	if (want->owner != f)
		__atomic_store_n(&current->files->locked, true, __ATOMIC_SEQ_CST);
	spare[0] = kmalloc(sizeof(*spare[0]));
	spare[1] = kmalloc(sizeof(*spare[1]));
	err = l && spare[0] && spare[1] ? 0 : -ENOLCK;
	while (!err) {
		err = try_lock(f->inode, l, want, spare, wait ? &b : NULL, &gen);
		if (err != -EAGAIN || !wait)
			break;
		err = file_lock_wait(l, gen);
		unblock(&b);
	}
	kfree(spare[0]);
	kfree(spare[1]);
	return err;
}

/* From the guest's structure to bytes. */
static int to_range(struct file *f, const struct flock *fl, struct file_lock *out)
{
	s64 base = 0, start, end = FILE_POS_MAX;

	switch (fl->l_whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = load_relaxed(&f->pos);
		break;
	case SEEK_END:
		base = inode_size(f->inode);
		break;
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, fl->l_start, &start))
		return -EOVERFLOW;
	if (start < 0)
		return -EINVAL;
	if (fl->l_len > 0) {
		if (__builtin_add_overflow(start, fl->l_len - 1, &end))
			return -EOVERFLOW;
	} else if (fl->l_len < 0) {
		end = start - 1;
		if (__builtin_add_overflow(start, fl->l_len, &start) || start < 0)
			return -EINVAL;
	}
	out->start = start;
	out->end = end;
	return 0;
}

static int parse(struct file *f, unsigned cmd, const struct flock *fl, struct file_lock *out)
{
	bool ofd = cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
	int err = to_range(f, fl, out);

	if (err)
		return err;
	if (fl->l_type != F_RDLCK && fl->l_type != F_WRLCK && fl->l_type != F_UNLCK)
		return -EINVAL;
	if (ofd && fl->l_pid)
		return -EINVAL;
	out->type = fl->l_type;
	out->owner = ofd ? (const void *)f : (const void *)current->files;
	out->pid = ofd ? -1 : tg_nr(current->tg);
	return 0;
}

long fcntl_getlk(struct file *f, unsigned cmd, u64 arg)
{
	struct file_lock_list *l = load_acquire(&f->inode->locks);
	struct file_lock want, *other = NULL;
	struct flock fl;
	int err;

	if (copy_from_user(&fl, arg, sizeof(fl)))
		return -EFAULT;
	err = parse(f, cmd, &fl, &want);
	if (err)
		return err;
	if (want.type == F_UNLCK)
		return -EINVAL;
	fl.l_type = F_UNLCK;
	spin_lock(&f->inode->spin);
	if (l)
		other = range_conflict(&l->posix, &want);
	if (other) {
		fl.l_type = other->type;
		fl.l_whence = SEEK_SET;
		fl.l_start = other->start;
		fl.l_len = other->end == FILE_POS_MAX ? 0 : other->end - other->start + 1;
		fl.l_pid = other->pid;
	}
	spin_unlock(&f->inode->spin);
	return copy_to_user(arg, &fl, sizeof(fl)) ? -EFAULT : 0;
}

long fcntl_setlk(int fd, struct file *f, unsigned cmd, u64 arg)
{
	struct file_lock want;
	struct flock fl;
	struct file *now;
	int err;

	if (copy_from_user(&fl, arg, sizeof(fl)))
		return -EFAULT;
	err = parse(f, cmd, &fl, &want);
	if (err)
		return err;
	if ((want.type == F_RDLCK && !(f->mode & FMODE_READ)) ||
	    (want.type == F_WRLCK && !(f->mode & FMODE_WRITE)))
		return -EBADF;
	err = set_lock(f, &want, cmd == F_SETLKW || cmd == F_OFD_SETLKW);
	if (err || want.type == F_UNLCK || want.pid < 0)
		return err;
	/* If another thread closed fd meanwhile, its close has not seen this lock. */
	now = fd_get_raw(fd);
	if (now != f) {
		want.type = F_UNLCK;
		err = set_lock(f, &want, false);
		if (!err)
			err = -EBADF;
	}
	if (now)
		file_put(now);
	return err;
}

/* ---- flock(2) ---- */

static int try_flock(struct inode *inode, struct file_lock_list *l, const struct file_lock *want,
		     struct file_lock *spare[2], u32 *gen)
{
	bool changed;
	int err = 0;

	spin_lock(&inode->spin);
	/* A lock that is changed into another kind is given up first: others may come between. */
	changed = range_release(&l->flock, want->owner);
	if (changed)
		file_lock_changed(l);
	*gen = l->gen;
	if (want->type != F_UNLCK) {
		if (range_conflict(&l->flock, want))
			err = -EAGAIN;
		else if (l->flock.count >= RANGES_MAX)
			err = -ENOLCK;
		else
			range_apply(&l->flock, want, spare);
	}
	spin_unlock(&inode->spin);
	if (changed)
		wake_up_all(&l->wait);
	return err;
}

static int do_flock(struct file *f, short type, bool wait)
{
	const struct file_lock want = {
		.end = FILE_POS_MAX, .type = type, .owner = f, .pid = tg_nr(current->tg)};
	struct file_lock_list *l = file_lock_list_get(f->inode);
	struct file_lock *spare[2] = {kmalloc(sizeof(*spare[0])), NULL};
	u32 gen;
	int err = l && spare[0] ? 0 : -ENOLCK;

	while (!err) {
		err = try_flock(f->inode, l, &want, spare, &gen);
		if (err != -EAGAIN || !wait)
			break;
		err = file_lock_wait(l, gen);
	}
	kfree(spare[0]);
	return err;
}

long sys_flock(int fd, unsigned int op)
{
	static const short types[] = {
		[LOCK_SH] = F_RDLCK, [LOCK_EX] = F_WRLCK, [LOCK_UN] = F_UNLCK};
	unsigned what = op & ~(unsigned)LOCK_NB;
	struct file *f;
	long ret;

	if (op & 32) /* LOCK_MAND, which never did anything: Linux since 5.18 */
		return 0;
	if (what != LOCK_SH && what != LOCK_EX && what != LOCK_UN)
		return -EINVAL;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	if (what != LOCK_UN && !(f->mode & (FMODE_READ | FMODE_WRITE)))
		ret = -EBADF;
	else
		ret = do_flock(f, types[what], !(op & LOCK_NB));
	file_put(f);
	return ret;
}
