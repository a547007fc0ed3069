#!/bin/sh
# test: cpus=4 limit=900 serial=two quick=no
# The soak in short: 200 busy threads and what they start, many more open files than the host allows descriptors, guests that start and
# end. Nothing hangs, no byte is wrong, nothing is left behind. See stress/README.md.
set -eu
soak=$APPS/../../stress/soak
if [ -n "$HEDDLE_BIN" ]; then
	"$soak" -b "${HEDDLE_BIN%/heddle}" -c "$CPUS" -e "$ENGINE" -t 90 | grep -v '^[0-9]* passed,'
	exit
fi
# The programs have to be right where there is no kernel of ours. Whether the machine is fast enough for a load is seen in the guest only.
"$soak" -b "$PWD" -e native -t 8 | grep -v '^[0-9]* passed,' | sed 's/^ok \(load_the_load\)/skip \1/'
