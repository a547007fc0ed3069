/*
 * Names: paths, found through the file system (inode->sock), and abstract names in a hash table. An
 * abstract name belongs to one socket of a type.
 */
#include "alloc.h"
#include "log.h"
#include "task.h"
#include "unix.h"
#include <stdio.h>
#include <string.h>

#define BUCKETS 256u

static struct bucket {
	struct spinlock lock;	    /* rank UNIX_NAMES */
	struct cds_list_head socks; /* lock: name_link */
} buckets[BUCKETS];

static u32 next_auto; /* atomic: where the search for an unused automatic name starts */

void unix_names_init(void)
{
	for (unsigned i = 0; i < BUCKETS; i++) {
		spin_init(&buckets[i].lock, "socket names", RANK_UNIX_NAMES);
		CDS_INIT_LIST_HEAD(&buckets[i].socks);
	}
}

int unix_check_addr(const struct sockaddr_un *name, int len)
{
	if (len <= UNIX_ADDR_EMPTY || len > (int)sizeof(*name) || name->sun_family != AF_UNIX)
		return -EINVAL;
	return 0;
}

static u32 hash_of(const struct sockaddr_un *name, int len, int type)
{
	u32 h = 2166136261u ^ (u32)type;

	for (int i = UNIX_ADDR_EMPTY; i < len; i++)
		h = (h ^ ((const u8 *)name)[i]) * 16777619u;
	return h;
}

static struct unix_addr *addr_alloc(const struct sockaddr_un *name, int len, int type)
{
	struct unix_addr *a =
		kzalloc(sizeof(*a) + 1); /* room for the NUL of a path that fills it */

	if (!a)
		return NULL;
	a->refs = 1;
	a->len = len;
	memcpy(&a->name, name, (size_t)len);
	a->hash = hash_of(name, len, type);
	return a;
}

void unix_addr_put(struct unix_addr *a)
{
	if (!__atomic_sub_fetch(&a->refs, 1, __ATOMIC_ACQ_REL))
		kfree(a);
}

static struct unix_addr *addr_of(const struct unix_sock *sk)
{
	return load_acquire(&sk->addr);
}

int unix_name_of(struct unix_sock *sk, struct sockaddr_storage *name)
{
	const struct unix_addr *a = addr_of(sk); /* lives as long as sk */

	if (!a) {
		name->ss_family = AF_UNIX;
		return UNIX_ADDR_EMPTY;
	}
	memcpy(name, &a->storage, (size_t)a->len);
	return a->len;
}

/* ---- abstract names ---- */

/* Under the bucket's lock. */
static struct unix_sock *find_locked(struct bucket *b, const struct unix_addr *a, int type)
{
	struct unix_sock *sk;

	cds_list_for_each_entry(sk, &b->socks, name_link)
		if (sk->type == type && sk->addr->len == a->len && sk->addr->hash == a->hash &&
		    !memcmp(&sk->addr->name, &a->name, (size_t)a->len))
			return sk;
	return NULL;
}

/* Gives the socket the name, which it takes over. 0; -EINVAL: it has one; -EADDRINUSE. */
static int bind_abstract(struct unix_sock *sk, struct unix_addr *a)
{
	struct bucket *b = &buckets[a->hash % BUCKETS];
	int err = 0;

	spin_lock(&b->lock);
	spin_lock(&sk->lock);
	if (sk->addr)
		err = -EINVAL;
	else if (find_locked(b, a, sk->type))
		err = -EADDRINUSE;
	if (!err) {
		store_release(&sk->addr, a);
		cds_list_add(&sk->name_link, &b->socks);
	}
	spin_unlock(&sk->lock);
	spin_unlock(&b->lock);
	return err;
}

int unix_autobind(struct unix_sock *sk)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct unix_addr *a;
	u32 nr;
	int err = -EADDRINUSE;

	if (addr_of(sk))
		return 0;
	for (int tries = 0; tries < 0x100000; tries++) {
		nr = __atomic_fetch_add(&next_auto, 1, __ATOMIC_RELAXED) & 0xfffff;
		snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "%05x", nr);
		a = addr_alloc(&name, UNIX_ADDR_EMPTY + 6, sk->type);
		if (!a)
			return -ENOMEM;
		err = bind_abstract(sk, a);
		if (err)
			unix_addr_put(a);
		if (err != -EADDRINUSE)
			break;
		/* With nearly all names taken, and long chains, it may go on for minutes. */
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	if (err == -EINVAL) /* somebody else was faster */
		return 0;
	return err == -EADDRINUSE ? -ENOSPC : err;
}

static struct unix_sock *find_abstract(const struct sockaddr_un *name, int len, int type)
{
	struct unix_addr a = {.len = len, .hash = hash_of(name, len, type)};
	struct bucket *b = &buckets[a.hash % BUCKETS];
	struct unix_sock *sk;

