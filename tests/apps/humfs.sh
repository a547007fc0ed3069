#!/bin/sh
# test: cpus=2 limit=240 quick=no
# A humfs as its user sees it: heddle humfs, what a guest does in one, and Debian's humfsify.
exec python3 "$APPS/humfs/look.py"
