#!/bin/bash
# test: cpus=2 limit=900 quick=no
# Host directories that are written through: what programs see there is what they see on the host; options of mounts.
set -u
tests=$APPS/../guest
guest_tests="dirs names open readwrite truncate xattr copy_range"
unprivileged="unprivileged.files_made_without_permission_to_write unprivileged.chmod_leaves_open_files_alone
	unprivileged.files_that_get_their_names_as_those_of_git unprivileged.permissions_hold_for_new_opens"

# heddle OPTION...: the guest has $WORK/dir as /mnt
on_dir()
{
	local options=$1
	shift
	"$HEDDLE_BIN" run -c "$CPUS" -e "$ENGINE" -v "hostfs:$WORK/dir:/mnt$options" "$@"
}

say()
{
	if [ "$2" = "$3" ]; then
		echo "ok $1"
	else
		echo "FAIL $1: $2, not $3"
	fi
}

fresh()
{
	rm -rf "$WORK/dir"
	mkdir -m 1777 "$WORK/dir"
}

for name in $guest_tests; do
	gcc -O1 -w -pthread -o "$WORK/$name" "$tests/$name.c" || exit 1
done

# ---- the same as on the host ----

if [ -z "$HEDDLE_BIN" ]; then
	for cache in strict exclusive; do
		for name in $guest_tests; do
			# A hostfs has none of these but file capabilities.
			"$WORK/$name" | sed "s/^\([a-zA-Z]* \)/\1$cache.$name./; s/^ok \(.*\.security_attributes_need_privileges\)/skip \1: not through hostfs/"
		done
		for what in tree direct readonly-files; do
			fresh
			python3 "$APPS/hostfs/seen.py" "$WORK/dir" $what | sed "s/^\([a-zA-Z]* \)/\1$cache./"
		done
	done
	for name in mapped_owners the_hosts_owner_is_the_hosts options_show strict_mounts_see_them exclusive_ones_remember \
		cached_names_ask_the_host_nothing what_the_host_refuses_is_asked_once $unprivileged \
		behind_thousands_of_removed_names_the_directory_goes_on hosts_proc_shows_the_machine \
		hosts_proc_shows_no_process hosts_proc_is_not_written a_process_is_not_mounted root_shows_no_process \
		a_slow_disk_stalls_no_cpu a_directory_that_comes_back_can_be_renamed_in what_was_replaced_is_looked_up_again \
		strict.who_writes_to_a_hosts_overlay_replaces_nothing exclusive.who_writes_to_a_hosts_overlay_replaces_nothing slow_reads_stall_no_cpu \
		stats_tell_how_many_are_pinned leased_file_is_waited_for \
		fsync_error_is_told_once_for_each_open_file; do
		echo "skip $name: no kernel of ours"
	done
	exit 0
fi

for cache in strict exclusive; do
	for name in $guest_tests; do
		fresh
		"$HEDDLE_BIN" run -c "$CPUS" -e "$ENGINE" -v "hostfs:$WORK/dir:/tmp:cache=$cache" -v "hostfs:$WORK:$WORK:ro" -- \
			"$WORK/$name" | sed "s/^\([a-zA-Z]* \)/\1$cache.$name./"
	done
	for what in tree direct readonly-files; do
		fresh
		(
			[ $what != readonly-files ] || ulimit -n 200
			on_dir ":cache=$cache" -- python3 "$APPS/hostfs/seen.py" /mnt $what
		) | sed "s/^\([a-zA-Z]* \)/\1$cache./"
	done
done

# ---- as a user who may do less ----

if [ "$(id -u)" = 0 ] && setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$HEDDLE_BIN" -a -r "$APPS/hostfs/seen.py"; then
	fresh
	chmod 711 "$WORK"
	(
		ulimit -n 200
		setpriv --reuid=65534 --regid=65534 --clear-groups "$HEDDLE_BIN" run -c "$CPUS" -e "$ENGINE" \
			-v "hostfs:$WORK/dir:/mnt" -u 65534 -w / -- python3 "$APPS/hostfs/seen.py" /mnt readonly-files
	) | sed "s/^\([a-zA-Z]* \)/\1unprivileged./"
else
	for name in $unprivileged; do
		echo "skip $name: needs root, and that others reach $HEDDLE_BIN"
	done
fi

# ---- owners ----

