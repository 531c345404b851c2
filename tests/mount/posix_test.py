#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: programs cannot tell the mount from a local file system. Method: the calls that FUSE file
systems get wrong, their good and bad cases, through a real mount; as root, and as an ordinary user
in a child process that has given every right away. What ext4 does is what is expected."""
import ctypes
import errno
import os
import pwd
import shutil
import stat
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(__file__))
import harness  # noqa: E402

NOBODY = pwd.getpwnam('nobody')
OTHER = 54321  # a user without a name
AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW = 0x1000, -100, 0x400
STATX_BTIME, STATX_BASIC = 0x800, 0x7ff
LIBC = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def as_user(uid, function, *args, groups=()):
    """Runs it in a child as that user; what it returns must be None or small. Its OSError is ours."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            answer = ('ok', function(*args))
        except OSError as error:
            answer = ('errno', error.errno)
        except BaseException as error:  # noqa: BLE001
            answer = ('bug', repr(error))
        os.write(write_end, repr(answer).encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, 'rb') as pipe:
        kind, value = eval(pipe.read())  # noqa: S307  our own repr
    os.waitpid(child, 0)
    if kind == 'errno':
        raise OSError(value, os.strerror(value))
    if kind == 'bug':
        raise AssertionError(value)
    return value


class Handle(ctypes.Structure):
    _fields_ = [('bytes', ctypes.c_uint), ('kind', ctypes.c_int), ('value', ctypes.c_ubyte * 128)]


def handle_of(path):
    handle, mount = Handle(), ctypes.c_int()
    handle.bytes = 128
    check(LIBC.name_to_handle_at(AT_FDCWD, os.fsencode(path), ctypes.byref(handle),
                                 ctypes.byref(mount), 0))
    return handle


def open_handle(handle, mount, flags=os.O_RDONLY):
    root = os.open(mount, os.O_RDONLY)
    try:
        return check(LIBC.open_by_handle_at(root, ctypes.byref(handle), flags))
    finally:
        os.close(root)


def birth_ns(path):
    """The time of birth, or None where the file system tells none."""
    buffer = ctypes.create_string_buffer(256)
    check(LIBC.statx(AT_FDCWD, os.fsencode(path), 0, STATX_BASIC | STATX_BTIME, buffer))
    mask, = struct.unpack_from('I', buffer, 0)
    seconds, nanoseconds = struct.unpack_from('qI', buffer, 80)
    return seconds * 10**9 + nanoseconds if mask & STATX_BTIME else None


class PosixCase(harness.Case):
    """One mount for the cases of a class, a directory of its own for each."""
    size = '256M'
    options = ('-o', 'allow_other,suid')

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if os.geteuid() != 0:
            raise unittest.SkipTest('root is needed to become other users')
        cls.shared = harness.Volume(cls.size, options=cls.options)
        cls.addClassCleanup(cls.shared.remove)
        os.chmod(cls.shared.folder, 0o755)

    def setUp(self):
        os.umask(0o022)
        self.volume = self.shared
        if self.volume.daemon is None or self.volume.daemon.poll() is not None:
            self.volume.mount()
        self.home = os.path.join(self.volume.mnt, self.id().split('.')[-1])
        os.mkdir(self.home)
        os.chmod(self.home, 0o777)

    @property
    def mnt(self):
        return self.home

    def file(self, name, mode=0o644, uid=0, gid=None, content='content'):
        self.write(name, content)
        os.chown(self.path(name), uid, uid if gid is None else gid)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def mode(self, name):
        return stat.S_IMODE(os.stat(self.path(name)).st_mode)

    def user_fails(self, number, function, *args, uid=NOBODY.pw_uid, groups=()):
        self.assertErrno(number, as_user, uid, function, *args, groups=groups)


def append_byte(path):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.write(fd, b'x')
    os.close(fd)


