#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: the `vexfs` command says what it found, and its exit code says whether. Method: every
subcommand against one mount, as root and, where that matters, as an ordinary user."""
import json
import os
import pwd
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
import harness  # noqa: E402

FOUND, NOTHING, TROUBLE = 0, 1, 2
SOME_GROUP = 54322
SOMEBODY = pwd.getpwnam('nobody').pw_uid  # fusermount3 wants a user with a name

TEXTS = {
    'ops/keys.md': '# Rotating the signing keys\n\nRotate the signing keys every month.\n'
                   'Keep the old key until nothing uses it.\n',
    'ops/backup.md': '# Backups\n\nThe nightly backup copies every volume to the other site.\n',
    'trips/japan.txt': 'Our trip to Japan: Kyoto in spring, temples, trains, noodles.\n',
    'trips/norway.txt': 'Our trip to Norway: fjords, ferries, rain, brown cheese.\n',
}


class Commands(harness.Case):
    size = '256M'
    options = ('-o', 'allow_other')

    def setUp(self):
        super().setUp()
        os.chmod(self.volume.folder, 0o755)
        for name, text in TEXTS.items():
            os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
            self.write(name, text)
        harness.vexfs('index', 'wait', self.mnt)

    def test_indexing_is_paused_and_resumed(self):
        self.vexfs('index', 'pause', self.path('ops'))
        self.write('late.txt', 'a zeppelin over the harbour\n')
        waited = self.vexfs('index', 'wait', self.mnt, code=TROUBLE)
        self.assertIn('vexfs index resume', waited.stderr)
        self.vexfs('search', self.mnt, 'zeppelin', code=NOTHING)
        self.vexfs('index', 'resume', self.mnt)
        self.vexfs('index', 'wait', self.mnt)
        self.assertIn('late.txt', self.vexfs('search', self.mnt, 'zeppelin').stdout)

    def vexfs(self, *args, code=FOUND, **options):
        done = harness.vexfs(*args, check=False, **options)
        self.assertEqual(done.returncode, code, f'{args}\n{done.stdout}{done.stderr}')
        return done

    def paths(self, *args, **options):
        """What a search prints, as paths."""
        lines = self.vexfs(*args, **options).stdout.splitlines()
        return [line.split(':')[0] for line in lines]

    def test_search_prints_as_grep_does(self):
        first = self.vexfs('search', self.mnt, 'rotate', 'the', 'keys').stdout.splitlines()[0]
        path, place, rest = first.split(':', 2)
        self.assertEqual(path, self.path('ops/keys.md'))
        self.assertRegex(place, r'^\d+-\d+$')
        self.assertIn('signing keys', rest)
        self.assertNotIn('\033', first)
        colored = self.vexfs('search', self.mnt, 'rotate', 'keys', '--color', 'always').stdout
        self.assertIn('\033[', colored)

    def test_search_asks_the_current_directory(self):
        self.assertEqual(self.paths('search', 'kyoto', 'temples', cwd=self.path('trips')),
                         ['japan.txt'])
        self.assertEqual(self.paths('search', '--in', 'trips', 'kyoto', cwd=self.mnt),
                         ['trips/japan.txt'])

    def test_options_reach_the_search(self):
        self.assertEqual(len(self.paths('search', self.mnt, 'our trip', '-k', '1')), 1)
        self.assertEqual(self.paths('search', self.mnt, 'trip backup', '--name', '*.md',
                                    '--mode', 'text'), [self.path('ops/backup.md')])
        self.assertEqual(self.paths('search', self.mnt, 'trip', '--larger', '1M', code=NOTHING), [])
        self.vexfs('search', self.mnt, 'x', '--mode', 'psychic', code=TROUBLE)
        self.vexfs('search', self.mnt, 'x', '--no-such-option', code=TROUBLE)
        self.vexfs('search', code=TROUBLE)

    def test_nothing_found_and_trouble_are_told_apart(self):
        self.assertEqual(self.vexfs('search', self.mnt, 'xylophone', code=NOTHING).stdout, '')
        outside = self.vexfs('search', '/usr', 'anything', code=TROUBLE)
        self.assertIn('not in a mounted VexFS volume', outside.stderr)
        self.assertEqual(outside.stdout, '')

    def test_json(self):
        lines = self.vexfs('search', self.mnt, 'rotate the keys', '--json').stdout.splitlines()
        records = [json.loads(line) for line in lines]
        self.assertEqual(records[0]['path'], 'ops/keys.md')
        self.assertEqual(records[-1]['status']['pending'], 0)
        status = json.loads(self.vexfs('index', 'status', '--json', self.mnt).stdout)
        self.assertEqual(status['indexed'], len(TEXTS))
        self.assertTrue(status['embedder'].startswith('local version=0 '), status)
        self.assertIn('version', json.loads(self.vexfs('version', '--json').stdout))
        self.assertEqual(json.loads(self.vexfs('info', '--json', self.mnt).stdout)['mounted_on'],
                         self.mnt)
        metrics = json.loads(self.vexfs('stats', '--json', self.mnt).stdout)
        self.assertGreater(metrics['vexfs_fuse_op_seconds_count{op="create"}'], 0)

    def test_a_question_with_a_vector(self):
        os.mkdir(self.path('v'))
        os.setxattr(self.path('v'), 'user.vexfs.collection', b'{"dim":2,"metric":"l2"}')
        for name, vector in (('right', b'[1,0]'), ('up', b'[0,1]')):
            self.write(f'v/{name}', '')
            os.setxattr(self.path('v', name), 'user.vexfs.vector.json', vector)
        self.vexfs('index', 'wait', self.mnt)
        self.assertEqual(self.paths('search', self.path('v'), '--vector', '[0.1,0.9]', '-k', '1'),
                         [self.path('v/up')])
        self.vexfs('search', self.path('v'), '--vector', 'nonsense', code=TROUBLE)

    def test_similar(self):
        found = self.paths('similar', self.path('trips/japan.txt'))
        self.assertEqual(found[0], self.path('trips/norway.txt'))
        self.assertNotIn(self.path('trips/japan.txt'), found)
        self.vexfs('similar', '/etc/passwd', code=TROUBLE)
        self.vexfs('similar', self.path('trips/none'), code=TROUBLE)

    def test_on_a_read_only_mount(self):
        self.volume.unmount()
        self.volume.options = ['-o', 'ro']
        self.volume.mount()
        self.assertEqual(self.paths('search', self.mnt, 'kyoto', '-k', '1'),
                         [self.path('trips/japan.txt')])
        self.vexfs('search', self.mnt, 'xylophone', code=NOTHING)

    def test_stats_and_sync(self):
        self.assertIn('vexfs_fuse_op_seconds', self.vexfs('stats', self.path('ops')).stdout)
        self.write('unsynced', 'x' * 100)
        self.vexfs('sync', self.path('ops'))
        self.crash()
        self.assertEqual(self.read('unsynced'), b'x' * 100)

    def test_every_command_has_help_with_an_example(self):
        commands = [[], ['mkfs'], ['mount'], ['umount'], ['search'], ['similar'], ['info'],
                    ['stats'], ['index'], ['index', 'status'], ['index', 'wait'], ['sync'],
                    ['resize'],
                    ['version']]
        for command in commands:
            text = self.vexfs(*command, '--help').stdout
            self.assertIn('Example:\n  vexfs', text, command)

    def test_an_ordinary_user_finds_what_it_may_read(self):
        if os.geteuid() != 0:
            self.skipTest('needs root to be somebody else')
        os.chmod(self.path('trips/japan.txt'), 0o600)
        os.chown(self.path('trips/norway.txt'), 0, SOME_GROUP)
        os.chmod(self.path('trips/norway.txt'), 0o640)

        def asked(groups):
            done = subprocess.run([harness.VEXFS, 'search', self.mnt, 'our trip'],
                                  stdout=subprocess.PIPE, text=True, check=False, user=SOMEBODY,
                                  group=SOMEBODY, extra_groups=groups)
            return [line.split(':')[0] for line in done.stdout.splitlines()]

        self.assertEqual(len(self.paths('search', self.mnt, 'our trip')), 2)
        self.assertEqual(asked([]), [])
        self.assertEqual(asked([SOME_GROUP]), [self.path('trips/norway.txt')])


class OrdinaryUser(harness.Case):
    """Somebody who is not root makes, mounts and unmounts a volume of their own."""

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest('the other cases run as an ordinary user already')
        if os.stat('/dev/fuse').st_mode & 0o006 != 0o006:
            self.skipTest('/dev/fuse is for root alone on this machine')
        self.volume = harness.Volume(size=None)
        self.addCleanup(self.volume.remove)
        for path in (self.volume.folder, self.volume.mnt):
            os.chown(path, SOMEBODY, SOMEBODY)

    def test_mount_and_umount(self):
        def run(*args):
            done = subprocess.run([harness.VEXFS, *args], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False, user=SOMEBODY,
                                  group=SOMEBODY, extra_groups=[],
                                  env={**os.environ, 'HOME': self.volume.folder})
            self.assertEqual(done.returncode, FOUND, f'{args}\n{done.stdout}')

        run('mkfs', self.volume.image, '--size', '64M')
        run('mount', self.volume.image, self.volume.mnt)
        self.addCleanup(lambda: harness.vexfs('umount', self.volume.mnt, check=False))
        # Nobody else may enter, root included, without allow_other.
        with self.assertRaises(PermissionError):
            os.listdir(self.volume.mnt)
        subprocess.run(['touch', self.volume.mnt + '/f'], check=True, user=SOMEBODY,
                       group=SOMEBODY)
        run('umount', self.volume.mnt)
        self.assertFalse(os.path.ismount(self.volume.mnt))
        log = os.path.join(self.volume.folder, '.local', 'state', 'vexfs')
        self.assertEqual(len(os.listdir(log)), 1)


if __name__ == '__main__':
    harness.main()
