#!/bin/sh
# test: cpus=1,2,4 limit=120
# A guest with --memory: what it finds, and that what its processes are promised stays within it.
set -eu
gcc -O1 -g -Wall -Wextra -Wno-unused-parameter -I "$APPS/../guest" -pthread -o memory "$APPS/memory/memory.c"
if [ -z "$HEDDLE_BIN" ]; then
	./memory --list | sed 's/.*/skip &: the host has no --memory/'
else
	exec "$HEDDLE_BIN" run -m 256M -c "$CPUS" -e "$ENGINE" -- ./memory
fi
