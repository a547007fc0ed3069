/*
 * Credentials: immutable once shared, replaced whole. Names and rules as in credentials(7) and
 * capabilities(7).
 */
#ifndef HEDDLE_CRED_H
#define HEDDLE_CRED_H

#include "rcu.h"
#include "types.h"

#define NGROUPS_MAX_ 65536
typedef u64 kcap_t; /* one bit a capability, bits 0..40 */
#define CAP_FULL ((1ULL << 41) - 1)

/*
 * What is counted for each real uid. Found by user_find(); lives as long as a credential or a
 * queued signal refers to it.
 */
struct user {
	u32 refs;	     /* atomic, 0 to 1 never: table lock */
	u32 uid;	     /* constant */
	u32 sigpending;	     /* atomic: queued signals and POSIX timers, RLIMIT_SIGPENDING */
	u32 processes;	     /* atomic: tasks, RLIMIT_NPROC; counted by clone and exit */
	u32 pipe_slots;	     /* atomic: capacity of the pipes that he made; kernel/ipc/pipe.c */
	u32 in_flight_files; /* files under way in messages; kernel/net/gc.c's mutex */
	u32 inotify_instances, inotify_watches; /* atomic; kernel/fs/notify/inotify.c */
	struct user *next;			/* table lock */
};
must_check struct user *user_find(u32 uid); /* +1; NULL: no memory */
struct user *user_get(struct user *u);
void user_put(struct user *u);

/* What all users together are charged with. */
struct user_stats {
	u64 processes, sigpending, pipe_slots, inotify_instances, inotify_watches;
};
void users_get_stats(struct user_stats *st);

struct task;

struct cred {
	u32 refs;	   /* atomic */
	struct user *user; /* +1: of uid */
	struct rcu_head rcu;
	u32 uid, euid, suid, fsuid;
	u32 gid, egid, sgid, fsgid;
	kcap_t cap_inheritable, cap_permitted, cap_effective, cap_bounding, cap_ambient;
	u32 securebits;
	bool no_new_privs;
	int ngroups;
	u32 *groups; /* sorted; owned */
};

/* A first credential: all capabilities if uid is 0. NULL: no memory. */
must_check struct cred *cred_new(u32 uid, u32 gid);
struct cred *cred_get(struct cred *c);
/* Another task's credentials, +1; they may be replaced at any time. */
struct cred *task_cred_get(struct task *t);
void cred_put(struct cred *c);
must_check struct cred *cred_dup(
	const struct cred *c); /* a private copy to change; NULL: no memory */
/*
 * What `from` says, for a look at it with changes: to is no credential of its own, and groups are
 * shared.
 */
void cred_copy_values(struct cred *to, const struct cred *from);
/* Makes c the current task's (takes the reference). Other tasks may be reading the old one: RCU. */
void cred_commit(struct cred *c);
bool in_group(const struct cred *c, u32 gid); /* fsgid or a supplementary group */
bool cred_capable(const struct cred *c, int cap);
bool capable(int cap); /* the current task's */
/*
 * What exec of a file with this mode and owner makes of c (set-uid bits, capabilities rules):
 * changes the private copy c. True if it gained privileges, or would have: a process that shares
 * its fs context with another gets none that it hasn't.
 */
bool cred_exec(struct cred *c, u32 mode, u32 uid, u32 gid, bool shared);

#endif
