# --overlay DIR in both forms: what is changed is there again in the next run, the lower root stays, heddle diff tells.
import os, stat, subprocess, sys

TESTS = []
heddle, engine, cpus = (os.environ[v] for v in ("HEDDLE_BIN", "ENGINE", "CPUS"))


def both(f):
    TESTS.append((f.__name__ + "_as_linux_has_it", lambda: f("plain")))
    TESTS.append((f.__name__ + "_in_a_humfs", lambda: f("humfs")))
    return f


class Skip(Exception):
    pass


def run(*argv, status=0):
    p = subprocess.run(argv, capture_output=True, text=True)
    if status is not None and p.returncode != status:
        raise AssertionError("%s: status %d: %s%s" % (" ".join(argv), p.returncode, p.stdout, p.stderr))
    return p


# The lower root is the host's, seen through a directory of our own.
def guest(script, status=0, *options):
    return run(heddle, "run", "-c", cpus, "-e", engine, "--overlay", "layer", *options, "--", "sh", "-c",
               "cd %s/low && %s" % (os.getcwd(), script), status=status)


def set_up(form):
    if form == "plain" and os.geteuid():
        raise Skip("needs root")
    if form == "humfs":
        run(heddle, "humfs", "create", "layer")
    run("sh", "-c", "mkdir -p low/d/e low/gone low/mode; echo 1 >low/f; echo 2 >low/d/g; echo 3 >low/gone/h; echo 4 >low/x; echo 5 >low/d/e/k")


CHANGE = """
echo new >new; echo more >>f; rm x; rm -r gone; mkdir gone; echo 6 >gone/other; mv d/g d/moved; chmod 700 mode
chown 5:6 d/e/k; ln new new2; mkdir -p a/b; mknod a/null c 1 3; ln -s there a/l; mv a/b a/c
"""
SHOW = "find . -printf '%P %y %m %U %G %l\\n' | LC_ALL=C sort; cat f new new2 d/moved d/e/k gone/*; test ! -e x"


@both
def changes_are_there_again(form):
    set_up(form)
    before = run("sh", "-c", "cd low; find . -printf '%P %y %m %T@ %s\\n' | sort").stdout
    first = guest(CHANGE + SHOW).stdout
    assert "new\n" in first and "1\nmore\n" in first and "gone/other f" in first and "gone/h" not in first, first
    assert guest(SHOW).stdout == first
    guest("echo again >>f; rm new; rm -r a; echo 7 >x")
    p = guest("cat f x; ls; cat new2")
    assert p.stdout == "1\nmore\nagain\n7\nd\nf\ngone\nmode\nnew2\nx\nnew\n", p.stdout
    assert run("sh", "-c", "cd low; find . -printf '%P %y %m %T@ %s\\n' | sort").stdout == before
    if form == "humfs":
        assert "damaged: 0, left over: 0" in run(heddle, "humfs", "check", "layer").stdout
    else:
        where = "layer/upper" + os.getcwd() + "/low"
        st = os.lstat(where + "/gone/h")
        assert stat.S_ISCHR(st.st_mode) and st.st_rdev == 0
        assert os.lstat(where + "/d/e/k").st_uid == 5


@both
def diff_tells(form):
    set_up(form)
    guest(CHANGE)
    here = os.getcwd() + "/low/"
    lines = [l.replace(" " + here, " ") for l in run(heddle, "diff", "layer").stdout.splitlines() if " " + here in l]
    want = ["A a/", "A a/c/", "A a/l", "A a/null", "M d/e/k", "D d/g", "A d/moved", "M f", "D gone/h", "A gone/other", "M mode/",
            "A new", "A new2", "D x"]
    assert lines == want, lines


# Linux makes such directories, this kernel doesn't. And names are to stay on their line.
@both
def diff_tells_of_opaque_directories(form):
    set_up(form)
    guest("touch d/e/mine mode/t; mkdir d/g2; touch 'd/g2/a\nb\033[2J\\c'")
    here = os.getcwd() + "/low/"
    upper = "layer/data/upper" if form == "humfs" else "layer/upper"
    os.setxattr(upper + here + "d", "user.overlay.opaque", b"y")
    lines = [l.replace(" " + here, " ") for l in run(heddle, "diff", "layer").stdout.splitlines() if " " + here in l]
    in_d = sorted(guest("find d -mindepth 1 -type f -print0 | tr '\\n\\0' '@\\n'").stdout.splitlines())
    assert in_d == ["d/e/mine", "d/g2/a@b\033[2J\\c"], in_d
    want = ["D d/g", "D d/e/k", "A d/e/mine", "A d/g2/", "A d/g2/a\\012b\\033[2J\\\\c", "A mode/t"]
    assert lines == want, lines


@both
def what_was_cut_off_is_swept(form):
    set_up(form)
    guest("echo x >f")
    work = "layer/data/work" if form == "humfs" else "layer/work"
    open(work + "/#9", "w").write("half")
    if form == "humfs":
        open("layer/file_metadata/work/#9", "w").write("420 0 0\n")
    assert guest("cat f").stdout == "x\n"
    assert os.listdir(work) == []


