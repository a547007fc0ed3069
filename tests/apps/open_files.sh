#!/bin/sh
# test: cpus=4 limit=600 quick=no
# Many more open files than the host allows descriptors, for a short time; the same in a humfs; and while a process of the host replaces them.
# See stress/open-files.
set -eu
run=$APPS/../../stress/open-files
if [ -n "$HEDDLE_BIN" ]; then
	"$run" -s "${FILES_SEED:-1}" -b "${HEDDLE_BIN%/heddle}" -c "$CPUS" -e "$ENGINE" -n 8000 -t 8 || echo "FAIL many_files: status $?"
	"$run" -s "${FILES_SEED:-1}" -b "${HEDDLE_BIN%/heddle}" -c "$CPUS" -e "$ENGINE" -n 1500 -t 4 -T humfs || echo "FAIL many_files_in_a_humfs: status $?"
	exec "$run" -s "${FILES_SEED:-1}" -b "${HEDDLE_BIN%/heddle}" -c "$CPUS" -e "$ENGINE" -n 3000 -t 8 -o cache=strict -r
fi
"$run" -s "${FILES_SEED:-1}" -b "$PWD" -e native -n 3000 -t 2
"$run" -s "${FILES_SEED:-1}" -b "$PWD" -e native -n 1500 -t 2 -T humfs
exec "$run" -s "${FILES_SEED:-1}" -b "$PWD" -e native -n 3000 -t 2 -r
