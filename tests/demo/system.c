#include "demo.h"
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

void system_describe(char *buf, size_t size)
{
	struct utsname u;

	if (uname(&u))
		snprintf(buf, size, "a nameless system");
	else
		snprintf(buf, size, "process %d on %s %s %s (%s)", (int)getpid(), u.sysname,
			 u.release, u.machine, u.version);
}