class SetId(PosixCase):
    """suid and sgid are cleared when somebody else's program could be put under them."""

    def test_a_write_by_an_ordinary_user_clears_them(self):
        path = self.file('f', 0o6777)
        as_user(OTHER, append_byte, path)
        self.assertEqual(self.mode('f'), 0o777)

    def test_the_superusers_write_keeps_them(self):
        path = self.file('f', 0o6777)
        append_byte(path)
        os.truncate(path, 3)
        self.assertEqual(self.mode('f'), 0o6777)

    def test_sgid_without_group_execute_is_no_privilege(self):
        path = self.file('f', 0o2767)
        os.chmod(path, 0o2766)
        as_user(OTHER, append_byte, path)
        self.assertEqual(self.mode('f'), 0o2766)

    def test_a_truncation_clears_them(self):
        path = self.file('f', 0o6777)
        as_user(OTHER, os.truncate, path, 2)
        self.assertEqual(self.mode('f'), 0o777)
        os.chmod(path, 0o6777)
        as_user(OTHER, lambda: os.close(os.open(path, os.O_WRONLY | os.O_TRUNC)))
        self.assertEqual(self.mode('f'), 0o777)

    def test_punching_a_hole_clears_them(self):
        path = self.file('f', 0o6777, content='x' * 9000)

        def punch():
            fd = os.open(path, os.O_RDWR)
            check(LIBC.fallocate(fd, 3, ctypes.c_long(0), ctypes.c_long(4096)))
            os.close(fd)
        as_user(OTHER, punch)
        self.assertEqual(self.mode('f'), 0o777)

    def test_a_change_of_owner_clears_them(self):
        path = self.file('f', 0o6755, OTHER)
        as_user(OTHER, os.chown, path, -1, OTHER)
        self.assertEqual(self.mode('f'), 0o755)
        os.chmod(path, 0o6755)
        os.chown(path, 0, 0)
        self.assertEqual(self.mode('f'), 0o755)

    def test_chmod_by_a_stranger_to_the_group_drops_sgid(self):
        path = self.file('f', 0o644, OTHER, 777)
        as_user(OTHER, os.chmod, path, 0o2755)
        self.assertEqual(self.mode('f'), 0o755)
        as_user(OTHER, os.chmod, path, 0o2755, groups=[777])
        self.assertEqual(self.mode('f'), 0o2755)

    def test_capabilities_go_with_the_content_they_were_given_to(self):
        # cap_net_raw+ep, as setcap writes it.
        value = struct.pack('<IIIII', 0x2000001, 1 << 13, 0, 0, 0)
        for change in (append_byte, lambda p: os.truncate(p, 1), lambda p: os.chown(p, OTHER, -1)):
            path = self.file('f', 0o777)
            os.setxattr(path, 'user.stays', b'x')
            os.setxattr(path, 'security.capability', value)
            self.assertEqual(os.getxattr(path, 'security.capability'), value)
            change(path)
            self.assertErrno(errno.ENODATA, os.getxattr, path, 'security.capability')
            self.assertEqual(os.getxattr(path, 'user.stays'), b'x')
            os.unlink(path)

    def test_capabilities_survive_a_remount(self):
        value = struct.pack('<IIIII', 0x2000001, 1 << 13, 0, 0, 0)
        path = self.file('f', 0o755)
        os.setxattr(path, 'security.capability', value)
        os.setxattr(path, 'security.other', b'label')
        self.remount()
        self.assertEqual(os.getxattr(path, 'security.capability'), value)
        self.assertEqual(os.getxattr(path, 'security.other'), b'label')
        os.removexattr(path, 'security.other')
        self.assertErrno(errno.ENODATA, os.getxattr, path, 'security.other')
        append_byte(path)
        self.assertErrno(errno.ENODATA, os.getxattr, path, 'security.capability')


