#!/bin/bash
# Most of what bash can do with processes, files, signals and job control without a terminal; run in an empty directory.
# Odd forms are the point here:
# shellcheck disable=SC1090,SC2012,SC2154,SC2194,SC2050,SC2238,SC2018,SC2019,SC2153,SC2030,SC2031,SC2116,SC2216,SC2317,SC2034,SC2016
set -u
# shellcheck source=tests/apps/say.sh
. "$APPS/say.sh"
export LC_ALL=C
shopt -s extglob nullglob

# --- data
numbers=(5 3 9 1)
declare -A colour=([sky]=blue [grass]=green)
numbers+=(7)
is array_length "${#numbers[@]}" 5
is array_slice "${numbers[*]:1:3}" "3 9 1"
is assoc "${colour[sky]} ${colour[grass]}" "blue green"
is assoc_keys "$(printf '%s\n' "${!colour[@]}" | sort | xargs)" "grass sky"
sorted=()
mapfile -t sorted < <(printf '%s\n' "${numbers[@]}" | sort -n)
is mapfile_of_substitution "${sorted[*]}" "1 3 5 7 9"
text=hello.tar.gz
is strip "${text%%.*} ${text#*.} ${text/l/L} ${text^^}" "hello tar.gz heLlo.tar.gz HELLO.TAR.GZ"
is arithmetic "$((2 ** 40 + (7 % 4) * 3 - 0x10))" 1099511627769
is extglob "$(case foo123 in foo+([0-9])) echo yes ;; *) echo no ;; esac)" yes
[[ abc-42 =~ ^([a-z]+)-([0-9]+)$ ]]
is regex "${BASH_REMATCH[1]}/${BASH_REMATCH[2]}" abc/42
printf -v line '%05d|%-6s|%x|%s' 42 ab 255 $'t\tt'
is printf_v "$line" $'00042|ab    |ff|t\tt'

fib()
{
	local n=$1
	if ((n < 2)); then
		echo "$n"
	else
		echo $(($(fib $((n - 1))) + $(fib $((n - 2)))))
	fi
}
is recursion_in_subshells "$(fib 8)" 21

flags()
{
	local OPTIND opt out=
	while getopts ab:c opt; do
		case $opt in
		a | c) out+=$opt ;;
		b) out+="b=$OPTARG," ;;
		*) out+='?' ;;
		esac
	done
	shift $((OPTIND - 1))
	echo "$out $*"
}
is getopts "$(flags -a -b file -c rest of)" "ab=file,c rest of"

# --- redirections and here-documents
cat >doc <<END
value $((6 * 7)) of ${text}
	tab
END
is here_document "$(cksum <doc)" "$(printf 'value 42 of hello.tar.gz\n\ttab\n' | cksum)"
cat >quoted <<'END'
$HOME `date` \n
END
is here_document_quoted "$(<quoted)" "\$HOME \`date\` \\n"
cat >tabs <<-END
		indented
	END
is here_document_tabs "$(<tabs)" indented
is here_string "$(tr a-z A-Z <<<"some words")" "SOME WORDS"
big=$(printf '%0.s0123456789abcdef' {1..8000})
is here_string_beyond_a_pipe "$(wc -c <<<"$big")" 128001
exec 5>log
echo one >&5
echo two >&5
exec 5>&-
is numbered_descriptor "$(xargs <log)" "one two"
exec {fd}<log
read -r first <&"$fd"
read -r second <&"$fd"
exec {fd}<&-
is named_descriptor "$first+$second" one+two
exec 6<>rw
echo readwrite >&6
exec 6>&-
is read_write_open "$(<rw)" readwrite
set -o noclobber
(echo no >log) 2>/dev/null
is noclobber "$? $(head -n 1 log)" "1 one"
set +o noclobber
{ echo out; echo err >&2; } >both 2>&1
is both_in_one "$(xargs <both)" "out err"
{ echo out; echo err >&2; } 2>&1 >/dev/null | tee swapped >/dev/null
is swapped "$(<swapped)" err
echo more >>log
is append "$(wc -l <log)" 3

