#!/bin/sh
# make demo: a program is compiled with make -j4 in a guest of four CPUs, and runs there.  tests/demo.sh HEDDLE
set -eu
cd "$(dirname "$0")/.."
heddle=${1:-build/heddle}
dir=/tmp/heddle-demo.$$

say()
{
	printf '\n\033[1m%s\033[0m\n' "$*"
}
[ -t 1 ] || say()
{
	printf '\n%s\n' "$*"
}

say "The host: $(uname -sr), $(nproc) CPUs. A guest with four CPUs, on the host's own files, copy-on-write:"
# shellcheck disable=SC2016  # expanded in the guest
set -- "$heddle" run --cpus 4 --env "DIR=$dir" -- sh -euc '
	echo "\$ nproc; ls -d /proc/[0-9]*"
	nproc
	ls -d /proc/[0-9]*
	echo
	echo "\$ make -j4"
	mkdir "$DIR"
	start=$(date +%s%N)
	make --no-print-directory -j4 -C tests/demo O="$DIR"
	echo "$(ls "$DIR"/*.o | wc -l) objects and a link in $((($(date +%s%N) - start) / 1000000)) ms"
	echo
	echo "\$ demo"
	"$DIR/demo" 4
'
"$@"

if [ -e "$dir" ]; then
	say "But $dir exists on the host: the guest's writes should have stayed in memory."
	exit 1
fi
say "Done. The guest's $dir was in memory: nothing on the host has changed."