class Unnamed(PosixCase):
    """O_TMPFILE: a file that no name leads to."""

    def unnamed(self, flags=os.O_RDWR, mode=0o640):
        fd = os.open(self.mnt, os.O_TMPFILE | flags, mode)
        self.addCleanup(self._close, fd)
        return fd

    def _close(self, fd):
        try:
            os.close(fd)
        except OSError:
            pass

    def name_it(self, fd, name):
        check(LIBC.linkat(AT_FDCWD, f'/proc/self/fd/{fd}'.encode(), AT_FDCWD,
                          self.path(name).encode(), AT_SYMLINK_FOLLOW))

    def test_it_is_written_read_and_named(self):
        fd = self.unnamed()
        os.write(fd, b'made without a name')
        self.assertEqual(os.listdir(self.mnt), [])
        self.assertEqual(os.fstat(fd).st_nlink, 0)
        self.assertEqual(stat.S_IMODE(os.fstat(fd).st_mode), 0o640)
        self.name_it(fd, 'named')
        self.assertEqual(os.fstat(fd).st_nlink, 1)
        self.assertErrno(errno.EEXIST, self.name_it, fd, 'named')
        os.fsync(fd)
        os.close(fd)
        self.crash()
        self.assertEqual(self.read('named'), b'made without a name')

    def test_it_is_gone_with_its_last_handle(self):
        free = os.statvfs(self.mnt).f_bfree
        fd = self.unnamed()
        os.write(fd, os.urandom(8 << 20))
        os.fsync(fd)
        self.assertLess(os.statvfs(self.mnt).f_bfree, free - 2000)
        os.close(fd)
        until = time.monotonic() + 20
        while os.statvfs(self.mnt).f_bfree < free - 300 and time.monotonic() < until:
            time.sleep(0.02)
        self.assertGreaterEqual(os.statvfs(self.mnt).f_bfree, free - 300)

    def test_a_crash_takes_it(self):
        fd = self.unnamed()
        os.write(fd, os.urandom(8 << 20))
        os.fsync(fd)
        self.volume.daemon.kill()
        self.crash()
        self.assertEqual(os.listdir(self.mnt), [])
        self.assertIn('orphans=1', self.volume.log())

    def test_with_o_excl_it_stays_unnamed(self):
        fd = self.unnamed(os.O_RDWR | os.O_EXCL)
        self.assertErrno(errno.ENOENT, self.name_it, fd, 'named')

    def test_an_unlinked_file_is_not_named_again(self):
        path = self.file('f')
        fd = os.open(path, os.O_RDWR)
        os.unlink(path)
        self.assertErrno(errno.ENOENT, self.name_it, fd, 'again')
        os.close(fd)

    def test_it_takes_owner_and_group_as_a_named_one(self):
        os.mkdir(self.path('d'))
        os.chown(self.path('d'), 0, 4321)
        os.chmod(self.path('d'), 0o2777)

        def make():
            fd = os.open(self.path('d'), os.O_TMPFILE | os.O_RDWR, 0o666)
            attributes = os.fstat(fd)
            os.close(fd)
            return attributes.st_uid, attributes.st_gid, stat.S_IMODE(attributes.st_mode)
        self.assertEqual(as_user(OTHER, make), (OTHER, 4321, 0o644))
        os.chmod(self.path('d'), 0o755)
        self.user_fails(errno.EACCES, make)

    def test_what_it_held_is_found_once_it_is_named(self):
        fd = self.unnamed()
        os.write(fd, b'the zebra crossed the river at dawn\n')
        os.fsync(fd)
        time.sleep(0.2)
        self.name_it(fd, 'zebra.txt')
        os.close(fd)
        self.wait_indexed()
        self.assertEqual(self.ask('zebra river'), ['zebra.txt'])


