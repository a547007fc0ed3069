# heddle humfs create, import, export, check, info; a guest in it; and the historical tool, humfsify, both ways.
import os, resource, shutil, socket, stat, subprocess, sys, tarfile

TESTS = []
heddle, engine, cpus = (os.environ[v] for v in ("HEDDLE_BIN", "ENGINE", "CPUS"))
root = os.geteuid() == 0


def test(f):
    TESTS.append(f)
    return f


class Skip(Exception):
    pass


def run(*argv, status=0, **kw):
    p = subprocess.run(argv, capture_output=True, text=kw.pop("text", True), **kw)
    if status is not None and p.returncode != status:
        raise AssertionError("%s: status %d: %s%s" % (" ".join(argv), p.returncode, p.stdout, p.stderr))
    return p


def humfs(*argv, **kw):
    return run(heddle, "humfs", *argv, **kw)


def guest(top, script, *options, status=0):
    return run(heddle, "run", "-c", cpus, "-e", engine, "-v", "humfs:%s:/mnt" % top, *options, "--", "sh", "-c",
               "cd /mnt && " + script, status=status)


def same(got, want):
    lines = set(got.splitlines()) ^ set(want.splitlines())
    if lines:
        raise AssertionError("differ: " + " | ".join(sorted(lines)))


LIST = "find . -printf '%P %y %m %U %G %n %s %l %T@\\n' | sed 's/^\\([^ ]* d [^ ]* [^ ]* [^ ]*\\) [^ ]* [^ ]*/\\1/' | LC_ALL=C sort"


# A tree of everything, made in the guest, whose root may do it whoever runs this.
MAKE = """
mkdir -p a/b metadata/metadata metadata~
echo hi >a/f; ln a/f a/g; ln a/f metadata/h; ln -s ../x a/l
mknod a/null c 1 3; mknod a/sda b 8 1; mkfifo a/p
chown 5:6 a/f a/b; chmod 4711 a/f; chmod 1777 a/b; chown -h 9:9 a/l; chmod 2755 metadata
echo q >metadata/metadata/q; chown 4000000000:3 metadata/metadata/q; head -c 300000 /bin/sh >big
touch -d 2001-01-01T01:01:01 a/f a/sda metadata/metadata/q; touch -h -d 2002-02-02 a/l; touch -d 2003-03-03 a/b
"""


@test
def what_a_guest_makes_is_there_again():
    humfs("create", "h", "--size", "10M")
    before = guest("h", MAKE + LIST).stdout
    assert "a/null c 644 0 0 1 0" in before and "a/f f 4711 5 6 3 3" in before, before
    same(guest("h", LIST).stdout, before)
    assert "damaged: 0, left over: 0" in humfs("check", "h").stdout
    for name in os.listdir("h/data/a"):
        st = os.lstat("h/data/a/" + name)
        assert st.st_uid == os.geteuid() and not st.st_mode & 0o7000, name


@test
def tar_goes_round():
    humfs("create", "from", "--size", "10M")
    before = guest("from", MAKE + LIST).stdout
    with open("1.tar", "wb") as f:
        subprocess.run([heddle, "humfs", "export", "from"], stdout=f, check=True)
    humfs("create", "to", "--size", "10M")
    with open("1.tar") as f:
        humfs("import", "to", stdin=f)
    same(guest("to", LIST).stdout, before)
    assert "damaged: 0, left over: 0" in humfs("check", "to").stdout
    with open("2.tar", "wb") as f:
        subprocess.run([heddle, "humfs", "export", "to"], stdout=f, check=True)
    assert open("1.tar", "rb").read() == open("2.tar", "rb").read()
    # Imported over itself: the same.
    with open("1.tar") as f:
        humfs("import", "to", stdin=f)
    same(guest("to", LIST).stdout, before)
    assert "damaged: 0, left over: 0" in humfs("check", "to").stdout


