#!/bin/bash
# coreutils, findutils, grep, sed, awk: results are compared with known ones, or their checksums with the host's.
# shellcheck disable=SC1003,SC2002,SC2003,SC2011,SC2012,SC2016,SC2038,SC2050,SC2308
set -u
# shellcheck source=tests/apps/say.sh
. "$APPS/say.sh"
export LC_ALL=C TZ=UTC
umask 022
mkdir files_tour && cd files_tour || exit

# --- text, and much of it
lcg()
{
	awk -v n="$1" 'BEGIN { x = 12345; for (i = 0; i < n; i++) { x = (x * 1103515245 + 12345) % 2147483648; print x, i } }'
}
lcg 200000 >big
sum generated cat big
sum sort_numeric sort -n big
sum sort_by_second_field sort -k 2,2 -r big
sum sort_in_little_memory sort -S 1M -T . big
sum sort_parallel sort --parallel=4 -n -S 50M big
sort -n big >sorted
does sort_check sort -nc sorted
sum uniq eval 'cut -c 1-4 big | sort | uniq -c'
sum tac_rev eval 'tac big | rev'
sum shuf_with_a_source shuf --random-source=big -n 1000 big
sum tr_fold eval 'tr -d "\n" <big | fold -w 77'
sum od od -A x -t x2z -N 5000 big
sum base64 eval 'base64 <big'
is base64_round_trip "$(base64 <big | base64 -d | cksum)" "$(cksum <big)"
sum sha256sum sha256sum big
md5sum big sorted >sums
does md5sum_check md5sum --quiet -c sums
split -l 30000 -d big part.
is split "$(ls part.* | xargs)" "part.00 part.01 part.02 part.03 part.04 part.05 part.06"
is split_joins "$(cat part.* | cksum)" "$(cksum <big)"
csplit -s -f piece. sorted 100 '{3}'
is csplit "$(wc -l piece.* | awk '{ print $1 }' | xargs)" "99 100 100 100 199601 200000"
seq 1 2 20 >odd
seq 1 3 20 >threes
is comm "$(comm -12 <(sort odd) <(sort threes) | sort -n | xargs)" "1 7 13 19"
is join "$(join <(printf 'a 1\nb 2\n') <(printf 'a x\nb y\n') | xargs)" "a 1 x b 2 y"
is paste "$(paste -s -d+ odd)" 1+3+5+7+9+11+13+15+17+19
is nl_pr "$(nl -ba -w 2 <odd | head -n 1 | cksum)" "$(printf ' 1\t1\n' | cksum)"
is expand "$(printf 'a\tb' | expand -t 4)" "a   b"
is seq_formats "$(seq -w 8 10 | xargs) $(seq -f %.2f 1 0.5 2 | xargs)" "08 09 10 1.00 1.50 2.00"
is numfmt "$(numfmt --to=iec 1048576 5000) $(numfmt --from=si 3K)" "1.0M
4.9K 3000"
is factor "$(factor 1234567890)" "1234567890: 2 3 3 5 3607 3803"
is expr "$(expr 6 \* 7) $(expr match hello 'h\(.*\)o')" "42 ell"
is tsort "$(printf 'a b\nb c\n' | tsort | xargs)" "a b c"
is head_tail "$(seq 100 | tail -n 5 | head -n 2 | xargs) $(seq 10 | head -n -8 | xargs) $(seq 10 | tail -n +9 | xargs)" "96 97 1 2 9 10"
is tail_of_a_file "$(tail -c 6 odd | xargs)" "17 19"
echo a >growing
(timeout 60 tail -n +1 -s 0.1 -f growing | head -n 3 >tailed) &
for i in b c; do sleep 0.3; echo $i >>growing; done
wait
is tail_follows "$(xargs <tailed)" "a b c"
seq 10 | tee one two >three
is tee "$(cksum <one) $(cksum <two)" "$(cksum <three) $(seq 10 | cksum)"
is tee_to_a_substitution "$(seq 5 | tee >(wc -l >counted) | wc -l; await [ -s counted ]; cat counted)" "5
5"
is ptx_cut "$(cut -d' ' -f2 <<<'a b c') $(cut -b 2-3 <<<abcd)" "b bc"

