#!/bin/sh
# test: cpus=1,2,4 limit=180
# Python: threads, subprocess, multiprocessing, signal, mmap, sqlite3, asyncio, os.
set -u
# shellcheck disable=SC2086  # HEDDLE is a list of words
exec $HEDDLE /usr/bin/python3 -B "$APPS/python/run.py" "$APPS/python"