class Times(PosixCase):
    def test_birth(self):
        before = time.time_ns()
        path = self.file('f')
        born = birth_ns(path)
        self.assertIsNotNone(born)
        self.assertLess(abs(born - before), 60 * 10**9)
        os.utime(path, ns=(1, 1))
        append_byte(path)
        os.rename(path, self.path('g'))
        self.assertEqual(birth_ns(self.path('g')), born)
        self.remount()
        self.assertEqual(birth_ns(self.path('g')), born)
        self.assertEqual(os.stat(self.path('g')).st_size, 8)  # statx tells the rest right, too
        self.assertIsNone(birth_ns(self.path('.vexfs')))

    def ctime_moves(self, path, change):
        before = os.lstat(path).st_ctime_ns
        time.sleep(0.002)
        change()
        self.assertGreater(os.lstat(path).st_ctime_ns, before)

    def test_ctime_moves_with_whatever_changes(self):
        path = self.file('f')
        for change in (lambda: os.chmod(path, 0o600), lambda: os.chown(path, 1, 1),
                       lambda: os.link(path, self.path('g')),
                       lambda: os.unlink(self.path('g')), lambda: os.utime(path, (1, 1)),
                       lambda: os.setxattr(path, 'user.a', b''),
                       lambda: os.removexattr(path, 'user.a'), lambda: os.truncate(path, 1),
                       lambda: append_byte(path)):
            self.ctime_moves(path, change)
        self.ctime_moves(path, lambda: os.rename(path, self.path('h')) or
                         os.rename(self.path('h'), path))
        self.ctime_moves(self.mnt, lambda: self.file('new'))
        self.ctime_moves(self.mnt, lambda: os.unlink(self.path('new')))

    def test_utimens_takes_nanoseconds_now_and_omit(self):
        path = self.file('f')
        os.utime(path, ns=(123456789, 987654321))
        self.assertEqual((os.stat(path).st_atime_ns, os.stat(path).st_mtime_ns),
                         (123456789, 987654321))
        now, omit = (1 << 30) - 1, (1 << 30) - 2

        def utimens(atime, mtime):
            times = struct.pack('qqqq', 7, atime, 7, mtime)
            check(LIBC.utimensat(AT_FDCWD, path.encode(), times, 0))
        utimens(omit, 5)
        self.assertEqual((os.stat(path).st_atime_ns, os.stat(path).st_mtime_ns),
                         (123456789, 7 * 10**9 + 5))
        utimens(now, omit)
        self.assertLess(abs(os.stat(path).st_atime_ns - time.time_ns()), 60 * 10**9)
        self.assertEqual(os.stat(path).st_mtime_ns, 7 * 10**9 + 5)
        os.chmod(path, 0o666)
        self.user_fails(errno.EPERM, os.utime, path, (1, 1))
        as_user(OTHER, os.utime, path)  # to now: whoever may write


class AtimeCase(PosixCase):
    def atime_after_read(self):
        path = self.file('f')
        os.utime(path, (10**9, 10**9))  # ctime is now: relatime moves at the first read
        stamps = []
        for _ in range(2):
            with open(path, 'rb') as f:
                f.read()
            stamps.append(os.stat(path).st_atime_ns)
            time.sleep(0.01)
        return stamps


class RelAtime(AtimeCase):
    def test_it_moves_after_a_change(self):
        first, second = self.atime_after_read()
        self.assertGreater(first, 10**18)
        self.assertEqual(first, second)


class NoAtime(AtimeCase):
    options = ('-o', 'allow_other,noatime')

    def test_it_stays(self):
        self.assertEqual(self.atime_after_read(), [10**18, 10**18])


class StrictAtime(AtimeCase):
    options = ('-o', 'allow_other,strictatime')

    def test_it_moves_with_each_reading(self):
        first, second = self.atime_after_read()
        self.assertGreater(first, 10**18)
        self.assertGreater(second, first)
        os.mkdir(self.path('d'))
        os.utime(self.path('d'), (1, 1))
        os.listdir(self.path('d'))
        self.assertGreater(os.stat(self.path('d')).st_atime_ns, 10**18)


