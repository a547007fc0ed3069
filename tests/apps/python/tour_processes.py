"""subprocess, multiprocessing, signal."""
import concurrent.futures
import ctypes
import multiprocessing as mp
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from multiprocessing import shared_memory


class Subprocess(unittest.TestCase):
    def test_run(self):
        r = subprocess.run(['sh', '-c', 'echo out; echo err >&2; exit 3'], capture_output=True, text=True)
        self.assertEqual((r.returncode, r.stdout, r.stderr), (3, 'out\n', 'err\n'))

    def test_communicate_a_megabyte(self):
        data = os.urandom(1 << 20)
        p = subprocess.Popen(['cat'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(p.communicate(data)[0], data)

    def test_timeout(self):
        with self.assertRaises(subprocess.TimeoutExpired):
            subprocess.run(['sleep', '30'], timeout=0.2)

    def test_signal_status(self):
        p = subprocess.Popen(['sleep', '30'])
        p.terminate()
        self.assertEqual(p.wait(), -signal.SIGTERM)

    def test_pipeline(self):
        a = subprocess.Popen(['seq', '1000'], stdout=subprocess.PIPE)
        b = subprocess.Popen(['grep', '-c', '7'], stdin=a.stdout, stdout=subprocess.PIPE, text=True)
        a.stdout.close()
        self.assertEqual(b.communicate()[0], '271\n')
        self.assertEqual(a.wait(), 0)

    def test_not_found(self):
        with self.assertRaises(FileNotFoundError):
            subprocess.run(['/nonexistent/program'])
        with self.assertRaises(PermissionError):
            subprocess.run(['/etc/passwd'])

    def test_options(self):
        r = subprocess.run(['sh', '-c', 'pwd; echo $X; umask; ps -o sid= -p $$ | tr -d " "; echo $$'], cwd='/usr',
                           env={'X': 'y', 'PATH': os.environ['PATH']}, start_new_session=True, umask=0o27,
                           capture_output=True, text=True)
        where, x, mask, sid, pid = r.stdout.split()
        self.assertEqual((where, x, mask), ('/usr', 'y', '0027'))
        self.assertEqual(sid, pid)

    def test_preexec_and_pass_fds(self):
        r, w = os.pipe()
        code = f'import os; os.write({w}, b"through"); print(os.nice(0))'
        p = subprocess.run([sys.executable, '-c', code], pass_fds=[w], preexec_fn=lambda: os.nice(3),
                           capture_output=True, text=True)
        self.assertEqual(p.stdout, f'{min(os.nice(0) + 3, 19)}\n', p.stderr)
        self.assertEqual(os.read(r, 100), b'through')
        os.close(r)
        os.close(w)

    def test_fifty_at_once(self):
        ps = [subprocess.Popen(['sh', '-c', f'exit {i}']) for i in range(50)]
        self.assertEqual([p.wait() for p in ps], list(range(50)))

    def test_pidfd(self):
        p = subprocess.Popen(['cat'], stdin=subprocess.PIPE)
        fd = os.pidfd_open(p.pid)
        self.assertEqual(select.select([fd], [], [], 0)[0], [])
        p.stdin.close()
        self.assertEqual(select.select([fd], [], [], 30)[0], [fd])
        os.close(fd)
        self.assertEqual(p.wait(), 0)

    def test_posix_spawn(self):
        with tempfile.NamedTemporaryFile('r') as f:
            pid = os.posix_spawn('/bin/echo', ['echo', 'spawned'], os.environ,
                                 file_actions=[(os.POSIX_SPAWN_OPEN, 1, f.name, os.O_WRONLY, 0)], setpgroup=0)
            self.assertEqual(os.waitpid(pid, 0)[1], 0)
            self.assertEqual(f.read(), 'spawned\n')


def square(x):
    return x * x


def increment(value, lock_it, n):
    for _ in range(n):
        if lock_it:
            with value.get_lock():
                value.value += 1
        else:
            value.value += 1


def answer(connection):
    while (m := connection.recv()) is not None:
        connection.send(m[::-1])
    connection.close()


def fill(name, i):
    shm = shared_memory.SharedMemory(name=name)
    shm.buf[i * 1000:(i + 1) * 1000] = bytes([i + 1]) * 1000
    shm.close()


class Multiprocessing(unittest.TestCase):
    def test_pool_map(self):
        with mp.Pool(4) as pool:
            self.assertEqual(pool.map(square, range(1000)), [x * x for x in range(1000)])

    def test_pool_async(self):
        with mp.Pool(3) as pool:
            results = [pool.apply_async(pow, (3, i)) for i in range(100)]
            self.assertEqual([r.get(60) for r in results], [3 ** i for i in range(100)])

    def test_pool_exception(self):
        with mp.Pool(2) as pool, self.assertRaises(ZeroDivisionError):
            pool.apply(divmod, (1, 0))

    def test_spawn_context(self):
        context = mp.get_context('spawn')
        with context.Pool(2) as pool:
            self.assertEqual(pool.map(abs, [-1, 2, -3]), [1, 2, 3])

    def test_forkserver_context(self):
        context = mp.get_context('forkserver')
        q = context.SimpleQueue()
        p = context.Process(target=q.put, args=('from the server',))
        p.start()
        self.assertEqual(q.get(), 'from the server')
        p.join()

    def test_value_with_lock(self):
        value = mp.Value(ctypes.c_long, 0)
        ps = [mp.Process(target=increment, args=(value, True, 2000)) for _ in range(4)]
        for p in ps:
            p.start()
        for p in ps:
            p.join()
        self.assertEqual(value.value, 8000)

    def test_pipe(self):
        a, b = mp.Pipe()
        p = mp.Process(target=answer, args=(b,))
        p.start()
        a.send('abc')
        self.assertEqual(a.recv(), 'cba')
        a.send(b'x' * 300000 + b'y')
        self.assertEqual(a.recv()[:2], b'yx')
        a.send(None)
        p.join()
        self.assertEqual(p.exitcode, 0)

    def test_queue(self):
        q = mp.Queue()
        ps = [mp.Process(target=q.put, args=(i,)) for i in range(10)]
        for p in ps:
            p.start()
        self.assertEqual(sorted(q.get(timeout=60) for _ in ps), list(range(10)))
        for p in ps:
            p.join()

    def test_shared_memory(self):
        shm = shared_memory.SharedMemory(create=True, size=8000)
        try:
            ps = [mp.Process(target=fill, args=(shm.name, i)) for i in range(8)]
            for p in ps:
                p.start()
            for p in ps:
                p.join()
            self.assertEqual(bytes(shm.buf[:8000]), b''.join(bytes([i + 1]) * 1000 for i in range(8)))
        finally:
            shm.close()
            shm.unlink()

    def test_semaphore_and_event(self):
        event = mp.Event()
        semaphore = mp.Semaphore(0)

        def work():
            event.wait(60)
            semaphore.release()

        ps = [mp.Process(target=work) for _ in range(5)]
        for p in ps:
            p.start()
        self.assertFalse(semaphore.acquire(timeout=0.1))
        event.set()
        for _ in ps:
            self.assertTrue(semaphore.acquire(timeout=60))
        for p in ps:
            p.join()

    def test_manager(self):
        with mp.Manager() as manager:
            d = manager.dict()
            ps = [mp.Process(target=d.__setitem__, args=(i, i * i)) for i in range(6)]
            for p in ps:
                p.start()
            for p in ps:
                p.join()
            self.assertEqual(dict(d), {i: i * i for i in range(6)})

    def test_terminate_and_sentinel(self):
        p = mp.Process(target=time.sleep, args=(100,))
        p.start()
        p.terminate()
        self.assertEqual(mp.connection.wait([p.sentinel], 60), [p.sentinel])
        p.join()
        self.assertEqual(p.exitcode, -signal.SIGTERM)

    def test_executor(self):
        with concurrent.futures.ProcessPoolExecutor(4) as pool:
            self.assertEqual(sum(pool.map(square, range(200), chunksize=10)), sum(x * x for x in range(200)))

    def test_array(self):
        array = mp.Array('d', 100)
        p = mp.Process(target=lambda: array.__setitem__(slice(0, 3), [1.5, 2.5, 3.5]))
        p.start()
        p.join()
        self.assertEqual(sum(array), 7.5)


import multiprocessing.connection  # noqa: E402  (after the classes: used by name)


class Signals(unittest.TestCase):
    def handle(self, number):
        got = []
        old = signal.signal(number, lambda *a: got.append(a[0]))
        self.addCleanup(signal.signal, number, old)
        return got

    def test_handler(self):
        got = self.handle(signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)
        self.assertEqual(got, [signal.SIGUSR1])

    def test_alarm_interrupts_read(self):
        class Late(Exception):
            pass

        def handler(*_):
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise Late

        old = signal.signal(signal.SIGALRM, handler)
        self.addCleanup(signal.signal, signal.SIGALRM, old)
        r, w = os.pipe()
        with self.assertRaises(Late):
            signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
            os.read(r, 1)
        os.close(r)
        os.close(w)

    def test_read_is_restarted(self):
        r, w = os.pipe()
        ticks, tick = os.pipe()
        old = signal.signal(signal.SIGALRM, lambda *a: os.write(tick, b't'))
        self.addCleanup(signal.signal, signal.SIGALRM, old)
        pid = os.fork()
        if not pid:
            for _ in range(3):
                os.read(ticks, 1)
            os.write(w, b'late')
            os._exit(0)
        signal.setitimer(signal.ITIMER_REAL, 0.1, 0.05)
        self.assertEqual(os.read(r, 10), b'late')
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.waitpid(pid, 0)
        for fd in r, w, ticks, tick:
            os.close(fd)

    def test_mask_and_pending(self):
        got = self.handle(signal.SIGUSR2)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        os.kill(os.getpid(), signal.SIGUSR2)
        self.assertEqual(signal.sigpending(), {signal.SIGUSR2})
        self.assertEqual(got, [])
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2})
        self.assertEqual(got, [signal.SIGUSR2])

    def test_sigwaitinfo(self):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        try:
            os.kill(os.getpid(), signal.SIGUSR1)
            info = signal.sigwaitinfo({signal.SIGUSR1})
            self.assertEqual((info.si_signo, info.si_pid, info.si_uid), (signal.SIGUSR1, os.getpid(), os.getuid()))
            self.assertIsNone(signal.sigtimedwait({signal.SIGUSR1}, 0.1))
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})

    def test_wakeup_fd(self):
        self.handle(signal.SIGUSR1)
        r, w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        old = signal.set_wakeup_fd(w)
        os.kill(os.getpid(), signal.SIGUSR1)
        self.assertEqual(os.read(r, 10), bytes([signal.SIGUSR1]))
        signal.set_wakeup_fd(old)
        os.close(r)
        os.close(w)

    def test_virtual_timer(self):
        got = self.handle(signal.SIGVTALRM)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.05)
        until = time.monotonic() + 30
        while not got and time.monotonic() < until:
            pass
        self.assertEqual(got, [signal.SIGVTALRM])

    def test_waitid_and_rusage(self):
        pid = os.fork()
        if not pid:
            os._exit(9)
        info = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        self.assertEqual((info.si_pid, info.si_status, info.si_code), (pid, 9, os.CLD_EXITED))
        _, status, usage = os.wait4(pid, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), 9)
        self.assertGreater(usage.ru_minflt, 0)

    def test_stop_and_continue(self):
        pid = os.fork()
        if not pid:
            time.sleep(30)
            os._exit(0)
        os.kill(pid, signal.SIGSTOP)
        self.assertTrue(os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1]))
        os.kill(pid, signal.SIGCONT)
        self.assertTrue(os.WIFCONTINUED(os.waitpid(pid, os.WCONTINUED)[1]))
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(os.WTERMSIG(os.waitpid(pid, 0)[1]), signal.SIGKILL)

    def test_segfault_status(self):
        code = 'import ctypes, resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); ctypes.string_at(0)'
        self.assertEqual(subprocess.run([sys.executable, '-c', code]).returncode, -signal.SIGSEGV)

    def test_cpu_limit(self):
        pid = os.fork()
        if not pid:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_CPU, (1, 60))
            while True:
                pass
        self.assertEqual(os.WTERMSIG(os.waitpid(pid, 0)[1]), signal.SIGXCPU)

    def test_address_space_limit(self):
        pid = os.fork()
        if not pid:
            resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20))
            try:
                bytearray(400 << 20)
            except MemoryError:
                os._exit(7)
            os._exit(0)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 7)
