/* heddle diff: what the upper layer of an overlay changes. */
#include "tools/tools.h"

int diff_command(int argc, char **argv)
{
	tool_name = "diff";
	die("not built in yet");
}
