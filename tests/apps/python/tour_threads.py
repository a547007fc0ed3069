"""threading, queue, concurrent.futures."""
import concurrent.futures
import os
import queue
import threading
import time
import unittest


class Threads(unittest.TestCase):
    def test_counter_with_lock(self):
        lock = threading.Lock()
        total = 0

        def work():
            nonlocal total
            for _ in range(5000):
                with lock:
                    total += 1

        threads = [threading.Thread(target=work) for _ in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(total, 80000)

    def test_producers_and_consumers(self):
        q = queue.Queue(10)
        out = queue.Queue()

        def consume():
            while (item := q.get()) is not None:
                out.put(item * item)

        consumers = [threading.Thread(target=consume) for _ in range(4)]
        for t in consumers:
            t.start()
        for i in range(2000):
            q.put(i)
        for _ in consumers:
            q.put(None)
        for t in consumers:
            t.join()
        self.assertEqual(sum(out.get() for _ in range(2000)), sum(i * i for i in range(2000)))

    def test_barrier_and_event(self):
        barrier = threading.Barrier(8)
        event = threading.Event()
        order = []

        def work(i):
            barrier.wait(30)
            event.wait(30)
            order.append(i)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for t in threads:
            t.start()
        time.sleep(0.05)
        self.assertEqual(order, [])
        event.set()
        for t in threads:
            t.join()
        self.assertEqual(sorted(order), list(range(8)))

    def test_condition_timeout(self):
        condition = threading.Condition()
        start = time.monotonic()
        with condition:
            self.assertFalse(condition.wait(0.2))
        self.assertGreaterEqual(time.monotonic() - start, 0.19)

    def test_semaphore(self):
        semaphore = threading.BoundedSemaphore(3)
        inside = []
        worst = 0

        def work():
            nonlocal worst
            with semaphore:
                inside.append(1)
                worst = max(worst, len(inside))
                time.sleep(0.005)
                inside.pop()

        threads = [threading.Thread(target=work) for _ in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertLessEqual(worst, 3)

    def test_many_threads(self):
        done = []
        for _ in range(5):
            threads = [threading.Thread(target=done.append, args=(i,)) for i in range(100)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        self.assertEqual(len(done), 500)

    def test_thread_locals(self):
        data = threading.local()
        seen = []

        def work(i):
            data.i = i
            time.sleep(0.01)
            seen.append(data.i == i)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(10)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(seen, [True] * 10)
        self.assertFalse(hasattr(data, 'i'))

    def test_native_ids_and_proc(self):
        ids = set()
        ready = threading.Barrier(6)
        leave = threading.Event()

        def work():
            ids.add(threading.get_native_id())
            ready.wait(30)
            leave.wait(30)

        threads = [threading.Thread(target=work) for _ in range(5)]
        for t in threads:
            t.start()
        ready.wait(30)
        # Those of an earlier test may still be there: joined, but not quite at their end.
        self.assertLessEqual(ids | {os.getpid()}, {int(t) for t in os.listdir('/proc/self/task')})
        leave.set()
        for t in threads:
            t.join()

    def test_timer(self):
        fired = threading.Event()
        threading.Timer(0.1, fired.set).start()
        self.assertTrue(fired.wait(30))

    def test_executor(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertEqual(list(pool.map(lambda x: x * 2, range(300))), list(range(0, 600, 2)))

    def test_fork_from_a_thread(self):
        result = []

        def work():
            pid = os.fork()
            if not pid:
                os._exit(threading.active_count())
            result.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

        t = threading.Thread(target=work)
        t.start()
        t.join()
        self.assertEqual(result, [1])

    def test_stack_size(self):
        old = threading.stack_size(4 << 20)
        try:
            got = []

            def deep(n):
                return n and 1 + deep(n - 1)

            t = threading.Thread(target=lambda: got.append(deep(500)))
            t.start()
            t.join()
            self.assertEqual(got, [500])
        finally:
            threading.stack_size(old)