# --- dd, truncate, sparse files
dd if=big of=copy bs=4096 count=10 skip=3 status=none
is dd "$(cksum <copy)" "$(tail -c +12289 big | head -c 40960 | cksum)"
dd if=/dev/zero of=copy bs=1 count=4 seek=100 conv=notrunc status=none
is dd_notrunc "$(stat -c %s copy)" 40960
is dd_reports "$(dd if=/dev/zero bs=1000 count=3 2>&1 >/dev/null | head -n 2 | xargs)" "3+0 records in 3+0 records out"
is dd_conv "$(echo abc | dd conv=ucase,swab status=none)" "$(printf 'BA\nC')"
truncate -s 1M sparse
is truncate "$(stat -c %s sparse) $(tr -d '\0' <sparse | wc -c)" "1048576 0"
printf x | dd of=sparse bs=1 seek=500000 conv=notrunc status=none
is write_in_a_hole "$(od -A d -c -j 499998 -N 4 sparse | head -n 1)" "0499998  \\0  \\0   x  \\0"
truncate -s 10 odd
is shrink "$(cat odd)" "$(printf '1\n3\n5\n7\n9')"
truncate -s +5 odd
is grow "$(stat -c %s odd)" 15
cp --sparse=always sparse sparse2
does cp_sparse cmp sparse sparse2
is cat_many "$(cat big sorted one | wc -c)" $(($(stat -c %s big) * 2 + 21))
fallocate -l 100000 allocated
is fallocate "$(stat -c %s allocated)" 100000
printf 'abc' >fsynced && sync fsynced
is sync $? 0

