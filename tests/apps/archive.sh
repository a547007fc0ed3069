#!/bin/sh
# test: cpus=4 limit=240 quick=no
# tar with every usual compressor: what comes out is what went in.
set -u
# shellcheck disable=SC2086  # HEDDLE is a list of words
exec $HEDDLE /bin/bash "$APPS/archive/roundtrip.bash"
