#!/bin/sh
# test: cpus=1,2,4 limit=120
# Scripts that use most of what bash, dash and busybox sh can do.
set -u

# run SHELL... SCRIPT: the names of its results get the shell's in front.
run()
{
	rm -rf work
	mkdir work
	tag=$1
	shift
	# shellcheck disable=SC2086  # HEDDLE is a list of words
	env -C work APPS="$APPS" $HEDDLE "$@" | sed -E "s/^(ok|FAIL|skip) /&$tag./"
}

run bash /bin/bash "$APPS/shell/tour.bash"
run dash /bin/dash "$APPS/shell/tour.sh"
run busybox busybox sh "$APPS/shell/tour.sh"
run bash_posix /bin/bash --posix "$APPS/shell/tour.sh"
