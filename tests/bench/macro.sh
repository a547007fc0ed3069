#!/bin/sh
# macro.sh - macro jobs: ordinary programs doing ordinary work, timed.
#
#   macro.sh prepare BENCHDIR        make the inputs (needs python3; run once, outside)
#   macro.sh [-b BENCHDIR] [-w WORKDIR] [-t LIMIT_S] [JOB...]
#
# Each job prints:  name <TAB> seconds          (wall clock, preparation left out)
#              or:  name <TAB> FAIL <TAB> why
set -u
B=/bench W=/tmp/macro LIMIT=180
SELF=$0
JOBS="compile_j2 compile_j1 walk_cold walk_warm tar_read tar_extract rm_tree python_start python_cpu sqlite_bulk sqlite_commits git_commit shell_exec"

prepare() {
	mkdir -p "$1/src" "$1/gittree"
	python3 - "$1" <<'PY'
import os, random, sys
top = sys.argv[1]
rnd = random.Random(7)
heads = ["stdio.h", "stdlib.h", "string.h", "unistd.h", "errno.h", "signal.h", "time.h",
         "sys/types.h", "sys/stat.h", "sys/socket.h", "sys/wait.h", "netinet/in.h",
         "pthread.h", "math.h", "fcntl.h", "dirent.h", "poll.h", "stdint.h"]
with open(top + "/src/common.h", "w") as f:
    f.write("#ifndef COMMON_H\n#define COMMON_H\n")
    for h in heads:
        f.write("#include <%s>\n" % h)
    for i in range(60):
        f.write("struct rec%d { int id; char name[%d]; double w[%d]; struct rec%d *next; };\n"
                % (i, rnd.randint(8, 64), rnd.randint(1, 9), i))
        f.write("#define LIMIT_%d %d\n" % (i, rnd.randint(5, 500)))
    for i in range(40):
        f.write("int unit%d(int, char **);\n" % i)
    f.write("#endif\n")
for u in range(40):
    with open("%s/src/unit%02d.c" % (top, u), "w") as f:
        f.write('#include "common.h"\n')
        n = rnd.randint(14, 26)
        for k in range(n):
            r = rnd.randrange(60)
            f.write("""
static int f%d(struct rec%d *p, int n)
{
	int s = 0;
	for (int i = 0; i < n && i < LIMIT_%d; i++) {
		if (!p)
			break;
		switch (p->id %% %d) {
		case 0: s += (int)strlen(p->name) * i; break;
		case 1: s ^= p->id << (i & 7); break;
		case 2: snprintf(p->name, sizeof p->name, "%%d-%%s", s, "u%d"); break;
		case 3: s += (int)(p->w[0] * %d.5); break;
		default: s -= i; p->id++; break;
		}
		p = p->next;
	}
	return s;
}
""" % (k, r, r, rnd.randint(4, 9), u, rnd.randint(1, 99)))
            f.write("static struct rec%d v%d[4];\n" % (r, k))
        f.write("\nint unit%d(int argc, char **argv)\n{\n\tint s = argc;\n\t(void)argv;\n" % u)
        for k in range(n):
            f.write("\ts += f%d(&v%d[s & 3], s + %d);\n" % (k, k, k))
        f.write("\treturn s;\n}\n")
with open(top + "/src/main.c", "w") as f:
    f.write('#include "common.h"\nint main(int c, char **v)\n{\n\tint s = 0;\n')
    for u in range(40):
        f.write("\ts += unit%d(c, v);\n" % u)
    f.write('\tprintf("%d\\n", s);\n\treturn 0;\n}\n')
with open(top + "/src/Makefile", "w") as f:
    f.write("O ?= .\nOBJ := $(patsubst %.c,$(O)/%.o,$(wildcard *.c))\n"
            "$(O)/prog: $(OBJ)\n\tgcc -o $@ $^\n"
            "$(O)/%.o: %.c common.h\n\tgcc -O1 -c -o $@ $<\n")
for i in range(500):
    d = "%s/gittree/d%02d" % (top, i % 25)
    os.makedirs(d, exist_ok=True)
    with open("%s/f%03d.txt" % (d, i), "w") as f:
        for _ in range(rnd.randint(5, 120)):
            f.write("%032x some text %d\n" % (rnd.getrandbits(128), i))
with open(top + "/bulk.sql", "w") as f:
    f.write("create table t(id integer primary key, k text, v real);\nbegin;\n")
    for i in range(50000):
        f.write("insert into t(k,v) values('key-%08x',%d.25);\n" % (rnd.getrandbits(32), i))
    f.write("commit;\ncreate index ix on t(k);\nselect count(*), sum(v) from t;\n")
with open(top + "/commits.sql", "w") as f:
    f.write("create table c(id integer primary key, k text);\n")
    for i in range(100):
        f.write("insert into c(k) values('row %d');\n" % i)
    f.write("select count(*) from c;\n")
PY
}

