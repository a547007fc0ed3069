#!/bin/bash
# test: cpus=4 limit=900 quick=no
# Work goes on while calls of the kernel to its host fail (--fault): guests see the errors that the host gave, or none; what succeeded holds, also
# for the kernel that comes after; nothing hangs or panics. $FAULT_SEED chooses other calls (1).
set -u
seed=${FAULT_SEED:-1}

# WORKLOAD PLACE SPEC[,SPEC...] ERRORS: of a random share at least one call has to be hit. `survive`: what is hit is a task of the guest, also its first;
# the kernel has to end by itself. `stdio`: PLACE is what standard input and output are. `hangup`: a terminal that only fails is gone.
rows='
files hostfs open:ENFILE:5% ENFILE
files hostfs open:EMFILE:5% ENFILE
files hostfs open:EIO:5% EIO
files hostfs open:EIO:100+ EIO
files hostfs pread:EIO:5% EIO
files hostfs pwrite:EIO:10% EIO
files hostfs pwrite:ENOSPC:50+ ENOSPC
files hostfs stat:EIO:3% EIO
files hostfs stat:delay=1ms:3%,pread:delay=5ms:5%,pwrite:delay=20ms:10% -
files hostfs statfs:EIO:20% -
files hostfs unlink:EIO:20%,rename:EIO:20%,link:EIO:40%,symlink:EIO:20%,mkdir:EIO:20% EIO
files hostfs close:EIO:10%,fsync:EIO:20%,truncate:EIO:40% EIO
files hostfs getdents:EIO:10%,readlink:EIO:20%,xattr:EIO:20% EIO
files hostfs chmod:EPERM:20%,utimens:EPERM:20%,chown:EPERM:40% EPERM
files hostfs copy_range:EIO:20%,lseek:EIO:20%,mknod:EIO:40% EIO
files hostfs copy_range:ENOSPC:1+ ENOSPC
files hostfs statfs:EIO:50%,dup:EMFILE:50% EMFILE,EIO
files hostfs open:delay=5ms:5%,rename:delay=5ms:10%,getdents:delay=5ms:10% -
files hostfs kmalloc:ENOMEM:0.5% ENOMEM,ENFILE
files hostfs batch:ENOMEM:5% ENOMEM
files humfs open:EIO:5% EIO
files humfs pread:EIO:5% EIO
files humfs pwrite:EIO:5% EIO
files humfs stat:EIO:3% EIO
files humfs rename:EIO:10% EIO
files humfs rename:EIO:10+ EIO
files humfs lseek:EIO:20% EIO
files humfs unlink:EIO:5%,link:EIO:20%,mkdir:EIO:20%,utimens:EPERM:20% EIO,EPERM
files humfs kmalloc:ENOMEM:0.5% ENOMEM,ENFILE
files kept open:EIO:5% EIO
files kept pread:EIO:5%,pwrite:EIO:5% EIO
files kept rename:EIO:10% EIO
files kept stat:EIO:3% EIO
files kept kmalloc:ENOMEM:0.5% ENOMEM,ENFILE
files kept unlink:EIO:10%,link:EIO:20%,mkdir:EIO:10% EIO
files kept-in-humfs rename:EIO:10+ EIO
files kept-in-humfs kmalloc:ENOMEM:0.5% ENOMEM,ENFILE
files memory open:EIO:20%,pread:EIO:5%,stat:EIO:3% EIO
files memory memfd:ENFILE:20%,pwrite:ENOSPC:20% ENFILE,ENOSPC
files memory kmalloc:ENOMEM:0.5% ENOMEM,ENFILE,ENOSPC
processes - batch:ENOMEM:5% ENOMEM,EAGAIN
processes - batch.clone:EAGAIN:10% EAGAIN
processes - batch.munmap:ENOMEM:5%,batch.mprotect:ENOMEM:10% ENOMEM,EAGAIN
processes - batch.mmap:ENOMEM:20+ ENOMEM,EAGAIN
processes - batch:delay=2ms:5%,futex:delay=2ms:5% -
processes - futex:EINTR:20%,futex:EAGAIN:20% -
processes - kmalloc:ENOMEM:1% ENOMEM,ENFILE,EAGAIN
processes - mmap:ENOMEM:20% ENOMEM,EAGAIN
processes - pidfd:EMFILE:10% EAGAIN,ENOMEM
processes - pidfd:ENFILE:10% EAGAIN,ENOMEM
survive - usermem:EFAULT:5% -
survive - usermem:EFAULT:1% -
survive - notif:ESRCH:0.1% -
survive - notif:ESRCH:1000 -
survive - ptrace:ESRCH:0.1% -
survive - ptrace:ESRCH:1000 -
memory memory batch:ENOMEM:10% ENOMEM,EAGAIN
memory memory batch.getfd:EMFILE:10%,memfd:ENFILE:10% EMFILE,ENFILE,ENOMEM
memory memory batch.madvise:ENOMEM:20%,batch.mremap:ENOMEM:20% ENOMEM
memory memory batch.mlock:ENOMEM:20%,batch.mincore:ENOMEM:20%,seals:EBUSY:20% ENOMEM,EBUSY
memory memory kmalloc:ENOMEM:2% ENOMEM,ENFILE,EAGAIN,ENOSPC
memory hostfs batch:ENOMEM:5%,truncate:EIO:10%,open:EIO:10% ENOMEM,EAGAIN,EIO
stdio pipe stdio:EIO:10% EIO
stdio pipe stdio:EAGAIN:20%,stdio:delay=2ms:10% -
stdio file stdio:EIO:10% EIO
stdio file stdio:ENOSPC:10%,stdio:delay=2ms:10% ENOSPC
stdio socket stdio:EIO:10%,stdio:delay=2ms:10% EIO
stdio tty stdio:EAGAIN:20%,stdio:delay=2ms:10% -
hangup tty stdio:EIO:50+ -
'

