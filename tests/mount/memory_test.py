#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: -o memory bounds the daemon, whatever streams through it or stays in it. Method: four
times the budget in and out of a mount, with the daemon's memory looked at all the while; then
vectors, which the index must hold, until with the tree's pages they are more than the budget has
room for. Memory is the kernel's figure, not the daemon's own. And what is read ahead is used."""
import os
import re
import struct
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(__file__))
import harness  # noqa: E402

MIB = 1 << 20


def anonymous(pid):
    """What the process holds that the kernel cannot drop."""
    with open(f'/proc/{pid}/statm', encoding='ascii') as statm:
        _, resident, of_files, *_ = map(int, statm.read().split())
    return (resident - of_files) * os.sysconf('SC_PAGE_SIZE')


class Streams(harness.Case):
    BUDGET = 64 * MIB
    options = ('-o', 'memory=64M,index=0')

    def setUp(self):
        super().setUp()
        self.peak, self.ended = 0, threading.Event()
        self.watch = threading.Thread(target=self.look)
        self.watch.start()
        self.addCleanup(self.watch.join)
        self.addCleanup(self.ended.set)

    def look(self):
        while not self.ended.wait(0.01):
            self.peak = max(self.peak, anonymous(self.volume.daemon.pid))

    def test_streams_stay_within_the_budget(self):
        block = os.urandom(MIB)
        with open(self.path('large'), 'wb', buffering=0) as f:
            for i in range(4 * self.BUDGET // MIB):
                f.write(i.to_bytes(4, 'little') + block[4:])
            os.fsync(f.fileno())
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        with open(self.path('large'), 'rb', buffering=0) as f:
            for i in range(4 * self.BUDGET // MIB):
                self.assertEqual(f.read(MIB), i.to_bytes(4, 'little') + block[4:])
        for i in range(3000):
            self.write(f'small-{i}', block[:20_000])
        print(f'peak {self.peak / MIB:.1f} of {self.BUDGET / MIB:.0f} MiB', file=sys.stderr)
        self.assertLess(self.peak, 1.05 * self.BUDGET)


def figure(case, name):
    found = re.search(rf'^{re.escape(name)} (\d+)', case.read('.vexfs/metrics').decode(), re.M)
    case.assertIsNotNone(found, name)
    return int(found[1])


class ColdReads(harness.Case):
    def test_a_file_read_in_sequence_has_been_read_ahead(self):
        content = os.urandom(48 * MIB)
        self.write('large', content, sync=True)
        self.remount()
        self.assertEqual(self.read('large'), content)
        used = figure(self, 'vexfs_readahead_used_bytes')
        self.assertGreater(used, len(content) // 2)
        self.assertGreater(used, 0.9 * figure(self, 'vexfs_readahead_read_bytes'))


class Index(harness.Case):
    BUDGET = 48 * MIB
    options = ('-o', 'memory=48M')
    FILES, DIMENSION = 4500, 768  # 14 MiB of vectors, the same again in tree pages and more

    def vector(self, i):
        return struct.pack(f'<{self.DIMENSION}f', *[float(1 + (i * j) % 7)
                                                    for j in range(1, self.DIMENSION + 1)])

    def test_caches_shrink_for_what_the_index_must_hold(self):
        for i in range(self.FILES):
            path = self.path(f'file-{i}')
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
            os.setxattr(path, 'user.vexfs.vector', self.vector(i))
        shrinks = 'vexfs_memory_shrinks_total{consumer="page_cache"}'
        index = 'vexfs_memory_used_bytes{consumer="index"}'
        until = time.monotonic() + 60
        while figure(self, shrinks) == 0 or \
                figure(self, index) < self.FILES * self.DIMENSION * 4 or \
                anonymous(self.volume.daemon.pid) > 0.85 * self.BUDGET:
            if time.monotonic() > until:
                figures = [line for line in self.read('.vexfs/metrics').decode().splitlines()
                           if line.startswith('vexfs_memory')]
                self.fail('\n'.join([f'{anonymous(self.volume.daemon.pid)} bytes are held',
                                     *figures]))
            time.sleep(0.1)
        self.assertEqual(figure(self, 'vexfs_memory_budget_bytes'), self.BUDGET)
        # A small cache is slower and just as right.
        for i in range(0, self.FILES, 7):
            self.assertEqual(os.getxattr(self.path(f'file-{i}'), 'user.vexfs.vector'),
                             self.vector(i))


if __name__ == '__main__':
    unittest.main()
