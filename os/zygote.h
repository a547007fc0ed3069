/* The zygote: the first host process of the guest side, from the image embedded in the binary. */
#ifndef HEDDLE_OS_ZYGOTE_H
#define HEDDLE_OS_ZYGOTE_H

#include "cpu.h"
#include "types.h"

struct zygote_fds {
	int ctl, ctl_ro, slots, kernel_pidfd;
	int report[2 * MAX_CPUS + 2]; /* two a CPU, two for a thread that is none */
	int nreports;
	int socket[MAX_CPUS + 2]; /* see os/fdpass.h */
	int nsockets;		  /* 0: they aren't needed */
	int keeper_end;		  /* the keeper's first free descriptor */
};

/* Creates the files that kernel and keepers share. */
must_check int zygote_fds_create(struct zygote_fds *z, int ncpus, size_t ctl_size,
				 size_t slots_size);
/* After the kernel has mapped the control pages: no one else can map them writable any more. */
must_check int zygote_fds_seal(struct zygote_fds *z);
/* Starts it: the pid, or -errno. Its parent must be the thread that lives as long as the kernel. */
must_check pid_t zygote_start(const struct zygote_fds *z);

/* Is nothing of the host's where our pages are to be? */
must_check bool zygote_fits(pid_t pid);

struct zygote_map {
	uaddr_t start, end;
	bool vdso;
};
/* vvar, vvar_vclock and vdso of a process, in order of address. Their number or -errno. */
must_check int zygote_special_maps(pid_t pid, struct zygote_map *maps, int max);

/*
 * Guests are killed before the kernel where the host's memory is short: they inherit a score that
 * is raised while the zygote is forked. The score before, and back to it; a host without such
 * scores is left as it is.
 */
int oom_score_raise(void);
void oom_score_set(int score);

#endif
