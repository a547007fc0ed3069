/* The names that uname(2) tells. */
#ifndef HEDDLE_UTS_H
#define HEDDLE_UTS_H

#include "types.h"
#include <sys/utsname.h>

/* Boot, sethostname and /proc/sys/kernel/hostname: 64 bytes at most are kept. */
void uts_set_hostname(const char *name);
void uts_get(struct utsname *u);

#endif
