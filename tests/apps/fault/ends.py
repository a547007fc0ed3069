#!/usr/bin/env python3
"""Runs a program between a source and a sink of some kind.

    ends.py pipe|file|socket|tty IN OUT PROGRAM...

Its standard input gives it the bytes of the file IN and then, but for a terminal, the end of file; a terminal waits for a byte R, which isn't passed
on. What it says is in the file OUT. Its status, as a shell tells it, is ours.
"""
import fcntl
import os
import pty
import socket
import subprocess
import sys
import termios
import threading

PIECE = 5000


def take_terminal():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def ends(kind):
    """Descriptors: what is fed and what is drained, and the program's input and output."""
    if kind == "pipe":
        (stdin, fed), (drained, stdout) = os.pipe(), os.pipe()
        return fed, drained, stdin, stdout
    if kind == "socket":
        ours, theirs = (s.detach() for s in socket.socketpair())
    else:
        ours, theirs = pty.openpty()
    return ours, os.dup(ours), theirs, os.dup(theirs)


def feed(kind, fd, data):
    try:
        while data:
            data = data[os.write(fd, data[:PIECE]):]
    except OSError:
        return  # it reads no more: what it did read is for others to judge
    if kind == "pipe":
        os.close(fd)
    elif kind == "socket":
        socket.socket(fileno=fd).shutdown(socket.SHUT_WR)


def drain(fd, size=-1):
    """All there is, or size bytes."""
    out = b""
    while len(out) != size:
        try:
            data = os.read(fd, PIECE if size < 0 else size - len(out))
        except OSError:
            break  # nobody has the terminal any more
        if not data:
            break
        out += data
    return out


def main():
    kind, source, sink, *command = sys.argv[1:]
    with open(source, "rb") as i, open(sink, "wb") as o:
        if kind == "file":
            return subprocess.run(command, stdin=i, stdout=o, check=False).returncode
        fed, drained, stdin, stdout = ends(kind)
        tty = kind == "tty"
        with subprocess.Popen(command, stdin=stdin, stdout=stdout, start_new_session=tty, preexec_fn=take_terminal if tty else None) as child:
            os.close(stdin)
            os.close(stdout)
            if tty:
                drain(drained, 1)
            threading.Thread(target=feed, args=(kind, fed, i.read()), daemon=True).start()
            o.write(drain(drained))
        return child.returncode


code = main()
sys.exit(code if code >= 0 else 128 - code)
