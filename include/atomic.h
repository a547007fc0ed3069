/* Atomic accesses by their order. Read-modify-write ones are spelled as the compiler has them. */
#ifndef HEDDLE_ATOMIC_H
#define HEDDLE_ATOMIC_H

#define load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
/* Store, then a full barrier: the store half of Dekker's protocol. */
#define store_mb(p, v) ((void)__atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST))
/* For counters with one writer: no locked instruction. */
#define stat_add(p, n) store_relaxed((p), load_relaxed(p) + (n))

#endif