class Handles(PosixCase):
    def test_a_handle_opens_the_file_it_was_made_of(self):
        os.mkdir(self.path('d'))
        path = self.file('d/f')
        handle, directory = handle_of(path), handle_of(self.path('d'))
        os.rename(path, self.path('moved'))
        fd = open_handle(handle, self.mnt)
        self.assertEqual(os.read(fd, 100), b'content')
        os.close(fd)
        fd = open_handle(directory, self.mnt, os.O_RDONLY | os.O_DIRECTORY)
        self.assertEqual(os.listdir(fd), [])
        os.close(fd)
        self.remount()  # nothing of it is in any cache now
        fd = open_handle(handle, self.mnt)
        self.assertEqual(os.read(fd, 100), b'content')
        os.close(fd)
        os.unlink(self.path('moved'))
        self.assertErrno(errno.ESTALE, open_handle, handle, self.mnt)

    def test_an_unlinked_open_file_is_opened_again(self):
        path = self.file('f')
        handle, fd = handle_of(path), os.open(path, os.O_RDONLY)
        os.unlink(path)
        for again in (open_handle(handle, self.mnt, os.O_RDWR),
                      os.open(f'/proc/self/fd/{fd}', os.O_RDWR)):
            self.assertEqual(os.read(again, 100), b'content')
            os.close(again)
        os.close(fd)


