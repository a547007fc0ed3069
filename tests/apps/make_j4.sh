#!/bin/sh
# test: cpus=1,2,4 limit=300
# Forty C files built with make -j4: the objects and the program are, byte for byte, those that the host builds, and
# the program runs.
set -u

# shellcheck disable=SC2016,SC2086  # expanded inside; HEDDLE is a list of words
$HEDDLE sh -uc '
	# Not as the make that may have started us says.
	unset MAKEFLAGS MFLAGS MAKELEVEL
	mkdir -p /tmp/make_j4.$$ && cd /tmp/make_j4.$$ || exit 1
	trap "rm -rf /tmp/make_j4.$$" EXIT
	cp "$0"/*.[ch] "$0"/Makefile "$0"/table.awk . || exit 1
	make -s --no-print-directory -j4 >log 2>&1 || {
		echo "FAIL make_j4_succeeds: $(tail -n 1 log)"
		exit 1
	}
	echo "ok make_j4_succeeds"
	# The directory is part of no object: sources were given by relative names, without -g.
	sha256sum *.o demo
	./demo 4 | grep -v -e "^process" -e "CPUs"
	if make -q >log 2>&1 && [ ! -s log ]; then
		echo "ok second_make_has_nothing_to_do"
	else
		echo "FAIL second_make_has_nothing_to_do: $(tail -n 1 log)"
	fi
' "$APPS/../demo"