before() {			# untimed preparation
	case $1 in
	compile_*)	rm -rf obj && mkdir obj ;;
	walk_warm)	find / -xdev >/dev/null 2>&1 ;;
	tar_extract)	tar cf share.tar -C / usr/share && rm -rf x && mkdir x ;;
	git_commit)	rm -rf g && cp -r "$B/gittree" g ;;
	sqlite_bulk)	rm -f b.db* ;;
	sqlite_commits)	rm -f c.db* ;;
	esac
}

job() {				# the timed part
	case $1 in
	compile_j2)	make -s -j2 -C "$B/src" O="$PWD/obj" && ./obj/prog >/dev/null ;;
	compile_j1)	make -s -j1 -C "$B/src" O="$PWD/obj" && ./obj/prog >/dev/null ;;
	walk_cold|walk_warm)
			n=$(find / -xdev 2>/dev/null | wc -l); test "$n" -gt 10000 ;;
	tar_read)	tar cf - -C / usr/share | cat >/dev/null ;;
	tar_extract)	tar xf share.tar -C x ;;
	rm_tree)	rm -rf x ;;
	python_start)	i=0; while [ $i -lt 20 ]; do python3 -c pass || return 1; i=$((i+1)); done ;;
	python_cpu)	python3 -c '
s = 0
for i in range(4000000):
    s += i * i % 7
print(s)' >/dev/null ;;
	sqlite_bulk)	test "$(sqlite3 b.db <"$B/bulk.sql")" = "50000|1249987500.0" ;;
	sqlite_commits)	test "$(sqlite3 c.db <"$B/commits.sql")" = 100 ;;
	git_commit)	cd g && git init -q . && git add . &&
			git -c user.name=a -c user.email=a@b commit -q -m one &&
			test -z "$(git status --porcelain)" && git log --oneline | wc -l >/dev/null ;;
	shell_exec)	i=0; while [ $i -lt 300 ]; do /bin/true || return 1; i=$((i+1)); done ;;
	*)		echo "no job $1" >&2; return 2 ;;
	esac
}

if [ "${1-}" = prepare ]; then
	prepare "$2"
	exit
fi
STEP=
while getopts b:w:t:s: o; do
	case $o in
	b) B=$OPTARG ;;
	w) W=$OPTARG ;;
	t) LIMIT=$OPTARG ;;
	s) STEP=$OPTARG ;;		# used by this script itself
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
export HOME=/tmp PATH=/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C
mkdir -p "$W" && cd "$W" || exit 1
if [ -n "$STEP" ]; then $STEP "$1"; exit; fi
# shellcheck disable=SC2048  # names of jobs, without spaces
for j in ${*:-$JOBS}; do
	timeout -k 5 "$LIMIT" sh "$SELF" -b "$B" -w "$W" -s before "$j" >err 2>&1 || {
		printf '%s\tFAIL\tpreparation: %s\n' "$j" "$(tail -n 1 err)"; continue; }
	t0=$(date +%s%N)
	timeout -k 5 "$LIMIT" sh "$SELF" -b "$B" -w "$W" -s job "$j" >err 2>&1
	rc=$?
	t1=$(date +%s%N)
	if [ $rc = 0 ]; then
		printf '%s\t%d.%03d\n' "$j" $(((t1 - t0) / 1000000000)) $(((t1 - t0) / 1000000 % 1000))
	elif [ $rc = 124 ]; then
		printf '%s\tFAIL\tstill running after %s s\n' "$j" "$LIMIT"
	else
		printf '%s\tFAIL\trc %s: %s\n' "$j" "$rc" "$(tail -n 1 err)"
	fi
done
