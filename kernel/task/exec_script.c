/* exec of scripts: files that begin with #! and the name of their interpreter. */
#include "alloc.h"
#include "fs.h"
#include "kernel/fs/notify/notify.h"
#include "kernel/task/exec.h"
#include "mm.h"
#include "task.h"
#include <string.h>

#define SCRIPT_LINE 256UL
#define MAX_SCRIPTS 5

/*
 * The interpreter and its one argument (or NULL) in line, which is changed. -ENOEXEC: none is
 * named.
 */
static int parse_script(char *line, char **interp, char **arg)
{
	char *end = memchr(line, '\n', SCRIPT_LINE), *p = line + 2;

	if (!end) {
		end = line + SCRIPT_LINE - 1;
		/* Linux: the interpreter's name must have ended */
		if (!strpbrk(p + strspn(p, " \t"), " \t") && strlen(p) >= SCRIPT_LINE - 3)
			return -ENOEXEC;
	}
	*end = 0;
	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = 0;
	p += strspn(p, " \t");
	if (!*p)
		return -ENOEXEC;
	*interp = p;
	p += strcspn(p, " \t");
	*arg = NULL;
	if (*p) {
		*p++ = 0;
		p += strspn(p, " \t");
		if (*p)
			*arg = p;
	}
	return 0;
}

/*
 * argv becomes: interpreter, its argument, the script's name, and the old arguments but the first.
 */
static int replace_args(struct exec *x, const char *interp, const char *arg)
{
	struct exec_strings n = {.limit = x->strings.limit};
	size_t skip = x->strings.argc ? strlen(x->strings.buf) + 1 : 0;
	int err = exec_strings_add(&n, interp);

	n.argc = x->strings.argc ? x->strings.argc : 1;
	if (!err && arg) {
		err = exec_strings_add(&n, arg);
		n.argc++;
	}
	if (!err)
		err = exec_strings_add(&n, x->script ? x->script : x->filename);
	n.argc++;
	if (!err && x->strings.len > skip) {
		size_t rest = x->strings.len - skip;
		char *buf = krealloc(n.buf, n.len + rest);

		if (buf) {
			n.buf = buf;
			memcpy(buf + n.len, x->strings.buf + skip, rest);
			n.len = n.cap = n.len + rest;
		} else {
			err = -ENOMEM;
		}
	}
	if (err) {
		kfree(n.buf);
		return err;
	}
	kfree(x->strings.buf);
	x->strings = n;
	return 0;
}

int exec_scripts(struct exec *x)
{
	for (int depth = 0;; depth++) {
		char line[SCRIPT_LINE + 1] = "", *interp, *arg, *name;
		struct file *f;
		int err = elf_read_head(x->im.file, &x->head);

		if (err)
			return err;
		notify_file(x->im.file, IN_ACCESS);
		if (x->head.len < 2 || x->head.bytes[0] != '#' || x->head.bytes[1] != '!')
			return 0;
		memcpy(line, x->head.bytes, min(x->head.len, SCRIPT_LINE));
		if (depth == MAX_SCRIPTS)
			return -ELOOP;
		if (!depth && x->path[0] != '/' && x->dfd != AT_FDCWD &&
		    files_cloexec(current->files, x->dfd))
			return -ENOENT; /* the interpreter could not open /dev/fd/N any more */
		err = parse_script(line, &interp, &arg);
		if (!err)
			err = replace_args(x, interp, arg);
		if (err)
			return err;
		f = exec_open(AT_FDCWD, interp, 0);
		if (IS_ERR(f))
			return PTR_ERR(f);
		name = kstrdup(interp);
		if (!name) {
			exe_file_put(f);
			return -ENOMEM;
		}
		kfree(x->script);
		x->script = name;
		exe_file_put(x->im.file);
		x->im.file = f;
	}
}