@test
def extended_attributes_in_tar():
    os.mkdir("x")
    open("x/f", "w").close()
    try:
        os.setxattr("x/f", "user.colour", b"red")
    except OSError:
        raise Skip("the host's /tmp has no extended attributes")
    run("tar", "--xattrs", "--xattrs-include=*", "-cf", "x.tar", "-C", "x", ".")
    humfs("create", "h", "--size", "1M")
    with open("x.tar") as f:
        p = humfs("import", "h", stdin=f)
    assert os.getxattr("h/data/f", "user.colour") == b"red", p.stderr
    with open("y.tar", "wb") as f:
        subprocess.run([heddle, "humfs", "export", "h"], stdout=f, check=True)
    os.mkdir("y")
    run("tar", "--xattrs", "--xattrs-include=user.*", "-xf", "y.tar", "-C", "y", "--no-same-owner")
    assert os.getxattr("y/f", "user.colour") == b"red"


@test
def privileged_attributes():
    os.mkdir("x")
    try:
        os.setxattr("x", "user.colour", b"red")
    except OSError:
        raise Skip("the host's /tmp has no extended attributes")
    humfs("create", "h", "--size", "1M")
    tar = tar_with(("f", {"pax_headers": {"SCHILY.xattr.security.capability": "c", "SCHILY.xattr.trusted.t": "t",
                                          "SCHILY.xattr.user.humfs.trusted.u": "u"}}))
    humfs("import", "h", input=tar, text=False)
    host = {a: os.getxattr("h/data/f", a) for a in os.listxattr("h/data/f") if a.startswith("user.")}
    assert host == {"user.humfs.security.capability": b"c", "user.humfs.trusted.t": b"t", "user.humfs.user.humfs.trusted.u": b"u"}, host
    p = guest("h", "python3 -c 'import os; print(sorted((a, os.getxattr(\"f\", a)) for a in os.listxattr(\"f\"))); "
              "os.setxattr(\"f\", \"security.x\", b\"new\"); os.removexattr(\"f\", \"trusted.t\"); os.rename(\"f\", \"g\")'")
    assert p.stdout.strip() == "[('security.capability', b'c'), ('trusted.t', b't'), ('user.humfs.trusted.u', b'u')]", p
    assert sorted(a for a in os.listxattr("h/data/g") if a.startswith("user.")) == [
        "user.humfs.security.capability", "user.humfs.security.x", "user.humfs.user.humfs.trusted.u"]
    os.setxattr("h/data/g", "user.humfs.strange", b"?")
    out = subprocess.run([heddle, "humfs", "export", "h"], stdout=subprocess.PIPE, check=True).stdout
    assert b"SCHILY.xattr.security.x=new" in out and b"strange" not in out
    p = humfs("check", "h", status=4)
    assert "g: it has an extended attribute that means nothing" in p.stdout + p.stderr, p
    humfs("check", "--repair", "h", status=1)
    assert "user.humfs.strange" not in os.listxattr("h/data/g")


# The command, killed at each of its changes of names and each write; each time on a fresh copy of the humfs, at which look() looks afterwards.
def killed_everywhere(top, argv, look, **kw):
    if not shutil.which("strace") or run("strace", "-o", "/dev/null", "true", status=None).returncode:
        raise Skip("no strace")
    kills = 0
    for call in "unlinkat", "renameat", "linkat", "mkdirat", "symlinkat", "write":
        for n in range(1, 1000):
            run("rm", "-rf", "copy")
            run("cp", "-a", top, "copy")
            p = run("strace", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e", "inject=%s:signal=KILL:when=%d" % (call, n),
                    heddle, "humfs", *argv, "copy", status=None, **kw)
            if p.returncode >= 0:
                break
            kills += 1
            look("%s %d: " % (call, n))
        assert p.returncode in (0, 1), p
    assert kills > 10


def metadata(path):
    with open("copy/" + path) as f:
        return f.read().split()


