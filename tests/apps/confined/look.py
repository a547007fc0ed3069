"""Looks at a running heddle from the host. Without one (on the host itself) it only lists what would be looked at."""

import os
import re
import shutil
import signal
import subprocess

HEDDLE = os.environ.get("HEDDLE_BIN", "")
WORK = os.environ.get("WORK", ".")
CLOEXEC = 0o2000000
TESTS = []


def test(fn):
    TESTS.append(fn)
    return fn


class Skip(Exception):
    pass


def is_(what, got, wanted):
    if got != wanted:
        raise AssertionError(f"{what}: {got!r}, not {wanted!r}")


def heddle(*options):
    return [HEDDLE, "run", "-c", os.environ["CPUS"], "-e", os.environ["ENGINE"], *options, "--"]


def run(options, *argv):
    """A program's output, and what heddle says besides."""
    r = subprocess.run(heddle(*options) + list(argv), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if r.returncode:
        raise AssertionError(f"{argv}: status {r.returncode}: {r.stdout} {r.stderr}")
    return r.stdout, r.stderr


class Running:
    """A guest of two processes, the first with a second thread, which have all run and wait."""

    PROGRAM = (
        "import os, sys, threading\n"
        "r, w = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    os.write(w, b'x')\n"
        "    sys.stdin.read()\n"
        "    os._exit(0)\n"
        "os.read(r, 1)\n"
        "threading.Thread(target=lambda: (print('ready', flush=True), sys.stdin.read())).start()\n"
    )

    def __init__(self, *options, **popen):
        self.popen = popen
        self.argv = heddle(*options) + ["python3", "-c", self.PROGRAM]

    def __enter__(self):
        self.p = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **self.popen)
        is_("first line", self.p.stdout.readline(), b"ready\n")
        return self

    def __exit__(self, *unused):
        self.p.kill()
        self.p.wait()
        self.p.stdin.close()
        self.p.stdout.close()

    def pid(self):
        return self.p.pid

    def guests(self):
        with open(f"/proc/{self.pid()}/task/{self.pid()}/children") as f:
            return [int(pid) for pid in f.read().split()]


def status(path):
    with open(f"/proc/{path}/status") as f:
        return dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)


def threads(pid):
    return [f"{pid}/task/{tid}" for tid in os.listdir(f"/proc/{pid}/task")]


@test
def every_thread_of_the_kernel_is_filtered():
    with Running() as r:
        for t in threads(r.pid()):
            is_(f"Seccomp of {status(t)['Name']}", status(t)["Seccomp"], "2")
            is_("NoNewPrivs", status(t)["NoNewPrivs"], "1")


@test
def guests_get_no_privileges_and_tasks_a_filter():
    with Running() as r:
        filtered = 0
        for pid in r.guests():
            is_("NoNewPrivs", status(pid)["NoNewPrivs"], "1")
            filtered += status(pid)["Seccomp"] == "2"
        # The kernel's own filter isn't theirs: two keepers and the template's have none, three tasks have one.
        is_("processes with a filter", filtered >= 3, True)
        is_("keepers", len(r.guests()) - filtered >= 3, True)


@test
def no_sandbox_turns_it_off():
    with Running("--no-sandbox") as r:
        for t in threads(r.pid()):
            is_("Seccomp", status(t)["Seccomp"], "0")


@test
def descriptors_are_close_on_exec():
    with Running() as r:
        fds = [int(fd) for fd in os.listdir(f"/proc/{r.pid()}/fdinfo")]
        is_("some descriptors", len(fds) > 10, True)
        for fd in fds:
            with open(f"/proc/{r.pid()}/fdinfo/{fd}") as f:
                flags = int(re.search(r"flags:\s*(\d+)", f.read()).group(1), 8)
            if fd > 2:
                is_(f"{fd}, {os.readlink(f'/proc/{r.pid()}/fd/{fd}')}", bool(flags & CLOEXEC), True)


@test
def inherited_descriptors_are_closed():
    with open(os.path.join(WORK, "secret"), "w") as f:
        with Running(pass_fds=[f.fileno()]) as r:
            links = [os.readlink(f"/proc/{r.pid()}/fd/{fd}") for fd in os.listdir(f"/proc/{r.pid()}/fd")]
            is_("secret", os.path.join(WORK, "secret") in links, False)


@test
def tasks_own_no_descriptor():
    with Running() as r:
        for pid in r.guests():
            if status(pid)["Seccomp"] == "2":
                is_("descriptors", os.listdir(f"/proc/{pid}/fd"), [])


@test
def guests_dump_no_core():
    with Running() as r:
        for pid in r.guests():
            with open(f"/proc/{pid}/limits") as f:
                limit = re.search(r"Max core file size\s+(\S+)\s+(\S+)", f.read())
            is_("core", limit.groups(), ("0", "0"))


