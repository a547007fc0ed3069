#!/bin/sh
# test: cpus=4 limit=900 quick=no
# g++ with templates and exceptions, shared libraries, dlopen, binutils: files are byte for byte the host's.
set -u
# shellcheck disable=SC2086  # HEDDLE is a list of words
exec $HEDDLE /bin/bash "$APPS/cxx/build.bash"
