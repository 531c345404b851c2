#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: -o memory bounds the daemon, whatever streams through it. Method: four times the budget in
and out of a mount, many small files after it, and the daemon's resident memory is looked at all
the while."""
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(__file__))
import harness  # noqa: E402

MIB = 1 << 20
BUDGET = 64 * MIB
# Code, threads, the log's and the device's buffers, tables that grow with neither.
FIXED = 48 * MIB


class Memory(harness.Case):
    options = ('-o', 'memory=64M,index=0')

    def setUp(self):
        super().setUp()
        self.peak, self.ended = 0, threading.Event()
        self.watch = threading.Thread(target=self.look)
        self.watch.start()
        self.addCleanup(self.watch.join)
        self.addCleanup(self.ended.set)

    def look(self):
        path = f'/proc/{self.volume.daemon.pid}/statm'
        while not self.ended.wait(0.01):
            with open(path, encoding='ascii') as statm:
                resident = int(statm.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')
            self.peak = max(self.peak, resident)

    def test_streams_stay_within_the_budget(self):
        block = os.urandom(MIB)
        with open(self.path('large'), 'wb', buffering=0) as f:
            for i in range(4 * BUDGET // MIB):
                f.write(i.to_bytes(4, 'little') + block[4:])
            os.fsync(f.fileno())
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        with open(self.path('large'), 'rb', buffering=0) as f:
            for i in range(4 * BUDGET // MIB):
                self.assertEqual(f.read(MIB), i.to_bytes(4, 'little') + block[4:])
        for i in range(3000):
            self.write(f'small-{i}', block[:20_000])
        self.assertLess(self.peak, BUDGET + FIXED)
        print(f'peak {self.peak / MIB:.0f} MiB', file=sys.stderr)


if __name__ == '__main__':
    unittest.main()
