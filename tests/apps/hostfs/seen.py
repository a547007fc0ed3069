"""What a program sees in the directory argv[1], on the host and on a hostfs: the same. argv[2]: "direct", "readonly-files"."""
import mmap
import os
import sys

os.chdir(sys.argv[1])


def check(name, good, why=""):
    print("ok" if good else "FAIL", name + ("" if good else f": {why}"))


def error_of(f, *args):
    try:
        f(*args)
    except OSError as e:
        return e.strerror
    return "no error"


def direct():
    fd = os.open("direct", os.O_RDWR | os.O_CREAT | os.O_DIRECT, 0o644)
    page = mmap.mmap(-1, 8192)
    page[:] = b"d" * 8192
    check("direct_io_of_blocks", os.pwrite(fd, page, 0) == 8192 and os.preadv(fd, [page], 4096) == 4096)
    # Some file systems take anything.
    print("ok direct_io_of_odd_lengths:", error_of(os.pwrite, fd, b"odd", 4096))
    os.close(fd)


def readonly_files():
    """As git and tar do: made with a mode that would not let the owner open it again."""
    fds = []
    for i in range(40):
        fd = os.open(f"r{i}", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o444 if i % 10 else 0)
        os.write(fd, b"x%d" % i)
        fds.append(fd)
    good = all(os.pread(fd, 10, 0) == b"x%d" % i for i, fd in enumerate(fds))
    check("files_made_without_permission_to_write", good)
    with open("c", "w+b") as f:
        f.write(b"kept")
        f.flush()
        os.chmod("c", 0)
        for i in range(300):  # other files want descriptors
            os.stat(f"r{i % 40}")
            with open(f"w{i}", "wb") as w:
                w.write(b"w")
        check("chmod_leaves_open_files_alone", os.pread(f.fileno(), 10, 0) == b"kept" and f.write(b"more") == 4)
    for i in range(400):
        fd = os.open("tmp", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o444)
        os.write(fd, b"%d" % i)
        os.close(fd)
        os.link("tmp", f"object{i}")
        os.unlink("tmp")
    check("files_that_get_their_names_as_those_of_git", all(os.stat(f"object{i}").st_nlink == 1 and
          os.stat(f"object{i}").st_size == len(str(i)) for i in range(400)))
    denied = error_of(os.open, "c", os.O_RDONLY)
    check("permissions_hold_for_new_opens", denied == ("no error" if os.geteuid() == 0 else "Permission denied"), denied)


def tree():
    os.mkdir("d")
    os.symlink("../../../../../../../../etc/hostname", "d/up")
    os.symlink("/etc/hostname", "d/abs")
    check("symlinks_are_text", os.readlink("d/up").startswith("../.."))
    fd = os.open("d", os.O_RDONLY)
    for i in range(3000):
        os.close(os.open(f"entry{i}", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    check("large_directories", len(os.listdir("d")) == 3002)
    os.rename("d", "e")
    check("directories_that_were_renamed_while_open", os.stat("entry7", dir_fd=fd).st_size == 0 and
          len(os.listdir(fd)) == 3002)
    with open("holes", "wb") as f:
        f.truncate(3 << 30)
        f.seek(2 << 30)
        f.write(b"x" * 4096)
        f.flush()
        check("holes_and_large_sizes", os.lseek(f.fileno(), 0, os.SEEK_DATA) == 2 << 30 and
              os.lseek(f.fileno(), 2 << 30, os.SEEK_HOLE) == (2 << 30) + 4096 and os.stat("holes").st_blocks < 1000)
    ordinary = 65534 if os.geteuid() == 0 else os.geteuid()
    mask, user = os.umask(0), os.geteuid()
    os.seteuid(ordinary)
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o666)
    made = os.fstat(fd)
    os.fchmod(fd, 0o640)
    os.seteuid(user)
    os.umask(mask)
    check("nameless_files_are_their_makers_with_the_mode_asked_for",
          made.st_uid == ordinary and made.st_mode & 0o7777 == 0o666 and os.fstat(fd).st_mode & 0o7777 == 0o640)
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
    os.write(fd, b"named later")
    os.link(f"/proc/self/fd/{fd}", "later", src_dir_fd=fd, follow_symlinks=True)  # a dir_fd makes it linkat
    with open("later", "rb") as f:
        check("nameless_files_get_names", f.read() == b"named later")
    # A hard link whose other name goes.
    with open("first", "wb") as f:
        f.write(b"linked")
    os.link("first", "second")
    path = os.open("first", os.O_PATH)
    os.unlink("first")
    os.chmod("second", 0o640)
    with open("second", "rb") as f, open(f"/proc/self/fd/{path}", "rb") as g:
        check("links_outlive_the_first_name", f.read() == g.read() == b"linked" and os.stat("second").st_mode & 0o777 == 0o640)


{"direct": direct, "readonly-files": readonly_files, "tree": tree}[sys.argv[2]]()
