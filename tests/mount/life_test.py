#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: a volume's life, from mkfs to umount, through crashes, refusals and a full disk. Method:
the command as a user types it; what it refuses has to say why and leave everything as it was."""
import errno
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(__file__))
import harness  # noqa: E402

SEED = 20260602
FOUND, NOTHING, TROUBLE = 0, 1, 2


class Made(unittest.TestCase):
    """Cases that mount by hand, or not at all."""

    def setUp(self):
        self.volume = harness.Volume('64M')
        self.addCleanup(self.volume.remove)
        self.image, self.mnt, self.folder = (self.volume.image, self.volume.mnt,
                                             self.volume.folder)

    def refused(self, *args, saying):
        done = harness.vexfs(*args, check=False)
        self.assertEqual(done.returncode, TROUBLE, done.stdout + done.stderr)
        self.assertIn(saying, done.stderr)
        self.assertEqual(done.stdout, '')
        return done

    def mount(self, *words):
        """In the background, as a user does."""
        done = harness.vexfs('mount', self.image, self.mnt, '--log', self.volume.log_path, *words)
        self.addCleanup(lambda: harness.vexfs('umount', self.mnt, check=False))
        return done

    def log(self):
        return self.volume.log()


class Making(Made):
    def test_mkfs_overwrites_nothing_without_force(self):
        precious = os.path.join(self.folder, 'precious')
        with open(precious, 'w') as f:
            f.write('do not lose me')
        self.refused('mkfs', precious, '--size', '64M', saying='--force')
        self.refused('mkfs', self.image, '--size', '64M', saying='--force')
        with open(precious) as f:
            self.assertEqual(f.read(), 'do not lose me')
        harness.vexfs('mkfs', precious, '--size', '64M', '--force')
        harness.vexfs('info', precious)

    def test_mkfs_takes_a_half_made_image_away(self):
        image = os.path.join(self.folder, 'small')
        self.refused('mkfs', image, '--size', '16K', saying='--size')
        self.assertFalse(os.path.exists(image))
        self.refused('mkfs', image, saying='how large')
        self.refused('mkfs', image, '--size', 'much', saying='not a size')
        self.assertFalse(os.path.exists(image))
        self.refused('mkfs', os.path.join(self.folder, 'no', 'where'), '--size', '64M',
                     saying='No such file')

    def test_the_image_is_sparse(self):
        image = os.path.join(self.folder, 'sparse')
        harness.vexfs('mkfs', image, '--size', '20G')
        self.assertEqual(os.stat(image).st_size, 20 << 30)
        self.assertLess(os.stat(image).st_blocks * 512, 1 << 30)

    def test_info_tells_what_an_image_is(self):
        self.assertIn('clean', harness.vexfs('info', self.image).stdout)
        self.assertIn('"clean":true', harness.vexfs('info', '--json', self.image).stdout)
        self.refused('info', '/bin/true', saying='not a VexFS volume')
        self.refused('info', os.path.join(self.folder, 'none'), saying='No such file')


class Mounting(Made):
    def test_the_command_returns_when_the_mount_answers(self):
        self.mount()
        with open(os.path.join(self.mnt, 'f'), 'w') as f:
            f.write('x')
        with open('/proc/mounts') as mounts:
            line = next(line for line in mounts if line.split()[1] == self.mnt)
        self.assertEqual(line.split()[:3], [self.image, self.mnt, 'fuse.vexfs'])
        self.assertTrue({'nosuid', 'nodev', 'default_permissions'} <= set(line.split()[3].split(',')))
        self.assertNotIn('allow_other', line)
        self.assertIn('mounted', harness.vexfs('info', self.mnt).stdout)

    def test_umount_returns_when_the_image_is_whole(self):
        self.mount()
        with open(os.path.join(self.mnt, 'f'), 'w') as f:
            f.write('written')
        harness.vexfs('umount', self.mnt)
        self.assertIn('"clean":true', harness.vexfs('info', '--json', self.image).stdout)
        self.mount()
        with open(os.path.join(self.mnt, 'f')) as f:
            self.assertEqual(f.read(), 'written')
        harness.vexfs('umount', self.image)  # by its image, too
        self.assertFalse(os.path.ismount(self.mnt))

    def test_umount_of_a_mount_in_use_is_refused(self):
        self.mount()
        with open(os.path.join(self.mnt, 'f'), 'w') as f:
            self.refused('umount', self.mnt, saying='busy')
            f.write('goes on')
        harness.vexfs('umount', self.mnt)

    def test_a_second_mount_is_refused(self):
        self.mount()
        other = os.path.join(self.folder, 'other')
        os.mkdir(other)
        self.refused('mount', self.image, other, saying='already mounted')
        self.refused('mkfs', self.image, '--size', '64M', '--force', saying='mounted')
        self.assertEqual(os.listdir(self.mnt), [])

    def test_a_mount_waits_for_a_daemon_that_is_ending(self):
        self.mount()
        with open(os.path.join(self.mnt, 'f'), 'wb') as f:
            f.write(os.urandom(8 << 20))
        subprocess.run(['umount', self.mnt], check=True)  # does not wait for the daemon
        self.mount()
        self.assertEqual(os.stat(os.path.join(self.mnt, 'f')).st_size, 8 << 20)

    def test_a_mountpoint_has_to_be_an_empty_directory(self):
        with open(os.path.join(self.mnt, 'in the way'), 'w'):
            pass
        self.refused('mount', self.image, self.mnt, saying='not empty')
        self.refused('mount', self.image, os.path.join(self.mnt, 'in the way'),
                     saying='not a directory')
        self.refused('mount', self.image, os.path.join(self.mnt, 'none'), saying='No such file')
        os.unlink(os.path.join(self.mnt, 'in the way'))

    def test_what_is_no_volume_is_refused(self):
        for content in (b'', b'not a volume', bytes(1 << 20), os.urandom(1 << 20)):
            image = os.path.join(self.folder, 'strange')
            with open(image, 'wb') as f:
                f.write(content)
            self.refused('mount', image, self.mnt, '--log', self.volume.log_path,
                         saying='not a VexFS volume')
        self.assertFalse(os.path.ismount(self.mnt))

    def test_a_truncated_image_is_refused(self):
        os.truncate(self.image, 32 << 20)
        self.refused('mount', self.image, self.mnt, '--log', self.volume.log_path,
                     saying='truncated')
        os.truncate(self.image, 64 << 20)

    def test_unknown_options_are_refused(self):
        self.refused('mount', self.image, self.mnt, '-o', 'sync=sometimes', saying='sync=sometimes')
        self.refused('mount', self.image, self.mnt, '-o', 'noatime,speed=high', saying='speed=high')
        self.assertEqual(harness.vexfs('mount', '--nonsense', check=False).returncode, TROUBLE)
        self.assertEqual(harness.vexfs(check=False).returncode, TROUBLE)

    def test_read_only(self):
        self.mount()
        with open(os.path.join(self.mnt, 'f'), 'w') as f:
            f.write('x')
        harness.vexfs('umount', self.mnt)
        self.mount('-o', 'ro')
        with open(os.path.join(self.mnt, 'f')) as f:
            self.assertEqual(f.read(), 'x')
        with self.assertRaises(OSError) as caught:
            os.mkdir(os.path.join(self.mnt, 'd'))
        self.assertEqual(caught.exception.errno, errno.EROFS)

    def test_a_dead_mount_says_how_it_is_cleared(self):
        self.volume.mount()
        self.volume.daemon.kill()
        self.volume.daemon.wait()
        self.volume.daemon = None
        self.refused('mount', self.image, self.mnt, saying='vexfs umount')
        harness.vexfs('umount', self.mnt)
        self.mount()
        self.assertIn('not unmounted cleanly', self.log())

    def test_signals_end_it_cleanly(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            self.volume.mount()
            with open(os.path.join(self.mnt, 'f'), 'w') as f:
                f.write(str(number))
            self.volume.daemon.send_signal(number)
            self.assertEqual(self.volume.daemon.wait(30), 0, self.log())
            self.volume.daemon = None
            self.assertFalse(os.path.ismount(self.mnt))
            self.assertIn('"clean":true', harness.vexfs('info', '--json', self.image).stdout)
            self.volume.mount()
            with open(os.path.join(self.mnt, 'f')) as f:
                self.assertEqual(f.read(), str(number))
            self.volume.unmount()

    def test_a_signal_ends_it_though_files_are_open(self):
        self.volume.mount()
        fd = os.open(os.path.join(self.mnt, 'f'), os.O_CREAT | os.O_WRONLY)
        os.write(fd, b'x')
        self.volume.unmount()
        with self.assertRaises(OSError):
            os.write(fd, b'y')
        os.close(fd)
        self.volume.mount()
        with open(os.path.join(self.mnt, 'f')) as f:
            self.assertEqual(f.read(), 'x')

    def test_the_program_serves_as_mount_helper(self):
        helper = os.path.join(self.folder, 'mount.vexfs')
        os.symlink(harness.VEXFS, helper)
        harness.run(helper, self.image, self.mnt, '-o', 'rw,noauto,x-systemd.automount,noatime')
        self.addCleanup(lambda: harness.vexfs('umount', self.mnt, check=False))
        self.assertTrue(os.path.ismount(self.mnt))


class Crashes(harness.Case):
    size = '512M'

    def test_fsynced_files_survive_a_kill_while_others_are_written(self):
        written, lock, ending = {}, threading.Lock(), threading.Event()

        def work(number):
            generator = random.Random(SEED + number)
            try:
                for i in range(100000):
                    if ending.is_set():
                        return
                    name = f'w{number}-{i}'
                    content = generator.randbytes(generator.randrange(1, 60000))
                    self.write(name, content, sync=True)
                    with lock:
                        written[name] = content
                    self.write(f'unsynced-{number}-{i % 10}', content)
            except OSError:
                return  # the daemon is gone

        for round_number in range(3):
            ending.clear()
            threads = [threading.Thread(target=work, args=(10 * round_number + n,))
                       for n in range(4)]
            for thread in threads:
                thread.start()
            time.sleep(1.5)
            self.volume.daemon.kill()
            ending.set()
            for thread in threads:
                thread.join()
            self.crash()
            self.assertGreater(len(written), 10 * (round_number + 1))
            for name, content in written.items():
                self.assertEqual(self.read(name), content, f'seed {SEED}: {name}')
        self.assertIn('recovered', self.volume.log())

    def test_names_survive_with_their_directory(self):
        os.mkdir(self.path('d'))
        self.write('d/f', 'x', sync=True)
        os.rename(self.path('d'), self.path('e'))
        os.symlink('f', self.path('e', 'link'))
        fd = os.open(self.path('e'), os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
        self.crash()
        self.assertEqual(self.read('e/link'), b'x')
        self.assertFalse(os.path.exists(self.path('d')))

    def test_space_of_unlinked_open_files_comes_back_after_a_crash(self):
        free = os.statvfs(self.mnt).f_bfree
        fd = os.open(self.path('f'), os.O_CREAT | os.O_WRONLY)
        os.write(fd, os.urandom(16 << 20))
        os.fsync(fd)
        os.unlink(self.path('f'))
        directory = os.open(self.mnt, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        self.volume.daemon.kill()
        os.close(fd)
        self.crash()
        self.remount()
        self.assertGreater(os.statvfs(self.mnt).f_bfree, free - (8 << 20) // 4096)


class Full(harness.Case):
    size = '64M'

    def fill(self):
        """Writes until the volume is full; the names of what was written."""
        names = []
        for i in range(1000):
            try:
                self.write(f'f{i}', os.urandom(1 << 20), sync=True)
            except OSError as error:
                self.assertEqual(error.errno, errno.ENOSPC)
                names.append(f'f{i}')
                return names
            names.append(f'f{i}')
        self.fail('64 MiB took 1000 MiB')

    def test_a_full_volume_can_delete_and_then_write(self):
        names = self.fill()
        self.assertGreater(len(names), 5)
        for name in names[::2]:
            os.unlink(self.path(name))
        fd = os.open(self.mnt, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
        self.write('again', b'a' * (1 << 20), sync=True)
        self.assertEqual(self.read('again'), b'a' * (1 << 20))
        self.remount()
        self.assertEqual(self.read('again'), b'a' * (1 << 20))

    def test_filled_and_emptied_it_is_as_large_as_before(self):
        counts = []
        for _ in range(3):
            names = self.fill()
            counts.append(len(names))
            for name in names:
                os.unlink(self.path(name))
            self.remount()
        self.assertGreaterEqual(min(counts), max(counts) - 3, counts)


if __name__ == '__main__':
    harness.main()
