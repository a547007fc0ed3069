#!/bin/sh
# test: cpus=2 limit=240 quick=no
# heddle run --overlay DIR, as it is used, and heddle diff.
exec python3 "$APPS/overlaydir/look.py"