fresh
echo host >"$WORK/dir/theirs"
out=$(on_dir :uid=1234,gid=4321 -u 1234:4321 -- sh -c '
	cd /mnt
	echo mine >mine
	chmod 600 mine
	mkdir d
	stat -c "%n %u:%g %a" theirs mine d
	chown 0 mine 2>/dev/null || echo not given away
	chown 1234:4321 mine && cat mine')
say mapped_owners "$(echo "$out" | tr '\n' ';')" 'theirs 1234:4321 644;mine 1234:4321 600;d 1234:4321 755;not given away;mine;'
say the_hosts_owner_is_the_hosts "$(stat -c %u "$WORK/dir/mine")" "$(id -u)"
say options_show "$(on_dir :cache=exclusive,uid=7 -- grep /mnt /proc/mounts | cut -d' ' -f3,4)" 'hostfs rw,relatime,cache=exclusive,uid=7'

# ---- names that the root hides ----

mkdir "$WORK/many"
(cd "$WORK/many" && seq 5000 | xargs touch)
hide='
import os, sys
os.chdir(sys.argv[1])
names = os.listdir()
for n in names[:4000]:
    os.unlink(n)
print(sorted(names[4000:]) == sorted(os.listdir()))
for n in names[4000:]:
    os.unlink(n)
os.rmdir(sys.argv[1])
'
say behind_thousands_of_removed_names_the_directory_goes_on \
	"$("$HEDDLE_BIN" run -c "$CPUS" -e "$ENGINE" -- python3 -c "$hide" "$WORK/many" 2>&1)" True

# ---- the host's own proc ----

# at_proc OPTION...: the guest has it as /mnt
at_proc()
{
	"$HEDDLE_BIN" run -c "$CPUS" -e "$ENGINE" --no-sandbox -v hostfs:/proc:/mnt "$@" 2>&1
}
# shellcheck disable=SC2016  # for the guest's shell
look='
	cd "$1"
	ls -d [0-9]* self thread-self kcore
	for f in self/mem self/environ self/root/etc/passwd self/cwd/ self/fd/0 thread-self/maps kcore 1/root/etc/passwd "$PPID/maps" mounts; do
		test ! -r $f || echo $f
	done'
say hosts_proc_shows_the_machine "$(at_proc -- head -c 9 /mnt/cpuinfo)" processor
say hosts_proc_shows_no_process "$(at_proc -- sh -c "$look" - /mnt | grep -v 'cannot access')" ''
say root_shows_no_process "$(at_proc -- sh -c "umount /proc; $look" - /proc | grep -v 'cannot access')" ''
say hosts_proc_is_not_written "$(at_proc -- sh -c '{ echo 0 >/mnt/sys/vm/drop_caches; } 2>&1 | sed "s/.*: //"')" 'Read-only file system'
"$HEDDLE_BIN" run -c "$CPUS" -e "$ENGINE" -v hostfs:/proc/self:/mnt -- true 2>"$WORK/err" && echo started >>"$WORK/err"
say a_process_is_not_mounted "$(cat "$WORK/err")" 'heddle: --mount hostfs:/proc/self:/mnt: Permission denied'

# ---- a disk that takes 100 ms ----

# How often a CPU stood still for 80 ms, while another process wrote 20 times.
stalls='
import os, time
pid = os.fork()
if pid == 0:
    fd = os.open("/mnt/slow", os.O_CREAT | os.O_WRONLY)
    for i in range(20):
        os.write(fd, b"x" * 4096)
    os.ftruncate(fd, 1)
    os._exit(0)
n, last = 0, time.monotonic()
while os.waitpid(pid, os.WNOHANG) == (0, 0):
    now = time.monotonic()
    n, last = n + (now - last > 0.08), now
print(n)
'
for _ in 1 2 3 4 5 6 7 8 9 10; do # others on the machine may stop it for as long
	fresh
	n=$("$HEDDLE_BIN" run -c 1 -e "$ENGINE" -v "hostfs:$WORK/dir:/mnt" --fault pwrite:delay=100ms:100% --fault truncate:delay=100ms:100% -- \
		python3 -c "$stalls" 2>"$WORK/err")
	[ "${n:-99}" -gt 10 ] || break
done
if [ "${n:-99}" -le 10 ] && [ "$(cat "$WORK/dir/slow")" = x ]; then
	echo "ok a_slow_disk_stalls_no_cpu"
else
	echo "FAIL a_slow_disk_stalls_no_cpu: $n times, $(tail -n 1 "$WORK/err")"
fi

# ---- an error of writing back ----

fresh
say fsync_error_is_told_once_for_each_open_file "$("$HEDDLE_BIN" run -c "$CPUS" -e "$ENGINE" -v "hostfs:$WORK/dir:/mnt" --fault fsync:EIO:1 -- \
	python3 "$APPS/hostfs/fsyncs.py" /mnt/f 2>/dev/null)" 'Input/output error,ok,Input/output error,ok,ok,ok'

# ---- the host's changes ----

changes='
	cd /mnt; cat f; stat -c %s f; test -e new && echo new;
	echo ready; read line
	cat f; stat -c %s f; test -e new && echo new; true'

# see CACHE: what the guest sees before and after the host has changed f and made new
see()
{
	fresh
	rm -f "$WORK/to" "$WORK/from"
	mkfifo "$WORK/to" "$WORK/from"
	echo one >"$WORK/dir/f"
	on_dir ":cache=$1" -- sh -c "$changes" <"$WORK/to" >"$WORK/from" &
	exec 3>"$WORK/to" 4<"$WORK/from"
	while read -r line <&4 && [ "$line" != ready ]; do
		echo "$line"
	done
	echo three >"$WORK/dir/new"
	mv "$WORK/dir/new" "$WORK/dir/f"
	echo three >"$WORK/dir/new"
	echo >&3
	exec 3>&-
	cat <&4
	exec 4<&-
	wait
}
say strict_mounts_see_them "$(see strict | tr '\n' ' ')" 'one 4 three 6 new '
# Whoever says exclusive means it: attributes and names that were not there are remembered.
say exclusive_ones_remember "$(see exclusive | tr '\n' ' ')" 'one 4 one 4 '

# ---- a directory that goes and comes back ----

# Moved through another mount, while somebody has it open.
comes_back='
import os
d = os.open("/mnt/d", os.O_RDONLY)
os.rename("/other/d", "/other/e")
assert not os.path.exists("/mnt/d")
os.rename("/other/e", "/other/d")
assert os.listdir("/mnt/d") == ["x"]
os.rename("x", "/mnt/d/y", src_dir_fd=d)
print(os.listdir("/mnt/d"), os.listdir(d))
'
fresh
mkdir "$WORK/dir/d"
touch "$WORK/dir/d/x"
say a_directory_that_comes_back_can_be_renamed_in \
	"$(timeout -s KILL $((60 * ${SLOW:-1})) "$HEDDLE_BIN" run -c "$CPUS" -e "$ENGINE" -v "hostfs:$WORK/dir:/mnt" -v "hostfs:$WORK/dir:/other" -- \
		python3 -c "$comes_back" 2>&1)" "['y'] ['y']"

# ---- a file that is another one than it was ----

# Replaced through another mount, after it was looked up and before it is opened.
# shellcheck disable=SC2016  # the guest expands it
replaced='
	stat /mnt/p /mnt/q >/dev/null
	for f in p q; do echo "echo new $f" >/other/n; chmod +x /other/n; mv /other/n /other/$f; done
	cat /mnt/p; /mnt/q'
fresh
printf 'echo old\n' | tee "$WORK/dir/p" >"$WORK/dir/q"
chmod +x "$WORK/dir/p" "$WORK/dir/q"
say what_was_replaced_is_looked_up_again \
	"$("$HEDDLE_BIN" run -c "$CPUS" -e "$ENGINE" -v "hostfs:$WORK/dir:/mnt:cache=exclusive" -v "hostfs:$WORK/dir:/other" -- \
		sh -c "$replaced" 2>&1 | tr '\n' ' ')" 'echo new p new q '

# ---- an overlay of the host, which copies a file when it is first written to ----

overlaid='
import os
os.chdir("/mnt/sub")
ro = os.open("f", os.O_RDONLY)
size = os.stat("f").st_size
open("new", "w").close()
rw = os.open("f", os.O_WRONLY | os.O_APPEND)
os.write(rw, b"more")
for i in range(150):
    assert os.read(os.open("../other%d" % i, os.O_RDONLY), 1) == b"x"
os.write(rw, b"!")
os.read(ro, 1)
print(os.getcwd(), sorted(os.listdir(".")), size, os.stat("f").st_size)
'
# shellcheck disable=SC2016  # for the other shell
mount_overlay='
	mkdir -p "$1/lower/sub" "$1/upper" "$1/work" "$1/merged"
	echo one >"$1/lower/sub/f"
	for i in $(seq 0 149); do echo x >"$1/lower/other$i"; done
	mount -t overlay none -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" "$1/merged" && shift && exec "$@"'
for cache in strict exclusive; do
	rm -rf "$WORK/o"
	name=$cache.who_writes_to_a_hosts_overlay_replaces_nothing
	if [ "$(id -u)" != 0 ] || ! unshare -m sh -c "$mount_overlay" - "$WORK/o" true 2>/dev/null; then
		echo "skip $name: needs root, and that it may mount one"
		continue
	fi
	rm -rf "$WORK/o"
	say $name "$(
		ulimit -n 200
		unshare -m sh -c "$mount_overlay" - "$WORK/o" "$HEDDLE_BIN" run -c "$CPUS" -e "$ENGINE" \
			-v "hostfs:$WORK/o/merged:/mnt:cache=$cache" -- python3 -c "$overlaid" 2>&1
	)" "/mnt/sub ['f', 'new'] 4 9"
