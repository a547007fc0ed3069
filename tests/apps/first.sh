#!/bin/sh
# test: cpus=4 limit=240 quick=no
# The first process of a guest: where it starts, and that its end is the end of everything.
set -eu
# shellcheck source=tests/apps/say.sh
. "$APPS/say.sh"

gcc -O1 -pthread -o end "$APPS/first/end.c"
ended=all
for round in $(seq 200); do
	status=0
	# shellcheck disable=SC2086  # HEDDLE is a list of words
	timeout -s KILL $((20 * ${SLOW:-1})) $HEDDLE ./end || status=$?
	[ $status = 7 ] || {
		ended="status $status in round $round"
		break
	}
done
is threads_that_leave_at_once_end_the_guest "$ended" all

# $PWD tells the name of the working directory, but only if that is true.
mkdir dir
ln -s dir link
# shellcheck disable=SC2086,SC2016  # words; for the guest's shell
{
	is starts_where_we_are "$(env -C dir $HEDDLE /bin/pwd)" "$PWD/dir"
	is starts_by_the_name_of_a_link "$(cd link && $HEDDLE sh -c 'echo "$PWD $(pwd -P)"')" "$PWD/link $PWD/dir"
	is false_pwd_is_ignored "$(PWD=/etc $HEDDLE /bin/pwd)" "$PWD"
}
