#!/bin/bash
# test: cpus=4 limit=600
# A kernel whose host gives it little: few descriptors, little address space, no bytes in files, little locked memory, few cores. It works, or says
# what it lacks and ends with 2; a guest's program that asks for more gets an error. With hardly more address space than it takes to start there are
# also storms (fault/): what fails is a call of theirs, what didn't fail holds, and no process is left.
set -u

# LIMIT VALUES, as of ulimit
limits='
-n 8 12 16 20 24 28 32 40 48 64 96 128
-v 50000 100000 150000 200000 300000 500000 1000000 2000000
-f 1 100
-l 0
-s 64 256 1024
-q 0
-i 0 10
'

# KiB of address space, beyond the least.
storms='0 2000 5000 20000 300000'

# look LIMIT VALUE: nothing, or what is wrong
look()
{
	local out status
	out=$(
		ulimit "$1" "$2" || exit 3
		exec timeout -s KILL $((60 * ${SLOW:-1})) "$HEDDLE_BIN" run -c "$CPUS" -e "$ENGINE" -- sh -c 'echo hello | cat; (echo a; echo b) | sort -r >/tmp/sorted && cat /tmp/sorted' 2>"$WORK/err"
	)
	status=$?
	case $status.$out in
	$'0.hello\nb\na') ;;
	*[0-9].*) grep -q panic "$WORK/err" && echo "panic: $(grep panic "$WORK/err")" && return ;;&
	66.*) echo "a sanitizer's report: $(grep -m 1 SUMMARY "$WORK/err")" ;;
	2.*) grep -q -E '^(heddle|sh|cat|sort): ' "$WORK/err" || echo "it doesn't say what it lacks" ;;
	3.*) echo "the limit can't be set" ;;
	137.*) echo "it doesn't end" ;;
	# The shell's own: it couldn't fork, or write.
	[0-9].* | 12[67].*) grep -q . "$WORK/err" || echo "status $status, nothing is said" ;;
	*) echo "status $status: $(tail -n 2 "$WORK/err" | tr '\n' ' ')" ;;
	esac
}

# guest KIB WORD...: the same for a workload. Prints its status (`none`: it doesn't end) and how many processes it left.
guest()
{
	local value=$1
	shift
	# shellcheck disable=SC2016  # for sh
	"$APPS/scarce/alone.py" "$APPS/../../stress" "$WORK/out" $((60 * ${SLOW:-1})) sh -c 'ulimit -v "$0" && exec "$@"' "$value" \
		"$HEDDLE_BIN" run --stats -c "$CPUS" -e "$ENGINE" -- "$load" "$@"
}

# The least KiB with which a guest ends well, nearly; nothing, if a lot isn't enough.
least()
{
	local low=0 high=8000000 middle
	[ "$(guest $high processes - 0)" = '0 0' ] || return
	while ((high - low > 500)); do
		middle=$(((low + high) / 2))
		[ "$(guest $middle processes - 0)" = '0 0' ] && high=$middle || low=$middle
	done
	echo $high
}

# storm KIB WORD...: nothing, or what is wrong
storm()
{
	local status left
	read -r status left <<<"$(guest "$@")"
	grep -a -m 2 -E 'WRONG|panic|SUMMARY' "$WORK/out"
	[ "$left" = 0 ] || echo "$left processes are left"
	case $status in
	0)
		grep -q -a '^done:' "$WORK/out" || echo "it ended early"
		[ "$2" != pressure ] || grep -q -a '^done: .* [1-9][0-9]* failed' "$WORK/out" || echo "there was enough of everything"
		;;
	4) ;; # it has nothing to say it with
	2) grep -q -a '^heddle: ' "$WORK/out" || echo "it doesn't say what it lacks" ;;
	12[67]) grep -q . "$WORK/out" || echo "status $status, nothing is said" ;;
	# What exec or a stack needed wasn't there: the kernel went on to its end.
	137 | 139) grep -q -a '^heddle: processes started' "$WORK/out" || echo "status $status" ;;
	none) echo "it doesn't end" ;;
	*) echo "status $status" ;;
	esac
}

# Much of the address space is a sanitizer's.
sanitized=$(ldd "$HEDDLE_BIN" 2>/dev/null | grep 'lib[at]san')

while read -r limit values; do
	for value in $values; do
		name=ulimit_${limit#-}_$value
		if [ -z "$HEDDLE_BIN" ]; then
			echo "skip $name: no kernel of ours"
		elif ! (ulimit "$limit" "$value") 2>/dev/null; then
			echo "skip $name: the limit can't be set"
		elif [ -n "$sanitized" ] && ! (ulimit "$limit" "$value" && "$HEDDLE_BIN" --version) >/dev/null 2>&1; then
			echo "skip $name: a program built like this doesn't start"
		else
			why=$(look "$limit" "$value")
			[ -z "$why" ] && echo "ok $name" || echo "FAIL $name: $why"
		fi
	done
done <<<"$limits"

load=$WORK/load
gcc -std=gnu11 -D_GNU_SOURCE -O1 -Wall -Wextra -static -Wl,-z,norelro -pthread -o "$load" "$APPS"/fault/*.c || exit 1
mkdir "$WORK/dir"
errors=ENOMEM,EAGAIN,ENFILE,EMFILE
least=${HEDDLE_BIN:+$(least)}
for more in $storms; do
	for words in "pressure $errors 3" "processes $errors 10" "memory $errors $WORK/dir 200"; do
		name=storm_${words%% *}_$more
		if [ -z "$HEDDLE_BIN" ]; then
			echo "skip $name: no kernel of ours"
		elif [ -z "$least" ] && [ -n "$sanitized" ]; then
			echo "skip $name: a program built like this doesn't start"
		elif [ -z "$least" ]; then
			echo "FAIL $name: nor does an ordinary guest end well: $(tail -n 1 "$WORK/out")"
		else
			# shellcheck disable=SC2086  # words
			why=$(storm $((least + more)) $words)
			[ -z "$why" ] && echo "ok $name" || echo "FAIL $name: ${why//$'\n'/; }"
		fi
	done
done
