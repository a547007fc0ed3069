"""asyncio: tasks, subprocesses, unix sockets, signals."""
import asyncio
import os
import signal
import sys
import tempfile
import time
import unittest


class Asyncio(unittest.IsolatedAsyncioTestCase):
    async def test_sleeps_overlap(self):
        start = time.monotonic()
        await asyncio.gather(*(asyncio.sleep(0.2) for _ in range(200)))
        self.assertLess(time.monotonic() - start, 20)  # one after the other: 40

    async def test_subprocess(self):
        p = await asyncio.create_subprocess_exec('cat', stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        data = os.urandom(300000)
        self.assertEqual((await p.communicate(data))[0], data)
        self.assertEqual(p.returncode, 0)

    async def test_many_subprocesses(self):
        async def one(i):
            p = await asyncio.create_subprocess_shell(f'read x; echo $((x * 2)); exit {i}', stdin=asyncio.subprocess.PIPE,
                                                      stdout=asyncio.subprocess.PIPE)
            out, _ = await p.communicate(f'{i}\n'.encode())
            return int(out), p.returncode

        self.assertEqual(await asyncio.gather(*(one(i) for i in range(20))), [(2 * i, i) for i in range(20)])

    async def test_kill_a_subprocess(self):
        p = await asyncio.create_subprocess_exec('sleep', '100')
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(p.wait(), 0.1)
        p.kill()
        self.assertEqual(await p.wait(), -signal.SIGKILL)

    async def test_unix_server(self):
        async def serve(reader, writer):
            while line := await reader.readline():
                writer.write(line.upper())
                await writer.drain()
            writer.close()

        async def client(path, i):
            reader, writer = await asyncio.open_unix_connection(path)
            for j in range(20):
                writer.write(f'c{i}-{j}\n'.encode())
                if await reader.readline() != f'C{i}-{j}\n'.encode():
                    return False
            writer.close()
            return True

        with tempfile.TemporaryDirectory() as d:
            path = d + '/socket'
            server = await asyncio.start_unix_server(serve, path)
            async with server:
                self.assertEqual(await asyncio.gather(*(client(path, i) for i in range(20))), [True] * 20)

    async def test_signal_handler(self):
        loop = asyncio.get_running_loop()
        got = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, got.set)
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.wait_for(got.wait(), 10)
        loop.remove_signal_handler(signal.SIGUSR1)

    async def test_threads(self):
        self.assertEqual(await asyncio.gather(*(asyncio.to_thread(pow, 2, i) for i in range(30))), [2 ** i for i in range(30)])

    async def test_pipes(self):
        r, w = os.pipe()
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(r, 'rb'))
        os.write(w, b'one\ntwo\n')
        os.close(w)
        self.assertEqual(await reader.read(), b'one\ntwo\n')
        transport.close()

    async def test_queue(self):
        q = asyncio.Queue(3)

        async def produce():
            for i in range(100):
                await q.put(i)
            await q.put(None)

        task = asyncio.create_task(produce())
        total = 0
        while (i := await q.get()) is not None:
            total += i
        await task
        self.assertEqual(total, 4950)

    async def test_python_child(self):
        p = await asyncio.create_subprocess_exec(sys.executable, '-c', 'import sys; print(sys.stdin.read()[::-1])',
                                                 stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        self.assertEqual((await p.communicate(b'abc'))[0], b'cba\n')
