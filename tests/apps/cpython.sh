#!/bin/sh
# test: cpus=4 limit=600 quick=no
# Tests of CPython itself (Debian's libpython3.11-testsuite): what passes on the host passes in the guest, except for
# what cpython/exceptions lists with the reason.
set -u
# shellcheck disable=SC2086  # HEDDLE is a list of words
exec $HEDDLE /usr/bin/python3 -B "$APPS/cpython/run.py" "$APPS/cpython/exceptions" \
	test_os test_subprocess test_signal test_threading test_mmap test_select
