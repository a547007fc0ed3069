#!/bin/sh
# test: cpus=4 limit=120 quick=no
# Many senders, many receivers: processes and threads, through sockets and pipes.
set -u

# form NAME OPTION...
form()
{
	name=$1
	shift
	# shellcheck disable=SC2086  # HEDDLE is a list of words
	if $HEDDLE hackbench -g 1 -l 50 "$@" >out 2>&1 && grep -q '^Time: ' out; then
		echo "ok $name"
	else
		echo "FAIL $name: $(tail -n 1 out)"
	fi
}

form processes_and_sockets -P
form processes_and_pipes -P -p
form threads_and_sockets -T
form threads_and_pipes -T -p