class Permissions(PosixCase):
    def test_a_new_file_belongs_to_its_maker(self):
        as_user(OTHER, lambda: os.close(os.open(self.path('f'), os.O_CREAT | os.O_RDWR, 0o666)))
        attributes = os.stat(self.path('f'))
        self.assertEqual((attributes.st_uid, attributes.st_gid), (OTHER, OTHER))
        self.assertEqual(self.mode('f'), 0o644)

    def test_what_the_mode_forbids(self):
        path = self.file('f', 0o640)
        os.mkdir(self.path('d'), 0o700)
        self.file('d/f')
        self.user_fails(errno.EACCES, os.open, path, os.O_RDONLY)
        self.user_fails(errno.EACCES, os.stat, self.path('d', 'f'))
        self.user_fails(errno.EACCES, os.listdir, self.path('d'))
        self.user_fails(errno.EPERM, os.chmod, path, 0o777)
        self.user_fails(errno.EPERM, os.chown, path, OTHER, -1)
        self.user_fails(errno.EACCES, os.truncate, path, 0)
        as_user(OTHER, os.access, path, os.F_OK)
        os.chown(path, 0, 777)
        as_user(OTHER, lambda: os.close(os.open(path, os.O_RDONLY)), groups=[777])

    def test_a_sticky_directory_protects_what_others_own(self):
        os.mkdir(self.path('tmp'))
        os.chmod(self.path('tmp'), 0o1777)
        mine, theirs = self.file('tmp/mine', uid=OTHER), self.file('tmp/theirs', 0o666, uid=777)
        self.user_fails(errno.EPERM, os.unlink, theirs, uid=OTHER)
        self.user_fails(errno.EPERM, os.rename, theirs, self.path('tmp', 'x'), uid=OTHER)
        self.user_fails(errno.EPERM, os.rename, mine, theirs, uid=OTHER)
        as_user(OTHER, os.rename, mine, self.path('tmp', 'x'))
        as_user(OTHER, os.unlink, self.path('tmp', 'x'))

    def test_attributes_of_each_name_space(self):
        path = self.file('f', 0o644)
        os.setxattr(path, 'trusted.t', b'x')
        os.setxattr(path, 'user.u', b'x')
        self.user_fails(errno.EACCES, os.setxattr, path, 'user.u', b'y')
        self.user_fails(errno.EPERM, os.setxattr, path, 'trusted.t', b'y')
        self.user_fails(errno.ENODATA, os.getxattr, path, 'trusted.t')
        os.mkdir(self.path('tmp'))
        os.chmod(self.path('tmp'), 0o1777)
        self.user_fails(errno.EPERM, os.setxattr, self.path('tmp'), 'user.u', b'x')
        os.symlink('f', self.path('link'))
        self.assertErrno(errno.EPERM, os.setxattr, self.path('link'), 'user.u', b'x',
                         follow_symlinks=False)

    def test_a_mount_is_left_alone_by_who_did_not_make_it(self):
        done = harness.run('setpriv', '--reuid', 'nobody', '--regid', str(NOBODY.pw_gid),
                           '--clear-groups', harness.VEXFS, 'umount', self.volume.mnt, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn('not permitted', done.stderr)
        self.assertIn('root', done.stderr)
        self.assertTrue(os.path.ismount(self.volume.mnt))


class Renames(PosixCase):
    def renameat2(self, old, new, flags):
        check(LIBC.renameat2(AT_FDCWD, self.path(old).encode(), AT_FDCWD, self.path(new).encode(),
                             flags))

    def test_noreplace_and_exchange(self):
        noreplace, exchange, whiteout = 1, 2, 4
        self.file('a', content='a')
        self.file('b', content='b')
        self.assertErrno(errno.EEXIST, self.renameat2, 'a', 'b', noreplace)
        self.renameat2('a', 'c', noreplace)
        self.renameat2('b', 'c', exchange)
        self.assertEqual((self.read('b'), self.read('c')), (b'a', b'b'))
        os.makedirs(self.path('d', 'e'))
        self.renameat2('b', 'd', exchange)
        self.assertEqual(os.listdir(self.path('b')), ['e'])
        self.assertErrno(errno.ENOENT, self.renameat2, 'b', 'none', exchange)
        self.assertErrno(errno.EINVAL, self.renameat2, 'b', 'b/e', exchange)
        self.assertErrno(errno.EINVAL, self.renameat2, 'c', 'x', noreplace | exchange)
        self.assertErrno(errno.EINVAL, self.renameat2, 'c', 'x', whiteout)


class Limits(PosixCase):
    def test_the_largest_attributes_and_their_list(self):
        path = self.file('f')
        value = os.urandom(65536)
        os.setxattr(path, 'user.' + 'n' * 250, value)
        self.assertEqual(os.getxattr(path, 'user.' + 'n' * 250), value)
        self.assertErrno(errno.ERANGE, os.setxattr, path, 'user.' + 'n' * 251, b'')
        with self.assertRaises(OSError):
            os.setxattr(path, 'user.big', bytes(65537))
        made = 1
        while True:  # until the list would be longer than listxattr(2) can answer
            try:
                os.setxattr(path, f'user.{made:0250}', b'')
            except OSError as error:
                self.assertEqual(error.errno, errno.ENOSPC)
                break
            made += 1
        self.assertGreaterEqual(made, 255)
        self.assertEqual(len(os.listxattr(path)), made)

    def test_lengths_and_offsets(self):
        fd = os.open(self.path('f'), os.O_CREAT | os.O_RDWR)
        self.addCleanup(os.close, fd)
        self.assertErrno(errno.EINVAL, os.ftruncate, fd, -1)
        limit = 16 << 40
        os.ftruncate(fd, limit)
        self.assertEqual(os.fstat(fd).st_size, limit)
        self.assertErrno(errno.EFBIG, os.pwrite, fd, b'x', limit)
        self.assertErrno(errno.EFBIG, os.ftruncate, fd, limit + 1)
        self.assertEqual(os.pread(fd, 10, limit - 10), bytes(10))
        self.assertEqual(os.fstat(fd).st_blocks, 0)

    def test_depth(self):
        os.chdir(self.mnt)
        self.addCleanup(os.chdir, '/')
        for _ in range(200):
            os.mkdir('d' * 100)
            os.chdir('d' * 100)
        with open('f', 'w') as f:
            f.write('deep')
        with open('f') as f:
            self.assertEqual(f.read(), 'deep')
        with self.assertRaises(OSError) as caught:
            os.stat(self.path(*['d' * 100] * 200))
        self.assertEqual(caught.exception.errno, errno.ENAMETOOLONG)
        os.chdir('/')
        subprocess.run(['rm', '-r', self.path('d' * 100)], check=True)
        self.assertEqual(os.listdir(self.mnt), [])

USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHERS = 1, 2, 4, 8, 16, 32
ACCESS, DEFAULT = 'system.posix_acl_access', 'system.posix_acl_default'


def acl(*entries):
    """An access control list as the kernel takes it, of (tag, bits[, id])."""
    value = struct.pack('<I', 2)
    for tag, bits, *who in entries:
        value += struct.pack('<HHI', tag, bits, who[0] if who else 0xffffffff)
    return value


class ListCase(PosixCase):
    read_for_other = acl((USER_OBJ, 6), (USER, 4, OTHER), (GROUP_OBJ, 0), (MASK, 4), (OTHERS, 0))

    def can_read(self, path, uid=OTHER, groups=()):
        try:
            as_user(uid, lambda: os.close(os.open(path, os.O_RDONLY)), groups=groups)
        except PermissionError:
            return False
        return True


class Lists(ListCase):
    """Access control lists."""
    options = ('-o', 'allow_other,acl')

    def test_a_named_user_may_what_the_mask_allows(self):
        path = self.file('f', 0o600)
        self.assertFalse(self.can_read(path))
        os.setxattr(path, ACCESS, self.read_for_other)
        self.assertTrue(self.can_read(path))
        self.assertFalse(self.can_read(path, 777))
        self.assertEqual(self.mode('f'), 0o640)  # the group's bits show the mask
        self.remount()
        self.assertTrue(self.can_read(path))
        os.chmod(path, 0o600)  # takes the mask away
        self.assertFalse(self.can_read(path))
        self.assertEqual(os.getxattr(path, ACCESS), acl(
            (USER_OBJ, 6), (USER, 4, OTHER), (GROUP_OBJ, 0), (MASK, 0), (OTHERS, 0)))
        os.chmod(path, 0o640)
        self.assertTrue(self.can_read(path))
        os.removexattr(path, ACCESS)
        self.assertFalse(self.can_read(path))
        os.removexattr(path, ACCESS)  # twice is fine
        self.assertEqual(os.listxattr(path), [])

    def test_groups(self):
        path = self.file('f', 0o604)
        os.setxattr(path, ACCESS, acl((USER_OBJ, 6), (GROUP_OBJ, 0), (GROUP, 4, 777), (GROUP, 0, 778),
                                      (MASK, 4), (OTHERS, 4)))
        self.assertTrue(self.can_read(path))
        self.assertTrue(self.can_read(path, groups=[777]))
        self.assertFalse(self.can_read(path, groups=[778]))
        self.assertTrue(self.can_read(path, groups=[777, 778]))

    def test_a_list_that_is_only_a_mode_is_one(self):
        path = self.file('f', 0o600)
        os.setxattr(path, ACCESS, acl((USER_OBJ, 7), (GROUP_OBJ, 5), (OTHERS, 4)))
        self.assertEqual(self.mode('f'), 0o754)
        self.assertEqual(os.listxattr(path), [])

    def test_bad_lists_are_refused(self):
        path = self.file('f', 0o600)
        for bad in (b'', b'x', acl((USER_OBJ, 6)), acl((USER_OBJ, 6), (USER, 4, OTHER), (GROUP_OBJ, 0),
                                                       (OTHERS, 0))):
            with self.assertRaises(OSError):
                os.setxattr(path, ACCESS, bad)
                self.assertEqual(os.listxattr(path), [])  # an empty value removes
                raise OSError
        self.assertErrno(errno.EACCES, os.setxattr, path, DEFAULT, self.read_for_other)
        self.user_fails(errno.EPERM, os.setxattr, path, ACCESS, self.read_for_other)

    def test_a_default_list_takes_the_place_of_the_umask(self):
        os.umask(0o077)
        os.mkdir(self.path('plain'))
        self.assertEqual(self.mode('plain'), 0o700)
        os.close(os.open(self.path('masked'), os.O_CREAT, 0o666))
        self.assertEqual(self.mode('masked'), 0o600)
        default = acl((USER_OBJ, 7), (USER, 7, OTHER), (GROUP_OBJ, 5), (MASK, 7), (OTHERS, 5))
        os.setxattr(self.path('plain'), DEFAULT, default)
        os.close(os.open(self.path('plain', 'f'), os.O_CREAT, 0o664))
        self.assertEqual(self.mode('plain/f'), 0o664)
        self.assertEqual(os.getxattr(self.path('plain', 'f'), ACCESS), acl(
            (USER_OBJ, 6), (USER, 7, OTHER), (GROUP_OBJ, 5), (MASK, 6), (OTHERS, 4)))
        os.mkdir(self.path('plain', 'd'), 0o750)
        self.assertEqual(self.mode('plain/d'), 0o750)
        self.assertEqual(os.getxattr(self.path('plain', 'd'), DEFAULT), default)
        os.symlink('f', self.path('plain', 'link'))
        self.assertEqual(os.listxattr(self.path('plain', 'link'), follow_symlinks=False), [])
        fd = os.open(self.path('plain'), os.O_TMPFILE | os.O_RDWR, 0o660)
        self.assertEqual(stat.S_IMODE(os.fstat(fd).st_mode), 0o660)
        self.assertIn(ACCESS, os.listxattr(fd))
        os.close(fd)
        self.remount()
        self.assertEqual(os.getxattr(self.path('plain', 'd'), DEFAULT), default)

    def test_a_list_set_by_a_stranger_to_the_group_drops_sgid(self):
        path = self.file('f', 0o2750, OTHER, 777)
        as_user(OTHER, os.setxattr, path, ACCESS, self.read_for_other)
        self.assertEqual(self.mode('f'), 0o640)

    def test_answers_keep_to_the_lists(self):
        self.write('zebra.txt', 'the zebra crossed the river at dawn')
        os.chmod(self.path('zebra.txt'), 0o600)
        self.wait_indexed()

        def ask():
            return harness.hits(os.getxattr(self.mnt, 'user.vexfs.search:zebra'))
        self.assertEqual(as_user(OTHER, ask), [])
        os.setxattr(self.path('zebra.txt'), ACCESS, self.read_for_other)
        self.assertEqual(as_user(OTHER, ask), ['zebra.txt'])
        self.assertEqual(as_user(777, ask), [])

    def test_programs_carry_them(self):
        path = self.file('f', 0o600)
        os.setxattr(path, ACCESS, self.read_for_other)
        copies = {'cp': ['cp', '-a', 'f', 'copy'],
                  'tar': ['sh', '-c', 'mkdir t && tar --acls --xattrs -cf - f | '
                          'tar --acls --xattrs -C t -xf - && mv t/f copy && rmdir t'],
                  'rsync': ['rsync', '-aAX', 'f', 'copy']}
        for program, words in copies.items():
            if not shutil.which(program):
                print(f'{program} is absent: not tried', file=sys.stderr)
                continue
            with self.subTest(program=program):
                subprocess.run(words, cwd=self.mnt, check=True)
                self.assertEqual(os.getxattr(self.path('copy'), ACCESS), self.read_for_other)
                os.unlink(self.path('copy'))
        if not shutil.which('setfacl'):
            print('setfacl is absent: not tried', file=sys.stderr)
            return
        os.setxattr(path, ACCESS, acl((USER_OBJ, 6), (GROUP_OBJ, 0), (OTHERS, 0)))
        harness.run('setfacl', '-m', f'u:{OTHER}:r', path)
        self.assertEqual(os.getxattr(path, ACCESS), self.read_for_other)
        self.assertIn(f'user:{OTHER}:r--', harness.run('getfacl', '-n', path).stdout)
        harness.run('setfacl', '-b', path)
        self.assertEqual(os.listxattr(path), [])
        harness.run('setfacl', '-b', path)


class NoLists(ListCase):
    """Without -o acl: refused, as by ext4 with noacl."""
    options = ('-o', 'allow_other')

    def test_they_are_refused_and_kept(self):
        path = self.file('f')
        self.assertErrno(errno.EOPNOTSUPP, os.setxattr, path, ACCESS, self.read_for_other)
        self.assertErrno(errno.EOPNOTSUPP, os.getxattr, path, ACCESS)
        for options, change in ((Lists.options, True), (self.options, False)):
            self.volume.unmount()
            self.volume.options = options
            self.volume.mount()
            if change:
                os.setxattr(path, ACCESS, self.read_for_other)
        self.assertEqual(os.listxattr(path), [])
        self.assertFalse(self.can_read(path))


if __name__ == '__main__':
    harness.main()
