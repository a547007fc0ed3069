"""os, mmap, sqlite3, tempfile, shutil, fcntl, select."""
import errno
import fcntl
import hashlib
import io
import mmap
import os
import random
import select
import shutil
import socket
import sqlite3
import stat
import struct
import tempfile
import threading
import time
import unittest


class Directory(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, data=b''):
        with open(self.path(name), 'wb') as f:
            f.write(data)
        return self.path(name)


class Os(Directory):
    def test_open_flags(self):
        p = self.path('f')
        fd = os.open(p, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
        with self.assertRaises(FileExistsError):
            os.open(p, os.O_CREAT | os.O_EXCL)
        self.assertEqual(os.write(fd, b'abcdef'), 6)
        self.assertEqual(os.pread(fd, 3, 2), b'cde')
        self.assertEqual(os.pwrite(fd, b'ZZ', 1), 2)
        self.assertEqual(os.lseek(fd, 0, os.SEEK_CUR), 6)
        self.assertEqual(os.lseek(fd, -2, os.SEEK_END), 4)
        os.ftruncate(fd, 3)
        self.assertEqual(os.fstat(fd).st_size, 3)
        os.close(fd)
        with self.assertRaises(NotADirectoryError):
            os.open(p, os.O_RDONLY | os.O_DIRECTORY)
        os.symlink('f', self.path('l'))
        with self.assertRaises(OSError) as e:
            os.open(self.path('l'), os.O_RDONLY | os.O_NOFOLLOW)
        self.assertEqual(e.exception.errno, errno.ELOOP)

    def test_vectors(self):
        fd = os.open(self.path('v'), os.O_RDWR | os.O_CREAT)
        self.assertEqual(os.writev(fd, [b'ab', b'', b'cde']), 5)
        a, b = bytearray(2), bytearray(5)
        self.assertEqual(os.preadv(fd, [a, b], 1), 4)
        self.assertEqual((bytes(a), bytes(b)), (b'bc', b'de\0\0\0'))
        self.assertEqual(os.pwritev(fd, [b'12', b'34'], 10), 4)
        self.assertEqual(os.fstat(fd).st_size, 14)
        os.close(fd)

    def test_dir_fds(self):
        d = os.open(self.dir, os.O_RDONLY)
        self.addCleanup(os.close, d)
        os.mkdir('sub', 0o750, dir_fd=d)
        s = os.open('sub', os.O_PATH, dir_fd=d)
        self.addCleanup(os.close, s)
        f = os.open('file', os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=s)
        os.close(f)
        os.link('file', 'hard', src_dir_fd=s, dst_dir_fd=d)
        os.rename('file', 'moved', src_dir_fd=s, dst_dir_fd=d)
        os.symlink('moved', 'sym', dir_fd=d)
        self.assertEqual(os.readlink('sym', dir_fd=d), 'moved')
        self.assertEqual(os.stat('hard', dir_fd=d).st_nlink, 2)
        os.chmod('hard', 0o604, dir_fd=d)
        self.assertEqual(stat.S_IMODE(os.stat('moved', dir_fd=d).st_mode), 0o604)
        os.unlink('hard', dir_fd=d)
        os.rmdir('sub', dir_fd=d)
        self.assertEqual(sorted(os.listdir(d)), ['moved', 'sym'])

    def test_scandir(self):
        for i in range(300):
            self.write(f'f{i}')
        os.mkdir(self.path('d'))
        os.symlink('d', self.path('l'))
        with os.scandir(self.dir) as it:
            kinds = {e.name: (e.is_file(), e.is_dir(follow_symlinks=False), e.is_symlink()) for e in it}
        self.assertEqual(len(kinds), 302)
        self.assertEqual((kinds['f7'], kinds['d'], kinds['l']), ((True, False, False), (False, True, False), (False, False, True)))

    def test_times(self):
        p = self.write('t')
        os.utime(p, ns=(1234567890123456789, 987654321987654321))
        st = os.stat(p)
        self.assertEqual((st.st_atime_ns, st.st_mtime_ns), (1234567890123456789, 987654321987654321))
        before = time.time_ns()
        os.utime(p)
        after, st = time.time_ns(), os.stat(p)
        for t in st.st_mtime_ns, st.st_ctime_ns:  # by a clock that is a tick behind
            self.assertTrue(before - 10**9 < t <= after, (before, t, after))

    def test_renames(self):
        self.write('a', b'a')
        self.write('b', b'b')
        os.replace(self.path('a'), self.path('b'))
        with open(self.path('b'), 'rb') as f:
            self.assertEqual(f.read(), b'a')
        os.mkdir(self.path('d'))
        with self.assertRaises(OSError) as e:
            os.rename(self.path('b'), self.path('d'))
        self.assertEqual(e.exception.errno, errno.EISDIR)
        os.mkdir(self.path('d', 'e'))
        with self.assertRaises(OSError) as e:
            os.rename(self.path('d'), self.path('d', 'e', 'f'))
        self.assertEqual(e.exception.errno, errno.EINVAL)
        with self.assertRaises(OSError) as e:
            os.rmdir(self.path('d'))
        self.assertEqual(e.exception.errno, errno.ENOTEMPTY)

    def test_unlinked_file(self):
        fd = os.open(self.write('gone', b'still here'), os.O_RDWR)
        os.unlink(self.path('gone'))
        self.assertEqual(os.fstat(fd).st_nlink, 0)
        self.assertEqual(os.read(fd, 100), b'still here')
        self.assertTrue(os.readlink(f'/proc/self/fd/{fd}').endswith('gone (deleted)'))
        os.close(fd)

    def test_sparse(self):
        fd = os.open(self.path('s'), os.O_RDWR | os.O_CREAT)
        os.pwrite(fd, b'x', 1 << 33)
        self.assertEqual(os.fstat(fd).st_size, (1 << 33) + 1)
        self.assertLess(os.fstat(fd).st_blocks, 1000)
        self.assertEqual(os.pread(fd, 4, (1 << 32)), b'\0' * 4)
        os.posix_fallocate(fd, 0, 8192)
        os.close(fd)

    def test_sendfile_and_copy_range(self):
        data = random.Random(1).randbytes(500000)
        src = os.open(self.write('src', data), os.O_RDONLY)
        dst = os.open(self.path('dst'), os.O_RDWR | os.O_CREAT)
        sent = 0
        while n := os.sendfile(dst, src, sent, 200000):
            sent += n
        self.assertEqual(sent, len(data))
        self.assertEqual(os.pread(dst, len(data), 0), data)
        os.close(src)
        os.close(dst)

    def test_walk_and_shutil(self):
        for i in range(5):
            os.makedirs(self.path('tree', f'd{i}', 'e'))
            self.write(f'tree/d{i}/e/f', bytes([i]) * i)
        files = sum(len(f) for _, _, f in os.walk(self.path('tree')))
        self.assertEqual(files, 5)
        shutil.copytree(self.path('tree'), self.path('copy'))
        shutil.move(self.path('copy', 'd3'), self.path('moved'))
        self.assertEqual(os.path.getsize(self.path('moved', 'e', 'f')), 3)
        archive = shutil.make_archive(self.path('arch'), 'gztar', self.path('tree'))
        shutil.unpack_archive(archive, self.path('unpacked'))
        self.assertEqual(sorted(os.listdir(self.path('unpacked'))), [f'd{i}' for i in range(5)])
        shutil.rmtree(self.path('tree'))
        self.assertFalse(os.path.exists(self.path('tree')))
        self.assertGreater(shutil.disk_usage(self.dir).total, 0)

    def test_tempfiles(self):
        with tempfile.TemporaryFile(dir=self.dir) as f:
            f.write(b'x' * 100000)
            f.seek(0)
            self.assertEqual(len(f.read()), 100000)
        with tempfile.SpooledTemporaryFile(10) as f:
            f.write(b'y' * 20)
            f.seek(0)
            self.assertEqual(f.read(), b'y' * 20)
        with tempfile.NamedTemporaryFile(dir=self.dir) as f:
            self.assertTrue(os.path.exists(f.name))
        self.assertEqual(os.listdir(self.dir), [])

    def test_memfd(self):
        fd = os.memfd_create('name', os.MFD_ALLOW_SEALING)
        os.write(fd, b'data')
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
        with self.assertRaises(PermissionError):
            os.write(fd, b'more')
        os.close(fd)

    def test_locks(self):
        fd = os.open(self.write('lock', b'0123456789'), os.O_RDWR)
        fcntl.lockf(fd, fcntl.LOCK_EX, 4, 2)
        pid = os.fork()
        if not pid:
            try:
                fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 2, 7)
                fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 3)
            except BlockingIOError:
                os._exit(5)
            os._exit(0)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 5)
        other = os.open(self.path('lock'), os.O_RDWR)
        fcntl.flock(fd, fcntl.LOCK_EX)
        with self.assertRaises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.close(fd)
        fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.close(other)

    def test_blocking_lock(self):
        fd = os.open(self.write('lock'), os.O_RDWR)
        r, w = os.pipe()
        pid = os.fork()
        if not pid:
            fcntl.lockf(fd, fcntl.LOCK_EX)
            os.write(w, b'.')
            time.sleep(0.3)
            os.write(w, b'x')
            os._exit(0)
        os.read(r, 1)
        fcntl.lockf(fd, fcntl.LOCK_EX)
        os.set_blocking(r, False)
        self.assertEqual(os.read(r, 1), b'x')
        os.waitpid(pid, 0)
        for f in (fd, r, w):
            os.close(f)

    def test_permissions(self):
        if os.getuid():
            self.skipTest('needs root')
        p = self.write('private', b'secret')
        os.chmod(p, 0o600)
        os.chmod(self.dir, 0o755)
        pid = os.fork()
        if not pid:
            os.setgroups([])
            os.setresgid(1234, 1234, 1234)
            os.setresuid(1234, 1234, 1234)
            try:
                os.open(p, os.O_RDONLY)
            except PermissionError:
                try:
                    os.unlink(p)
                except PermissionError:
                    os._exit(os.getuid() == 1234 and os.getgroups() == [])
            os._exit(9)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 1)
        os.chown(p, 5, 6)
        self.assertEqual((os.stat(p).st_uid, os.stat(p).st_gid), (5, 6))

    def test_sched_and_ids(self):
        self.assertEqual(os.getpgid(0), os.getpgrp())
        self.assertEqual(os.getsid(0), os.getsid(os.getpid()))
        self.assertEqual(len(os.sched_getaffinity(0)), os.cpu_count())
        cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(cpus)})
        self.assertEqual(os.sched_getaffinity(0), {max(cpus)})
        os.sched_setaffinity(0, cpus)
        os.sched_yield()
        self.assertEqual(len(os.getrandom(50)), 50)
        self.assertEqual(os.uname().sysname, 'Linux')
        self.assertEqual(os.sysconf('SC_PAGESIZE'), 4096)
        self.assertEqual(os.sysconf('SC_NPROCESSORS_ONLN'), os.cpu_count())

    def test_fork_shares_offset(self):
        fd = os.open(self.write('o', b'abcdef'), os.O_RDONLY)
        pid = os.fork()
        if not pid:
            os.read(fd, 2)
            os._exit(0)
        os.waitpid(pid, 0)
        self.assertEqual(os.read(fd, 2), b'cd')
        os.close(fd)

    def test_pty(self):
        pid, fd = os.forkpty()
        if not pid:
            os.execvp('sh', ['sh', '-c', 'tty >/dev/null && read x && echo "got $x" && stty size'])
        fcntl.ioctl(fd, 0x5414, struct.pack('HHHH', 33, 99, 0, 0))  # TIOCSWINSZ
        os.write(fd, b'line\n')
        out = b''
        try:
            while data := os.read(fd, 1000):
                out += data
        except OSError as e:
            self.assertEqual(e.errno, errno.EIO)
        self.assertEqual(out, b'line\r\ngot line\r\n33 99\r\n')
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        os.close(fd)


