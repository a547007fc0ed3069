"""Drives programs on a pseudo-terminal, natively or in the guest, and prints `ok NAME` or `FAIL NAME: why` lines."""
import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import sys
import termios
import time

HEDDLE = shlex.split(os.environ.get("HEDDLE", ""))
PROMPT = "ready> "
PATIENCE = 15  # seconds for anything to appear


class Missing(Exception):
    pass


class Terminal:
    """A terminal with one process on it; everything it shows goes to self.seen."""

    def __init__(self, argv, rows=24, columns=80):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            # Not before the size is set.
            time.sleep(0.05)
            os.environ.update(TERM="xterm", PS1=PROMPT, HISTFILE="/dev/null", LC_ALL="C.UTF-8", INPUTRC="/dev/null")
            os.execvp(argv[0], argv)
        self.resize(rows, columns)
        self.seen = b""  # all that was shown
        self.plain = ""  # the same without escape sequences, from behind what was expected last
        self.partial = ""

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, text):
        os.write(self.fd, text.encode())

    def read(self, seconds):
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if not ready:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.seen += data
        text = self.partial + data.decode(errors="replace")
        # A sequence that isn't whole yet waits for its rest.
        whole = re.search(r"(\x1b(\[[0-9;?>]*|\()?)?\Z", text).start()
        self.partial = text[whole:]
        self.plain += re.sub(r"\x1b(\[[0-9;?>]*[a-zA-Z]|\([A-Z]|[=>])", "", text[:whole])
        return bool(data)

    def expect(self, pattern):
        end = time.time() + PATIENCE
        while True:
            found = re.search(pattern, self.plain, re.S)
            if found:
                self.plain = self.plain[found.end():]
                return found
            left = end - time.time()
            if left <= 0 or (not self.read(min(left, 0.2)) and self.ended(0) is not None):
                raise Missing(f"no {pattern!r} in {self.plain[-300:]!r}")

    def command(self, line, pattern):
        """Types a shell command; the pattern is looked for behind its echo."""
        self.send(line + "\r")
        self.expect(re.escape(line[-20:]) + r"\r*\n")
        found = self.expect(pattern)
        return found

    def ended(self, seconds=PATIENCE):
        """The exit status as a shell has it; None: still running."""
        end = time.time() + seconds
        while self.pid:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                code = os.waitstatus_to_exitcode(status)
                self.status = code if code >= 0 else 128 - code
            elif time.time() >= end:
                return None
            else:
                self.read(0.05)
        return self.status

    def modes(self):
        return termios.tcgetattr(self.fd)[:4]

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


def equal(got, wanted):
    if got != wanted:
        raise Missing(f"got {got!r}, not {wanted!r}")


def guest(*argv):
    return Terminal(HEDDLE + list(argv))


def shell():
    t = guest("/bin/bash", "--norc", "--noprofile")
    t.expect(PROMPT)
    return t


def host_shell():
    """A shell of the host's, in which the program under test is a job."""
    t = Terminal(["/bin/bash", "--norc", "--noprofile"])
    t.expect(PROMPT)
    return t


TESTS = []


def test(fn):
    TESTS.append(fn)
    return fn


@test
def keys_edit_the_line():
    t = guest("cat")
    t.send("abx\x7fc d\x17e\r")
    t.expect(r"abc e\r\n")
    t.send("lost\x15kept\r")
    t.expect(r"kept\r\n.*kept\r\n")
    t.send("\x04")
    equal(t.ended(), 0)
    t.close()


@test
def the_terminal_is_known():
    t = shell()
    t.command("test -t 0 -a -t 1 -a -t 2; echo is=$?", r"is=0\r\n")
    t.command("test \"$(tty)\" -ef /proc/self/fd/0; echo same=$?", r"same=0\r\n")
    t.command("ps -o tty= -p $$ | tr -d ' ?'", r"[a-z][a-z0-9/]*\r\n")
    t.close()


@test
def interrupt_ends_the_foreground():
    t = shell()
    t.send("sleep 100\r")
    t.expect(r"sleep 100\r*\n")
    time.sleep(0.3)
    t.send("\x03")
    t.expect(PROMPT)
    t.command("echo status=$?", r"status=130\r\n")
    t.close()


@test
def jobs_stop_and_go_on():
    t = shell()
    t.send("sleep 100\r")
    t.expect(r"sleep 100\r*\n")
    time.sleep(0.3)
    t.send("\x1a")
    t.expect(r"Stopped +sleep 100")
    t.expect(PROMPT)
    t.command("bg; jobs", r"Running +sleep 100")
    t.expect(PROMPT)
    t.command("fg", r"sleep 100")
    time.sleep(0.2)
    t.send("\x03")
    t.expect(PROMPT)
    t.close()


@test
def background_readers_stop():
    t = shell()
    t.command("cat & sleep 0.3; jobs", r"Stopped +cat")
    t.expect(PROMPT)
    t.command("fg", "cat")
    t.send("text\r")
    t.expect(r"text\r\n.*text\r\n")
    t.send("\x04")
    t.expect(PROMPT)
    t.close()


@test
def tostop_stops_background_writers():
    t = shell()
    t.command("stty tostop; (sleep 0.2; echo written) & sleep 0.6; jobs; stty -tostop; fg", r"Stopped.*written\r\n")
    t.close()


@test
def the_window_changes_its_size():
    t = shell()
    t.command("stty size", r"24 80\r\n")
    t.expect(PROMPT)
    t.command("trap 'echo winch' WINCH", PROMPT)
    t.resize(40, 100)
    t.send("\r")
    t.expect("winch")
    t.command("stty size", r"40 100\r\n")
    t.close()