# PLACE SPEC, N standing for 1 to 24: what fails while the kernel starts. It does without, or says what is wrong and ends with 2, or its
# program does.
starts='
humfs flock:EIO:1
humfs kmalloc:ENOMEM:N
kept kmalloc:ENOMEM:N
hostfs open:EMFILE:N
- mmap:ENOMEM:N
- thread:EAGAIN:N
- thread:EAGAIN:100%
- epoll:ENOMEM:N
- epoll:ENOMEM:100%
- memfd:ENFILE:N
- batch:ENOMEM:N
- batch.clone:EAGAIN:N
- pidfd:EMFILE:N
'

load=$WORK/load bytes=300000
seq 100000 | head -c $bytes >"$WORK/in"
gcc -std=gnu11 -D_GNU_SOURCE -O1 -Wall -Wextra -static -Wl,-z,norelro -pthread -o "$load" "$APPS"/fault/*.c || exit 1

# work WORKLOAD ERRORS DIR: its words
work()
{
	case $1 in
	files) echo "files $2 $3 400" ;;
	processes) echo "processes $2 20" ;;
	survive) echo "survive EFAULT,EAGAIN,ENOMEM 20" ;;
	memory) echo "memory $2 $3 300" ;;
	stdio | hangup) echo "stdio $2 $bytes" ;;
	esac
}

# passed_on OUT: is it what stdio was given, and that it has done it all?
passed_on()
{
	head -c $bytes "$1" | cmp - "$WORK/in" && tail -c +$((bytes + 1)) "$1" | grep -q '^done:'
}

# Nobody else's failures: the work itself is right.
on_host()
{
	mkdir "$WORK/dir"
	"$load" files-make - "$WORK/dir" >/dev/null &&
		"$load" files - "$WORK/dir" 400 >"$WORK/list" && "$load" files-check - "$WORK/dir" <"$WORK/list" >/dev/null &&
		"$load" processes - 20 >/dev/null && "$load" memory - "$WORK/dir" 300 >/dev/null || return
	for kind in pipe file socket tty; do
		"$APPS/fault/ends.py" $kind "$WORK/in" "$WORK/dir/out" "$load" stdio - $bytes && passed_on "$WORK/dir/out" || return
	done
}

# place PLACE: sets mount, options that give the guest a directory, and dir, its name
place()
{
	rm -rf "$WORK/place"
	mkdir -p "$WORK/place/dir"
	"$load" files-make - "$WORK/place/dir" >/dev/null
	mount=() dir=$WORK/place/dir between=() foreground=()
	case $1 in
	hostfs) mount=(-v "hostfs:$dir:/mnt") dir=/mnt ;;
	humfs)
		"$HEDDLE_BIN" humfs create "$WORK/place/humfs" >/dev/null
		tar -C "$dir" -c . | "$HEDDLE_BIN" humfs import "$WORK/place/humfs" >/dev/null
		mount=(-v "humfs:$WORK/place/humfs:/mnt") dir=/mnt
		;;
	kept) mount=(--overlay "$WORK/place/kept") ;;
	kept-in-humfs)
		"$HEDDLE_BIN" humfs create "$WORK/place/kept" >/dev/null
		mount=(--overlay "$WORK/place/kept")
		;;
	pipe | file | socket | tty)
		between=("$APPS/fault/ends.py" "$1" "$WORK/in" "$WORK/place/out")
		foreground=(--foreground) # it may read from a terminal
		;;
	esac
}

# in_guest OPTION... -- PROGRAM...
in_guest()
{
	"${between[@]}" timeout "${foreground[@]}" -s KILL $((60 * ${SLOW:-1})) "$HEDDLE_BIN" run -c "$CPUS" -e "$ENGINE" "${mount[@]}" "$@"
}

# Those faults that have hit no call.
missed()
{
	sed -n 's/^heddle: fault \(.*\): 0 of .*/\1/p' "$WORK/err" | grep . | tr '\n' ' '
}

