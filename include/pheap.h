/*
 * A pairing heap: intrusive, so that inserting can't fail. Insert O(1), take the first or any O(log
 * n) amortised.
 */
#ifndef HEDDLE_PHEAP_H
#define HEDDLE_PHEAP_H

#include "types.h"

/* All fields belong to the heap while the node is in one; no state outside. */
struct pheap_node {
	u64 key;
	u64 order; /* of arrival, among those with the same key */
	struct pheap_node *child;
	struct pheap_node *next; /* sibling */
	struct pheap_node *prev; /* sibling before it, or the parent; NULL for the root */
};

struct pheap {
	struct pheap_node *root; /* the smallest key, NULL when empty */
	u64 inserted;
};

static inline struct pheap_node *pheap_first(const struct pheap *h)
{
	return h->root;
}
void pheap_insert(struct pheap *h, struct pheap_node *n, u64 key);
/* n must be in h. */
void pheap_remove(struct pheap *h, struct pheap_node *n);

#endif
