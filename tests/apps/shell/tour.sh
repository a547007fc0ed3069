#!/bin/sh
# What a POSIX shell does with processes, files and signals; run in an empty directory.
# Odd forms are the point here:
# shellcheck disable=SC1091,SC2012,SC2016,SC2030,SC2031,SC2034,SC2043,SC2116,SC2086,SC2162,SC2194,SC2216,SC3045
set -u
# shellcheck source=tests/apps/say.sh
. "$APPS/say.sh"
export LC_ALL=C

# --- words
is arithmetic "$((1 << 20 | 0x0f)) $((7 / 2 * 2 % 4)) $((3 > 2 ? 10 : 20))" "1048591 2 10"
text=hello.tar.gz
is strip "${text%%.*} ${text#*.} ${text##*.} ${#text}" "hello tar.gz gz 12"
unset nothing
is defaults "${nothing:-else} ${nothing-other} ${text:+set}" "else other set"
is assign_default "${nothing:=now} $nothing" "now now"
fails unset_is_an_error sh -uc 'echo $undefined_variable'
set -- one "two three" four
is positional "$#: $2" "3: two three"
is quoted_at "$(for w in "$@"; do printf '<%s>' "$w"; done)" "<one><two three><four>"
IFS=:
is joined "$*" "one:two three:four"
unset IFS
is case_patterns "$(case file.c in *.[oh]) echo no ;; *.c | *.cc) echo c ;; esac)" c
is eval "$(x=y; y=z; eval echo "\$$x")" z
f()
{
	case $1 in
	0) echo 1 ;;
	*) echo $(($1 * $(f $(($1 - 1))))) ;;
	esac
}
is recursion "$(f 10)" 3628800
n=0
while [ $n -lt 1000 ]; do n=$((n + 1)); [ $n = 700 ] && break; done
is loop $n 700

# --- redirections
cat >doc <<END
$((6 * 7)) $text
	tab
END
is here_document "$(cksum <doc)" "$(printf '42 hello.tar.gz\n\ttab\n' | cksum)"
is here_document_quoted "$(cat <<'END'
$HOME
END
)" '$HOME'
is big_here_document "$(eval "cat <<END
$(seq 20000)
END" | cksum)" "$(seq 20000 | cksum)"
exec 3>log 4>&3
echo three >&3
echo four >&4
exec 3>&- 4>&-
is descriptors "$(xargs <log)" "three four"
{ echo out; echo err >&2; } >both 2>&1
is both "$(xargs <both)" "out err"
exec 3<both
read -r a <&3
read -r b <&3
exec 3<&-
is read_lines "$a $b" "out err"
: >empty
is truncated "$(wc -c <empty | tr -d ' ')" 0
(set -C; echo no >log) 2>/dev/null
is noclobber "$(wc -l <log | tr -d ' ')" 2
while read -r a _ c; do echo "$c-$a"; done >swapped <<END
1 2 3
4 5 6
END
is read_fields "$(xargs <swapped)" "3-1 6-4"

# --- pipes and processes
is pipeline "$(seq 1000 | grep 7 | sed 's/7/x/' | sort -r | head -n 2 | xargs)" "x99 x98"
is long_pipeline "$(echo x | cat | cat | cat | cat | cat | cat | cat | cat | cat | cat)" x
is megabyte "$(head -c 1000000 /dev/zero | cat | dd bs=333 2>/dev/null | wc -c | tr -d ' ')" 1000000
is pipe_ends_early "$(yes | head -n 3 | xargs)" "y y y"
is status_of_a_pipeline "$(false | true; echo $?; true | false; echo $?)" "0
1"
is negation "$(! false; echo $?)" 0
is and_or "$(false && echo no || echo yes)" yes
(exit 42)
is subshell_status $? 42
/nonexistent/program 2>/dev/null
is not_found $? 127
/etc/passwd 2>/dev/null
is not_executable $? 126
sh -c 'kill -TERM $$' 2>/dev/null
is killed $? 143
(exit 3) &
first=$!
(sleep 0.1; exit 4) &
second=$!
wait $first
a=$?
wait $second
is wait "$a $?" "3 4"
wait 1 2>/dev/null
is wait_for_a_stranger $? 127
total=0
for i in $(seq 40); do total=$((total + $(echo "$i"))); done
is forty_substitutions $total 820
is parallel "$(for i in 1 2 3 4 5 6 7 8 9; do (echo $i) & done | sort | xargs)" "1 2 3 4 5 6 7 8 9"
is subshell_is_a_copy "$(v=1; (v=2; cd /); echo $v)" 1
is exec "$(sh -c 'a=$$; exec sh -c "[ \$\$ = $a ] && echo same"')" same
is environment "$(V=1 sh -c 'echo $V')" 1
is dollar_dollar "$( (sh -c 'echo $PPID') | wc -l | tr -d ' ')" 1
is arguments "$(sh -c 'echo $0 $# $*' name a b)" "name 2 a b"
mkfifo fifo
seq 100 >fifo &
is fifo "$(awk '{ s += $1 } END { print s }' fifo)" 5050
wait
(sleep 100 & echo $! >pid)
kill "$(cat pid)"
is orphan_is_killed $? 0

