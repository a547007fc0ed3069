# shellcheck shell=sh
# What application tests share; sourced in the guest (and, for reference, on the host): . "$APPS/say.sh"
# Not executable, so no test itself.

# is NAME GOT WANTED
is()
{
	if [ "$2" = "$3" ]; then
		echo "ok $1"
	else
		echo "FAIL $1: got '$2', not '$3'" | tr '\n' ' '
		echo
	fi
}

# does NAME COMMAND...: it succeeds.
does()
{
	does_name=$1
	shift
	if "$@"; then
		echo "ok $does_name"
	else
		echo "FAIL $does_name: status $?"
	fi
}

# fails NAME COMMAND...: it does not succeed, and what it says isn't shown.
fails()
{
	fails_name=$1
	shift
	if "$@" >/dev/null 2>&1; then
		echo "FAIL $fails_name: succeeded"
	else
		echo "ok $fails_name"
	fi
}

# sum NAME COMMAND...: a checksum of what it prints, which has to be the host's.
sum()
{
	sum_name=$1
	shift
	echo "$sum_name: $("$@" 2>&1 | cksum)"
}

# await COMMAND...: until it succeeds, for half a minute at most. What comes next shows whether it did.
await()
{
	await_n=0
	until "$@"; do
		await_n=$((await_n + 1))
		[ $await_n -lt $((600 * ${SLOW:-1})) ] || return 0
		sleep 0.05
	done
}

# state PID: its letter
state()
{
	sed 's/.*) \(.\).*/\1/' "/proc/$1/stat"
}

# is_state PID LETTER
is_state()
{
	[ "$(state "$1")" = "$2" ]
}

# sleeps PID: and not only for a moment
sleeps()
{
	is_state "$1" S && sleep 0.05 && is_state "$1" S
}
