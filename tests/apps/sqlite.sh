#!/bin/sh
# test: cpus=1,2,4 limit=600 quick=no
# The sqlite3 program: bulk, transactions, journal modes, and writers that compete for one database.
set -u
# shellcheck disable=SC2086  # HEDDLE is a list of words
exec $HEDDLE /bin/bash "$APPS/sqlite/tour.bash"