# --- traps
is exit_trap "$(trap 'echo bye' EXIT; echo hi)" "hi
bye"
got=no
trap 'got=yes' USR1
kill -USR1 $$
is trap $got yes
trap '' USR1
is ignored "$(sh -c 'kill -USR1 $$; echo alive')" alive
trap - USR1
is trap_in_a_child "$(sh -c 'trap "echo caught; exit 5" TERM; kill $$; sleep 1'; echo $?)" "caught
5"
(trap 'exit 7' TERM; : >trap_is_set; while :; do sleep 0.05; done) &
loop=$!
await [ -e trap_is_set ]
kill $loop
wait $loop
is trap_ends_a_loop $? 7
trap 'got=alarm' ALRM
sleep 30 &
sleeper=$!
(await sleeps $$; kill -ALRM $$) &
wait $sleeper
is trap_interrupts_wait "$? $got" "142 alarm"
kill $sleeper
trap - ALRM
is set_e "$(sh -ec 'echo a; false; echo b')" a
is sigpipe_is_default "$(sh -c '(yes; echo $? >status) | head -n 1 >/dev/null; cat status')" 141

# --- stops; job control itself needs a terminal in dash and busybox: terminal.sh has that
sleep 100 &
job=$!
kill -STOP $job
await is_state $job T
is stopped "$(state $job)" T
kill -CONT $job
await is_state $job S
is continued "$(state $job)" S
kill $job
wait $job 2>/dev/null
is killed_by_number $? 143

# --- files
(ulimit -n 16; ulimit -n >limit)
is ulimit "$(cat limit)" 16
(umask 077; : >private; mkdir closed)
is umask "$(stat -c %a private closed | xargs)" "600 700"
mkdir -p d/e/f
touch d/a d/b d/.hidden
is glob "$(echo d/* d/.h*)" "d/a d/b d/e d/.hidden"
is glob_without_match "$(echo d/*.none)" "d/*.none"
cd d/e || exit
is cd_dots "$(cd .. && pwd)" "${PWD%/e}"
is cd_minus "$(cd f && cd - >/dev/null && pwd)" "$PWD"
cd ../..
ln -s d/e link
is logical_and_physical "$(cd link && basename "$PWD" && basename "$(pwd -P)")" "link
e"
[ -d d ] && [ -L link ] && [ ! -e none ] && [ -s doc ] && [ ! -s empty ] && [ -p fifo ] && [ -w doc ]
is file_tests $? 0
printf 'echo "script $1 $#"\n' >script
chmod +x script
is script "$(./script a b)" "script a 2"
printf '#!/bin/sh -e\nfalse\necho unreached\n' >strict
chmod +x strict
./strict
is interpreter_argument $? 1
is dot "$(printf 'v=dotted\n' >dotted; . ./dotted; echo $v)" dotted
is command_v "$(command -v cat | grep -c cat)" 1
is type_of_read "$(printf 'a b\\\nc\n' | { read -r x; read -r y; echo "$x|$y"; })" 'a b\|c'
is read_joins "$(printf 'a b\\\nc\n' | { read x; echo "$x"; })" 'a bc'
is proc_self "$(readlink /proc/self/cwd)" "$(pwd -P)"
is times_prints "$(times | wc -l | tr -d ' ')" 2
is getopts "$(set -- -a -b v rest; while getopts ab: o; do echo "$o${OPTARG-}"; done | xargs)" "a bv"
rm -r d link
is removed "$(ls d 2>/dev/null | wc -l | tr -d ' ')" 0
