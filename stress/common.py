"""What the programs of this directory share: options, guests' programs, and commands that may leave processes: those become children of this
process, which finds and ends them."""
import atexit
import ctypes
import os
import signal
import subprocess

PR_SET_CHILD_SUBREAPER = 36
SLOW = int(os.environ.get("SLOW", 1))  # how many times slower than an ordinary kernel this one may be


def build_dir(options):
    """The directory with the builds (-b), in which there is one for us; from here on this one is the current directory."""
    build = os.path.abspath(options.get("-b", "build"))
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    os.makedirs(f"{build}/stress", exist_ok=True)
    return build


def engines(options, default="ptrace seccomp"):
    return options.get("-e", default).replace(",", " ").split()


def compiled(build, name, sources, optimize="-O2"):
    """The path of a program, made of sources, which goes when this process ends: others may run beside it."""
    program = f"{build}/stress/{name}.{os.getpid()}"
    subprocess.run(["gcc", optimize, "-g", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", program, *sources], check=True)
    atexit.register(os.unlink, program)
    return program


class TimeLimit(Exception):
    pass


def at_time_limit(*_):
    raise TimeLimit


def become_reaper():
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError("prctl(PR_SET_CHILD_SUBREAPER)")
    signal.signal(signal.SIGALRM, at_time_limit)


def children(parent):
    """Of all its threads. Not by /proc/PID/task/TID/children: not each kernel has that, and a thread that ends takes it along."""
    out = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", errors="replace") as f:
                if int(f.read().rpartition(")")[2].split()[1]) == parent:
                    out.append(int(pid))
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended
    return out


def end_children():
    """Kills and reaps what is left, and what that leaves. Returns how many there were."""
    n = 0
    while left := children(os.getpid()):
        n += len(left)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        for pid in left:
            os.waitpid(pid, 0)
    return n


def run(command, out, limit):
    """Runs a command without input, both outputs to the open file, and waits for it and all that it leaves. Returns its status as a shell
    tells it (None: it took longer than limit seconds), and how many other processes were left then and had to be killed."""
    status = None
    first = os.posix_spawnp(command[0], command, os.environ, file_actions=[
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, out.fileno(), 1),
        (os.POSIX_SPAWN_DUP2, out.fileno(), 2)])
    try:
        signal.setitimer(signal.ITIMER_REAL, limit)
        while True:
            pid, wstatus = os.waitpid(-1, 0)
            if pid == first:
                code = os.waitstatus_to_exitcode(wstatus)
                status = code if code >= 0 else 128 - code
    except ChildProcessError:
        signal.setitimer(signal.ITIMER_REAL, 0)
        return status, 0
    except TimeLimit:
        return status, end_children() - (status is None)
