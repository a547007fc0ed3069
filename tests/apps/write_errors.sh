#!/bin/sh
# test: cpus=2 limit=120 quick=no
# What the host refuses to write is the affair of the program that writes it: the guest goes on.
set -u
# shellcheck source=tests/apps/say.sh
. "$APPS/say.sh"

# A pipe that nobody reads.
# shellcheck disable=SC2086,SC2016  # words; for the guest's shell
{
	$HEDDLE sh -c 'yes; echo $? >&2' 2>"$WORK/err" | head -n 1 >"$WORK/out"
	is writer_gets_sigpipe_and_others_go_on "$(cat "$WORK/out" "$WORK/err" | tr '\n' ' ')" 'y 141 '
	{
		$HEDDLE yes
		echo $? >"$WORK/status"
	} | head -n 1 >"$WORK/out"
	is status_tells_of_sigpipe "$(cat "$WORK/status")" 141
}

if [ -z "$HEDDLE_BIN" ]; then
	echo 'skip hosts_file_size_limit_is_an_error: here it is a signal'
	exit 0
fi

# Large writes are the work of keepers; the others, and changes of size, the kernel's. More than what heddle has in memory files itself.
mkdir dir
is hosts_file_size_limit_is_an_error "$(
	ulimit -f $((10 << 20)) # in blocks of 512 bytes
	"$HEDDLE_BIN" run -c "$CPUS" -e "$ENGINE" -v "hostfs:$WORK/dir:/mnt" -- python3 -c '
import os
fd = os.open("/mnt/f", os.O_RDWR | os.O_CREAT)
def error_of(call, *args):
    try:
        return call(*args)
    except OSError as e:
        return e.strerror
for n in 1, 1 << 20:
    print(error_of(os.pwrite, fd, b"x" * n, 5 << 30), end=", ")
    print(error_of(os.pwrite, fd, b"x" * n, 0), end=", ")
print(error_of(os.ftruncate, fd, 6 << 30), os.fstat(fd).st_size)
' 2>&1
)" 'File too large, 1, File too large, 1048576, File too large 1048576'