@test
def passwords_are_not_echoed():
    t = guest("/bin/bash", "-c", "read -s -p 'word: ' w; echo; echo got=$w")
    t.expect("word: ")
    t.send("secret\r")
    before = t.expect(r"^(.*)got=secret").group(1)
    equal("secret" in before, False)
    t.close()


@test
def vi_edits():
    t = shell()
    t.send("rm -f edited.txt; vim -u NONE edited.txt\r")
    t.expect(r"edited.txt")
    t.send("ihello\rwor\x7fld\x1b:wq\r")
    t.expect(r"written")
    t.expect(PROMPT)
    t.command("od -c edited.txt | head -n 1", r"h   e   l   l   o  \\n   w   o   l   d  \\n")
    t.close()


@test
def vi_is_stopped_and_continued():
    t = shell()
    t.send("vim -u NONE\r")
    t.expect("~")
    time.sleep(0.5)
    t.send("\x1a")
    t.expect(r"Stopped +vim")
    t.expect(PROMPT)
    t.command("fg", "~")
    time.sleep(0.3)
    t.send(":q!\r")
    t.expect(PROMPT)
    t.close()


@test
def less_pages():
    t = shell()
    t.send("seq 1000 | less\r")
    t.expect(r"\n22\r\n23\r\n")
    t.send(" ")
    t.expect(r"45\r\n46\r\n")
    t.send("G")
    t.expect(r"1000\r\n")
    t.send("?^500$\r")
    t.expect(r"501\r\n")
    t.send("q")
    t.expect(PROMPT)
    t.close()


@test
def less_takes_keys_while_stdin_is_a_pipe():
    t = Terminal(["/bin/sh", "-c", "seq 100 | " + " ".join(HEDDLE + ["less"])])
    t.expect(r"23\r\n")
    t.send("q")
    equal(t.ended(), 0)
    t.close()


@test
def top_and_htop_show_processes():
    t = shell()
    for program in "top -d 1", "htop":
        t.send(program + "\r")
        t.expect(r"PID.*USER.*root")
        t.send("q")
        t.expect(PROMPT)
    t.close()


@test
def script_makes_another_terminal():
    t = guest("script", "-qc", "tty; stty size", "/dev/null")
    t.expect(r"/dev/pts/[0-9]+\r\n24 80\r\n")
    equal(t.ended(), 0)
    t.close()


@test
def output_arrives_whole():
    t = guest("seq", "200000")
    while t.read(PATIENCE):
        pass
    equal(t.ended(), 0)
    wanted = "".join(f"{i}\r\n" for i in range(1, 200001)).encode()
    equal(len(t.seen), len(wanted))
    equal(t.seen == wanted, True)
    t.close()


@test
def output_stops_at_control_s():
    t = shell()
    t.command("stty ixon", PROMPT)
    t.send("(while echo x; do sleep 0.02; done)\r")
    t.expect(r"x\r\nx\r\n")
    t.send("\x13")
    time.sleep(0.3)
    while t.read(0.1):
        pass
    count = len(t.seen)
    time.sleep(0.3)
    t.read(0.1)
    equal(len(t.seen), count)
    t.send("\x11")
    t.expect(r"x\r\nx\r\n")
    t.send("\x03")
    t.expect(PROMPT)
    t.close()


@test
def the_terminal_gets_its_modes_back():
    t = host_shell()
    show, wanted = "stty -a | grep -oE '.(icanon|echo) '", r"\n? ?icanon \r\n echo \r\n"
    t.command(show, wanted)
    t.expect(PROMPT)
    for program, key in ("cat", "\x04"), ("vim -u NONE", ":q\r"), ("sleep 100", "\x03"):
        t.send(" ".join(HEDDLE + [program]) + "\r")
        time.sleep(1)
        t.send(key)
        t.expect(PROMPT)
        t.command(show, wanted)
        t.expect(PROMPT)
    t.close()


@test
def a_job_of_the_hosts_shell():
    t = host_shell()
    run = " ".join(HEDDLE + ["sleep", "100"])
    t.send(run + "\r")
    time.sleep(1)
    t.send("\x1a")
    t.expect(r"Stopped")
    t.expect(PROMPT)
    t.command("fg", r"sleep 100\r\n")
    time.sleep(0.3)
    t.send("\x03")
    t.expect(PROMPT)
    t.command("echo status=$?", r"status=130\r\n")
    t.close()


@test
def a_job_in_the_background_waits_for_the_foreground():
    t = host_shell()
    t.command(" ".join(HEDDLE + ["cat", "&"]), PROMPT)
    time.sleep(1)
    t.command("jobs", r"Stopped.*cat")
    t.expect(PROMPT)
    t.send("fg\r")
    t.expect(r"cat\r\n")
    time.sleep(0.3)
    t.send("text\r")
    t.expect(r"text\r\n.*text\r\n")
    t.send("\x04")
    t.expect(PROMPT)
    t.close()


@test
def a_terminal_that_goes_away_hangs_up():
    t = guest("/bin/bash", "--norc", "--noprofile")
    t.expect(PROMPT)
    pid = t.pid
    t.pid = 0
    os.close(t.fd)
    end = time.time() + PATIENCE
    while time.time() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            equal(code if code >= 0 else 128 - code, 129)
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise Missing("it goes on")


def main():
    wanted = sys.argv[1:]
    for fn in TESTS:
        name = fn.__name__
        if wanted and name not in wanted:
            continue
        try:
            fn()
            print("ok", name, flush=True)
        except Missing as e:
            print(f"FAIL {name}: {e}", flush=True)


main()
