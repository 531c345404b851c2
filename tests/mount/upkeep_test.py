#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: what keeps a volume in order - growing it, giving space back, checking it - works where
volumes live: on images and on block devices. Method: the commands beside a mount, and through
kill -9; a loop device where the machine has one."""
import errno
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
import harness  # noqa: E402

TROUBLE = 2
SEED = 20261121
MIB = 1 << 20


def host_bytes(path):
    return os.stat(path).st_blocks * 512




class Growing(harness.Case):
    size = '256M'

    def blocks(self):
        return os.statvfs(self.mnt).f_blocks

    def resize(self, *args):
        return harness.vexfs('resize', *args).stdout

    def test_a_mounted_volume_grows_and_stays_so_after_a_kill(self):
        before = os.statvfs(self.mnt)
        self.assertIn('356', self.resize(self.mnt, '+100M'))
        after = os.statvfs(self.mnt)
        self.assertGreater((after.f_blocks - before.f_blocks) * after.f_frsize, 90 * MIB)
        self.assertGreater(after.f_bavail, before.f_bavail)
        self.assertEqual(os.stat(self.volume.image).st_size, 356 * MIB)
        # More than the old size could hold.
        content = os.urandom(MIB)
        with open(self.path('large'), 'wb') as f:
            for _ in range(300):
                f.write(content)
            os.fsync(f.fileno())
        self.crash()
        self.assertEqual(self.blocks(), after.f_blocks)
        with open(self.path('large'), 'rb') as f:
            for _ in range(300):
                self.assertEqual(f.read(MIB), content)
        self.volume.unmount()
        self.assertIn('clean', harness.vexfs('fsck', self.volume.image).stdout)

    def test_an_image_that_is_not_mounted_grows(self):
        before = self.blocks()
        self.write('kept', 'x' * 5000)
        self.volume.unmount()
        self.resize(self.volume.image, '300M')
        self.assertEqual(os.stat(self.volume.image).st_size, 300 * MIB)
        self.volume.mount()
        self.assertGreater(self.blocks(), before)
        self.assertEqual(self.read('kept'), b'x' * 5000)

    def test_smaller_is_refused(self):
        before = self.blocks()
        refused = harness.vexfs('resize', self.volume.image, '100M', check=False)
        self.assertEqual(refused.returncode, TROUBLE)
        self.assertIn('cannot be made smaller', refused.stderr)
        with open(self.path('.vexfs', 'control'), 'wb', buffering=0) as control:
            self.assertErrno(errno.EINVAL, control.write, b'resize 1000')
            self.assertErrno(errno.EINVAL, control.write, b'resize 5 apples')
        self.assertEqual(self.blocks(), before)


class Discarding(harness.Case):
    size = '256M'

    def write_and_remove(self):
        self.write('large', os.urandom(60 * MIB), sync=True)
        full = host_bytes(self.volume.image)
        os.remove(self.path('large'))
        self.remount()
        return full - host_bytes(self.volume.image)

    def test_the_image_shrinks_when_files_go(self):
        self.assertGreater(self.write_and_remove(), 50 * MIB)

    def test_nodiscard_keeps_it(self):
        self.volume.options = ['-o', 'nodiscard']
        self.remount()
        self.assertLess(self.write_and_remove(), 10 * MIB)


class Checking(harness.Case):
    """`vexfs fsck` beside a mount, behind a kill, and what its exit code says."""
    size = '256M'

    def fsck(self, *args, code=0):
        done = harness.vexfs('fsck', *args, check=False)
        self.assertEqual(done.returncode, code, f'{args}\n{done.stdout}{done.stderr}')
        return done

    def image_hash(self):
        with open(self.volume.image, 'rb') as f:
            return hashlib.file_digest(f, 'sha256').hexdigest()

    def test_a_mounted_volume_is_refused(self):
        self.write('a', 'x' * 5000)
        for words in ([], ['--repair']):
            refused = self.fsck(self.volume.image, *words, code=8).stderr
            self.assertIn(f'mounted on {self.mnt}', refused)
            self.assertIn('vexfs umount', refused)
        self.assertEqual(self.read('a'), b'x' * 5000)

    def test_behind_a_kill_it_is_clean_as_the_next_mount_will_see_it(self):
        rng = random.Random(SEED)
        contents = {}
        for number in range(60):
            name = f'd{number % 5}/f{number}'
            os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
            contents[name] = rng.randbytes(rng.randrange(1, 200_000))
            self.write(name, contents[name], sync=True)
            if number % 7 == 3:
                os.remove(self.path(name))
                del contents[name]
        os.rename(self.path('d1'), self.path('moved'))
        folder = os.open(self.mnt, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        self.volume.kill()
        before = self.image_hash()
        found = json.loads(self.fsck('--json', self.volume.image).stdout)
        self.assertEqual(found['state'], 'clean')
        self.assertEqual(found['left'], [])
        self.assertGreater(found['counts']['log_transactions'], 50)
        self.assertEqual(found['counts']['inodes'], len(contents) + 6)
        self.assertGreater(found['counts']['data_blocks'], 500)
        self.assertEqual(self.image_hash(), before)  # it has only looked
        self.fsck('--repair', self.volume.image)
        self.volume.mount()
        for name, content in contents.items():
            self.assertEqual(self.read(name.replace('d1/', 'moved/')), content)

    def test_exit_codes_are_those_of_e2fsck(self):
        content = os.urandom(3 * MIB)
        self.write('a', content, sync=True)
        self.volume.unmount()
        image = self.volume.image
        self.fsck('--no-such-word', image, code=16)
        self.fsck(code=16)
        self.fsck(os.path.join(self.volume.folder, 'absent'), code=8)
        with open(os.path.join(self.volume.folder, 'other'), 'wb') as f:
            f.truncate(64 * MIB)
        self.fsck(f.name, code=8)
        self.fsck(image)
        with open(image, 'r+b') as f:
            f.seek(512 * 1024)  # the second copy of the first superblock
            f.write(b'\0' * 4096)
        self.fsck(image, code=4)
        self.fsck('--repair', image, code=1)
        self.fsck('--repair', image)
        with open(image, 'r+b') as f:
            data = f.read()
            f.seek(data.index(content[MIB:MIB + 4096]) + 77)
            f.write(b'damage')
        del data
        self.assertIn('data-checksum', self.fsck(image, code=4).stdout)
        self.fsck('--repair', image, code=4)
        self.volume.mount()
        self.assertErrno(errno.EIO, self.read, 'a')

    def test_it_can_be_cancelled(self):
        for number in range(4):
            self.write(f'f{number}', os.urandom(40 * MIB))
        self.volume.unmount()
        outcomes = []
        for attempt in range(100):
            program = subprocess.Popen([harness.VEXFS, 'fsck', self.volume.image],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.002 * attempt)
            program.send_signal(signal.SIGINT)
            outcomes.append(program.wait(timeout=60))
            if outcomes[-1] == 32:
                break
        # Before it listens it is ended, behind the end there is nothing to cancel.
        self.assertLessEqual(set(outcomes), {-signal.SIGINT, 0, 32})
        self.assertEqual(outcomes[-1], 32, outcomes)
        self.fsck(self.volume.image)


class OnADevice(harness.unittest.TestCase):
    """What differs there: BLKDISCARD, BLKGETSIZE64, and that the device does not grow by itself."""

    def setUp(self):
        self.volume = harness.Volume(size=None)
        self.addCleanup(self.volume.remove)
        self.backing = os.path.join(self.volume.folder, 'backing')
        with open(self.backing, 'wb') as f:
            f.truncate(200 * MIB)
        try:
            made = subprocess.run(['losetup', '-f', '--show', self.backing], check=False,
                                  capture_output=True, text=True)
        except FileNotFoundError:
            self.skipTest('no losetup here')
        if made.returncode != 0:
            self.skipTest(f'no loop device: {made.stderr.strip()}')
        self.device = self.volume.image = made.stdout.strip()
        self.addCleanup(subprocess.run, ['losetup', '-d', self.device], check=False)
        self.addCleanup(lambda: self.volume.daemon is None or self.volume.unmount())
        harness.vexfs('mkfs', self.device, '--size', '100M', '--force')

    def test_discard_and_growth(self):
        self.volume.mount()
        large = os.path.join(self.volume.mnt, 'large')
        with open(large, 'wb') as f:
            f.write(os.urandom(50 * MIB))
            os.fsync(f.fileno())
        full = host_bytes(self.backing)
        self.assertGreater(full, 50 * MIB)
        os.remove(large)
        self.volume.unmount()
        self.assertLess(host_bytes(self.backing), full - 40 * MIB)

        self.volume.mount()
        blocks = os.statvfs(self.volume.mnt).f_blocks
        harness.vexfs('resize', self.volume.mnt)  # to all that the device has
        grown = os.statvfs(self.volume.mnt).f_blocks
        self.assertGreater(grown, blocks)
        beyond = harness.vexfs('resize', self.volume.mnt, '+1G', check=False)
        self.assertEqual(beyond.returncode, TROUBLE)
        self.assertEqual(os.statvfs(self.volume.mnt).f_blocks, grown)
        # The device grows while the volume is mounted.
        os.truncate(self.backing, 300 * MIB)
        subprocess.run(['losetup', '-c', self.device], check=True)
        harness.vexfs('resize', self.volume.mnt)
        self.assertGreater(os.statvfs(self.volume.mnt).f_blocks, grown)
        self.volume.unmount()
        self.assertIn('clean', harness.vexfs('fsck', self.device).stdout)


if __name__ == '__main__':
    harness.main()