@both
def fsync_error_is_told_once_for_each_open_file(form):
    set_up(form)
    p = guest("python3 %s/hostfs/fsyncs.py f" % os.environ["APPS"], 0, "--fault", "fsync:EIO:1")
    assert p.stdout == "Input/output error,ok,Input/output error,ok,ok,ok\n", p.stdout


# From the Nth rename of the host on all fail, and so does what would undo those before: what is left is what a kernel leaves that was killed there.
@both
def rename_is_done_or_not(form):
    for was in "lower", "upper":
        for n in range(1, 40):
            set_up(form)
            prepare = "echo 1 >f; echo 4 >x" if was == "upper" else "true"
            guest(prepare)
            look = "cat f || echo none; cat x"
            mv = guest("mv -f f x; echo $?; " + look, 0, "--fault", "rename:EIO:%d+" % n).stdout.split()
            after = guest(look).stdout.split()
            allowed = {"0": [["none", "1"]], "1": [["1", "4"], ["1", "1"]]}
            assert mv[1:] in allowed[mv[0]] and after == mv[1:], (was, n, mv, after)
            if form == "plain":
                assert after != ["1", "1"], (was, n)
            run("rm", "-r", "low", "layer")
            if mv[0] == "0":
                break
        assert mv[0] == "0", n


@both
def what_stays_in_work_fails_nothing(form):
    set_up(form)
    p = guest("rm -r gone && mkdir gone && touch gone/i && ls gone", 0, "--fault", "unlink:EIO:1+")
    assert p.stdout == "i\n", p
    assert guest("ls gone").stdout == "i\n"


# The layer's disk takes 100 ms for each 128 KiB of 40 MB.
SLOW = """true
: >>big & p=$!
sleep 2
start=$(date +%s)
echo more >>f; rm x; mv d/g d/h
test $(($(date +%s) - start)) -lt 10 && echo others go on
kill -9 $p; wait $p
test $(($(date +%s) - start)) -lt 15 && echo killed
cat f d/h; stat -c %s big; test ! -e x
"""


@both
def long_copy_can_be_killed_and_stops_nobody(form):
    set_up(form)
    with open("low/big", "wb") as f:
        f.write(b"something" * (40000000 // 9))
    p = guest(SLOW, 0, "--fault", "pwrite:delay=100ms:100%")
    assert p.stdout == "others go on\nkilled\n1\nmore\n2\n39999996\n", p
    assert os.listdir("layer/data/work" if form == "humfs" else "layer/work") == []


# Files of the root that somebody has open, and whose names are nobody's or another's by now.
NAMELESS = """
exec 3<f 4<x 5<d/g 6<mode; rm f; echo new >y; mv y x; rm d/g; echo newer >d/g; rmdir mode; mkdir -m 711 mode
for n in 3 4 5; do
	stat -L -c %h /proc/self/fd/$n; chmod 606 /proc/self/fd/$n; stat -L -c %a.%h /proc/self/fd/$n
	ln -L /proc/self/fd/$n again 2>/dev/null && echo linked
done
echo more >>/proc/self/fd/3; cat <&3; cat <&4; cat <&5; chmod 700 /proc/self/fd/6 2>/dev/null
"""


@both
def what_has_lost_its_name_is_copied_without_it(form):
    set_up(form)
    look = "ls; cat x d/g; stat -c %a mode"
    seen = "d\ngone\nmode\nx\nnew\nnewer\n711\n"
    p = guest(NAMELESS + look)
    assert p.stdout == "0\n606.0\n" * 3 + "1\nmore\n4\n2\n" + seen, p
    assert guest(look).stdout == seen
    if form == "humfs":
        assert "damaged: 0, left over: 0" in run(heddle, "humfs", "check", "layer").stdout


def linux_reads_what_we_write():
    set_up("plain")
    guest(CHANGE)
    os.mkdir("mnt")
    p = run("mount", "-t", "overlay", "overlay", "-o", "lowerdir=/,upperdir=layer/upper,workdir=layer/work", "mnt", status=None)
    if p.returncode:
        raise Skip("the host doesn't let us mount an overlay here")
    try:
        theirs = run("sh", "-c", "cd mnt%s/low && %s" % (os.getcwd(), SHOW)).stdout
    finally:
        run("umount", "mnt")
    assert theirs == guest(SHOW).stdout, theirs


TESTS.append(("linux_reads_what_we_write", linux_reads_what_we_write))

if not heddle:
    for name, t in TESTS:
        print("skip %s: no kernel of ours" % name)
    sys.exit(0)
for name, t in TESTS:
    os.mkdir(name)
    os.chdir(name)
    try:
        t()
        print("ok", name, flush=True)
    except Skip as why:
        print("skip %s: %s" % (name, why), flush=True)
    except Exception as why:
        print("FAIL %s: %s" % (name, str(why).replace("\n", " | ")[:1500] or repr(why)), flush=True)
    os.chdir("..")
