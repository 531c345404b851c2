# SPDX-License-Identifier: Apache-2.0
"""A volume, mounted for real, for one test case.

    class MyTest(harness.Case):
        def test_something(self):
            with open(self.path('a'), 'w') as f: ...
            self.remount()          # clean: SIGTERM, the daemon saves and leaves
            self.crash()            # kill -9, then mount again

Whatever a case leaves is taken away, also after a failure: the mount, the daemon (by its pid),
the image. A machine without /dev/fuse is an error, never a skip.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
VEXFS = os.environ.get('VEXFS', str(ROOT / 'build' / 'vexfs'))
SHARED = ROOT.parent / 'shared'
MOUNT_SECONDS = 60  # a recovery on a busy machine included


def run(*args, check=True, **options):
    """A command to its end; its output as text. `check`: a failure is the test's failure."""
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True, errors='surrogateescape', **options)
    if check and done.returncode != 0:
        raise AssertionError(f'{args}: exit {done.returncode}\n{done.stdout}{done.stderr}')
    return done


def vexfs(*args, **options):
    return run(VEXFS, *[str(a) for a in args], **options)


class Volume:
    """An image and its mount. Not a test; Case holds one."""

    def __init__(self, size='1G', mkfs=(), options=()):
        self.folder = tempfile.mkdtemp(prefix='vexfs-test-')
        self.image = os.path.join(self.folder, 'volume.vex')
        self.mnt = os.path.join(self.folder, 'mnt')
        self.log_path = os.path.join(self.folder, 'daemon.log')
        self.options = list(options)
        self.daemon = None
        os.mkdir(self.mnt)
        if size:
            vexfs('mkfs', self.image, '--size', size, *mkfs)

    def mount(self):
        with open(self.log_path, 'ab') as log:
            self.daemon = subprocess.Popen([VEXFS, 'mount', '-f', self.image, self.mnt,
                                            *self.options], stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=log)
        until = time.monotonic() + MOUNT_SECONDS
        while not os.path.ismount(self.mnt):
            if self.daemon.poll() is not None:
                raise AssertionError(f'mount: exit {self.daemon.returncode}\n{self.log()}')
            if time.monotonic() > until:
                raise AssertionError(f'mount: not there after {MOUNT_SECONDS} s\n{self.log()}')
            time.sleep(0.01)

    def unmount(self):
        """As a user does: the daemon writes everything and ends."""
        self.daemon.send_signal(signal.SIGTERM)
        code = self.daemon.wait(timeout=MOUNT_SECONDS)
        self.daemon = None
        if code != 0:
            raise AssertionError(f'unmount: exit {code}\n{self.log()}')

    def kill(self):
        """As a crash does; the dead mount is taken away as the message says."""
        self.daemon.kill()
        self.daemon.wait(timeout=MOUNT_SECONDS)
        self.daemon = None
        self._detach()

    def log(self):
        with open(self.log_path, errors='replace') as log:
            return log.read()

    def _detach(self):
        for _ in range(100):
            if not os.path.ismount(self.mnt) and os.access(self.mnt, os.R_OK):
                return
            subprocess.run(['fusermount3', '-u', '-z', self.mnt], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=False)
            time.sleep(0.02)

    def remove(self):
        if self.daemon is not None:
            self.daemon.send_signal(signal.SIGTERM)
            try:
                self.daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
            self.daemon = None
        self._detach()
        shutil.rmtree(self.folder, ignore_errors=True)


class Case(unittest.TestCase):
    size = '1G'
    options = ()

    def setUp(self):
        if not os.path.exists('/dev/fuse'):
            self.fail('/dev/fuse is absent: a mount cannot be made here')
        self.volume = Volume(self.size, options=self.options)
        self.addCleanup(self.volume.remove)
        self.volume.mount()

    def tearDown(self):
        # Every case ends with a daemon that still answers, unless it took it down itself.
        if self.volume.daemon is not None and self.volume.daemon.poll() is not None:
            self.fail(f'the daemon died: exit {self.volume.daemon.returncode}\n'
                      f'{self.volume.log()[-4000:]}')

    @property
    def mnt(self):
        return self.volume.mnt

    def path(self, *parts):
        return os.path.join(self.mnt, *parts)

    def write(self, name, content, sync=False):
        content = content.encode() if isinstance(content, str) else content
        with open(self.path(name), 'wb') as f:
            f.write(content)
            if sync:
                f.flush()
                os.fsync(f.fileno())

    def read(self, name):
        with open(self.path(name), 'rb') as f:
            return f.read()

    def remount(self):
        self.volume.unmount()
        self.volume.mount()

    def crash(self):
        self.volume.kill()
        self.volume.mount()

    def assertErrno(self, number, call, *args, **kwargs):
        with self.assertRaises(OSError) as caught:
            call(*args, **kwargs)
        self.assertEqual(os.strerror(caught.exception.errno), os.strerror(number))

    # --- asking
    def wait_indexed(self, directory=''):
        """The barrier: what was queued below `directory` is indexed when it returns. Then until the
        embedder has learnt what there is to learn, so that answers stay as they are."""
        status = self.path(directory, '.vexfs', 'status')
        fd = os.open(status, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        while 'rebuilding' in pathlib.Path(status).read_text(encoding='utf-8'):
            time.sleep(0.05)

    def ask(self, question, directory='', options=''):
        """Paths, best first, of the query attribute; the status record is checked and dropped."""
        dot = '.' if options else ''
        name = f'user.vexfs.search{dot}{options}:{question}'
        return hits(os.getxattr(self.path(directory), name, follow_symlinks=True))

    def ask_ls(self, question, directory='', options=''):
        """Paths, best first, of the query directory."""
        dot = '.' if options else ''
        folder = self.path(directory, '.vexfs', f'search{dot}{options}', escape(question))
        found = []
        for name in sorted(os.listdir(folder)):
            if not name.startswith('000_'):
                found.append(os.path.relpath(os.path.normpath(
                    os.path.join(folder, os.readlink(os.path.join(folder, name)))),
                    self.path(directory)))
        return found


def escape(question):
    return question.replace('%', '%25').replace('/', '%2F')


def hits(value):
    lines = value.decode(errors='surrogateescape').splitlines()
    if not lines or not lines[-1].startswith('# matches='):
        raise AssertionError(f'no status record at the end: {lines[-1:]}')
    return [line.split('\t')[1] for line in lines if not line.startswith('#')]


def main():
    """Like unittest.main(), with a line that a runner can count."""
    program = unittest.main(exit=False, verbosity=2, argv=sys.argv)
    result = program.result
    bad = len(result.failures) + len(result.errors)
    print(f'{result.testsRun - bad - len(result.skipped)} passed, {bad} failed, '
          f'{len(result.skipped)} skipped')
    sys.exit(bool(bad))