	memcpy(&a.name, name, (size_t)len);
	spin_lock(&b->lock);
	sk = find_locked(b, &a, type);
	if (sk)
		unix_get(sk);
	spin_unlock(&b->lock);
	return sk ? sk : ERR_PTR(-ECONNREFUSED);
}

/* ---- paths ---- */

static char *path_of(const struct sockaddr_un *name, int len)
{
	return kstrndup(name->sun_path, (size_t)(len - UNIX_ADDR_EMPTY));
}

/*
 * The socket's inode was made at parent/d: both know each other from now on. 0, or -EINVAL if it
 * has a name.
 */
static int attach(struct unix_sock *sk, const struct path *parent, struct dentry *d,
		  struct unix_addr *a)
{
	struct inode *inode = d->inode;
	int err = 0;

	spin_lock(&sk->lock);
	if (sk->addr) {
		err = -EINVAL;
	} else {
		sk->path = (struct path){.mnt = parent->mnt, .dentry = d};
		path_get(&sk->path);
		store_release(&sk->addr, a);
	}
	spin_unlock(&sk->lock);
	if (err)
		return err;
	spin_lock(&inode->spin);
	inode->sock = sk; /* no reference: unix_unname() takes it away in time */
	spin_unlock(&inode->spin);
	return 0;
}

static int bind_path(struct unix_sock *sk, const char *path, struct unix_addr *a)
{
	struct path parent;
	struct dentry *d;
	int err;

	err = path_create(AT_FDCWD, path, false, &parent, &d);
	if (err)
		return err == -EEXIST ? -EADDRINUSE : err;
	err = addr_of(sk) ? -EINVAL
			  : vfs_mknod(&parent, d, S_IFSOCK | (sk->file->inode->mode & 07777), 0);
	if (!err) {
		err = attach(sk, &parent, d, a);
		if (err && vfs_unlink(&parent, d))
			log_info("a socket's file stays behind: %s", path);
	}
	path_create_done(&parent, d);
	return err;
}

static struct unix_sock *find_path(const char *name, int type)
{
	struct unix_sock *sk = NULL;
	struct inode *inode;
	struct path p;
	int err;

	err = path_lookup(AT_FDCWD, name, LOOKUP_FOLLOW, &p);
	if (err)
		return ERR_PTR(err);
	inode = p.dentry->inode;
	err = inode_permission(inode, MAY_WRITE);
	if (!err && !S_ISSOCK(inode->mode))
		err = -ECONNREFUSED;
	if (!err) {
		spin_lock(&inode->spin);
		sk = inode->sock ? unix_get(inode->sock) : NULL;
		spin_unlock(&inode->spin);
		if (!sk)
			err = -ECONNREFUSED;
		else if (sk->type != type)
			err = -EPROTOTYPE;
		else
			inode_touch(inode, ATTR_ATIME);
	}
	path_put(&p);
	if (err && sk)
		unix_put(sk);
	return err ? ERR_PTR(err) : sk;
}

/* ---- both ---- */

int unix_bind(struct unix_sock *sk, struct sockaddr_un *name, int len)
{
	struct unix_addr *a;
	char *path;
	int err;

	if (len == UNIX_ADDR_EMPTY && name->sun_family == AF_UNIX)
		return unix_autobind(sk);
	err = unix_check_addr(name, len);
	if (err)
		return err;
	if (!name->sun_path[0]) {
		a = addr_alloc(name, len, sk->type);
		err = a ? bind_abstract(sk, a) : -ENOMEM;
	} else {
		path = path_of(name, len);
		if (!path)
			return -ENOMEM;
		a = addr_alloc(name, len, sk->type);
		if (a)
			a->len = UNIX_ADDR_EMPTY + (int)strlen(path) + 1;
		err = a ? bind_path(sk, path, a) : -ENOMEM;
		kfree(path);
	}
	if (err && a)
		unix_addr_put(a);
	return err;
}

struct unix_sock *unix_find(struct sockaddr_un *name, int len, int type)
{
	struct unix_sock *sk;
	char *path;

	if (!name->sun_path[0])
		return find_abstract(name, len, type);
	path = path_of(name, len);
	if (!path)
		return ERR_PTR(-ENOMEM);
	sk = find_path(path, type);
	kfree(path);
	return sk;
}

void unix_unname(struct unix_sock *sk)
{
	const struct unix_addr *a = addr_of(sk);
	struct inode *inode;
	struct bucket *b;

	if (!a)
		return;
	if (!a->name.sun_path[0]) {
		b = &buckets[a->hash % BUCKETS];
		spin_lock(&b->lock);
		cds_list_del_init(&sk->name_link); /* of an accepted one: on no list, it only shares
						      the name */
		spin_unlock(&b->lock);
	} else if (sk->path.dentry) {
		inode = sk->path.dentry->inode;
		spin_lock(&inode->spin);
		if (inode->sock == sk)
			inode->sock = NULL;
		spin_unlock(&inode->spin);
	}
}
