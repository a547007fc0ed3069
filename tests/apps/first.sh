#!/bin/sh
# test: cpus=4 limit=240 quick=no
# The first process of a guest, whose end is the end of everything.
set -eu
# shellcheck source=tests/apps/say.sh
. "$APPS/say.sh"

gcc -O1 -pthread -o end "$APPS/first/end.c"
ended=all
for round in $(seq 200); do
	status=0
	# shellcheck disable=SC2086  # HEDDLE is a list of words
	timeout -s KILL 20 $HEDDLE ./end || status=$?
	[ $status = 7 ] || {
		ended="status $status in round $round"
		break
	}
done
is threads_that_leave_at_once_end_the_guest "$ended" all
