/* What the parts of exec hand to each other. */
#ifndef HEDDLE_KERNEL_TASK_EXEC_H
#define HEDDLE_KERNEL_TASK_EXEC_H

#include "kernel/task/elf.h"
#include "types.h"

struct file;
struct mm;
struct cred;

/*
 * Argument and environment strings: one kernel buffer, strings one behind the other, arguments
 * first.
 */
struct exec_strings {
	char *buf;
	size_t len, cap, limit;
	int argc, envc;
};
must_check int exec_strings_add(struct exec_strings *s, const char *str);
/*
 * All strings of the user's two arrays, counted in args->argc and env->envc; together they keep to
 * args->limit. -E2BIG, -EFAULT, -ENOMEM.
 */
must_check int exec_strings_user(struct exec_strings *args, uaddr_t argv, struct exec_strings *env,
				 uaddr_t envp);

struct exec_image {
	struct file *file;   /* the program */
	struct file *interp; /* its interpreter, or NULL */
	struct elf_image *elf, *interp_elf;
	const char *filename; /* AT_EXECFN */
	struct exec_strings *strings;
	struct cred *cred;
	bool secure;
	bool unreadable; /* the caller may execute the program or its interpreter, but not read it
			  */
	/* results of mapping */
	uaddr_t entry, base, phdr; /* where to start; interpreter's bias; program headers */
	uaddr_t sp;
};

/* One call of execve(). */
struct exec {
	int dfd, flags;
	char *path;	/* as called; owned */
	char *filename; /* AT_EXECFN and comm, also of a script */
	char *script;	/* what the interpreter is told to run, if it is a script */
	struct exec_strings strings;
	struct exec_strings env;
	struct exec_image im;
	struct elf_head head; /* of im.file */
	struct elf_image *elf, *interp_elf;
};

/* exec.c: a file that the caller may execute; nobody writes it until exe_file_put(). ERR_PTR. */
must_check struct file *exec_open(int dfd, const char *name, int flags);
/*
 * exec_script.c: reads the head of x->im.file and follows #! lines until a file that is something
 * else. -ENOEXEC, -ELOOP ...
 */
must_check int exec_scripts(struct exec *x);
/* exec_map.c: maps program, interpreter and stack into an empty mm and fills the stack. */
must_check int exec_map(struct mm *mm, struct exec_image *im);

#endif