@test
def killed_import_loses_no_metadata():
    humfs("create", "h", "--size", "1M")
    guest("h", "chown 3:4 .; chmod 751 .; mkdir d; echo 1 >d/f; chown 5:6 d d/f; chmod 2755 d; chmod 4711 d/f")
    tar = tar_with(("./", {"type": tarfile.DIRTYPE, "mode": 0o751, "uid": 3, "gid": 4}), ("d", {"type": tarfile.DIRTYPE, "mode": 0o2755, "uid": 5, "gid": 6}),
                   ("d/f", {"mode": 0o4711, "uid": 5, "gid": 6, "size": 3}), ("d/g", {"type": tarfile.LNKTYPE, "linkname": "d/f"}))

    def look(when):
        p = humfs("check", "--repair", "copy", status=None)
        assert "damaged: 0" in p.stdout, when + p.stdout + p.stderr
        assert metadata("dir_metadata/metadata") == ["489", "3", "4"], when
        assert metadata("dir_metadata/d/metadata") == ["1517", "5", "6"], when
        for name in os.listdir("copy/data/d"):
            assert metadata("file_metadata/d/" + name) == ["2505", "5", "6"], when
        assert "metadata.new" not in os.listdir("copy"), when

    killed_everywhere("h", ("import",), look, input=tar, text=False)


@test
def killed_repair_loses_no_metadata():
    humfs("create", "h", "--size", "1M")
    guest("h", "touch a b c; ln b b2; ln c c2; chown 5:6 a b c; chmod 4711 a b c")
    # One that another file has too, one that another name of the file has not.
    for name in "a", "c2":
        os.unlink("h/file_metadata/" + name)
    os.link("h/file_metadata/b", "h/file_metadata/a")
    shutil.copy("h/file_metadata/b", "h/file_metadata/c2")

    def look(when):
        humfs("check", "--repair", "copy", status=None)
        assert "damaged: 0" in humfs("check", "copy").stdout, when
        for name in os.listdir("copy/data"):
            assert metadata("file_metadata/" + name) == ["2505", "5", "6"], (when, name)
        assert "metadata.new" not in os.listdir("copy"), when

    killed_everywhere("h", ("check", "--repair"), look)


def tar_with(*entries):
    import io
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        for name, kw in entries:
            info = tarfile.TarInfo(name)
            for k, v in kw.items():
                setattr(info, k, v)
            t.addfile(info, io.BytesIO(b"x" * info.size))
    return out.getvalue()


@test
def hostile_tar_stays_inside():
    os.mkdir("outside")
    humfs("create", "h", "--size", "1M")
    tar = tar_with(
        ("../outside/1", {}), ("/abs", {}), ("out", {"type": tarfile.SYMTYPE, "linkname": "../../outside"}), ("out/2", {}),
        ("l", {"type": tarfile.LNKTYPE, "linkname": "../../outside/none"}), ("good", {"size": 5}),
        ("./good", {"type": tarfile.LNKTYPE, "linkname": "/good"}), ("empty", {"type": tarfile.SYMTYPE, "linkname": ""}),
        ("caps", {"pax_headers": {"SCHILY.xattr.system.x": "x"}}))
    p = humfs("import", "h", input=tar, text=False, status=1)
    assert not os.listdir("outside")
    assert sorted(os.listdir("h/data")) == ["abs", "caps", "good", "out"], os.listdir("h/data")
    err = p.stderr.decode()
    assert "../outside/1: skipped" in err and "out/2: skipped" in err and "l: skipped" in err, err
    assert "caps: its extended attribute system.x is not kept" in err, err
    assert open("h/data/good").read() == "xxxxx"
    assert "damaged: 0, left over: 0" in humfs("check", "h").stdout


@test
def quota_holds():
    humfs("create", "h", "--size", "1M")
    p = guest("h", "head -c 2000000 /dev/zero >f; stat -c %s f; df -B1 --output=size,used,avail . | tail -n 1; rm f; "
              "df -B1 --output=used . | tail -n 1; head -c 500000 /dev/zero >g; truncate -s 2000000 g; stat -c %s g")
    assert p.stdout.split() == ["1048576", "1048576", "1048576", "0", "0", "500000"], p.stdout
    assert p.stderr.count("No space left") == 2, p.stderr
    assert "used       500000 " in humfs("info", "h").stdout
    p = humfs("import", "h", input=tar_with(("big", {"size": 900000})), text=False, status=2)
    assert b"no room" in p.stderr
    assert "damaged: 0" in humfs("check", "h", "--repair", status=1).stdout


