#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: each call on names fails as POSIX and ext4 say, for the superuser and for others.
Method: a table of calls against a table of bad paths, then the cases that only one call has."""
import errno
import os
import shutil
import stat
import subprocess
import time
import unittest

import harness

LONG = 'x' * 256
STRANGER = 1234


def as_stranger(function, *args):
    """The errno of a call by an ordinary user, 0 when it went well."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(STRANGER)
        os.setuid(STRANGER)
        code = 0
        try:
            function(*args)
        except OSError as error:
            code = error.errno
        os.write(write, bytes([code]))
        os._exit(0)
    os.close(write)
    code = os.read(read, 1)[0]
    os.close(read)
    os.waitpid(child, 0)
    return code


def touch(path):
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))


CALLS = {
    'open': lambda path: os.close(os.open(path, os.O_RDONLY)),
    'chmod': lambda path: os.chmod(path, 0o600),
    'chown': lambda path: os.chown(path, 0, 0),
    'truncate': lambda path: os.truncate(path, 0),
    'unlink': os.unlink,
    'rmdir': os.rmdir,
    'mkdir': os.mkdir,
    'mkfifo': os.mkfifo,
    'symlink': lambda path: os.symlink('target', path),
    'rename': lambda path: os.rename(path, 'other'),
    'link': lambda path: os.link(path, 'other'),
    'utime': os.utime,
    'readlink': os.readlink,
    'getxattr': lambda path: os.getxattr(path, 'user.a'),
}
MAKE = ('mkdir', 'mkfifo', 'symlink')


class Errors(harness.Case):
    options = ('-o', 'allow_other')

    def setUp(self):
        super().setUp()
        os.chmod(self.mnt, 0o755)
        os.chdir(self.mnt)
        self.addCleanup(os.chdir, '/')
        touch('f')
        os.makedirs('d/inner')
        os.mkdir('empty')
        os.symlink('loop', 'loop')

    def fails(self, number, function, *args):
        with self.assertRaises(OSError) as caught:
            function(*args)
        self.assertEqual(errno.errorcode[caught.exception.errno], errno.errorcode[number])

    def stranger_fails(self, number, function, *args):
        self.assertEqual(errno.errorcode.get(as_stranger(function, *args)), errno.errorcode[number])

    def test_bad_paths(self):
        for name, call in CALLS.items():
            with self.subTest(name):
                self.fails(errno.ENAMETOOLONG, call, LONG)
                self.fails(errno.ENOTDIR, call, 'f/x')
                self.fails(errno.ENOENT, call, 'absent/x')
                self.fails(errno.ELOOP, call, 'loop/x')
                if name not in MAKE:
                    self.fails(errno.ENOENT, call, 'absent')

    def test_what_is_there_is_not_made_again(self):
        for name in MAKE:
            for old in ('f', 'd', 'loop'):
                self.fails(errno.EEXIST, CALLS[name], old)
        self.fails(errno.EEXIST, os.link, 'f', 'd')
        self.fails(errno.EEXIST, os.open, 'f', os.O_CREAT | os.O_EXCL)

    def test_files_and_directories_are_not_mistaken(self):
        self.fails(errno.EISDIR, os.unlink, 'd')
        self.fails(errno.ENOTDIR, os.rmdir, 'f')
        self.fails(errno.EPERM, os.link, 'd', 'other')
        self.fails(errno.EISDIR, os.truncate, 'd', 0)
        self.fails(errno.EISDIR, os.open, 'd', os.O_RDWR)
        self.fails(errno.ENOTDIR, os.open, 'f', os.O_DIRECTORY)
        self.fails(errno.ENOTDIR, os.rename, 'd', 'f')
        self.fails(errno.EISDIR, os.rename, 'f', 'empty')
        self.fails(errno.ELOOP, os.open, 'loop', os.O_NOFOLLOW)
        self.fails(errno.EINVAL, os.readlink, 'f')

    def test_a_tree_stays_a_tree(self):
        self.fails(errno.ENOTEMPTY, os.rmdir, 'd')
        self.fails(errno.ENOTEMPTY, os.rename, 'empty', 'd')
        self.fails(errno.EINVAL, os.rename, 'd', 'd/inner/below')
        self.fails(errno.EINVAL, os.rmdir, 'empty/.')
        self.fails(errno.ENOTEMPTY, os.rmdir, 'd/inner/..')

    def test_a_running_program_is_busy(self):
        shutil.copy('/bin/sleep', 'program')
        program = subprocess.Popen(['./program', '60'])
        try:
            time.sleep(0.2)
            self.fails(errno.ETXTBSY, os.open, 'program', os.O_WRONLY)
        finally:
            program.kill()
            program.wait()

    @unittest.skipIf(os.getuid() != 0, 'makes other users')
    def test_what_strangers_may_not(self):
        for name, number in (('chmod', errno.EPERM), ('chown', errno.EPERM),
                             ('truncate', errno.EACCES), ('utime', errno.EACCES),
                             ('unlink', errno.EACCES), ('rename', errno.EACCES)):
            with self.subTest(name):
                self.stranger_fails(number, CALLS[name], 'f')
        self.stranger_fails(errno.EPERM, lambda: os.utime('f', (1, 1)))
        for name in MAKE:
            self.stranger_fails(errno.EACCES, CALLS[name], 'd/new')
        os.chmod('d', 0o700)
        self.stranger_fails(errno.EACCES, os.stat, 'd/inner')

    @unittest.skipIf(os.getuid() != 0, 'makes other users')
    def test_what_strangers_may_not_in_a_directory_of_all(self):
        os.mkdir('all')
        os.chmod('all', 0o1777)
        touch('all/roots')
        os.mkdir('all/directory')
        self.stranger_fails(errno.EPERM, os.unlink, 'all/roots')
        self.stranger_fails(errno.EPERM, os.rename, 'all/roots', 'all/other')
        self.stranger_fails(errno.EPERM, os.rmdir, 'all/directory')
        self.stranger_fails(errno.EPERM, os.mknod, 'all/device', stat.S_IFBLK | 0o600,
                            os.makedev(1, 1))
        self.assertEqual(as_stranger(touch, 'all/own'), 0)
        self.stranger_fails(errno.EPERM, os.chown, 'all/own', 0, -1)
        self.stranger_fails(errno.EPERM, os.chown, 'all/own', -1, 0)
        self.assertEqual(as_stranger(os.unlink, 'all/own'), 0)


if __name__ == '__main__':
    harness.main()
