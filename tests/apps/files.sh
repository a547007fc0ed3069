#!/bin/sh
# test: cpus=1,2,4 limit=240 quick=no
# A tour of coreutils, findutils, grep, sed and awk.
set -u
# shellcheck disable=SC2086  # HEDDLE is a list of words
exec $HEDDLE /bin/bash "$APPS/files/tour.bash"