@test
def damaged_file_is_named_once():
    humfs("create", "h", "--size", "1M")
    guest("h", "mkdir d; echo 1 >d/bad; echo 2 >d/good")
    with open("h/file_metadata/d/bad", "w") as f:
        f.write("rwxr-xr-x root\n")
    p = guest("h", "cat d/bad; cat d/bad; cat d/good; ls d")
    assert p.stdout == "2\nbad\ngood\n", p.stdout
    assert p.stderr.count("Structure needs cleaning") == 2, p.stderr
    assert p.stderr.count("d/bad: its metadata is missing or malformed") == 1, p.stderr
    assert "damaged: 1" in humfs("check", "h", status=4).stdout
    humfs("check", "h", "--repair", status=1)
    assert guest("h", "cat d/bad; stat -c '%a %u' d/bad").stdout == "1\n644 0\n"


# A record as the kernel writes it; kernel/fs/humfs/format.c has the layout.
def journal(src, dst, ino, exchange=0, numbers=(0, 0, 0)):
    paths = src.encode() + b"\0" + dst.encode() + b"\0"
    body = b" %08x %016x %x %016x %016x %016x\n" % ((len(paths), ino, exchange) + numbers) + paths
    h = 0xcbf29ce484222325
    for c in body:
        h = (h ^ c) * 0x100000001b3 & 2**64 - 1
    return b"rename %016x" % h + body


def put_journal(record):
    with open("h/journal", "wb") as f:
        f.write(record)


def ino(path):
    return os.lstat("h/" + path).st_ino


@test
def journal_of_somebody_else_leads_nowhere():
    humfs("create", "h", "--size", "1M")
    guest("h", "echo 1 >f; mkdir d")
    os.mkdir("victim")
    open("victim/file", "w").close()
    for src, dst, found in (("f", "../../victim", "victim"), ("d", "../../victim", "victim"), ("f", "d/../../../victim/file", "victim/file"),
                            ("../../victim", "f", "h/data/f"), ("f", "..", "h")):
        put_journal(journal(src, dst, os.lstat(found).st_ino))
        assert "damaged: 0, left over: 0" in humfs("check", "--repair", "h", status=1).stdout
        assert os.listdir("victim") == ["file"] and sorted(os.listdir("h/data")) == ["d", "f"]
    assert "damaged: 0, left over: 0" in humfs("check", "h").stdout


@test
def rename_that_was_cut_off_is_completed():
    show = "stat -c '%n %F %u %a' *; cat f* 2>/dev/null"
    humfs("create", "h", "--size", "1M")
    guest("h", "echo 1 >f1; echo 2 >f2; chown 11 f1; chown 22 f2; mkdir d1 d2; touch d1/x; chown 33 d1; chown 44 d2; chmod 700 f1 d1")
    before = guest("h", show).stdout
    # Announced, not begun; and a record that was cut off itself.
    put_journal(journal("f1", "f2", ino("data/f1")))
    assert guest("h", show).stdout == before
    put_journal(journal("f1", "f2", ino("data/f1"))[:-3])
    assert guest("h", show).stdout == before
    # The data has gone over another file's, its metadata has not.
    record = journal("f1", "f2", ino("data/f1"))
    os.rename("h/data/f1", "h/data/f2")
    put_journal(record)
    assert "its rename was cut off" in humfs("check", "h", status=4).stdout
    same(guest("h", show).stdout, "d1 directory 33 700\nd2 directory 44 755\nf2 regular file 11 700\n1\n")
    # A directory, which lies in three trees: the second of them has followed.
    record = journal("d1", "d2", ino("data/d1"))
    os.rename("h/data/d1", "h/data/d2")
    run("rm", "-r", "h/file_metadata/d2")
    os.rename("h/file_metadata/d1", "h/file_metadata/d2")
    put_journal(record)
    same(guest("h", show).stdout, "d2 directory 33 700\nf2 regular file 11 700\n1\n")
    # A file and a directory were exchanged: before their metadata was, and in between.
    swap = lambda a, b: (os.rename("h/" + a, "h/t"), os.rename("h/" + b, "h/" + a), os.rename("h/t", "h/" + b))
    for steps in range(3):
        numbers = ino("file_metadata/f2"), 0, ino("dir_metadata/d2")
        record = journal("f2", "d2", ino("data/f2"), 1, numbers)
        swap("data/f2", "data/d2")
        if steps > 0:
            swap("file_metadata/f2", "file_metadata/d2")
        if steps > 1:
            os.rename("h/dir_metadata/d2", "h/dir_metadata/f2")
        put_journal(record)
        same(guest("h", "stat -c '%n %F %u %a' *; ls f2; cat d2").stdout,
             "d2 regular file 11 700\nf2 directory 33 700\nx\n1\n")
        guest("h", "mv f2 t && mv d2 f2 && mv t d2")
    assert "damaged: 0, left over: 0" in humfs("check", "h").stdout