# --- pipes and substitutions
is pipeline "$(seq 1000 | grep 7 | sed s/7/x/ | sort -r | head -n 3 | xargs)" "x99 x98 x97"
false | true | (exit 3) | true
is pipestatus "${PIPESTATUS[*]}" "1 0 3 0"
set -o pipefail
false | true
is pipefail $? 1
set +o pipefail
is process_substitution "$(paste -d: <(seq 3) <(seq 4 6) | xargs)" "1:4 2:5 3:6"
{ seq 5; } > >(tac >reversed) # by the shell itself, which then knows whom to wait for
wait $!
is output_substitution "$(xargs <reversed)" "5 4 3 2 1"
count=0
while read -r _; do ((count++)); done < <(seq 500)
is loop_over_substitution $count 500
sum yes_head eval 'yes | head -n 20000'
is broken_pipe_status "$(yes | head -n 1 >/dev/null; echo "${PIPESTATUS[0]}")" 141
mkfifo fifo
seq 100 >fifo &
is fifo "$(awk '{ s += $1 } END { print s }' <fifo)" 5050
wait

coproc LOOP { while read -r x; do echo $((x * x)); done; }
results=
for i in 3 5 12; do
	echo $i >&"${LOOP[1]}"
	read -r -u "${LOOP[0]}" square
	results+="$square "
done
loop_pid=$LOOP_PID
eval "exec ${LOOP[1]}>&-"
wait "$loop_pid"
is coproc "$results$?" "9 25 144 0"

# --- processes
(exit 42)
is subshell_status $? 42
sh -c 'kill -TERM $$'
is killed_by_sigterm $? 143
sh -c 'kill -9 $$' 2>/dev/null
is killed_by_sigkill $? 137
/nonexistent/program 2>/dev/null
is not_found $? 127
/etc 2>/dev/null
is not_executable $? 126
variable=outer
(variable=inner; cd / || exit; true)
is subshell_is_a_copy "$variable $([[ $PWD != / ]] && echo stayed)" "outer stayed"
pids=()
for i in 1 2 3 4 5; do
	(exit $((i * 10))) &
	pids+=($!)
done
statuses=
for pid in "${pids[@]}"; do
	wait "$pid"
	statuses+="$? "
done
is wait_for_each "$statuses" "10 20 30 40 50 "
# A child that ends just before bash sleeps in wait -n may be reaped by its handler, and isn't told of then.
is wait_n "$(
	me=$BASHPID
	(await [ -e first_is_known ]; exit 9) &
	(await sleeps "$me"; exit 8) &
	wait -n
	first=$?
	: >first_is_known
	wait -n
	echo "$first $?"
	wait -n 2>/dev/null
	echo $?
)" $'8 9\n127'
total=0
for i in {1..50}; do
	((total += $(echo "$i")))
done
is fifty_substitutions $total 1275
is parallel_jobs "$(for i in {1..20}; do echo "$i" & done | sort -n | xargs)" "$(seq 20 | xargs)"
is exec_replaces "$(bash -c 'a=$$; exec bash -c "[ \$\$ = $a ] && echo same"')" same
is background_ignores_int "$(sh -c 'kill -INT $$; echo alive' & wait; true)" alive
is environment "$(GREETING=hi bash -c 'echo $GREETING $1' x there)" "hi there"
is argument_zero "$(bash -c 'echo $0' name)" name
is ppid "$(bash -c 'echo $PPID; exit')" $$
is disown "$(sleep 0.01 & disown; jobs)" ""
nohup bash -c 'echo immune' >nohup.txt 2>/dev/null
is nohup "$(<nohup.txt)" immune
time_format=$( { TIMEFORMAT=%R; time true; } 2>&1)
does time_keyword grep -qx '[0-9]*\.[0-9]\{3\}' <<<"$time_format"

# --- signals and traps
is exit_trap "$(trap 'echo bye' EXIT; echo hi)" $'hi\nbye'
got=
trap 'got+=usr1,' USR1
trap 'got+=usr2,' USR2
kill -USR1 $$
kill -USR2 $BASHPID
is traps "$got" usr1,usr2,
trap - USR1 USR2
is trap_in_child "$(bash -c 'trap "echo caught; exit 5" TERM; kill $$; echo no'; echo $?)" $'caught\n5'
is err_trap "$(set -E; trap 'echo "line failed"' ERR; false; true)" "line failed"
is return_trap "$(f() { trap 'echo returned' RETURN; }; f)" returned
is debug_trap "$(n=0; trap 'n=$((n + 1))' DEBUG; :; :; echo "$n")" 3
trap '' HUP
is ignored_signal_is_inherited "$(bash -c 'kill -HUP $$; echo alive')" alive
trap - HUP
(trap 'exit 7' TERM; : >trap_is_set; while :; do sleep 0.05; done) &
loop=$!
await [ -e trap_is_set ]
kill $loop
wait $loop
is wait_returns_traps_status $? 7
trap 'interrupted=yes' ALRM
interrupted=no
sleep 30 &
sleeper=$!
(await sleeps $$; kill -ALRM $$) &
wait $sleeper
status=$?
is wait_is_interrupted "$interrupted $status" "yes 142"
kill $sleeper
wait $sleeper 2>/dev/null
is killed_child $? 143
wait
trap - ALRM
(bash -c 'echo $$ >stops; kill -STOP $$; echo continued' >stopped) &
stopped=$!
await [ -s stops ]
await is_state "$(<stops)" T
kill -CONT "$(<stops)"
wait $stopped
is stop_and_continue "$(<stopped)" continued

