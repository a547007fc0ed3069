"""Runs modules of CPython's test package: one line a test.  run.py EXCEPTIONS MODULE..."""
import fnmatch
import os
import sys
import traceback
import unittest


# What has to come in time, or not to take longer than so and so: a machine that pauses may spoil it, so these have three tries.
TIMED = ('test_os.UtimeTests.test_utime_current*',
         'test_signal.ItimerTest.*', 'test_signal.StressTest.*', 'test_signal.WakeupSignalTests.test_wakeup_fd_*',
         'test_subprocess.*timeout*', 'test_subprocess.POSIXProcessTestCase.test_*fast_process_del*',
         'test_threading.*timeout*', 'test_threading.BarrierTests.*', 'test_threading.EventTests.*',
         'test_threading.ThreadTests.test_finalize_with_trace', 'test_threading.InterruptMainTests.test_can_interrupt_tight_loops')


class Lines(unittest.TestResult):
    """Prints `ok NAME`, `skip NAME: why`, `FAIL NAME: why`. The worst of a test's subtests counts."""

    def __init__(self):
        super().__init__()
        self.said = set()
        self.timed = TIMED  # of these nothing but a success is told yet
        self.again = []

    def say(self, word, test, why=''):
        name = test.id().replace('test.test_', 'test_').replace(' ', '')
        if name in self.said:
            return
        if word != 'ok' and any(fnmatch.fnmatchcase(name, pattern) for pattern in self.timed):
            if test not in self.again:
                self.again.append(test)
            return
        self.said.add(name)
        os.write(self.out, (f'{word} {name}' + (f': {" ".join(why.split())[:300]}' if why else '') + '\n').encode())

    def addSuccess(self, test):
        self.say('ok', test)

    def addExpectedFailure(self, test, err):
        self.say('ok', test)

    def addSkip(self, test, reason):
        self.say('skip', test, reason)

    def bad(self, test, err):
        frames = [f for f in traceback.extract_tb(err[2]) if '/test/test_' in f.filename]
        where = f'line {frames[-1].lineno}: ' if frames else ''
        self.say('FAIL', test, f'{where}{err[0].__name__}: {err[1]}')

    addError = addFailure = bad

    def addSubTest(self, test, subtest, err):
        if err:
            self.bad(test, err)


def exceptions(path):
    """The names in a file of lines `NAME  reason`; # begins a comment."""
    with open(path, encoding='utf-8') as f:
        lines = (line.partition('#')[0].split(None, 1) for line in f)
        return dict(words for words in lines if words)


def tests_of(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from tests_of(test)
        else:
            yield test


def run(module, result, excepted):
    suite = unittest.defaultTestLoader.loadTestsFromName('test.' + module)
    wanted = unittest.TestSuite()
    unknown = {name for name in excepted if name.startswith(module + '.')}
    for test in tests_of(suite):
        name = test.id().replace('test.test_', 'test_')
        unknown.discard(name)
        if name in excepted:
            os.write(result.out, f'skip {name}: {excepted[name].strip()}\n'.encode())
        else:
            wanted.addTest(test)
    for name in sorted(unknown):
        os.write(result.out, f'FAIL {name}: an exception for what is no test\n'.encode())
    # What tests print themselves isn't compared.
    wanted.run(result)
    for last in False, True:
        again, result.again = result.again, []
        result.timed = () if last else TIMED
        result._previousTestClass = None  # its fixture is gone
        unittest.TestSuite(again).run(result)


def main():
    # Tests close and redirect 1 and 2 at will.
    Lines.out = os.dup(1)
    os.dup2(2, 1)
    excepted = exceptions(sys.argv[1])
    for name in excepted:
        if name.partition('.')[0] not in sys.argv[2:]:
            os.write(Lines.out, f'FAIL {name}: an exception for a module that is not run\n'.encode())
    for module in sys.argv[2:]:
        pid = os.fork()
        if not pid:
            # A module that changes the process as a whole doesn't change the others.
            run(module, Lines(), excepted)
            sys.stdout.flush()
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.write(Lines.out, f'{"ok" if status == 0 else "FAIL"} {module}: status {status}\n'.encode())


if __name__ == '__main__':
    main()
