/* What is read of the host once, at boot. */
#include "alloc.h"
#include "commit.h"
#include "hostio.h"
#include "kernel/fs/proc/proc_priv.h"
#include <stdlib.h>
#include <string.h>

struct host_info host_info; /* constant after proc_init() */

/* Up to the empty line behind the first processor. */
static char *first_cpu_block(void)
{
	char *text = host_file_text("/proc/cpuinfo"), *end;

	if (!text)
		return kstrdup("processor\t: 0\nvendor_id\t: unknown\nflags\t\t:\n");
	end = strstr(text, "\n\n");
	if (end)
		end[1] = '\0';
	return text;
}

int proc_init(const char *cmdline)
{
	/*
	 * Texts are kept while their files are open. The least is enough for smaps of a process
	 * with all the mappings it may have.
	 */
	seq_limit(max(memory_size() / 10, (u64)64 << 20));
	proc_maps_init();
	host_info.cpu_block = first_cpu_block();
	host_info.cmdline = kstrdup(cmdline);
	return host_info.cpu_block && host_info.cmdline ? 0 : -ENOMEM;
}
