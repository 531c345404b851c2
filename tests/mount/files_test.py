#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: ordinary programs find ordinary files. Method: each call's good and bad cases through a
real mount; contents are compared with what was written, also after a remount."""
import errno
import hashlib
import mmap
import os
import random
import stat
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))
import harness  # noqa: E402

SEED = 20260601


def digest(path):
    with open(path, 'rb') as f:
        return hashlib.file_digest(f, 'sha256').hexdigest() if hasattr(hashlib, 'file_digest') \
            else hashlib.sha256(f.read()).hexdigest()


class Names(harness.Case):
    size = '256M'

    def test_create_and_look_up(self):
        self.write('a', 'one')
        self.assertEqual(self.read('a'), b'one')
        self.assertErrno(errno.ENOENT, os.stat, self.path('b'))
        self.assertErrno(errno.EEXIST, os.open, self.path('a'), os.O_CREAT | os.O_EXCL | os.O_RDWR)
        self.assertErrno(errno.ENOTDIR, os.stat, self.path('a', 'below'))
        self.assertErrno(errno.EISDIR, os.open, self.mnt, os.O_WRONLY)

    def test_a_name_has_255_bytes_and_any_byte(self):
        longest = 'n' * 255
        self.write(longest, 'x')
        self.assertErrno(errno.ENAMETOOLONG, os.stat, self.path('n' * 256))
        odd = os.path.join(os.fsencode(self.mnt), b'\xff\x01 \n\xc3')
        os.close(os.open(odd, os.O_CREAT | os.O_WRONLY))
        self.assertIn(b'\xff\x01 \n\xc3', os.listdir(os.fsencode(self.mnt)))
        self.remount()
        self.assertEqual(self.read(longest), b'x')
        os.stat(odd)

    def test_directories(self):
        os.makedirs(self.path('a', 'b', 'c'))
        self.assertEqual(os.stat(self.path('a')).st_nlink, 3)
        self.assertErrno(errno.ENOTEMPTY, os.rmdir, self.path('a'))
        self.assertErrno(errno.EEXIST, os.mkdir, self.path('a'))
        self.assertErrno(errno.ENOTDIR, os.rmdir, self._file('f'))
        self.assertErrno(errno.EISDIR, os.unlink, self.path('a'))
        os.rmdir(self.path('a', 'b', 'c'))
        os.rmdir(self.path('a', 'b'))
        self.assertEqual(os.stat(self.path('a')).st_nlink, 2)
        self.assertEqual(os.stat(self.path('a', '..')).st_ino, os.stat(self.mnt).st_ino)

    def _file(self, name):
        self.write(name, name)
        return self.path(name)

    def test_rename(self):
        source, target = self._file('source'), self._file('target')
        os.rename(source, target)
        self.assertEqual(self.read('target'), b'source')
        self.assertErrno(errno.ENOENT, os.stat, source)
        os.makedirs(self.path('d', 'e'))
        self.assertErrno(errno.EINVAL, os.rename, self.path('d'), self.path('d', 'e', 'd'))
        self.assertErrno(errno.EISDIR, os.rename, target, self.path('d'))
        self.assertErrno(errno.ENOTDIR, os.rename, self.path('d'), target)
        self.assertErrno(errno.ENOENT, os.rename, self.path('none'), target)
        os.rename(target, self.path('d', 'e', 'moved'))
        os.rename(self.path('d', 'e'), self.path('e'))
        self.assertEqual(self.read('e/moved'), b'source')
        os.mkdir(self.path('full'))
        self._file('full/x')
        self.assertErrno(errno.ENOTEMPTY, os.rename, self.path('e'), self.path('full'))
        self.assertEqual(os.stat(self.mnt).st_nlink, 5)

    def test_hard_links(self):
        first = self._file('first')
        os.link(first, self.path('second'))
        self.assertEqual(os.stat(first).st_nlink, 2)
        self.assertEqual(os.stat(first).st_ino, os.stat(self.path('second')).st_ino)
        os.unlink(first)
        self.assertEqual(self.read('second'), b'first')
        self.assertEqual(os.stat(self.path('second')).st_nlink, 1)
        os.mkdir(self.path('d'))
        self.assertErrno(errno.EPERM, os.link, self.path('d'), self.path('d2'))
        self.assertErrno(errno.EEXIST, os.link, self.path('second'), self.path('d'))

    def test_symlinks(self):
        os.symlink('target', self.path('link'))
        self.assertEqual(os.readlink(self.path('link')), 'target')
        self.assertErrno(errno.ENOENT, os.stat, self.path('link'))
        self.write('target', 'there')
        self.assertEqual(self.read('link'), b'there')
        self.assertErrno(errno.EINVAL, os.readlink, self.path('target'))
        longest = 't' * 4000
        os.symlink(longest, self.path('long'))
        os.symlink('loop', self.path('loop'))
        self.assertErrno(errno.ELOOP, os.stat, self.path('loop'))
        self.remount()
        self.assertEqual(os.readlink(self.path('long')), longest)
        self.assertEqual(os.lstat(self.path('long')).st_size, 4000)

    def test_device_nodes_and_fifos(self):
        os.mkfifo(self.path('fifo'), 0o600)
        self.assertTrue(stat.S_ISFIFO(os.stat(self.path('fifo')).st_mode))
        if os.geteuid() == 0:
            os.mknod(self.path('null'), stat.S_IFCHR | 0o666, os.makedev(1, 3))
            self.assertEqual(os.stat(self.path('null')).st_rdev, os.makedev(1, 3))
            self.assertErrno(errno.EACCES, os.open, self.path('null'), os.O_RDONLY)  # nodev

    def test_many_names_in_one_directory(self):
        names = {f'file-{i:05}' for i in range(3000)}
        for name in names:
            os.close(os.open(self.path(name), os.O_CREAT | os.O_WRONLY))
        self.assertEqual(set(os.listdir(self.mnt)), names)
        for name in sorted(names)[::2]:
            os.unlink(self.path(name))
        self.assertEqual(set(os.listdir(self.mnt)), set(sorted(names)[1::2]))
        self.remount()
        with os.scandir(self.mnt) as entries:
            self.assertEqual({e.name for e in entries if e.is_file()}, set(sorted(names)[1::2]))

    def test_a_listing_is_stable_while_entries_come_and_go(self):
        for i in range(1000):
            self.write(f'stays-{i}', '')
        seen = []
        with os.scandir(self.mnt) as entries:
            for number, entry in enumerate(entries):
                seen.append(entry.name)
                if number % 10 == 0:
                    self.write(f'comes-{number}', '')
                    os.unlink(self.path(f'comes-{number}'))
        stays = [name for name in seen if name.startswith('stays-')]
        self.assertEqual(len(stays), 1000)
        self.assertEqual(len(set(stays)), 1000)


class Attributes(harness.Case):
    size = '256M'

    def test_mode_owner_and_times(self):
        self.write('f', 'x')
        path = self.path('f')
        os.chmod(path, 0o640)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o640)
        os.utime(path, ns=(1_000_000_007, 2_000_000_000_000_000_009))
        attributes = os.stat(path)
        self.assertEqual(attributes.st_atime_ns, 1_000_000_007)
        self.assertEqual(attributes.st_mtime_ns, 2_000_000_000_000_000_009)
        if os.geteuid() == 0:
            os.chown(path, 1234, 5678)
            self.assertEqual((os.stat(path).st_uid, os.stat(path).st_gid), (1234, 5678))
        self.remount()
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o640)
        self.assertEqual(os.stat(path).st_mtime_ns, 2_000_000_000_000_000_009)

    def test_umask_and_owner_of_a_new_file(self):
        before = os.umask(0o027)
        self.addCleanup(os.umask, before)
        self.write('f', '')
        os.mkdir(self.path('d'))
        self.assertEqual(stat.S_IMODE(os.stat(self.path('f')).st_mode), 0o640)
        self.assertEqual(stat.S_IMODE(os.stat(self.path('d')).st_mode), 0o750)
        self.assertEqual(os.stat(self.path('f')).st_uid, os.geteuid())

    def test_a_setgid_directory_gives_its_group(self):
        if os.geteuid() != 0:
            self.skipTest('needs root to choose a group')
        os.mkdir(self.path('d'))
        os.chown(self.path('d'), 0, 4321)
        os.chmod(self.path('d'), 0o2775)
        self.write('d/f', '')
        os.mkdir(self.path('d', 'e'))
        self.assertEqual(os.stat(self.path('d', 'f')).st_gid, 4321)
        self.assertEqual(os.stat(self.path('d', 'e')).st_gid, 4321)
        self.assertTrue(os.stat(self.path('d', 'e')).st_mode & stat.S_ISGID)

    def test_a_write_clears_set_user_id(self):
        self.write('f', 'x')
        os.chmod(self.path('f'), 0o4755)
        # root keeps the bits (CAP_FSETID), so an ordinary user would be needed to see the write
        # clear them; a change of owner clears them for everyone.
        if os.geteuid() == 0:
            os.chown(self.path('f'), 1000, 1000)
            self.assertEqual(stat.S_IMODE(os.stat(self.path('f')).st_mode), 0o755)

    def test_extended_attributes(self):
        self.write('f', 'x')
        path = self.path('f')
        os.setxattr(path, 'user.a', b'one')
        self.assertErrno(errno.EEXIST, os.setxattr, path, 'user.a', b'', os.XATTR_CREATE)
        self.assertErrno(errno.ENODATA, os.setxattr, path, 'user.b', b'', os.XATTR_REPLACE)
        os.setxattr(path, 'user.big', b'v' * 65536)
        os.setxattr(path, 'user.empty', b'')
        self.assertErrno(errno.ENODATA, os.getxattr, path, 'user.none')
        self.assertErrno(errno.EOPNOTSUPP, os.getxattr, path, 'system.posix_acl_access')
        self.remount()
        self.assertEqual(set(os.listxattr(path)), {'user.a', 'user.big', 'user.empty'})
        self.assertEqual(os.getxattr(path, 'user.big'), b'v' * 65536)
        self.assertEqual(os.getxattr(path, 'user.empty'), b'')
        os.removexattr(path, 'user.a')
        self.assertErrno(errno.ENODATA, os.removexattr, path, 'user.a')
        os.setxattr(self.mnt, 'user.root', b'too')
        self.assertEqual(os.getxattr(self.mnt, 'user.root'), b'too')

    def test_the_daemons_own_names_are_refused(self):
        self.assertErrno(errno.EPERM, os.setxattr, self.mnt, 'user.vexfs.nonsense', b'x')
        for call in (os.mkdir, os.rmdir):
            with self.assertRaises(OSError):
                call(self.path('.vexfs'))
        self.assertNotIn('.vexfs', os.listdir(self.mnt))

    def test_statfs_adds_up(self):
        before = os.statvfs(self.mnt)
        self.assertLessEqual(before.f_bavail, before.f_bfree)
        self.assertLessEqual(before.f_bfree, before.f_blocks)
        self.assertEqual(before.f_namemax, 255)
        self.write('f', os.urandom(8 << 20), sync=True)
        after = os.statvfs(self.mnt)
        self.assertLessEqual(after.f_bfree, before.f_bfree - (8 << 20) // after.f_frsize)
        self.assertGreaterEqual(os.stat(self.path('f')).st_blocks * 512, 8 << 20)
        # What a deletion gives back counts at once, not with the next checkpoint.
        os.unlink(self.path('f'))
        given_back = os.statvfs(self.mnt).f_bfree - after.f_bfree
        self.assertGreaterEqual(given_back, (8 << 20) // after.f_frsize)


class Content(harness.Case):
    size = '1G'

    def test_open_flags(self):
        self.write('f', '0123456789')
        with open(self.path('f'), 'ab') as f:
            f.write(b'ab')
        self.assertEqual(self.read('f'), b'0123456789ab')
        os.close(os.open(self.path('f'), os.O_WRONLY | os.O_TRUNC))
        self.assertEqual(self.read('f'), b'')
        fd = os.open(self.path('f'), os.O_RDONLY)
        self.assertErrno(errno.EBADF, os.write, fd, b'x')
        os.close(fd)

    def test_holes_and_truncation(self):
        fd = os.open(self.path('f'), os.O_CREAT | os.O_RDWR)
        self.addCleanup(os.close, fd)
        os.pwrite(fd, b'end', 10 << 20)
        self.assertEqual(os.pread(fd, 16, 5 << 20), bytes(16))
        os.truncate(fd, 4097)
        os.truncate(fd, 10 << 20)
        self.assertEqual(os.pread(fd, 8192, 0), bytes(8192))
        os.pwrite(fd, b'A' * 6000, 0)
        os.truncate(fd, 100)
        os.truncate(fd, 6000)
        self.assertEqual(os.pread(fd, 6000, 0), b'A' * 100 + bytes(5900))
        os.fsync(fd)
        self.assertEqual(os.fstat(fd).st_size, 6000)

    def test_an_unlinked_file_lives_while_it_is_open(self):
        fd = os.open(self.path('f'), os.O_CREAT | os.O_RDWR)
        os.write(fd, b'still here')
        os.unlink(self.path('f'))
        self.assertErrno(errno.ENOENT, os.stat, self.path('f'))
        self.assertEqual(os.fstat(fd).st_nlink, 0)
        os.pwrite(fd, b'STILL', 0)
        os.fsync(fd)
        self.assertEqual(os.pread(fd, 100, 0), b'STILL here')
        os.close(fd)

    def test_a_file_replaced_by_rename_stays_readable(self):
        self.write('old', 'old content')
        self.write('new', 'new content')
        with open(self.path('old'), 'rb') as f:
            os.rename(self.path('new'), self.path('old'))
            self.assertEqual(f.read(), b'old content')
        self.assertEqual(self.read('old'), b'new content')

    def test_mmap(self):
        self.write('f', bytes(3 * 4096 + 100), sync=True)
        with open(self.path('f'), 'r+b') as f, mmap.mmap(f.fileno(), 0) as shared:
            shared[4090:4100] = b'0123456789'
            shared.flush()
            self.assertEqual(os.pread(f.fileno(), 10, 4090), b'0123456789')
        self.remount()
        self.assertEqual(self.read('f')[4090:4100], b'0123456789')

    def test_mmapped_pages_survive_an_unmount_without_msync(self):
        self.write('f', bytes(4096))
        with open(self.path('f'), 'r+b') as f, mmap.mmap(f.fileno(), 0) as shared:
            shared[0:5] = b'hello'
        self.remount()
        self.assertEqual(self.read('f')[:5], b'hello')

    def test_a_large_file_comes_back(self):
        generator = random.Random(SEED)
        blocks = [generator.randbytes(1 << 20) for _ in range(8)]
        with open(self.path('big'), 'wb') as f:
            for i in range(128):
                f.write(blocks[i % 8])
        expected = hashlib.sha256(b''.join(blocks) * 16).hexdigest()
        self.assertEqual(digest(self.path('big')), expected)
        self.remount()
        self.assertEqual(digest(self.path('big')), expected)

    def test_random_writes_agree_with_a_model(self):
        generator = random.Random(SEED)
        model = bytearray()
        fd = os.open(self.path('f'), os.O_CREAT | os.O_RDWR)
        for step in range(600):
            at = generator.randrange(0, 1 << 20)
            kind = generator.random()
            if kind < 0.75:
                data = generator.randbytes(generator.randrange(1, 20000))
                os.pwrite(fd, data, at)
                model.extend(bytes(max(0, at + len(data) - len(model))))
                model[at:at + len(data)] = data
            elif kind < 0.85:
                os.truncate(fd, at)
                model = model[:at] + bytes(max(0, at - len(model)))
            elif kind < 0.9:
                os.fsync(fd)
            else:
                n = generator.randrange(1, 50000)
                self.assertEqual(os.pread(fd, n, at), bytes(model[at:at + n]),
                                 f'seed {SEED} step {step}')
        os.close(fd)
        self.assertEqual(self.read('f'), bytes(model))
        self.remount()
        self.assertEqual(self.read('f'), bytes(model))

    def test_writers_side_by_side(self):
        def work(number):
            generator = random.Random(SEED + number)
            for i in range(40):
                content = generator.randbytes(generator.randrange(0, 100000))
                self.write(f'w{number}-{i}', content, sync=i % 8 == 0)
                expected[f'w{number}-{i}'] = content
                if i % 5 == 0:
                    os.rename(self.path(f'w{number}-{i}'), self.path(f'r{number}-{i}'))
                    expected[f'r{number}-{i}'] = expected.pop(f'w{number}-{i}')

        expected = {}
        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(set(os.listdir(self.mnt)), set(expected))
        self.remount()
        for name, content in expected.items():
            self.assertEqual(self.read(name), content, name)

    def test_one_file_shared_by_writers(self):
        fd = os.open(self.path('f'), os.O_CREAT | os.O_RDWR)
        self.addCleanup(os.close, fd)

        def work(number):
            for i in range(100):
                os.pwrite(fd, bytes([number]) * 512, (i * 8 + number) * 512)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for i in range(800):
            self.assertEqual(os.pread(fd, 512, i * 512), bytes([i % 8]) * 512)

    def test_seek_data_and_hole(self):
        fd = os.open(self.path('f'), os.O_CREAT | os.O_RDWR)
        self.addCleanup(os.close, fd)
        os.pwrite(fd, b'x' * 65536, 1 << 20)
        os.ftruncate(fd, 4 << 20)
        os.fsync(fd)
        self.assertEqual(os.lseek(fd, 0, os.SEEK_DATA), 1 << 20)
        self.assertEqual(os.lseek(fd, 1 << 20, os.SEEK_HOLE), (1 << 20) + 65536)
        self.assertErrno(errno.ENXIO, os.lseek, fd, 2 << 20, os.SEEK_DATA)

    def test_programs(self):
        subprocess.run(['cp', '-a', '/usr/share/common-licenses', self.mnt], check=True)
        subprocess.run(['diff', '-r', '/usr/share/common-licenses',
                        self.path('common-licenses')], check=True)
        archive = self.path('a.tar')
        subprocess.run(['tar', '-C', self.mnt, '-cf', archive, 'common-licenses'], check=True)
        os.mkdir(self.path('out'))
        subprocess.run(['tar', '-C', self.path('out'), '-xf', archive], check=True)
        subprocess.run(['diff', '-r', self.path('common-licenses'),
                        self.path('out', 'common-licenses')], check=True)
        subprocess.run(['rm', '-r', self.path('out'), self.path('common-licenses')], check=True)
        self.assertEqual(os.listdir(self.mnt), ['a.tar'])

    def test_direct_io(self):
        fd = os.open(self.path('f'), os.O_CREAT | os.O_RDWR | os.O_DIRECT)
        self.addCleanup(os.close, fd)
        buffer = mmap.mmap(-1, 64 << 10)
        buffer[:] = b'D' * (64 << 10)
        self.assertEqual(os.pwrite(fd, buffer, 0), 64 << 10)
        buffer[:] = bytes(64 << 10)
        self.assertEqual(os.preadv(fd, [buffer], 0), 64 << 10)
        self.assertEqual(buffer[:], b'D' * (64 << 10))

    def test_times_move_with_content(self):
        self.write('f', 'x')
        before = os.stat(self.path('f'))
        time.sleep(0.02)
        self.write('f', 'y')
        after = os.stat(self.path('f'))
        self.assertGreater(after.st_mtime_ns, before.st_mtime_ns)
        self.assertGreater(after.st_ctime_ns, before.st_ctime_ns)


if __name__ == '__main__':
    harness.main()
