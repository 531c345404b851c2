#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: mkfs(8), mount(8), umount(8) and /etc/fstab know VexFS. Method: the system's own programs in
a mount name space of their own, where the helpers lie in /usr/sbin."""
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
import harness  # noqa: E402

# Lays the helpers over /usr/sbin and hides /var/log; nobody else sees it, and it ends with its shell.
PRELUDE = '''
set -e
mkdir upper work
mount --make-rprivate /
mount -t tmpfs tmpfs /var/log
mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=upper,workdir=work /usr/sbin
for name in mkfs.vexfs mount.vexfs mount.fuse.vexfs; do ln -s "$VEXFS" /usr/sbin/$name; done
refused() { if "$@" 2>words; then echo "not refused: $*"; exit 1; fi; }
options() { findmnt -n -o "$1" mnt; }
'''


class Helpers(harness.unittest.TestCase):
    def setUp(self):
        if os.geteuid() != 0 or not shutil.which('unshare') or not shutil.which('findmnt'):
            self.skipTest('needs root, unshare and findmnt')
        self.volume = harness.Volume(size=None)
        self.addCleanup(self.volume.remove)

    def script(self, text):
        done = harness.run('unshare', '-m', 'bash', '-c', PRELUDE + text, check=False,
                           cwd=self.volume.folder, env=dict(os.environ, VEXFS=harness.VEXFS))
        if 'overlay' in done.stderr and 'unknown filesystem' in done.stderr:
            self.skipTest('overlay is absent')
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_mount_fstab_and_remount(self):
        self.script('''
            mkfs.vexfs volume.vex --size 64M
            mount -t vexfs volume.vex mnt
            [ "$(options FSTYPE)" = fuse.vexfs ]
            options OPTIONS | grep -q nosuid,nodev
            options OPTIONS | grep -v allow_other
            echo content >mnt/f

            mount -o remount,ro mnt
            refused touch mnt/g
            grep -q "Read-only" words
            cat mnt/f
            mount -o remount,rw mnt
            options OPTIONS | grep -q nosuid,nodev
            touch mnt/g
            vexfs() { "$VEXFS" "$@"; }
            vexfs umount mnt

            echo "$PWD/volume.vex $PWD/mnt vexfs noauto,nofail,_netdev,x-systemd.requires=a,noatime,acl,commit=7 0 0" >fstab
            mount -T fstab "$PWD/mnt"
            options OPTIONS | grep -q noatime
            cat mnt/f
            umount mnt
            mount -t vexfs volume.vex mnt -o ro
            refused mount -o remount,rw mnt
            grep -q "read-only" words
            options OPTIONS | grep -q "^ro"
            vexfs umount mnt
            refused mount -t vexfs volume.vex mnt -o speed=high
            grep -q "speed=high" words
            refused mount -f -t vexfs none.vex mnt
        ''')

    def test_auto_unmount(self):
        volume = self.volume
        harness.vexfs('mkfs', volume.image, '--size', '64M')
        volume.options = ['-o', 'auto_unmount']
        volume.mount()
        os.listdir(volume.mnt)  # it answers
        volume.daemon.kill()
        volume.daemon.wait()
        volume.daemon = None
        until = time.monotonic() + 20
        while os.path.ismount(volume.mnt) or not os.access(volume.mnt, os.R_OK):
            self.assertLess(time.monotonic(), until, 'the mount point is still dead')
            time.sleep(0.02)


if __name__ == '__main__':
    harness.main()
