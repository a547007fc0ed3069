/* What the tools share: messages, memory, names of a directory, sizes, the progress bar. */
#ifndef HEDDLE_TOOLS_H
#define HEDDLE_TOOLS_H

#include "types.h"
#include <stdio.h>

/*
 * "heddle NAME: ..." on stderr. die() ends the process with status 2. tool_name is what came after
 * "heddle".
 */
extern const char *tool_name;
noreturn_ void die(const char *fmt, ...) printf_like(1, 2);
void complain(const char *fmt, ...) printf_like(1, 2);

/*
 * A name, as `ls -b` has it: nothing in it moves a terminal's cursor, or makes a line two. Messages
 * go out this way, too.
 */
void print_escaped(FILE *f, const char *s);

/* They die when there is no memory. */
void *xmalloc(size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) printf_like(1, 2);
/* "a/b", or "b" if a is empty; fresh memory. */
char *join(const char *a, const char *b);

/* A number, or one with K, M, G, T or P behind it. Dies if it isn't one. */
u64 parse_size(const char *s);
/* "1.5 GiB": in one of two buffers. */
const char *show_size(u64 bytes);

/* The names in a directory but . and .., sorted. Dies if it can't be read (what: its path). */
struct names {
	char **name;
	size_t n;
};
struct names names_of(int dirfd, const char *what);
void names_free(struct names *l);

/* A bar on stderr, if that is a terminal. total 0: not known. */
struct progress {
	const char *what;
	u64 total, done, files;
	bool shown;
	u64 last_ns;
};
void progress_start(struct progress *p, const char *what, u64 total);
void progress_show(struct progress *p, u64 done);
void progress_end(struct progress *p);

/* The commands: argv[0] is the command's name. They return the exit status. */
int humfs_command(int argc, char **argv);
int diff_command(int argc, char **argv);

#endif
