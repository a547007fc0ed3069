#!/bin/sh
# test: cpus=1,2,4 limit=240 quick=no
# git on a repository of its own: the same commits have the same names everywhere.
set -u
# shellcheck disable=SC2086  # HEDDLE is a list of words
exec $HEDDLE /bin/bash "$APPS/git/story.bash"
