#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: doc/SEMANTICS.md tells the truth. Method: run its examples, in order, in one mount."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))
import harness  # noqa: E402


def examples(text):
    """(command, what it shall print) of each `$` line in an indented block."""
    command, expected = None, []
    for line in text.splitlines():
        if not line.startswith('    '):
            if line.strip() and command is not None:
                yield command, expected
                command, expected = None, []
        elif line.startswith('    $ '):
            if command is not None:
                yield command, expected
            command, expected = line[6:], []
        elif command is not None:
            expected.append(line[4:])
    if command is not None:
        yield command, expected


class Semantics(harness.Case):
    def test_the_examples_of_the_document_are_true(self):
        text = (harness.ROOT / 'doc' / 'SEMANTICS.md').read_text(encoding='utf-8')
        found = list(examples(text))
        self.assertGreater(len(found), 15)
        env = dict(os.environ, LC_ALL='C.UTF-8',
                   PATH=os.path.dirname(harness.VEXFS) + ':' + os.environ['PATH'])
        for command, expected in found:
            with self.subTest(command=command):
                done = harness.run('bash', '-c', command, cwd=self.mnt, env=env, check=False)
                self.assertEqual(done.stdout.splitlines(), expected, done.stderr)

    @unittest.skipIf(os.geteuid() != 0, 'only root may set how far the kernel reads ahead')
    def test_the_kernel_reads_a_whole_request_ahead(self):
        device = os.stat(self.mnt).st_dev
        told = f'/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb'
        if not os.access(told, os.W_OK):
            self.skipTest('sysfs cannot be written here')
        with open(told, encoding='ascii') as file:
            self.assertEqual(file.read().strip(), '1024')


if __name__ == '__main__':
    harness.main()
