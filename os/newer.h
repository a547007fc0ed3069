/* Numbers that Debian 12's headers don't have yet, or that libc hides. */
#ifndef HEDDLE_OS_NEWER_H
#define HEDDLE_OS_NEWER_H

#include <linux/seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP 1ULL
#endif
#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* si_code of SIGSYS: a filter trapped the call */
#endif

#endif
