#!/bin/sh
# test: cpus=4 limit=300 quick=no
# A Go program, whose runtime makes its calls itself and has threads, signals and memory of its own, with its call sites patched and not:
# its symbol table tells its functions, and a stripped one stays as it is.
set -u

build()
{
	export CGO_ENABLED=0 GO111MODULE=off GOCACHE="$WORK/cache"
	go build -p 1 -o hot "$APPS/go/hot.go" && strip -o stripped hot
}

# run NAME PROGRAM OPTION...: in the guest; NAME goes before each line, the counts of sites to NAME.count.
run()
{
	name=$1 program=$2
	shift 2
	# shellcheck disable=SC2016  # for the guest's shell
	"$HEDDLE_BIN" run -c "$CPUS" -e "$ENGINE" "$@" -- \
		sh -c './"$1"; status=$?; cat /proc/heddle/patch >&2; exit $status' sh "$program" >"$name.out" 2>"$name.count"
	echo "$name status $?"
	sed "s/ / $name./" "$name.out"
}

# patched NAME: were there sites of both forms?
patched()
{
	awk '/^form [AB]/ && $NF > 0 { n++ } END { exit n != 2 }' "$1.count"
}

# untouched NAME
untouched()
{
	awk '/^form [AB]/ && $NF == 0 { n++ } END { exit n != 2 }' "$1.count"
}

# say NAME TEST...
say()
{
	name=$1
	shift
	if "$@"; then
		echo "ok $name"
	else
		echo "FAIL $name: $(tr '\n' ',' <"$2.count")"
	fi
}

in_guest()
{
	run on hot --patch=on
	run off hot --patch=off
	run stripped stripped --patch=on
	if [ "$ENGINE" = seccomp ]; then
		say sites_on patched on
	else
		say sites_on untouched on
	fi
	say sites_off untouched off
	say sites_stripped untouched stripped
}

on_host()
{
	./hot >out
	status=$?
	for name in on off stripped; do
		echo "$name status $status"
		sed "s/ / $name./" out
		echo "skip sites_$name: the host patches nothing"
	done
}

if ! command -v go >/dev/null; then
	echo "skip go: it isn't installed (golang-go)"
elif ! build; then
	echo "FAIL build"
elif [ -n "$HEDDLE_BIN" ]; then
	in_guest
else
	on_host
fi
