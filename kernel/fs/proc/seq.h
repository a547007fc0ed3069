/* Text that grows, for files whose contents are made when they are read. */
#ifndef HEDDLE_PROC_SEQ_H
#define HEDDLE_PROC_SEQ_H

#include "types.h"

struct path;

/* Owned by one task at a time. */
struct seq {
	char *buf; /* kmalloc */
	size_t len, cap;
	bool failed; /* no memory: the text is short */
};

/* Boot: how many bytes all texts together may have; small ones (1 KiB) don't count. */
void seq_limit(u64 bytes);
void seq_init(struct seq *s);
void seq_destroy(struct seq *s);
void seq_printf(struct seq *s, const char *fmt, ...) printf_like(2, 3);
void seq_puts(struct seq *s, const char *text);
void seq_putc(struct seq *s, char c);
void seq_write(struct seq *s, const void *data, size_t n);
/* n more bytes to be filled by the caller, who then adds to len; NULL: no memory. */
must_check char *seq_reserve(struct seq *s, size_t n);
/* The text is complete: gives back most of what it doesn't need. */
void seq_fit(struct seq *s);
/* Text with each character of `special` (and \) as \ooo. */
void seq_escape(struct seq *s, const char *text, const char *special);
/* A path as the current root sees it, escaped. */
void seq_path(struct seq *s, const struct path *p, const char *special);
/* Spaces up to that many characters since `from`. */
void seq_pad(struct seq *s, size_t from, size_t width);
/* "0-3,5" of the lowest n bits, and "ff" (in groups of 32 bits). */
void seq_bit_list(struct seq *s, u64 bits, int n);
void seq_bit_mask(struct seq *s, u64 bits, int n);

#endif
