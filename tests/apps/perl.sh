#!/bin/sh
# test: cpus=1,2,4 limit=120
# perl: processes, pipes, sockets, signals, files.
set -u
# shellcheck disable=SC2086  # HEDDLE is a list of words
exec $HEDDLE perl "$APPS/perl/tour.pl"
