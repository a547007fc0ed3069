#!/bin/sh
# test: cpus=4 limit=180 serial=yes quick=no
# 200 busy threads and what they start, for a short time: nothing hangs, and nothing is left behind. See stress/README.md.
set -eu
run=$APPS/../../stress/run
if [ -n "$HEDDLE_BIN" ]; then
	exec "$run" -b "${HEDDLE_BIN%/heddle}" -c "$CPUS" -e "$ENGINE" -t 10
fi
# The load has to be right where there is no kernel of ours.
exec "$run" -b "$PWD" -e native -t 2