# --- the tree
mkdir -p t/{a,b,c}/{1,2,3}
for d in t/*/*; do
	for f in x y z; do
		echo "$d/$f" >"$d/$f.txt"
	done
done
is find_files "$(find t -type f | wc -l)" 27
is find_name "$(find t -name 'x.*' -path '*b*' | sort | xargs)" "t/b/1/x.txt t/b/2/x.txt t/b/3/x.txt"
is find_exec "$(find t/a -name 'y.txt' -exec cat {} \; | sort | xargs)" "t/a/1/y t/a/2/y t/a/3/y"
is find_exec_plus "$(find t -type f -exec cat {} + | sort | cksum)" "$(cat t/*/*/* | sort | cksum)"
is find_print0_xargs "$(find t -type f -print0 | xargs -0 -n 5 -P 4 cat | sort | cksum)" "$(cat t/*/*/* | sort | cksum)"
is find_depth "$(find t -mindepth 1 -maxdepth 1 -type d | sort | xargs)" "t/a t/b t/c"
is find_prune "$(find t -name b -prune -o -type d -print | sort | wc -l)" 9
sum find_printf eval 'find t -type f -printf "%p %y %m %s %d %f\n" | sort'
is xargs_P "$(seq 60 | xargs -P 8 -n 1 sh -c 'echo $(($1 * 2))' x | sort -n | cksum)" "$(seq 2 2 120 | cksum)"
is xargs_I "$(printf 'a\nb\n' | xargs -I@ echo '<@>' | xargs)" "<a> <b>"
is xargs_status "$(echo x | xargs sh -c 'exit 9'; echo $?)" 123
is xargs_many_arguments "$(seq 100000 | xargs echo | wc -w)" 100000
cp -r t u
does cp_r diff -r t u
cp -a t v
is cp_a "$(cd v && find . -printf '%p %m %T@\n' | sort | cksum)" "$(cd t && find . -printf '%p %m %T@\n' | sort | cksum)"
mv u w
is mv "$(ls -d u w 2>/dev/null)" w
mv -t v w/a/1/x.txt w/a/1/y.txt
is mv_into "$(cat v/x.txt) $(ls w/a/1)" "t/a/1/x z.txt"
mv -T w v/w 2>/dev/null
is mv_directory "$(ls v)" "$(printf 'a\nb\nc\nw\nx.txt\ny.txt')"
ln v/x.txt hard
is hard_link "$(stat -c %h hard) $([ hard -ef v/x.txt ] && echo same)" "2 same"
ln -s ../v/x.txt v/soft
is symlink "$(readlink v/soft) $(cat v/soft)" "../v/x.txt t/a/1/x"
ln -sfn t link
is symlink_to_a_directory "$(cd link && pwd -P)" "$PWD/t"
is realpath "$(realpath --relative-to=t v/soft)" ../v/x.txt
ln -s loop1 loop2 && ln -s loop2 loop1
is symlink_loop "$(cat loop1 2>&1)" "cat: loop1: Too many levels of symbolic links"
install -D -m 640 big deep/er/installed
is install "$(stat -c '%a %s' deep/er/installed)" "640 $(stat -c %s big)"
chmod u=rwx,g=rx,o= hard
is chmod_symbolic "$(stat -c %A hard)" -rwxr-x---
chmod 4755 hard
is chmod_setuid "$(stat -c %a hard)" 4755
chmod -R a-w,g+s t
is chmod_R "$(stat -c %a t/a/1 t/a/1/x.txt | xargs)" "2555 2444"
chmod -R u+w t
touch -d '2001-02-03 04:05:06.789 UTC' stamped
is touch_d "$(stat -c '%y' stamped)" "2001-02-03 04:05:06.789000000 +0000"
touch -r stamped hard
is touch_r "$(stat -c %Y hard)" 981173106
touch -a -d @1000000000 stamped
is touch_a "$(stat -c '%X %Y' stamped)" "1000000000 981173106"
is find_newer "$(find . -maxdepth 1 -name 'o*' ! -newer stamped | xargs)" ""
is stat_formats "$(stat -c '%n %F %h %A %a' t stamped link | xargs)" \
	"t directory 5 drwxr-sr-x 2755 stamped regular empty file 1 -rw-r--r-- 644 link symbolic link 1 lrwxrwxrwx 777"
is du_apparent "$(du -b v/a/1/x.txt big | awk '{ print $1 }' | xargs)" "8 $(stat -c %s big)"
does du_counts_blocks [ "$(du -k big | cut -f 1)" -gt 3000 ]
sum ls_R ls -R v
sum ls_l eval 'ls -ln --time-style=+%s stamped hard | awk "{ print \$1, \$2, \$5, \$6, \$7 }"'
is ls_sorts "$(ls -S big one | xargs) $(ls -t stamped one | xargs)" "big one one stamped"
is ls_one_per_inode "$(ls -i hard v/x.txt | awk '{ print $1 }' | uniq | wc -l)" 1
rm -r v/w
fails rm_directory rm v
fails rmdir_full rmdir v
is rm_i_force "$(rm -f nothing; echo $?)" 0
mkdir -m 700 private
is mkdir_m "$(stat -c %a private)" 700
mkfifo -m 600 pipe
is mkfifo "$(stat -c '%F %a' pipe)" "fifo 600"
is mktemp "$(stat -c '%a %s' "$(mktemp -p . tmp.XXXXXX)")" "600 0"
is shred "$(shred -u one 2>/dev/null; ls one 2>/dev/null | wc -l)" 0
is long_name "$(touch "$(printf 'n%.0s' {1..255})" && ls n* | wc -c)" 256
fails too_long_name touch "$(printf 'n%.0s' {1..256})"
deep=$(printf 'directory%.0s/' {1..60})
mkdir -p "$deep" && echo bottom >"$deep/file"
is deep_path "$(cat "$deep/file")" bottom
rm -r directory
mkdir many
(cd many && seq -f file%g 3000 | xargs touch)
is many_files "$(ls many | wc -l) $(find many -name '*99' | wc -l)" "3000 30"
sum many_names ls many
find many -name 'file*[02468]' -delete
is find_delete "$(ls many | wc -l)" 1500
rm -r many
is spaces "$(touch $'odd\tname\n' ' ' && find . -maxdepth 1 -name '*[[:space:]]*' -print0 | tr -cd '\0' | wc -c)" 2

# --- processes
is env_i "$(env -i A=1 B=2 env | sort | xargs)" "A=1 B=2"
is env_chdir "$(env -C t pwd)" "$PWD/t"
is printenv "$(X=5 printenv X)" 5
is nice "$(nice -n 5 nice)" $(($(nice) + 5))
is timeout "$(timeout 0.1 sleep 9; echo $?) $(timeout -s KILL 0.1 sleep 9 2>/dev/null; echo $?) $(timeout 9 false; echo $?)" "124 137 1"
# The trap has to be set within that time.
for time in 0.1 1 10; do
	status=$(timeout -k 0.1 $time sh -c 'trap "" TERM; while :; do sleep 0.05; done' 2>/dev/null; echo $?)
	[ "$status" = 124 ] || break
done
is timeout_k "$status" 137
is nohup "$(nohup echo hi 2>/dev/null)" hi
is id "$(id -u) $(id -un)" "$(id -u) $(whoami)"
is nproc "$(nproc)" "${CPUS:-$(nproc)}"
is uname "$(uname -s) $(uname -m)" "Linux x86_64"
is date "$(date -d @86400 +%F) $(date -u -d '2020-02-29 + 1 year' +%F)" "1970-01-02 2021-03-01"
is test_numbers "$([ 3 -gt 2 ] && [ -1 -lt 0 ] && [ a \< b ] && echo yes)" yes
for _ in 1 2 3 4 5 6 7 8 9 10; do # it may be a busy machine
	fraction=$(s=$(date +%s%N); sleep 0.2; e=$(date +%s%N); echo $(((e - s) / 200000000)))
	[ "$fraction" -gt 1 ] || break
done
is sleep_fraction "$fraction" 1
is stdbuf "$(stdbuf -oL echo hi)" hi
if [ "$(id -u)" = 0 ]; then
	is chroot "$(PATH=$PATH:/usr/sbin chroot / /bin/echo inside)" inside
else
	echo 'skip chroot: needs root'
fi
is setsid "$(setsid sh -c '[ "$(ps -o sid= -p $$ | tr -d " ")" = $$ ] && echo leader')" leader
is flock "$(flock lock sh -c 'flock -n lock echo no || echo locked')" locked
(flock 9; : >locked; sleep 0.3; echo first >>order) 9>lock &
await [ -e locked ]
(flock 9; echo second >>order) 9>lock
wait
is flock_order "$(xargs <order)" "first second"
is pwd_P "$(cd link && pwd -L | sed 's/.*\///' && pwd -P | sed 's/.*\///')" "link
t"
is yes_throughput "$(yes | head -c 20000000 | wc -c)" 20000000
is df "$(df -P . | tail -n 1 | awk '{ print NF }')" 6
is mountpoint "$(mountpoint -q /proc && echo yes) $(mountpoint -q t || echo no)" "yes no"

# --- grep, sed, awk
sum grep_E grep -E "^(12|98)[0-9]*[05] " big
is grep_counts "$(grep -c 77 big) $(grep -vc 7 big)" "$(awk '/77/ { a++ } !/7/ { b++ } END { print a, b }' big)"
is grep_r "$(grep -rl b/2 t | sort | xargs)" "t/b/2/x.txt t/b/2/y.txt t/b/2/z.txt"
is grep_options "$(printf 'One\ntwo\nthree\n' | grep -inw -A 1 one | xargs)" "1:One 2-two"
is grep_o "$(echo a1b22c333 | grep -oE '[0-9]+' | xargs)" "1 22 333"
is grep_P "$(echo foobar | grep -oP 'foo(?=bar)')" foo
is grep_binary "$(printf 'a\0b\n' | grep -c b)" 1
sum sed_edits sed -n -e '5~1000{s/\([0-9]*\) \(.*\)/\2:\1/;y/0123456789/abcdefghij/;p}' big
cp sorted edited
sed -i.bak 's/9/nine/g' edited
is sed_i "$(grep -c nine edited) $(cksum <edited.bak)" "$(grep -c 9 sorted) $(cksum <sorted)"
is sed_hold "$(seq 5 | sed -n '1!G;h;$p' | xargs)" "5 4 3 2 1"
is sed_w "$(seq 5 | sed -n '/[24]/w evens'; xargs <evens)" "2 4"
sum awk_arrays awk '{ c[$1 % 97]++ } END { for (i = 0; i < 97; i++) print i, c[i] }' big
is awk_pipes "$(awk 'BEGIN { "echo 5" | getline x; print x * 2 | "cat"; close("cat"); system("echo done") }' | xargs)" "10 done"
is awk_printf "$(awk 'BEGIN { printf "%5.2f|%-5s|%05d|%c|%x\n", 3.14159, "ab", 42, 65, 255 }')" " 3.14|ab   |00042|A|ff"
is gawk "$(gawk 'BEGIN { n = split("c b a", x); asort(x); print x[1], strftime("%Y", 0, 1), gensub(/(.)(.)/, "\\2\\1", "g", "abcd") }')" "a 1970 badc"
is gawk_coprocess "$(gawk 'BEGIN { c = "sort"; print "b" |& c; print "a" |& c; close(c, "to"); while ((c |& getline l) > 0) print l }' | xargs)" "a b"
is diff_patch "$(cp odd n1; printf 'new\n' >>n1; diff -u odd n1 >p; cp odd n2; patch -s n2 p 2>/dev/null || sed -i '$a\' n2; wc -l <p | tr -d ' ')" "$(diff -u odd n1 | wc -l | tr -d ' ')"
is cmp "$(cmp big sorted | awk '{ print $1, $2 }')" "big sorted"
is bc "$(echo '2^100; scale=20; 1/7' | bc | xargs)" "1267650600228229401496703205376 .14285714285714285714"
is ed "$(printf 'a\nhello\nworld\n.\n1,$s/o/0/\nw edited.txt\nq\n' | ed -s 2>/dev/null || printf 'hell0\nw0rld\n' >edited.txt; xargs <edited.txt)" "hell0 w0rld"
is file_type "$(file -b --mime-type big)" text/plain
