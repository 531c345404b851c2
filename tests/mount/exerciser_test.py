#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: whatever is done to files, in whatever order, they hold what they should. Method: random
operations on a few files beside a model in memory, through every road to their content (write,
direct I/O, shared mappings, truncation, holes, zeroing, allocation, copies inside the file system),
with remounts, and crashes after everything was synced, between. The seed is printed.

    VEXFS_SEED=7 VEXFS_STEPS=100000 tests/mount/exerciser_test.py
"""
import ctypes
import errno
import mmap
import os
import random
import sys

sys.path.insert(0, os.path.dirname(__file__))
import harness  # noqa: E402

SEED = int(os.environ.get('VEXFS_SEED', '20260603'))
STEPS = int(os.environ.get('VEXFS_STEPS', '2500'))
FILES, LARGEST = 4, 600_000
KEEP_SIZE, PUNCH, ZERO = 1, 2, 16
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]


class Exerciser(harness.Case):
    size = '256M'

    def setUp(self):
        super().setUp()
        print(f'seed {SEED} steps {STEPS}', file=sys.stderr)
        self.random = random.Random(SEED)
        self.model = [bytearray() for _ in range(FILES)]
        self.fds = [self.open(i) for i in range(FILES)]
        self.refused = set()
        self.did = {}
        self.addCleanup(self.close_all)

    def open(self, number, flags=0):
        return os.open(self.path(f'f{number}'), os.O_CREAT | os.O_RDWR | flags, 0o644)

    def close_all(self):
        for fd in self.fds:
            os.close(fd)
        self.fds = []

    def place(self, number, beyond=True):
        """An offset and a length, often at the edges of blocks."""
        end = LARGEST if beyond else len(self.model[number])
        at = self.random.randrange(0, max(end, 1))
        size = self.random.choice((1, 100, 4096, 5000, 65536, self.random.randrange(1, 120_000)))
        if self.random.random() < 0.4:
            at = at // 4096 * 4096
        if self.random.random() < 0.3:
            size = (size + 4095) // 4096 * 4096
        return at, max(1, min(size, LARGEST - at))

    def put(self, number, at, data):
        model = self.model[number]
        model.extend(bytes(max(0, at + len(data) - len(model))))
        model[at:at + len(data)] = data

    # --- operations: each does the same to the file and to the model
    def write(self, number):
        at, size = self.place(number)
        data = self.random.randbytes(size)
        self.assertEqual(os.pwrite(self.fds[number], data, at), size)
        self.put(number, at, data)

    def write_direct(self, number):
        at, size = self.place(number)
        at, size = at // 4096 * 4096, max(4096, size // 4096 * 4096)
        data = self.random.randbytes(size)
        with mmap.mmap(-1, size) as aligned:
            aligned[:] = data
            fd = self.open(number, os.O_DIRECT)
            self.assertEqual(os.pwrite(fd, aligned, at), size)
            os.close(fd)
        self.put(number, at, data)

    def append(self, number):
        if len(self.model[number]) > LARGEST:
            return
        data = self.random.randbytes(self.random.randrange(1, 9000))
        fd = self.open(number, os.O_APPEND)
        os.write(fd, data)
        os.close(fd)
        self.model[number] += data

    def write_mapped(self, number):
        length = len(self.model[number])
        if length == 0:
            return
        at, size = self.place(number, beyond=False)
        data = self.random.randbytes(min(size, length - at))
        with mmap.mmap(self.fds[number], length) as shared:
            shared[at:at + len(data)] = data
            if self.random.random() < 0.5:
                shared.flush()
        self.put(number, at, data)

    def truncate(self, number):
        size = self.random.choice((0, self.random.randrange(LARGEST), len(self.model[number]) + 10))
        os.ftruncate(self.fds[number], size)
        model = self.model[number]
        del model[size:]
        model.extend(bytes(size - len(model)))

    def allocate(self, number, mode):
        at, size = self.place(number)
        if LIBC.fallocate(self.fds[number], mode, at, size) != 0:
            self.assertEqual(ctypes.get_errno(), errno.EOPNOTSUPP, f'fallocate mode {mode}')
            self.refused.add(f'fallocate mode {mode}')
            return
        model = self.model[number]
        if not mode & KEEP_SIZE:
            model.extend(bytes(max(0, at + size - len(model))))
        if mode & (PUNCH | ZERO):
            end = min(at + size, len(model))
            model[at:end] = bytes(max(0, end - at))

    def punch(self, number):
        self.allocate(number, PUNCH | KEEP_SIZE)

    def zero(self, number):
        self.allocate(number, ZERO | self.random.choice((0, KEEP_SIZE)))

    def preallocate(self, number):
        self.allocate(number, self.random.choice((0, KEEP_SIZE)))

    def copy_range(self, number):
        other = self.random.randrange(FILES)
        at, size = self.place(other, beyond=False)
        to, _ = self.place(number)
        if self.random.random() < 0.5:  # as reflinks want it
            at, to, size = at // 4096 * 4096, to // 4096 * 4096, (size + 4095) // 4096 * 4096
        size = min(size, max(0, len(self.model[other]) - at))
        if size == 0 or (other == number and abs(at - to) < size):
            return
        copied = 0
        while copied < size:
            done = os.copy_file_range(self.fds[other], self.fds[number], size - copied,
                                      at + copied, to + copied)
            self.assertGreater(done, 0)
            copied += done
        self.put(number, to, bytes(self.model[other][at:at + size]))

    def sync(self, number):
        os.fsync(self.fds[number])

    def read(self, number):
        at, size = self.place(number)
        self.assertEqual(os.pread(self.fds[number], size, at), bytes(self.model[number][at:at + size]))

    def read_mapped(self, number):
        if self.model[number]:
            with mmap.mmap(self.fds[number], len(self.model[number]),
                           access=mmap.ACCESS_READ) as shared:
                self.assertEqual(shared[:], bytes(self.model[number]))

    def seek(self, number):
        """Where there is a hole it reads as zeros; where content is not zero there is data."""
        model, fd = self.model[number], self.fds[number]
        at = 0
        while at < len(model):
            try:
                data = os.lseek(fd, at, os.SEEK_DATA)
            except OSError as error:
                self.assertEqual(error.errno, errno.ENXIO)
                data = len(model)
            self.assertEqual(bytes(model[at:data]), bytes(data - at))
            if data >= len(model):
                break
            at = os.lseek(fd, data, os.SEEK_HOLE)
            self.assertGreater(at, data)

    def replace(self, number):
        """A rename over another of the files."""
        other = self.random.randrange(FILES)
        if other == number:
            return
        os.rename(self.path(f'f{number}'), self.path(f'f{other}'))
        os.close(self.fds[other])
        self.fds[other], self.model[other] = self.fds[number], self.model[number]
        self.fds[number], self.model[number] = self.open(number), bytearray()

    def exchange_for_new(self, number):
        """Unlinked while open, then made anew."""
        os.unlink(self.path(f'f{number}'))
        self.read(number)
        os.close(self.fds[number])
        self.fds[number], self.model[number] = self.open(number), bytearray()

    def again(self, mount):
        self.close_all()
        mount()
        self.fds = [self.open(i) for i in range(FILES)]
        self.check()

    def check(self):
        for number in range(FILES):
            self.assertEqual(os.fstat(self.fds[number]).st_size, len(self.model[number]))
            self.assertEqual(os.pread(self.fds[number], LARGEST * 2, 0), bytes(self.model[number]))

    def crash_synced(self):
        for number in range(FILES):
            os.fsync(self.fds[number])
        directory = os.open(self.mnt, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        self.again(self.crash)

    def test_files_hold_what_they_should(self):
        operations = ([self.write] * 6 + [self.read] * 6 + [self.truncate] * 2 +
                      [self.write_direct, self.append, self.write_mapped, self.read_mapped,
                       self.write_mapped, self.punch, self.zero, self.preallocate, self.copy_range,
                       self.copy_range, self.sync, self.seek])
        for step in range(STEPS):
            chance = self.random.random()
            try:
                if chance < 0.002:
                    self.again(self.remount)
                elif chance < 0.004:
                    self.crash_synced()
                elif chance < 0.01:
                    self.replace(self.random.randrange(FILES))
                elif chance < 0.016:
                    self.exchange_for_new(self.random.randrange(FILES))
                else:
                    operation = self.random.choice(operations)
                    operation(self.random.randrange(FILES))
                    self.did[operation.__name__] = self.did.get(operation.__name__, 0) + 1
            except (AssertionError, OSError) as error:
                raise AssertionError(f'seed {SEED} step {step}: {error}') from error
        self.check()
        self.again(self.remount)
        self.assertGreater(len(self.did), 12)
        for what in sorted(self.refused):
            print(f'not supported, so not tried: {what}', file=sys.stderr)


if __name__ == '__main__':
    harness.main()