DEEP = """
import os
for i in range(2000):
    os.mkdir("d")
    open("z", "w").close()
    os.chdir("d")
"""


# Deeper than there are descriptors. What is beside the way down is looked at on the way up.
@test
def deep_tree_is_checked_and_exported():
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

    humfs("create", "h", "--size", "1M")
    guest("h", "exec python3 -c '%s'" % DEEP)
    for depth in 0, 5, 1000:
        os.unlink("h/file_metadata/" + "d/" * depth + "z")
    p = humfs("check", "h", preexec_fn=few, status=4)
    assert "4000 files" in p.stdout and "damaged: 3, left over: 0" in p.stdout, p
    humfs("check", "--repair", "h", preexec_fn=few, status=1)
    humfs("check", "h", preexec_fn=few)
    with open("h.tar", "wb") as f:
        subprocess.run([heddle, "humfs", "export", "h"], stdout=f, check=True, preexec_fn=few)
    with tarfile.open("h.tar") as t:
        names = t.getnames()
    assert len(names) == 4001 and len(set(names)) == 4001, len(names)


@test
def one_writer_or_many_readers():
    humfs("create", "h", "--size", "1M")
    writer = subprocess.Popen([heddle, "run", "-c", cpus, "-e", engine, "-v", "humfs:h:/mnt", "--", "sh", "-c", "echo ready; read x"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert writer.stdout.readline() == "ready\n"
    assert "in use" in guest("h", "true", status=2).stderr
    assert "in use" in humfs("check", "h", status=2).stderr
    writer.communicate("\n")
    assert writer.returncode == 0
    assert "state      clean" in humfs("info", "h").stdout


# The first fsync is that of metadata.
@test
def fsync_error_is_told_once_for_each_open_file():
    humfs("create", "h", "--size", "1M")
    p = guest("h", "python3 %s/hostfs/fsyncs.py f" % os.environ["APPS"], "--fault", "fsync:EIO:1")
    assert p.stdout == "Input/output error,ok,Input/output error,ok,ok,ok\n", p.stdout


@test
def a_root_of_its_own():
    humfs("create", "h", "--size", "100M")
    if not os.path.exists("/bin/busybox"):
        raise Skip("no busybox")
    guest("h", "mkdir bin && cp /bin/busybox bin/ && ln bin/busybox bin/sh && chown 0:3 bin/busybox && chmod 4755 bin/busybox")
    for how in [], ["--rw"]:
        p = run(heddle, "run", "-c", cpus, "-e", engine, "-r", "humfs:h", *how, "-u", "7:8", "-w", "/", "--", "/bin/sh", "-c",
                "busybox stat -c '%a %u %g' /bin/sh; busybox id -u; echo $((1+1)); echo no >/no; echo no >/bin/x; true")
        assert p.stdout == "4755 0 3\n7\n2\n", p.stdout
        assert "can't create /no: Permission denied" in p.stderr, p.stderr
        assert "bin/x: Permission denied" in p.stderr, p.stderr
        run(heddle, "run", "-c", cpus, "-e", engine, "-r", "humfs:h", *how, "-w", "/", "--", "/bin/sh", "-c", "umask 0; echo >x; busybox chown 5:8 x")
        assert os.path.exists("h/data/x") == bool(how)
    with open("h/file_metadata/x") as f:
        assert f.read().split() == ["438", "5", "8"]


TWO_LINKS = """
import mmap, os
os.mkdir("a")
os.mkdir("b")
for n in range(40):
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR)
    there = mmap.mmap(-1, 4096)
    child = os.fork()
    me, other = (1, 0) if child else (0, 1)
    there[me] = 1
    while not there[other]:
        os.sched_yield()
    os.link("/proc/self/fd/%d" % fd, "%s/%d" % ("ab"[me], n), src_dir_fd=fd)
    if not child:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    os.close(fd)
"""


@test
def first_two_names_at_once_share_metadata():
    humfs("create", "h", "--size", "10M")
    guest("h", "exec python3 -c '%s'" % TWO_LINKS)
    for n in range(40):
        for tree in "data", "file_metadata":
            a, b = (os.stat("h/%s/%s/%d" % (tree, d, n)) for d in "ab")
            assert a.st_ino == b.st_ino and a.st_nlink == 2, (tree, n)


@test
def what_humfsify_makes_and_takes():
    tool = shutil.which("humfsify")
    if not tool or not root:
        raise Skip("needs root and Debian's uml-utilities")
    os.makedirs("u/data")
    run("sh", "-c", "cd u/data\n" + MAKE.replace("metadata", "meta"))
    listing = run("sh", "-c", "cd u/data; " + LIST).stdout
    run(tool, "0", "0", "100M", cwd="u")
    seen = guest("u", LIST).stdout
    # It keeps 9 bits of the mode, forgets that a fifo is one, and sizes and times are its own business.
    want = "\n".join(" ".join(w[:1] + [w[1].replace("p", w[1]), str(int(w[2]) % 1000)] + w[3:5])
                     for w in (l.split(" ") for l in listing.splitlines()))
    got = "\n".join(" ".join(l.split(" ")[:5]) for l in seen.splitlines())
    assert got.replace("a/p f", "a/p p") == want.replace("a/p f", "a/p p"), "%s\n---\n%s" % (got, want)
    # And back: 12 bits of what we write. It knows no fifos and sockets.
    guest("u", "rm a/p; chmod 4711 a/f; chmod 3777 a/b; mkdir new; mknod new/tty c 5 0; chown 77:88 new new/tty; ln a/g new/n; mv a/sda new")
    listing = guest("u", LIST).stdout
    p = humfs("check", "u", status=None)
    assert "damaged: 0" in p.stdout, p.stdout
    p = run(tool, "-r", cwd="u")
    assert not os.path.exists("u/file_metadata"), p.stdout + p.stderr
    # Its chmod of directories has the arguments the wrong way round: they stay 755.
    def mine(text):
        words = (l.split(" ")[:5] for l in text.splitlines())
        return "\n".join(" ".join(w[:2] + w[3:] if w[1] == "d" else w) for w in words)

    same(mine(run("sh", "-c", "cd u/data; " + LIST).stdout), mine(listing))


if not heddle:
    for t in TESTS:
        print("skip %s: no kernel of ours" % t.__name__)
    sys.exit(0)
for t in TESTS:
    os.mkdir(t.__name__)
    os.chdir(t.__name__)
    try:
        t()
        print("ok", t.__name__, flush=True)
    except Skip as why:
        print("skip %s: %s" % (t.__name__, why), flush=True)
    except Exception as why:
        print("FAIL %s: %s" % (t.__name__, str(why).replace("\n", " | ")[:1500] or repr(why)), flush=True)
    os.chdir("..")
