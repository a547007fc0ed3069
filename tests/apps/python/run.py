"""Runs the tests in files tour_*.py of a directory; each prints `ok NAME` or `FAIL NAME: why`."""
import glob
import os
import sys
import unittest


class Lines(unittest.TestResult):
    """One line a test."""

    def name(self, test):
        return test.id().split('.', 1)[1] if '.' in test.id() else test.id()

    def addSuccess(self, test):
        print('ok', self.name(test), flush=True)

    def addSkip(self, test, reason):
        print(f'skip {self.name(test)}: {reason}', flush=True)

    def failed(self, test, err):
        trace = err[2]
        while trace.tb_next and trace.tb_next.tb_frame.f_code.co_filename.startswith(sys.argv[1]):
            trace = trace.tb_next
        why = ' '.join(f'{err[0].__name__}: {err[1]}'.split())
        print(f'FAIL {self.name(test)}: line {trace.tb_lineno}: {why[:300]}', flush=True)

    addFailure = addError = failed


def main():
    sys.path.insert(0, sys.argv[1])
    names = [os.path.basename(p)[:-3] for p in sorted(glob.glob(sys.argv[1] + '/tour_*.py'))]
    if len(sys.argv) > 2:
        names = sys.argv[2:]
    unittest.defaultTestLoader.loadTestsFromNames(names).run(Lines())


if __name__ == '__main__':
    main()
