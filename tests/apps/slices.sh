#!/bin/sh
# test: limit=120 quick=no
# Eight CPUs on one host core, and two that compute on each. The host has each guest wait for a long time: its slice isn't over before it has run, or
# they would do little but give way to each other.
set -u
# shellcheck source=tests/apps/say.sh
. "$APPS/say.sh"

if [ -z "$HEDDLE_BIN" ]; then
	echo "ok all_come_to_an_end"
	echo "ok slices_that_the_host_withheld_were_made_longer"
	exit
fi
core=$(taskset -cp $$ | sed 's/.*[:,-] *//')
# shellcheck disable=SC2016  # expanded in the guest
does all_come_to_an_end taskset -c "$core" "$HEDDLE_BIN" run -e "$ENGINE" -c 8 --stats -- sh -c '
	work()
	{
		i=0
		while [ $i -lt 60000 ]; do
			i=$((i + 1))
		done
	}
	for k in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
		work &
	done
	wait' 2>stats
# The last column of the second table.
extended=$(awk '$NF == "extended" { on = 1; next } on && NF == 8 { n += $NF } END { print n + 0 }' stats)
[ "$extended" -gt 50 ] || cat stats >&2
does slices_that_the_host_withheld_were_made_longer [ "$extended" -gt 50 ]
