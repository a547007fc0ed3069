"""Drives programs on a pseudo-terminal, natively or in the guest, and prints `ok NAME` or `FAIL NAME: why` lines.

Nothing here takes a while on trust: before a key is typed the program that is to get it has shown that it is there.
"""
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
PATIENCE = int(os.environ.get("PATIENCE", 60))  # seconds for anything to appear

# Says that it runs, and when it goes on after a stop.
WAITER = "perl -e '$|=1; $SIG{CONT}=sub{print qq(on again\\n)}; print qq(up\\n); sleep 100 while 1'"
# Reads when a signal says that there is something, and shows it.
ASYNC = """
import fcntl, os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
fcntl.fcntl(0, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
print("up", flush=True)
text = ""
while "two" not in text:
    signal.sigwait([signal.SIGIO])
    try:
        while "two" not in text:
            text = os.read(0, 100).decode()
            print("got", text, flush=True)
    except BlockingIOError:
        pass
"""
UP, AGAIN = r"\n\r*up\r\n", r"on again\r\n"


class Missing(Exception):
    pass


class Terminal:
    """A terminal with one process on it."""

    def __init__(self, argv, rows=24, columns=80, **environment):
        self.fd, slave = pty.openpty()
        self.resize(rows, columns)
        self.pid = os.fork()
        if self.pid == 0:
            os.login_tty(slave)
            os.environ.update(TERM="xterm", PS1=PROMPT, HISTFILE="/dev/null", LC_ALL="C.UTF-8", INPUTRC="/dev/null",
                              **environment)
            os.execvp(argv[0], argv)
        os.close(slave)
        self.pidfd = os.pidfd_open(self.pid)
        self.status = None  # the exit status as a shell has it; None: still running
        self.plain = ""  # what was shown, without escape sequences, from behind what was expected last
        self.partial = ""

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, text):
        os.write(self.fd, text.encode())

    def take(self, seconds):
        """What is shown within that time; empty: nothing was, or nothing will be any more."""
        ready, _, _ = select.select([self.fd], [], [], max(seconds, 0))
        try:
            return os.read(self.fd, 65536) if ready else b""
        except OSError:  # nobody has the terminal open
            return b""

    def read(self, seconds):
        """Adds what is shown within that time to self.plain; False: nothing."""
        data = self.take(seconds)
        text = self.partial + data.decode(errors="replace")
        # A sequence that isn't whole yet waits for its rest.
        whole = re.search(r"(\x1b(\[[0-9;?>]*|\]\d;[^\x07]*|\()?)?\Z", text).start()
        self.partial = text[whole:]
        self.plain += re.sub(r"\x1b(\[[0-9;?>]*[a-zA-Z]|\]\d;[^\x07]*\x07|\([A-Z]|[=>])", "", text[:whole])
        return bool(data)

    def expect(self, pattern):
        end = time.monotonic() + PATIENCE
        while True:
            found = re.search(pattern, self.plain, re.S)
            if found:
                self.plain = self.plain[found.end():]
                return found
            if not self.read(end - time.monotonic()):
                raise Missing(f"no {pattern!r} in {self.plain[-300:]!r}")

    def command(self, line, pattern):
        """Types a shell command; the pattern is looked for behind its echo."""
        self.send(line + "\r")
        self.expect(re.escape(line[-20:]) + r"\r*(?=\n)")
        return self.expect(pattern)

    def wait_for_job(self, reads=False):
        """Until the shell, which is the process here, has given the terminal to a job and, if that reads, a guest's kernel has
        made it raw: before that the host echoes what is typed, too. Nobody tells, so it is asked for."""
        end = time.monotonic() + PATIENCE
        raw = reads and HEDDLE
        while os.tcgetpgrp(self.fd) == self.pid or (raw and termios.tcgetattr(self.fd)[3] & termios.ICANON):
            if time.monotonic() > end:
                raise Missing("no job in the foreground")
            time.sleep(0.01)

    def ended(self):
        """Waits for the end; the exit status as a shell has it."""
        end = time.monotonic() + PATIENCE
        watched = [self.pidfd] + [self.fd] * (self.fd >= 0)
        while self.status is None:
            ready, _, _ = select.select(watched, [], [], max(end - time.monotonic(), 0))
            if self.pidfd in ready:
                _, status = os.waitpid(self.pid, 0)
                code = os.waitstatus_to_exitcode(status)
                self.status = code if code >= 0 else 128 - code
            elif not ready:
                raise Missing(f"it goes on; it showed {self.plain[-300:]!r}")
            elif not self.read(0):
                watched = [self.pidfd]
        return self.status

    def hang_up(self):
        os.close(self.fd)
        self.fd = -1

    def close(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        if self.fd >= 0:
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
    t = Terminal(["/bin/bash", "--norc", "--noprofile"], columns=250)
    t.expect(PROMPT)
    return t


def in_guest(command):
    """The command of the host's shell that runs a shell command in the guest, which says first that it is there (UP)."""
    return " ".join(HEDDLE + ["sh", "-c", shlex.quote("echo up; exec " + command)])


TESTS = []


def test(fn):
    TESTS.append(fn)
    return fn


@test
def a_shell_if_no_program_is_given():
    t = Terminal([a for a in HEDDLE if a != "--"] or ["bash"], HOME="/nonexistent")
    t.expect(r"[$#] $")
    t.command("case $- in *i*) echo interactive $0;; esac", r"\n\r*interactive .*bash\r\n")
    t.expect(r"[$#] $")
    t.send("exit 5\r")
    equal(t.ended(), 5)
    t.close()


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
def the_shell_edits_its_line():
    t = shell()
    t.send("cho one two\x01e\x05\x17three\x1b[D\x1b[D\x7fR\r")
    t.expect(r"\n\r*one thRee\r\n")
    t.expect(PROMPT)
    t.send("\x1b[A\x17four\r")
    t.expect(r"\n\r*one four\r\n")
    t.expect(PROMPT)
    t.send("echo /etc/hostn\t\x7f.!\x1b[D\x0b\r")
    t.expect(r"\n\r*/etc/host\w*\.\r\n")
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
    t.command(WAITER, UP)
    t.send("\x03")
    t.expect(PROMPT)
    t.command("echo status=$?", r"status=130\r\n")
    t.close()


@test
def jobs_stop_and_go_on():
    t = shell()
    t.command(WAITER, UP)
    t.send("\x1a")
    t.expect(r"Stopped +perl")
    t.expect(PROMPT)
    t.command("bg", AGAIN)
    t.command("jobs", r"Running +perl")
    t.command("kill -STOP %1; wait %1; jobs", r"Stopped.* perl")
    t.expect(PROMPT)
    t.command("fg", AGAIN)
    t.send("\x03")
    t.expect(PROMPT)
    t.command("echo status=$?", r"status=130\r\n")
    t.close()


@test
def background_readers_stop():
    t = shell()
    t.command("cat & wait %1; jobs", r"Stopped +cat")
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
    t.command("stty tostop; (echo written) & wait %1; jobs; stty -tostop; fg", r"Stopped.*written\r\n")
    t.close()


@test
def the_window_changes_its_size():
    t = shell()
    t.command("stty size", r"24 80\r\n")
    t.expect(PROMPT)
    t.command("perl -e '$|=1; $SIG{WINCH}=sub{print qx(stty size)}; print qq(up\\n); sleep 100 while 1'", UP)
    t.resize(40, 100)
    t.expect(r"40 100\r\n")
    t.send("\x03")
    t.expect(PROMPT)
    t.command("stty size; tput lines; tput cols", r"40 100\r\n40\r\n100\r\n")
    t.close()


@test
def passwords_are_not_echoed():
    t = guest("/bin/bash", "-c", "stty -echo; printf 'word: '; read w; stty echo; echo; echo got=$w")
    t.expect("word: ")
    t.send("secret\r")
    before = t.expect(r"^(.*)got=secret").group(1)
    equal("secret" in before, False)
    t.close()


@test
def vi_edits():
    t = shell()
    t.send("rm -f edited.txt; vi -u NONE edited.txt\r")
    t.expect("~")
    t.send("ihello\rwor\x7fld\x1b:wq\r")
    t.expect(r"written")
    t.expect(PROMPT)
    t.command("od -c edited.txt | head -n 1", r"h   e   l   l   o  \\n   w   o   l   d  \\n")
    t.close()


@test
def vi_is_stopped_and_continued():
    t = shell()
    t.send("vi -u NONE\r")
    t.expect("~")
    t.send("\x1a")
    t.expect(r"Stopped +vi")
    t.expect(PROMPT)
    t.command("fg", "~")
    t.send(":q!\r")
    t.expect(PROMPT)
    t.close()


@test
def vi_draws_again_when_the_window_changes():
    t = shell()
    t.send("vi -u NONE\r")
    t.send(":set lines?\r")
    t.expect(r"~.*lines=24")
    t.resize(10, 60)
    t.expect("~")
    t.send(":set lines?\r")
    t.expect(r"lines=10")
    t.send(":q!\r")
    t.expect(PROMPT)
    t.command("stty size", r"10 60\r\n")
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
def signals_tell_of_keys():
    t = guest("python3", "-c", ASYNC)
    t.expect(r"up\r\n")
    for word in "one", "two":
        t.send(word + "\r")
        t.expect("got " + word)
    equal(t.ended(), 0)
    t.close()


@test
def signals_tell_of_the_hosts_pipe():
    command = " ".join(HEDDLE + ["python3", "-c", shlex.quote(ASYNC)])
    t = Terminal(["/bin/bash", "-c", "{ for w in zero one two; do read x </dev/tty; echo $w; done; } | " + command])
    t.expect(r"up\r\n")
    for word in "zero", "one", "two":
        t.send("\r")
        t.expect("got " + word)
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
    shown = b"".join(iter(lambda: t.take(PATIENCE), b""))
    equal(t.ended(), 0)
    wanted = "".join(f"{i}\r\n" for i in range(1, 200001)).encode()
    equal(len(shown), len(wanted))
    equal(shown == wanted, True)
    t.close()


@test
def output_stops_at_control_s():
    t = shell()
    t.command("stty ixon", PROMPT)
    t.send("yes\r")
    t.expect(r"\ny\r\ny\r\n")
    t.send("\x13")
    # What was on its way is still shown. It never stops for so long by itself, not even on a machine that pauses.
    while t.read(5):
        pass
    t.plain = ""
    t.read(1)
    equal(t.plain, "")
    t.send("\x11")
    t.expect(r"y\r\ny\r\n")
    t.send("\x03")
    t.expect(PROMPT)
    t.close()


@test
def the_terminal_gets_its_modes_back():
    t = host_shell()
    show, wanted = "stty -a | grep -oE '.(icanon|echo) '", r"\n? ?icanon \r\n echo \r\n"
    t.command(show, wanted)
    t.expect(PROMPT)
    for program, text, shows, key in (("cat", "one\r", r"one\r\n.*one\r\n", "\x04"), ("vi -u NONE", "", "~", ":q\r"),
                                      ("sleep 100", "", "", "\x03")):
        t.command(in_guest(program), UP)
        t.send(text)
        t.expect(shows)
        t.send(key)
        t.expect(PROMPT)
        t.command(show, wanted)
        t.expect(PROMPT)
    t.close()


@test
def a_job_of_the_hosts_shell():
    t = host_shell()
    t.command(in_guest("sleep 100"), UP)
    t.send("\x1a")
    t.expect(r"Stopped")
    t.expect(PROMPT)
    t.send("fg\r")
    t.expect(r"sleep 100.*\n")
    t.wait_for_job()
    t.send("\x03")
    t.expect(PROMPT)
    t.command("echo status=$?", r"status=130\r\n")
    t.close()


@test
def a_job_that_has_taken_the_terminal_stops_too():
    t = host_shell()
    for program, text, shows, end in (("cat", "one\r", r"one\r\n.*one\r\n", "\x04"),
                                      ("vi -u NONE", "", "~", "\x1b:q!\r")):
        t.command(in_guest(program), UP)
        for _ in range(2):
            t.send(text)
            t.expect(shows)
            t.send("\x1a")
            t.expect(r"Stopped")
            t.expect(PROMPT)
            t.command("echo here", r"here\r\n")
            t.expect(PROMPT)
            t.send("fg\r")
            t.expect("\n")
            t.wait_for_job(reads=True)
        t.send(text)
        t.expect(shows)
        t.send(end)
        t.expect(PROMPT)
    t.close()


@test
def a_job_goes_on_in_the_background_until_it_reads():
    t = host_shell()
    # It isn't told that it was stopped and goes on, so there is some time for that.
    job = "$|=1; print 1, scalar <>; print 2, scalar <>; sleep 5; print qq(late\\n); print 3, scalar <>"
    t.command(in_guest(f"perl -e '{job}'"), UP)
    t.send("one\r")
    t.expect(r"1one\r\n")
    t.send("\x1a")
    t.expect(r"Stopped")
    t.expect(PROMPT)
    # It waits for input: that stops it.
    t.command("bg; wait %1; jobs", r"Stopped")
    t.expect(PROMPT)
    t.send("fg\r")
    t.expect(r"perl.*\r\n")
    t.send("two\r")
    t.expect(r"2two\r\n")
    t.send("\x1a")
    t.expect(r"Stopped")
    t.expect(PROMPT)
    # It doesn't wait: the shell's terminal stays as it is, and what the job writes is shown.
    t.send("bg; modes=$(stty -a | grep -oE '.(icanon|echo) ')\r")
    t.expect(r"late\r\n")
    t.command("wait %1; echo $modes; jobs", r"\n\r* ?icanon echo\r\n.*Stopped")
    t.expect(PROMPT)
    t.send("fg\r")
    t.expect(r"perl.*\r\n")
    t.send("three\r")
    t.expect(r"3three\r\n")
    t.expect(PROMPT)
    t.close()


@test
def a_job_in_the_background_waits_for_the_foreground():
    t = host_shell()
    t.command(in_guest("cat") + " & wait %1; jobs", r"Stopped.*cat")
    t.expect(PROMPT)
    t.send("fg\r")
    t.expect(r"cat.*\r\n")
    t.send("text\r")
    t.expect(r"text\r\n.*text\r\n")
    t.send("\x04")
    t.expect(PROMPT)
    t.close()


@test
def a_terminal_that_goes_away_hangs_up():
    t = shell()
    t.hang_up()
    equal(t.ended(), 129)
    t.close()


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
