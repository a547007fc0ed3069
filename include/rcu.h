/*
 * RCU by liburcu, QSBR flavour. A CPU is quiescent when it switches tasks and when it returns to the guest,
 * and offline while the guest runs or it idles. So: never sleep between rcu_read_lock() and rcu_read_unlock()
 * (a debug build checks), and read sections cost nothing.
 *
 * Lists and hash tables: <urcu/rculist.h>, <urcu/rculfhash.h> (cds_lfht_*; create with
 * cds_lfht_new_flavor(init, min, max, CDS_LFHT_AUTO_RESIZE or 0, &urcu_qsbr_flavor, NULL)). The threads of os/ (event thread, workers)
 * may use RCU only between rcu_thread_online() and rcu_thread_offline().
 */
#ifndef HEDDLE_RCU_H
#define HEDDLE_RCU_H

#include "types.h"
#include <urcu/urcu-qsbr.h>
#include <urcu/rculist.h>
#include <urcu/rculfhash.h>

/* Frees p with kfree() after a grace period; head is a struct rcu_head inside p at offset 0..., callback style: */
void kfree_rcu(void *p); /* needs no rcu_head: allocates one, falls back to synchronising */
/* call_rcu(struct rcu_head *, void (*)(struct rcu_head *)) is liburcu's; its callbacks run in a thread of
 * their own: they may take spinlocks and kfree, never sleep, and have no current task. */

#endif
