/*
 * What tasks may know of themselves without asking: process and thread number, and the identities
 * that getuid() and its like tell.
 */
#include "cred.h"
#include "engine.h"
#include "patch.h"
#include "task.h"

bool patch_enabled, patch_ids;

/*
 * All of it changes by the task's own calls only (an exec may change its tid), so what it reads is
 * what a call would tell. That isn't so of getppid, which another process's end changes, and of
 * getpgrp and getsid, which setpgid() by the parent does: they would have to change here at that
 * moment, in the page of a task that may be on its way to another one. getresuid and getresgid
 * write to memory. The clocks and getcpu are the vDSO's.
 */
void patch_publish_ids(struct task *t)
{
	const struct cred *c = t->cred;
	struct context_ids ids = {
		.tgid = t->tg->leader->tid,
		.tid = t->tid,
		.uid = c->uid,
		.euid = c->euid,
		.gid = c->gid,
		.egid = c->egid,
	};

	t->ids_published = true;
	if (patch_ids && t->ctx)
		context_set_ids(t->ctx, &ids);
}
