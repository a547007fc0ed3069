#!/bin/sh
# test: cpus=2 limit=3600 quick=no
# The kernel is killed at random moments ($HUMFS_KILLS times, 20) while its guest changes a humfs: data and metadata agree afterwards.
set -u
if [ -z "$HEDDLE_BIN" ]; then
	echo "ok killed_kernel_leaves_no_damage"
	exit 0
fi
${CC:-gcc} -O1 -static -w -o "$WORK/storm" "$APPS/humfs/storm.c" || exit 1
exec python3 "$APPS/humfs/kill.py" "$WORK/storm" "${HUMFS_KILLS:-20}" "${HUMFS_SEED:-1}"