done

# It can't tell whether a read would wait, so one that is slow has to tell of the next ones.
gcc -O1 -Wall -Wextra -static -o "$WORK/reader" "$APPS/hostfs/reader.c" || exit 1
rm -rf "$WORK/o"
if [ "$(id -u)" != 0 ] || ! unshare -m sh -c "$mount_overlay" - "$WORK/o" true 2>/dev/null; then
	echo "skip slow_reads_stall_no_cpu: needs root, and that it may mount one"
else
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		rm -rf "$WORK/o"
		n=$(unshare -m sh -c "$mount_overlay" - "$WORK/o" "$HEDDLE_BIN" run -c 1 -e "$ENGINE" -v "hostfs:$WORK/o/merged:/mnt" \
			--fault pread:delay=100ms:100% -- "$WORK/reader" /mnt/other 2>"$WORK/err")
		[ "${n:-99}" -gt 10 ] || break
	done
	if [ "${n:-99}" -le 10 ]; then
		echo "ok slow_reads_stall_no_cpu"
	else
		echo "FAIL slow_reads_stall_no_cpu: $n times, $(tail -n 1 "$WORK/err")"
	fi
fi

# ---- counters ----

say stats_tell_how_many_are_pinned "$("$HEDDLE_BIN" run -c "$CPUS" -e "$ENGINE" --stats -- true 2>&1 | grep -c 'file handles: .* pinned [0-9]*,')" 1

