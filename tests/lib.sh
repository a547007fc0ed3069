# shellcheck shell=sh
# What the test runners share; sourced from the project's top directory.
#
# Options of every runner: -b BUILD  -c "CPUS..."  -e "ENGINES..."  -j JOBS  [NAME...]; QUICK=1 in the environment
# runs one configuration of what isn't marked quick=no. A test says what it needs in one of its first lines:
#	test: KEY=VALUE ...
# limit=SECONDS  cpus=1,2,4  quick=no  serial=yes (nothing else runs beside it) or two (one other of these
# at most); for C programs also libs=-lm,-lrt  static=no, and CPUs such as 4m: four, with `--debug migrate`; 2s: two that spin

SELF=$PWD/tests/${0##*/}
# Jobs for two cores: much of what a test does is waiting.
BUILD=build CPUS='' ENGINES='' JOBS=4 NAMES=''
QUICK=${QUICK:-}

usage()
{
	echo "usage: $0 [-b BUILD] [-c CPUS] [-e ENGINES] [-j JOBS] [NAME...]" >&2
	exit 2
}

parse_options()
{
	while getopts b:c:e:j: opt; do
		case $opt in
		b) BUILD=$OPTARG ;;
		c) CPUS=$(echo "$OPTARG" | tr , ' ') ;;
		e) ENGINES=$(echo "$OPTARG" | tr , ' ') ;;
		j) JOBS=$OPTARG ;;
		*) usage ;;
		esac
	done
	shift $((OPTIND - 1))
	NAMES=$*
	export BUILD
	case $PWD$BUILD in
	*[[:space:]]*)
		echo "$0: no blanks, please, in the names of directories: $PWD, $BUILD" >&2
		exit 2
		;;
	esac
}

# prepare_out KIND: BUILD becomes absolute; OUT is there, without the results of before.
prepare_out()
{
	mkdir -p "$BUILD/tests/$1"
	BUILD=$(cd "$BUILD" && pwd)
	OUT=$BUILD/tests/$1
	rm -f "$OUT"/*.count "$OUT"/*.why "$OUT"/*.judged "$OUT"/*.done
}

# The engines that work here, unless they were given. One that this host or this build hasn't got is skipped, or is a failure if $REQUIRE_ENGINES
# names it; what else is wrong with one is for the tests to show.
find_engines()
{
	[ -z "$ENGINES" ] || return 0
	for engine in ptrace seccomp; do
		said=$(timeout -s KILL 20 "$BUILD/heddle" run -c 1 -e "$engine" -- /bin/true 2>&1 >/dev/null </dev/null)
		status=$?
		why=$(echo "$said" | sed -n "s/^heddle: engine $engine:* *//p")
		if [ $status != 2 ] || [ -z "$why" ]; then
			ENGINES="$ENGINES $engine"
			continue
		fi
		case " ${REQUIRE_ENGINES:-} " in
		*" $engine "*) word=FAIL counts='0 1 0' ;;
		*) word=skip counts='0 0 1' ;;
		esac
		echo "$word engine $engine: $why"
		echo "$counts" >>"$OUT/engines.count"
	done
	[ -n "$ENGINES" ] || ENGINES=ptrace
}

# With QUICK=1 and no engines given: the one that `--engine auto` takes.
one_engine_if_quick()
{
	[ -z "$QUICK" ] || [ -n "$ENGINES" ] || {
		find_engines
		ENGINES=${ENGINES##* }
	}
}

# directive FILE KEY DEFAULT
directive()
{
	value=$(sed -n '1,40s/.*test:.*[[:space:]]'"$2"'=\([^[:space:]]*\).*/\1/p' "$1" | head -n 1)
	echo "${value:-$3}"
}

# Should this test run at all?  wanted NAME FILE
wanted()
{
	if [ -n "$NAMES" ]; then
		case " $NAMES " in
		*" $1 "*) return 0 ;;
		esac
		return 1
	fi
	[ -z "$QUICK" ] || [ "$(directive "$2" quick yes)" = yes ]
}

