# fsyncs.py FILE: what fsync says to two who have it open, while its first call of the host fails (--fault fsync:EIO:1), and to one who comes later.
import os, sys


def sync(fd):
    try:
        os.fsync(fd)
        return "ok"
    except OSError as e:
        return os.strerror(e.errno)


a, b = (os.open(sys.argv[1], os.O_CREAT | os.O_RDWR) for i in range(2))
print(sync(a), sync(a), sync(b), sync(b), sync(os.open(sys.argv[1], os.O_RDWR)), sync(a), sep=",")
