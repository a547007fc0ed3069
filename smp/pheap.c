/* The pairing heap of Fredman, Sedgewick, Sleator and Tarjan (1986). The caller locks. */
#include "pheap.h"

static bool before(const struct pheap_node *a, const struct pheap_node *b)
{
	return a->key < b->key || (a->key == b->key && a->order < b->order);
}

/* Both are roots; the one that comes first adopts the other. */
static struct pheap_node *meld(struct pheap_node *a, struct pheap_node *b)
{
	struct pheap_node *tmp;

	if (!a)
		return b;
	if (!b)
		return a;
	if (before(b, a)) {
		tmp = a;
		a = b;
		b = tmp;
	}
	b->prev = a;
	b->next = a->child;
	if (b->next)
		b->next->prev = b;
	a->child = b;
	a->next = NULL;
	a->prev = NULL;
	return a;
}

/* Melds a list of siblings: in pairs from left to right, then the pairs from right to left. */
static struct pheap_node *meld_siblings(struct pheap_node *n)
{
	struct pheap_node *pairs = NULL, *root = NULL;

	while (n) {
		struct pheap_node *a = n, *b = a->next, *m;

		n = b ? b->next : NULL;
		a->next = NULL;
		a->prev = NULL;
		if (b) {
			b->next = NULL;
			b->prev = NULL;
		}
		m = meld(a, b);
		m->next = pairs;
		pairs = m;
	}
	while (pairs) {
		struct pheap_node *m = pairs;

		pairs = m->next;
		m->next = NULL;
		root = meld(m, root);
	}
	return root;
}

void pheap_insert(struct pheap *h, struct pheap_node *n, u64 key)
{
	*n = (struct pheap_node){.key = key, .order = h->inserted++};
	h->root = meld(h->root, n);
}

void pheap_remove(struct pheap *h, struct pheap_node *n)
{
	struct pheap_node *below = meld_siblings(n->child);

	if (n == h->root) {
		h->root = below;
	} else {
		if (n->prev->child == n)
			n->prev->child = n->next;
		else
			n->prev->next = n->next;
		if (n->next)
			n->next->prev = n->prev;
		h->root = meld(h->root, below);
	}
	*n = (struct pheap_node){0};
}