# The CPU counts to run a test on.  cpus_of FILE DEFAULT
cpus_of()
{
	if [ -n "$CPUS" ]; then
		echo "$CPUS"
	elif [ -n "$QUICK" ]; then
		echo 2
	else
		directive "$1" cpus "$2" | tr , ' '
	fi
}

# Runs a job (this script with --job and the words of the line) for each line of stdin; lines that begin with
# "two" by twos after the others, then those with "serial" one by one. run_jobs all: each of them reports something. What doesn't come to its end is a failure.
run_jobs()
{
	lost=0
	cat >"$OUT/jobs" || lost=1
	expected=$(($(reports) + $(grep -c . "$OUT/jobs")))
	sed -n 's/^parallel //p' "$OUT/jobs" | xargs -r -P "$JOBS" -L 1 "$SELF" --job "$BUILD" || lost=1
	sed -n 's/^two //p' "$OUT/jobs" | xargs -r -P 2 -L 1 "$SELF" --job "$BUILD" || lost=1
	sed -n 's/^serial //p' "$OUT/jobs" | xargs -r -P 1 -L 1 "$SELF" --job "$BUILD" || lost=1
	[ "${1:-}" != all ] || [ "$expected" = "$(reports)" ] || lost=$((expected - $(reports)))
	[ $lost = 0 ] || {
		echo "FAIL jobs were lost: $lost or more"
		echo "0 $lost 0" >>"$OUT/lost.count"
	}
}

# How many jobs have said how they ended.
reports()
{
	find "$OUT" -name '*.count' -size +0 | wc -l
}

# "parallel", "two" or "serial"
lane_of()
{
	case $(directive "$1" serial no) in
	yes) echo serial ;;
	two) echo two ;;
	*) echo parallel ;;
	esac
}

# report TAG TITLE SECONDS PASSED FAILED SKIPPED [FILE]: a line of progress, details from FILE, and the counts.
report()
{
	word=ok
	[ "$5" = 0 ] || word=FAIL
	line=$(printf '%-4s %-34s %3d passed' "$word" "$2" "$4")
	[ "$5" = 0 ] || line="$line, $5 failed"
	[ "$6" = 0 ] || line="$line, $6 skipped"
	line="$line, $3 s"
	if [ "$5" != 0 ] && [ -n "${7:-}" ]; then
		printf '%s\n%s\n' "$line" "$(sed 's/^/       /' "$7")"
	else
		printf '%s\n' "$line"
	fi
	echo "$4 $5 $6" >"$OUT/$1.count" || exit 1
}

# timed LIMIT OUT ERR COMMAND...: runs it without input; OUT ends with a line about its exit. SLOW in the environment multiplies limits.
timed()
{
	limit=$(($1 * ${SLOW:-1})) out=$2 err=$3
	shift 3
	timeout -s KILL "$limit" "$@" >"$out" 2>"$err" </dev/null
	status=$?
	if [ $status = 137 ]; then
		echo "ended: killed (time limit $limit s?)" >>"$out"
	else
		echo "ended: status $status" >>"$out"
	fi
}

# bad_on_host OUT WHY: is the host's own run a failure, and by which lines? Aborted alike on host and guest is no success.
bad_on_host()
{
	grep '^FAIL' "$1" >"$2" || grep -E '^ended: (killed|status [^0])' "$1" >"$2"
}

# judge TAG TITLE HOST-OUTPUT GUEST-OUTPUT STDERR SECONDS
judge()
{
	awk -f tests/judge.awk "$3" "$4" >"$OUT/$1.judged"
	read -r passed failed skipped <"$OUT/$1.judged" || passed=0 failed=1 skipped=0
	{
		sed 1d "$OUT/$1.judged"
		[ "$failed" = 0 ] || { grep -m 40 '^kernel: ' "$5"; tail -n 8 "$5"; }
	} >"$OUT/$1.why"
	report "$1" "$2" "$6" "$passed" "$failed" "$skipped" "$OUT/$1.why"
}

# The summed last line, which is also the status.
summary()
{
	cat "$OUT"/*.count 2>/dev/null |
		awk '{ p += $1; f += $2; s += $3 }
		     END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f != 0 || p + s == 0 }'
}
