#!/bin/bash
# test: cpus=4 limit=300
# A kernel whose host gives it little: few descriptors, little address space, no bytes in files, little locked memory, few cores. It works, or says
# what it lacks and ends with 2; a guest's program that asks for more gets an error.
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
