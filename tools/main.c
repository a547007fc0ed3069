/*
 * Programs that work on the host's files, without a kernel: what `heddle humfs` and `heddle diff`
 * execute.
 */
#include "tools/tools.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "humfs"))
		return humfs_command(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "diff"))
		return diff_command(argc - 1, argv + 1);
	fputs("heddle-tools: use it by heddle humfs or heddle diff\n", stderr);
	return 2;
}