class Mmap(Directory):
    def test_shared_file(self):
        p = self.write('m', bytes(20000))
        with open(p, 'r+b') as f:
            m = mmap.mmap(f.fileno(), 0)
            m[5000:5005] = b'hello'
            self.assertEqual(os.pread(f.fileno(), 5, 5000), b'hello')
            os.pwrite(f.fileno(), b'world', 9000)
            self.assertEqual(m[9000:9005], b'world')
            m.flush()
            m.close()
        with open(p, 'rb') as f:
            f.seek(5000)
            self.assertEqual(f.read(5), b'hello')

    def test_private_file(self):
        p = self.write('m', b'original' * 1000)
        with open(p, 'r+b') as f:
            m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY)
            m[:3] = b'XYZ'
            self.assertEqual(os.pread(f.fileno(), 3, 0), b'ori')
            m.close()

    def test_shared_between_processes(self):
        m = mmap.mmap(-1, 8192)
        pid = os.fork()
        if not pid:
            m[4096:4101] = b'child'
            os._exit(0)
        os.waitpid(pid, 0)
        self.assertEqual(m[4096:4101], b'child')
        m.close()

    def test_two_mappings_of_a_file(self):
        p = self.write('m', bytes(4096))
        with open(p, 'r+b') as f, open(p, 'r+b') as g:
            a, b = mmap.mmap(f.fileno(), 4096), mmap.mmap(g.fileno(), 4096)
            a[100] = 77
            self.assertEqual(b[100], 77)
            a.close()
            b.close()

    def test_resize_and_find(self):
        p = self.write('m', bytes(4096))
        with open(p, 'r+b') as f:
            m = mmap.mmap(f.fileno(), 0)
            m.resize(100000)
            m[99990:99995] = b'there'
            self.assertEqual(m.find(b'there'), 99990)
            m.move(0, 99990, 5)
            self.assertEqual(m[:5], b'there')
            m.close()
        self.assertEqual(os.path.getsize(p), 100000)

    def test_large_and_madvise(self):
        m = mmap.mmap(-1, 256 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for i in range(0, 256 << 20, 16 << 20):
            m[i] = 1
        m.madvise(mmap.MADV_DONTNEED)
        self.assertEqual(m[16 << 20], 0)
        m.close()


class Sqlite(Directory):
    def test_bulk(self):
        db = sqlite3.connect(self.path('db'))
        db.execute('CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)')
        with db:
            db.executemany('INSERT INTO t VALUES (?, ?)', ((i, str(i) * 3) for i in range(20000)))
        self.assertEqual(db.execute('SELECT count(*), sum(a), max(length(b)) FROM t').fetchone(), (20000, 199990000, 15))
        db.close()

    def test_threads(self):
        db = sqlite3.connect(self.path('db'))
        db.execute('PRAGMA journal_mode=wal')
        db.execute('CREATE TABLE t(n INTEGER)')
        db.execute('INSERT INTO t VALUES (0)')
        db.commit()

        def work():
            own = sqlite3.connect(self.path('db'), timeout=60, isolation_level='IMMEDIATE')
            for _ in range(25):
                with own:
                    own.execute('UPDATE t SET n = n + 1')
            own.close()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(db.execute('SELECT n FROM t').fetchone(), (100,))
        db.close()

    def test_rollback(self):
        db = sqlite3.connect(self.path('db'))
        db.execute('CREATE TABLE t(n INTEGER UNIQUE)')
        with self.assertRaises(sqlite3.IntegrityError), db:
            db.execute('INSERT INTO t VALUES (1)')
            db.execute('INSERT INTO t VALUES (1)')
        self.assertEqual(db.execute('SELECT count(*) FROM t').fetchone(), (0,))
        db.close()


class Readiness(unittest.TestCase):
    def test_epoll(self):
        a, b = socket.socketpair()
        with select.epoll() as ep:
            ep.register(a, select.EPOLLIN | select.EPOLLET)
            self.assertEqual(ep.poll(0), [])
            b.send(b'x')
            self.assertEqual(ep.poll(1), [(a.fileno(), select.EPOLLIN)])
            self.assertEqual(ep.poll(0), [])
            b.close()
            self.assertTrue(ep.poll(1)[0][1] & select.EPOLLHUP)
        a.close()

    def test_poll(self):
        r, w = os.pipe()
        p = select.poll()
        p.register(r, select.POLLIN)
        p.register(w, select.POLLOUT)
        self.assertEqual(p.poll(0), [(w, select.POLLOUT)])
        os.close(w)
        p.unregister(w)
        self.assertEqual(p.poll(0), [(r, select.POLLHUP)])
        os.close(r)

    def test_descriptor_passing(self):
        a, b = socket.socketpair()
        with tempfile.TemporaryFile() as f:
            f.write(b'passed')
            f.flush()
            socket.send_fds(a, [b'm'], [f.fileno()])
        _, fds, _, _ = socket.recv_fds(b, 10, 1)
        self.assertEqual(os.pread(fds[0], 10, 0), b'passed')
        os.close(fds[0])
        a.close()
        b.close()

    def test_credentials(self):
        a, b = socket.socketpair()
        pid, uid, gid = struct.unpack('3i', a.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        self.assertEqual((pid, uid, gid), (os.getpid(), os.getuid(), os.getgid()))
        a.close()
        b.close()

    def test_abstract_name(self):
        name = f'\0tour{os.getpid()}'
        with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
            server.bind(name)
            server.listen()
            client.connect(name)
            s, _ = server.accept()
            client.sendall(b'a' * 100000 + b'.')
            client.close()
            with s, s.makefile('rb') as f:
                self.assertEqual(len(f.read()), 100001)

    def test_text_io(self):
        r, w = os.pipe()
        with io.open(w, 'w', encoding='utf-8') as out:
            out.write('ä€😀\n' * 10)
        with io.open(r, encoding='utf-8') as f:
            self.assertEqual(f.read(), 'ä€😀\n' * 10)

    def test_hash_of_a_binary(self):
        with open('/usr/bin/python3', 'rb') as f:
            whole = hashlib.sha256(f.read()).hexdigest()
            f.seek(0)
            self.assertEqual(hashlib.file_digest(f, 'sha256').hexdigest(), whole)
            with mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as m:
                self.assertEqual(hashlib.sha256(m).hexdigest(), whole)
