#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: programs that lean on their file system find on the mount what they find on ext4. Method:
real ones, with their own checks of what they stored, over crashes of the daemon where they promise
to survive them. One that is absent is said to be; nothing fails for that. VEXFS_LONG=1: more of all,
and PostgreSQL."""
import filecmp
import glob
import json
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))
import harness  # noqa: E402

LONG = bool(os.environ.get('VEXFS_LONG'))
SEED = 20260604


def needs(*programs):
    absent = [name for name in programs if not shutil.which(name)]
    return unittest.skipIf(absent, f'absent: {" ".join(absent)}')


class Programs(harness.Case):
    size = '2G' if LONG else '512M'
    options = ('-o', 'acl,allow_other')

    def sh(self, text, **options):
        return harness.run('bash', '-e', '-o', 'pipefail', '-c', text, cwd=self.mnt, **options)

    @needs('git')
    def test_git(self):
        env = dict(os.environ, HOME=self.mnt, GIT_CONFIG_GLOBAL='/dev/null',
                   GIT_AUTHOR_NAME='a', GIT_AUTHOR_EMAIL='a@example.org',
                   GIT_COMMITTER_NAME='a', GIT_COMMITTER_EMAIL='a@example.org')
        self.sh('''
            git init -q -b main work && cd work
            for i in $(seq 40); do mkdir -p d$((i % 7)); seq $((i * 50)) >d$((i % 7))/f$i; done
            git add . && git commit -qm one
            for i in $(seq 10); do date >>d1/f1; git commit -qam "c$i"; done
            git branch side && git mv d2 moved && git commit -qm moved
            git gc -q && cd .. && git clone -q work clone && git clone -q --bare work bare.git
        ''', env=env)
        harness.vexfs('sync', self.mnt)  # git itself does not sync its index
        self.crash()
        for repository in ('work', 'clone', 'bare.git'):
            self.sh(f'cd {repository} && git fsck --full --strict', env=env)
        self.assertEqual(self.sh('cd clone && git status --porcelain', env=env).stdout, '')
        self.assertEqual(self.sh('cd clone && git log --oneline | wc -l', env=env).stdout, '12\n')

    @needs('g++', 'make')
    def test_a_build(self):
        units = 40 if LONG else 3
        for i in range(units):
            self.write(f'u{i}.cc', f'int f{i}(int x) {{ return x + {i}; }}\n')
        calls = ' + '.join(f'f{i}({i})' for i in range(units))
        declarations = ''.join(f'int f{i}(int);' for i in range(units))
        self.write('main.cc', f'{declarations}\nint main() {{ return {calls}; }}\n')
        self.write('Makefile', 'O = $(patsubst %.cc,%.o,$(wildcard *.cc))\n'
                               'main: $(O)\n\t$(CXX) -o $@ $^\n%.o: %.cc\n\t$(CXX) -c -o $@ $<\n')
        self.sh('make -s -j2')
        self.assertEqual(harness.run(self.path('main'), check=False).returncode,
                         sum(2 * i for i in range(units)) % 256)
        self.assertIn('up to date', self.sh('make').stdout)  # times of change have their order
        self.sh('touch u0.cc')
        self.assertIn('u0.o', self.sh('make').stdout)

    def test_sqlite_over_crashes(self):
        for mode in ('DELETE', 'WAL'):
            with self.subTest(journal=mode):
                path, known = self.path(f'{mode}.db'), 0
                for _ in range(4 if LONG else 2):
                    connection = sqlite3.connect(path, isolation_level=None)
                    self.assertEqual(connection.execute(f'pragma journal_mode={mode}').fetchone()[0],
                                     mode.lower())
                    # In DELETE mode a commit is the unlink of the journal: only EXTRA syncs that.
                    connection.execute('pragma synchronous=extra')
                    connection.execute('create table if not exists t(n integer primary key, v blob)')
                    self.assertEqual(connection.execute('pragma integrity_check').fetchone(), ('ok',))
                    count, = connection.execute('select count(*) from t').fetchone()
                    self.assertGreaterEqual(count, known)
                    for n in range(15):
                        connection.execute('begin')
                        for _ in range(5):
                            connection.execute('insert into t(v) values(randomblob(?))', (n * 97,))
                        connection.execute('commit')
                    known = count + 75
                    connection.execute('begin')
                    connection.execute('delete from t')  # is never committed
                    self.volume.daemon.kill()
                    try:
                        connection.close()
                    except sqlite3.Error:
                        pass
                    self.crash()
                connection = sqlite3.connect(path)
                self.assertEqual(connection.execute('pragma integrity_check').fetchone(), ('ok',))
                self.assertEqual(connection.execute('select count(*) from t').fetchone(), (known,))
                connection.close()

    def tree(self, name):
        """A directory with whatever an archive has to carry."""
        os.mkdir(self.path(name))
        self.write(f'{name}/plain', 'content')
        os.setxattr(self.path(name, 'plain'), 'user.note', b'\0value\xff')
        os.link(self.path(name, 'plain'), self.path(name, 'hard'))
        os.symlink('plain', self.path(name, 'soft'))
        os.mkfifo(self.path(name, 'fifo'))
        with open(self.path(name, 'sparse'), 'wb') as f:
            f.write(b'a')
            f.truncate(8 << 20)
        os.mkdir(self.path(name, 'd'), 0o2750)
        self.write(f'{name}/d/vector', 'found by hand')
        os.setxattr(self.path(name, 'd', 'vector'), 'user.vexfs.vector.json', b'[1,2,3]')
        os.utime(self.path(name, 'plain'), ns=(10**9 + 7, 2 * 10**9 + 9))
        if os.geteuid() == 0:
            os.chown(self.path(name, 'plain'), 1234, 4321)
            os.setxattr(self.path(name, 'd'), 'trusted.t', b'x')

    def facts(self, name):
        found = {}
        top = self.path(name)
        for folder, folders, files in os.walk(top):
            for entry in folders + files:
                path = os.path.join(folder, entry)
                a = os.lstat(path)
                attributes = {} if os.path.islink(path) or not (os.path.isfile(path) or
                                                                os.path.isdir(path)) else {
                    n: os.getxattr(path, n) for n in os.listxattr(path)}
                found[os.path.relpath(path, top)] = (
                    a.st_mode, a.st_uid, a.st_gid, a.st_nlink, a.st_mtime_ns,
                    a.st_size if os.path.isfile(path) else 0, attributes,
                    os.path.isfile(path) and a.st_blocks * 512 < a.st_size + 4096)
        return found

    def same(self, one, other):
        self.assertEqual(self.facts(one), self.facts(other))
        for name in ('plain', 'sparse', 'd/vector'):
            self.assertTrue(filecmp.cmp(self.path(one, name), self.path(other, name), False))

    @needs('tar')
    def test_tar(self):
        self.tree('a')
        os.mkdir(self.path('b'))
        self.sh("tar --xattrs --xattrs-include='*' --acls -S -C a -cf - . | "
                "tar --xattrs --xattrs-include='*' --acls -S -p -C b -xf -")
        self.same('a', 'b')

    @needs('rsync')
    def test_rsync(self):
        self.tree('a')
        # -@-1: without it rsync takes times of one second for the same.
        self.sh('rsync -aHAXS -@-1 a/ b/')
        self.same('a', 'b')
        self.assertEqual(self.sh('rsync -aHAXSni -@-1 a/ b/').stdout, '')  # nothing left to do

    @needs('cp')
    def test_cp(self):
        self.tree('a')
        self.sh('cp -a a b')
        self.same('a', 'b')

    @needs('fio')
    def test_fio_verifies(self):
        size = '256m' if LONG else '8m'
        for engine in ('psync', 'io_uring'):
            for direct in (0, 1):
                for pattern in ('randwrite', 'write'):
                    with self.subTest(engine=engine, direct=direct, pattern=pattern):
                        done = self.sh(
                            f'fio --name=job --directory=. --ioengine={engine} --direct={direct} '
                            f'--rw={pattern} --bsrange=4k-64k --size={size} --iodepth=8 '
                            f'--randseed={SEED} --verify=crc32c --verify_fatal=1 --do_verify=1 '
                            '--fsync=64 --output-format=json --group_reporting', check=False)
                        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                        text = done.stdout[done.stdout.index('{'):]
                        self.assertEqual(json.loads(text)['jobs'][0]['error'], 0)
                        os.unlink(self.path('job.0.0'))


@unittest.skipUnless(LONG, 'only with VEXFS_LONG=1')
class Database(harness.Case):
    size = '2G'
    options = ('-o', 'allow_other')

    def test_postgresql_over_a_crash(self):
        folders = [os.path.dirname(shutil.which('initdb') or '')] + sorted(
            glob.glob('/usr/lib/postgresql/*/bin'), reverse=True)
        bin_folder = next((f for f in folders if f and os.path.exists(os.path.join(f, 'pgbench'))), None)
        if bin_folder is None or os.geteuid() != 0:
            self.skipTest('absent: PostgreSQL with pgbench (or not root)')
        os.chmod(self.volume.folder, 0o755)
        user = pwd.getpwnam('nobody')
        os.mkdir(self.path('db'), 0o700)
        os.chown(self.path('db'), user.pw_uid, user.pw_gid)
        socket = os.path.join(self.volume.folder, 'socket')
        os.mkdir(socket)
        os.chown(socket, user.pw_uid, user.pw_gid)

        def run(program, *words):
            return harness.run('setpriv', '--reuid', str(user.pw_uid), '--regid', str(user.pw_gid),
                               '--clear-groups', os.path.join(bin_folder, program), *words,
                               env=dict(os.environ, HOME=socket, PGHOST=socket, PGUSER='nobody'),
                               cwd=socket, timeout=300)
        server = ('-D', self.path('db'), '-w', '-l', os.path.join(socket, 'log'), '-o',
                  f"-k {socket} -c listen_addresses=''")
        run('initdb', '-D', self.path('db'), '-U', 'nobody', '-A', 'trust')
        run('pg_ctl', 'start', *server)
        run('pgbench', '-i', '-s', '2', 'postgres')
        run('pgbench', '-c', '4', '-t', '100', 'postgres')
        with open(self.path('db', 'postmaster.pid'), encoding='ascii') as f:
            postmaster = int(f.readline())
        self.volume.daemon.kill()
        os.kill(postmaster, signal.SIGQUIT)
        self.crash()
        if os.path.exists(self.path('db', 'postmaster.pid')):
            os.unlink(self.path('db', 'postmaster.pid'))
        run('pg_ctl', 'start', *server)
        count = run('psql', '-At', '-c', 'select count(*), sum(delta) = (select sum(abalance) from '
                                         'pgbench_accounts) from pgbench_history', 'postgres').stdout
        self.assertEqual(count.strip(), '400|t')
        run('psql', '-At', '-c', 'create extension if not exists amcheck', 'postgres') \
            if glob.glob(os.path.join(bin_folder, '..', 'lib', 'amcheck.so')) else None
        run('pg_ctl', 'stop', '-D', self.path('db'), '-m', 'fast')


if __name__ == '__main__':
    harness.main()