# run WORKLOAD PLACE SPECS ERRORS: nothing, or what is wrong
run()
{
	local options=() status words spec
	place "$2"
	for spec in ${3//,/ }; do
		options+=(--fault "$spec")
	done
	read -ra words <<<"$(work "$1" "$4" "$dir")"
	in_guest --stats --fault "seed=$seed" "${options[@]}" -- "$load" "${words[@]}" </dev/null >"$WORK/out" 2>"$WORK/err"
	status=$?
	if [ $status = 66 ]; then
		echo "a sanitizer's report: $(grep -m 1 SUMMARY "$WORK/err")"
	elif [ "$1" = survive ]; then
		grep -q '^heddle: fault ' "$WORK/err" && ! grep -q panic "$WORK/err" || echo "status $status: $(tail -n 2 "$WORK/err" | tr '\n' ' ')"
		missed | grep . && echo "not hit"
	elif [ "$1" = hangup ]; then
		[ $status = 129 ] && ! grep panic "$WORK/err" || echo "status $status, not SIGHUP's"
		missed | grep . && echo "not hit"
	elif [ $status != 0 ]; then
		echo "status $status: $(grep -h -s -a -E 'WRONG|panic' "$WORK/out" "$WORK/place/out" "$WORK/err" | head -n 2 | tr '\n' ' ')"
	elif missed | grep .; then
		echo "not hit"
	elif [ "$1" = stdio ]; then
		passed_on "$WORK/place/out" || echo "other bytes came out"
	elif [ "$1.$2" = files.memory ]; then
		# The host's files are as they were.
		mkdir "$WORK/place/again"
		"$load" files-make - "$WORK/place/again" >/dev/null
		diff -r "$WORK/place/again" "$WORK/place/dir" | head -n 1
	elif [ "$1" = files ]; then
		in_guest -- "$load" files-check - "$dir" <"$WORK/out" >"$WORK/check" 2>&1
		status=$?
		grep -v '^done:' "$WORK/check"
		[ $status = 0 ] && grep -q '^done:' "$WORK/check" || echo "files-check: status $status"
	fi
}

if [ -z "$HEDDLE_BIN" ]; then
	on_host && result=ok || result="FAIL"
fi
while read -r workload where specs errors; do
	[ -n "$workload" ] || continue
	name=$workload.$where.$specs
	if [[ $specs == @(pidfd|notif):* && $ENGINE != seccomp || $specs == ptrace:* && $ENGINE != ptrace ]]; then
		echo "skip $name: only the other engine makes this call"
		continue
	elif [ -z "$HEDDLE_BIN" ]; then
		echo "$result $name"
		continue
	fi
	why=$(run "$workload" "$where" "$specs" "$errors")
	if [ -n "$why" ]; then
		echo "FAIL $name: $why"
	else
		echo "ok $name"
	fi
done <<<"$rows"

# start PLACE SPEC: nothing, or what is wrong
start()
{
	local n status
	for n in $([[ $2 == *:N ]] && seq 24 || echo 1); do
		place "$1"
		echo hello | in_guest --stats --fault boot --fault "${2/%N/$n}" -- cat >"$WORK/out" 2>"$WORK/err"
		status=$?
		case $status.$(cat "$WORK/out") in
		0.hello) ;;
		2.) grep -q '^heddle: ' "$WORK/err" || echo "$n: nothing is said" ;;
		12[67].*) grep -q . "$WORK/err" || echo "$n: nothing is said" ;;
		# Past the point where exec can't fail any more the program is killed. The kernel ended by itself if it told what was hit.
		13[79].) grep -q '^heddle: fault ' "$WORK/err" || echo "$n: status $status" ;;
		*) echo "$n: status $status: $(tail -n 3 "$WORK/out" "$WORK/err" | tr '\n' ' ')" ;;
		esac
		[ $status = 0 ] && [[ $2 != *:N ]] && missed | grep . && echo "not hit"
		! grep -a panic "$WORK/err" | head -n 1
	done
}

while read -r where spec; do
	[ -n "$where" ] || continue
	name=start.$where.$spec
	if [[ $spec == pidfd:* && $ENGINE != seccomp ]]; then
		echo "skip $name: only the other engine makes this call"
	elif [ -z "$HEDDLE_BIN" ]; then
		echo "ok $name"
	else
		why=$(start "$where" "$spec")
		[ -z "$why" ] && echo "ok $name" || echo "FAIL $name: ${why//$'\n'/; }"
	fi
done <<<"$starts"
