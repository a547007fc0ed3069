#!/bin/sh
# test: cpus=2 limit=240
# The kernel and its host processes as the host sees them: what they may do, which descriptors they hold; and that a confined kernel can do
# its work on roots and mounts of all kinds.
exec python3 "$APPS/confined/look.py"
