#!/bin/bash
# test: cpus=4 limit=300 quick=no
# In a container as its runtimes make them, without privileges and with their usual seccomp profile: no pidfd_getfd(2), no layout of one's own
# (personality(2)), no clone3(2), no capability that would help. And below a program that has a seccomp listener already.
# shellcheck disable=SC2086  # HEDDLE is a list of words
set -u
# shellcheck source=tests/apps/say.sh
. "$APPS/say.sh"

within()
{
	python3 "$APPS/container/within.py" "$@"
}

# in_container COMMAND...: in a guest, or on the host
in_container()
{
	within profile $HEDDLE "$@"
}

threads='
import mmap, subprocess, sys, tempfile, threading
sums = []
def work(n):
    with tempfile.TemporaryFile() as f:
        f.write(bytes([n]) * 200000)
        f.flush()
        with mmap.mmap(f.fileno(), 0) as m:
            sums.append(m[199999] + int(subprocess.check_output(["sh", "-c", f"echo {n}"])))
threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 21)]
[t.start() for t in threads]
[t.join() for t in threads]
print(sum(sums))'

is the_profile_is_in_force "$(within profile python3 -c 'import ctypes; print(ctypes.CDLL(None).syscall(438, -1, 0, 0), ctypes.CDLL(None).personality(0x40000))')" '-1 -1'
is programs_run "$(in_container sh -c 'seq 1 300 | xargs -n 1 -P 8 echo | sort -n | cksum')" "$(seq 1 300 | cksum)"
is threads_map_files "$(in_container python3 -c "$threads")" 420
# What the host puts where the stub belongs, it doesn't put there each time.
is it_starts_each_time "$(for _ in $(seq 25); do in_container true || echo "status $?"; done)" ''
if [ -z "$HEDDLE" ]; then
	echo 'skip a_listener_above_is_told: no kernel of ours'
	echo 'skip ptrace_works_below_a_listener: no kernel of ours'
	echo 'skip auto_takes_it_then: no kernel of ours'
elif [ "$ENGINE" = seccomp ]; then
	out=$(within listener $HEDDLE true 2>&1)
	is a_listener_above_is_told "$?: $out" '2: heddle: engine seccomp: no listener can be had: this program runs under another one'\''s already'
	echo 'skip ptrace_works_below_a_listener: this is the other engine'
	echo 'skip auto_takes_it_then: this is the other engine'
else
	echo 'skip a_listener_above_is_told: this engine needs none'
	is ptrace_works_below_a_listener "$(within listener $HEDDLE echo works 2>&1)" works
	is auto_takes_it_then "$(within listener "$HEDDLE_BIN" run -c "$CPUS" --verbose -- true 2>&1 | grep -c 'engine ptrace')" 1
fi