# ---- a file that somebody on the host has leased ----

lease='
import fcntl, os, signal, sys, time
fd = os.open(sys.argv[1], os.O_RDWR)
def give_back(*_):
    time.sleep(1)
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    print("given back", flush=True)
signal.signal(signal.SIGIO, give_back)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("leased", flush=True)
while True:
    signal.pause()
'
fresh
echo text >"$WORK/dir/f"
python3 -c "$lease" "$WORK/dir/f" >"$WORK/lease" 2>/dev/null &
holder=$!
while [ ! -s "$WORK/lease" ] && kill -0 $holder 2>/dev/null; do
	sleep 0.1
done
if [ -s "$WORK/lease" ]; then
	say leased_file_is_waited_for "$(on_dir '' -- cat /mnt/f 2>&1) $(tail -n 1 "$WORK/lease")" 'text given back'
else
	echo 'skip leased_file_is_waited_for: the host has no leases there'
fi
kill $holder
wait $holder 2>/dev/null

# ---- host calls ----

fresh
touch "$WORK/dir/there"
stats='
import os
for i in range(3000):
    os.stat("/mnt/there")
    assert not os.path.exists("/mnt/nowhere")
'
small_files='
import os
for i in range(500):
    with open("/mnt/small%d" % i, "wb") as f:
        f.write(b"x")
'
# calls CALL PATTERN CACHE PROGRAM: how many of these the kernel makes that the pattern fits
calls()
{
	strace -f -qq -e trace="$1" -o "$WORK/trace" "$HEDDLE_BIN" run -c "$CPUS" -e "$ENGINE" \
		-v "hostfs:$WORK/dir:/mnt:cache=$3" -- python3 -c "$4"
	grep -cE "$2" "$WORK/trace"
}
if [ "$ENGINE" = ptrace ] || ! strace -o /dev/null true 2>/dev/null; then
	for name in cached_names_ask_the_host_nothing what_the_host_refuses_is_asked_once; do
		echo "skip $name: a kernel that traces can't be traced, or there is no strace"
	done
else
	names='"(there|nowhere)"'
	many=$(calls statx "$names" strict "$stats") few=$(calls statx "$names" exclusive "$stats")
	[ "$many" -lt 6000 ] || many=many
	[ "$few" -gt 4 ] || few=few
	say cached_names_ask_the_host_nothing "$many, $few" "many, few"
	few=$(calls pwritev2 EOPNOTSUPP exclusive "$small_files")
	[ "$few" -gt 4 ] || few=few
	say what_the_host_refuses_is_asked_once "$few" few
fi