# --- job control without a terminal
wait
jobs >/dev/null # forgets what is done
set -m
sleep 100 &
job=$!
is own_process_group "$(ps -o pgid= -p $job | tr -d ' ')" $job
jobs_are()
{
	[ "$(jobs | awk '{ print $2 }')" = "$1" ]
}
does jobs_running jobs_are Running
kill -STOP %%
await jobs_are Stopped
does jobs_stopped jobs_are Stopped
bg %% >/dev/null
await is_state $job S
is bg_continues "$(jobs -r | wc -l) $(state $job)" "1 S"
kill %%
wait $job 2>/dev/null
is job_killed $? 143
(sleep 100 | sleep 100) &
group=$!
both_sleep()
{
	[ "$(pgrep -g $group -x sleep | wc -l)" = 2 ]
}
await both_sleep
kill -TERM -- -$group
wait $group 2>/dev/null
is kill_of_a_group $? 143
sh -c 'kill -STOP $$; exit 4'
is foreground_stop $? 147
fg >/dev/null
is fg_gives_status $? 4
set +m

# --- limits, timeouts, special reads
is ulimit_files "$(ulimit -n 20; ulimit -n)" 20
is too_many_files "$(ulimit -n 10; bash -c 'for f in 5 6 7 8 9 10 11; do eval "exec $f</dev/null" || break; done; echo $f' 2>/dev/null)" 10
is file_size_limit "$( (ulimit -f 1; head -c 5000 /dev/zero >limited) 2>/dev/null; echo $?; stat -c %s limited)" $'153\n1024'
ulimit -c 0
read -r -t 0.1 answer <>fifo # open for writing, too: no end of file
is read_timeout "$(($? > 128))" 1
read -r -n 3 part <<<abcdef
is read_n "$part" abc
IFS=: read -r user _ uid _ </etc/passwd
is read_ifs "$user $uid" "root 0"
read -r -d '' zero < <(printf 'a\0b')
is read_delimiter "$zero" a
is timeout_kills "$(timeout 0.2 sleep 10; echo $?)" 124
is timeout_passes_status "$(timeout 60 sh -c 'exit 6'; echo $?)" 6
is umask_applies "$(umask 027; : >masked; stat -c %a masked)" 640
SECONDS=100
is seconds "$((SECONDS >= 100 && SECONDS < 160))" 1
[[ $RANDOM -ge 0 && $EPOCHSECONDS -gt 1600000000 ]]
is random_and_epoch $? 0

# --- files
mkdir -p tree/{a,b}/{1,2}
touch tree/{a,b}/{1,2}/file{x,y}
is glob "$(echo tree/*/1/filex)" "tree/a/1/filex tree/b/1/filex"
shopt -s globstar
all=(tree/**)
is globstar ${#all[@]} 15
[[ tree/a -ef tree/b/../a && ! tree/a -ef tree/b && -d tree && ! -L tree && -w tree ]]
is file_tests $? 0
pushd tree >/dev/null && pushd a >/dev/null && popd >/dev/null || exit
is pushd "${PWD##*/}" tree
popd >/dev/null || exit
echo 'echo "script $1 $# $(basename "$0")"' >script
chmod +x script
is script_without_interpreter_line "$(./script x y)" "script x 2 script"
printf '#!/bin/cat\nshown\n' >shown
chmod +x shown
is interpreter_line "$(./shown)" $'#!/bin/cat\nshown'
source <(echo 'sourced=yes')
is source_substitution "$sourced" yes
is deleted_cwd "$(mkdir gone; cd gone || exit; rmdir ../gone; /bin/pwd 2>/dev/null; echo $?)" 1
is dev_fd "$(echo through | cat /dev/fd/0)" through
is dev_stdin "$(echo through | cat /dev/stdin)" through
is proc_self_fd "$(readlink /proc/self/fd/3 3<doc)" "$PWD/doc"
is exit_in_pipeline "$(echo a | { read -r x; exit 3; }; echo "$?")" 3
rm -rf tree
is removed "$(ls -d tree 2>&1 | wc -l)" 1
