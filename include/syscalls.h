/*
 * The table of system calls, generated from kernel/syscalls.def (see there), and the prototypes of
 * their handlers. Handlers take the current task's arguments, already cast, and return a result or
 * a negative errno.
 */
#ifndef HEDDLE_SYSCALLS_H
#define HEDDLE_SYSCALLS_H

#include "types.h"
#include "syscall_protos.h" /* generated: long sys_read(int fd, uaddr_t buf, size_t count); ... and NR_SYSCALLS */

enum syscall_status { SYSCALL_NONE, SYSCALL_PARTIAL, SYSCALL_FULL };

/* Order as in kernel/syscalls.awk. */
enum arg_kind {
	ARG_FD,
	ARG_DFD,
	ARG_PATH,
	ARG_STR,
	ARG_STRV,
	ARG_IN,
	ARG_OUT,
	ARG_INOUT,
	ARG_IOV,
	ARG_PTR,
	ARG_ADDR,
	ARG_INT,
	ARG_UINT,
	ARG_LONG,
	ARG_ULONG,
	ARG_SIZE,
	ARG_OFF,
	ARG_MODE,
	ARG_DEV,
	ARG_UID,
	ARG_GID,
	ARG_CMD,
	ARG_PID,
	ARG_SIG,
	ARG_CLOCKID,
	ARG_FLAGS,
	ARG_UFLAGS,
	ARG_LFLAGS,
};

/*
 * A name for the value of some bits: it fits if (arg & mask) == value. An array ends with a NULL
 * name.
 */
struct flag_name {
	const char *name;
	u64 value, mask;
};

/* A field of a structure worth showing. */
struct field_name {
	const char *name;
	u16 offset;
	u8 size;
	char format; /* 'd', 'x' or 'o' */
};

/* What a pointer points to. */
struct arg_type {
	const char *name;
	u32 size;
	u8 count; /* of equal parts of an array type (pipe's two descriptors), else 1 */
	u8 nfields;
	const struct field_name *fields;
};

struct syscall_arg {
	const char *name;
	u8 kind;    /* enum arg_kind */
	s8 len_arg; /* in, out, inout, iov: which argument holds its length (or its count, with a
		       type); -1: none */
	bool len_is_ptr;	       /* that argument points to the length */
	const struct arg_type *type;   /* in, out, inout: of one element; NULL: bytes */
	const struct flag_name *names; /* flags, clockid; else NULL */
};

struct syscall_desc {
	const char *name; /* NULL: no such number */
	/*
	 * Args are the six argument registers. NULL: not implemented. -ENOSYS where the handler
	 * isn't linked.
	 */
	long (*call)(const u64 args[6]);
	const struct syscall_arg *args;
	u8 nargs;
	u8 status;  /* enum syscall_status */
	bool early; /* traced on entry: may not return, or with another memory */
	u8 copies;  /* COPY_* of stub/layout.h */
};

extern const struct syscall_desc syscall_table[NR_SYSCALLS];

/* Name tables by themselves, for other printers: signals are numbered, these aren't. */
extern const struct flag_name flags_open[], flags_map[], flags_prot[], flags_clone[],
	flags_clockid[];

#endif
