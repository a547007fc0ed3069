#!/bin/sh
# test: cpus=1,2,4 limit=400 quick=no
# Programs of all kinds of linkage whose system-call sites become hot: their calls are right, and /proc/heddle/patch tells what became of
# the sites. Known functions are what it takes: a program without sections, or the C library's part of a stripped one of musl's, stays as it is.
set -u

pipeline='tar cf - -C /usr/include . | cat | sha256sum'
kinds='dynamic static static-stripped static-bare static-pie static-described musl musl-stripped'

build()
{
	hot=$APPS/patch/hot.c
	gcc -O1 -pthread -o dynamic "$hot"
	gcc -O1 -pthread -static -o static "$hot"
	gcc -O1 -pthread -static-pie -o static-pie "$hot"
	gcc -O1 -pthread -static -Wl,--eh-frame-hdr -o static-described "$hot"
	musl-gcc -O1 -static -o musl "$hot"
	strip -o static-stripped static
	strip -o musl-stripped musl
	cp static static-bare
	dd if=/dev/zero of=static-bare bs=1 seek=40 count=8 conv=notrunc status=none # its e_shoff
}

# say NAME TEST...: the counts of $kind are what the test says.
say()
{
	name=$1
	shift
	if "$@"; then
		echo "ok $name"
	else
		echo "FAIL $name: $(tr '\n' ',' <"$kind.count")"
	fi
}

# count WHAT
count()
{
	awk -v what="$1" 'substr($0, 1, length(what) + 1) == what " " { print $NF }' "$kind.count"
}

untouched()
{
	[ "$(count seen)" = 0 ] && [ "$(count 'form A')" = 0 ] && [ "$(count 'form B')" = 0 ]
}

refused()
{
	[ "$(count 'form A')" = 0 ] && [ "$(count 'form B')" = 0 ] && [ "$(count 'refused, unknown function')" -ge 6 ]
}

# Its own sites are described, the library's aren't.
half_patched()
{
	[ "$(count 'form A')" -ge 4 ] && [ "$(count 'form B')" -ge 2 ] && [ "$(count 'refused, unknown function')" -ge 3 ]
}

patched()
{
	[ "$(count 'form A')" -ge 8 ] && [ "$(count 'form B')" -ge 2 ]
}

# run NAME KIND OPTION...: in the guest; the counts of sites go to KIND.count.
run()
{
	name=$1 kind=$2
	shift 2
	# shellcheck disable=SC2016  # for the guest's shell
	if "$HEDDLE_BIN" run -c "$CPUS" -e "$ENGINE" "$@" -- \
		sh -c './"$1" && cat /proc/heddle/patch' sh "$kind" >"$kind.count" 2>"$kind.err"; then
		echo "ok $name"
	else
		echo "FAIL $name: $(cat "$kind.count" "$kind.err" | tr '\n' ',')"
	fi
}

in_guest()
{
	for k in $kinds; do
		run "$k" "$k"
		case $ENGINE.$k in
		ptrace.*) say "$k.sites" untouched ;;
		*.static-bare) say "$k.sites" refused ;;
		*.musl-stripped) say "$k.sites" half_patched ;;
		*) say "$k.sites" patched ;;
		esac
	done
	run patch_off dynamic --patch=off
	say patch_off.sites untouched
	run spin_off dynamic --spin=off
	run spin_200 dynamic --spin=200
	# One that makes many calls, and two whom it wakes.
	if [ "$("$HEDDLE_BIN" run -c "$CPUS" -e "$ENGINE" --spin=200 -- sh -c "$pipeline")" = "$(sh -c "$pipeline")" ]; then
		echo 'ok spin_pipeline'
	else
		echo 'FAIL spin_pipeline: other output than on the host'
	fi
}

on_host()
{
	for k in $kinds; do
		if ./"$k"; then
			echo "ok $k"
		else
			echo "FAIL $k: status $?"
		fi
		echo "skip $k.sites: the host patches nothing"
	done
	for name in patch_off patch_off.sites spin_off spin_200 spin_pipeline; do
		echo "skip $name: the host has no such option"
	done
}

build || exit 1
if [ -n "$HEDDLE_BIN" ]; then
	in_guest
else
	on_host
fi
