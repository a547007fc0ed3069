/* Shared inside kernel/task/. */
#ifndef HEDDLE_KERNEL_TASK_TASK_PRIV_H
#define HEDDLE_KERNEL_TASK_TASK_PRIV_H

#include "task.h"

/*
 * A blank task with a kthread that will run task_main(); refs 1 for its own existence. NULL: no
 * memory.
 */
must_check struct task *task_alloc(const char *comm);
must_check struct thread_group *tg_alloc(void);

/* Drops a reference that does not carry one to the group: the group's own on its leader. */
void task_put_memory(struct task *t);

void pid_attach(struct pid *p, struct task *t); /* tasklist_lock: p is t's tid from now on */
void pid_detach(struct pid *p); /* tasklist_lock: nobody's tid, nor process, any more */
void tg_set_pgrp_locked(struct thread_group *tg,
			struct pid *pgrp); /* tasklist_lock; own references */
void tg_set_session_locked(struct thread_group *tg, struct pid *session); /* tasklist_lock */

/* vfork: the child lets its parent go on (exec, exit). */
void vfork_release(struct task *t);
/*
 * The current task is about to leave its mm: robust futexes, clear_child_tid. The mm is still
 * there. vfork_release() is the caller's, once the task has left; exec first sets what the parent
 * is to see.
 */
void mm_release(struct task *t);
void task_set_context(struct task *t, struct context *ctx);
/* The current task lets go of its mm, and of its context. */
void task_release_mm(struct task *t);

/* wait.c: a process that nobody waits for, or was waited for, disappears. Takes tasklist_lock. */
void tg_reap(struct thread_group *tg);
/*
 * exec.c: execveat(2) with strings of the kernel's own: boot's first program. Replaces current's
 * image: 0, then the registers are set.
 */
must_check int do_execve(int dfd, const char *path, char **argv, char **envp, int flags);

#endif