def killed_while_it_computes(*options):
    argv = heddle(*options) + ["python3", "-c", "print('ready', flush=True)\nwhile True: pass"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as p:
        try:
            is_("first line", p.stdout.readline(), b"ready\n")
            with open(f"/proc/{p.pid}/task/{p.pid}/children") as f:
                for pid in f.read().split():
                    if status(pid)["Seccomp"] == "2":
                        os.kill(int(pid), signal.SIGKILL)
            try:
                got = p.wait(60)
            except subprocess.TimeoutExpired:
                got = "it goes on"
            is_("status", got, 128 + signal.SIGKILL)
        finally:
            p.kill()


@test
def killed_task_ends_its_program():
    killed_while_it_computes()


@test
def killed_task_is_noticed_by_who_polls():
    killed_while_it_computes("--debug", "poll")


def rules_for_stdin(path):
    trace = os.path.join(WORK, "rules")
    fd = os.open(path, os.O_RDONLY)
    subprocess.run(["strace", "-o", trace, "-e", "trace=landlock_add_rule", *heddle(), "true"], stdin=fd, check=True)
    os.close(fd)
    with open(trace) as f:
        return len(re.findall(r"parent_fd=0\b", f.read()))


@test
def directory_as_stdin_opens_nothing_in_it():
    if os.environ["ENGINE"] == "ptrace" or not shutil.which("strace"):
        raise Skip("a kernel that traces can't be traced, or there is no strace")
    if "confined by Landlock" not in run(["--verbose"], "true")[1]:
        raise Skip("no Landlock")
    is_("rules for /dev/null", rules_for_stdin("/dev/null"), 1)
    is_("rules for a directory", rules_for_stdin(WORK), 0)


@test
def starts_where_memfds_are_not_executable():
    in_namespace = ["unshare", "-Urpf", "--mount-proc", "sh", "-c"]
    setting = "echo 1 2>/dev/null >/proc/sys/vm/memfd_noexec"
    if subprocess.run([*in_namespace, setting], stderr=subprocess.DEVNULL, check=False).returncode:
        raise Skip("the host has no such setting, or not for us")
    r = subprocess.run([*in_namespace, f'{setting}; "$@"; exit', "sh", *heddle(), "echo", "started"],
                       capture_output=True, text=True, check=False)
    is_("output", r.stdout + r.stderr, "started\n")


@test
def verbose_tells():
    _, err = run(["--verbose", "-v", f"hostfs:{WORK}:/mnt:ro"], "true")
    is_(err, "no new privileges; files: " in err, True)
    is_(err, "host calls: " in err, True)
    if "confined by Landlock" in err:
        is_(err, re.search(r" /: read$", err, re.M) is not None, True)
        is_(err, f" {WORK}: read\n" in err, True)


@test
def files_of_a_writable_mount_can_be_changed():
    shared = os.path.join(WORK, "shared")
    os.mkdir(shared)
    script = """
import os
os.chdir("/mnt")
os.mkdir("d")
with open("f", "w") as f:
    f.write("some text")
os.rename("f", "d/f")
os.link("d/f", "g")
os.truncate("g", 4)
os.symlink("g", "s")
os.mkfifo("p")
fd = os.open(".", os.O_TMPFILE | os.O_RDWR)
os.write(fd, b"nameless")
os.link(f"/proc/self/fd/{fd}", "h", dst_dir_fd=os.open(".", os.O_PATH))
os.chmod("h", 0o600)
os.utime("h", (1, 1))
os.sync()
"""
    run(["-v", f"hostfs:{shared}:/mnt"], "python3", "-c", script)
    is_("files", sorted(os.listdir(shared)), ["d", "g", "h", "p", "s"])
    with open(os.path.join(shared, "d/f")) as f:
        is_("text", f.read(), "some")
    st = os.stat(os.path.join(shared, "h"))
    is_("mode and time", (st.st_mode & 0o777, st.st_mtime, st.st_size), (0o600, 1, 8))


@test
def a_root_that_is_written_through():
    out, _ = run(["--rw", "-w", WORK], "sh", "-c", "echo x >new && mkdir sub && mv new sub/ && cat sub/new")
    is_("output", out, "x\n")
    with open(os.path.join(WORK, "sub/new")) as f:
        is_("text", f.read(), "x\n")


@test
def another_root_still_finds_what_the_host_tells():
    root = os.path.join(WORK, "root")
    os.makedirs(os.path.join(root, "tmp"))
    shutil.copy(shutil.which("busybox"), os.path.join(root, "busybox"))
    script = (
        "/busybox grep -c ^processor /proc/cpuinfo; /busybox grep -c MemTotal /proc/meminfo; "
        "/busybox cat /sys/devices/system/cpu/online; /busybox cat /proc/self/statm >/tmp/x && /busybox ls /tmp"
    )
    out, _ = run(["-r", root], "/busybox", "sh", "-c", script)
    cpus = os.environ["CPUS"]
    is_("output", out.split(), [cpus, "1", f"0-{int(cpus) - 1}" if cpus != "1" else "0", "x"])
    is_("the host's", os.listdir(os.path.join(root, "tmp")), [])


@test
def strace_and_stats_still_have_their_files():
    trace = os.path.join(WORK, "trace")
    script = "trap : USR1; kill -USR1 $$; sh -c 'kill $$'; echo hello"
    _, err = run([f"--strace={trace}", "--stats"], "sh", "-c", script)
    is_(err, "syscalls" in err, True)
    with open(trace) as f:
        text = f.read()
    for line in ("write(1, ", "--- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER, ", "--- SIGTERM {si_signo=SIGTERM, "):
        is_(line, line in text, True)


for t in TESTS:
    if not HEDDLE:
        print(f"skip {t.__name__}: there is no kernel to look at")
        continue
    try:
        t()
        print(f"ok {t.__name__}")
    except Skip as e:
        print(f"skip {t.__name__}: {e}")
    except (AssertionError, OSError, subprocess.CalledProcessError) as e:
        print(f"FAIL {t.__name__}: {e}".replace("\n", " "))
