#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: the manual pages and the completion of bash say what the program understands: no word less,
and none that it refuses. Method: both against --help and against the program itself."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
VEXFS = os.environ.get('VEXFS', str(ROOT / 'build/vexfs'))


def run(*words, **more):
    return subprocess.run(words, capture_output=True, text=True, check=True, **more).stdout


def page(name):
    return run('python3', ROOT / 'tools/man_page.py', VEXFS, ROOT / 'doc/man' / name)


def section(text, title):
    found = re.search(rf'^{title}:\n((?: +\S.*\n|\n(?= ))+)', text, re.M)
    return found[1] if found else ''


def commands(*path):
    return re.findall(r'^  (\w+) ', section(run(VEXFS, *path, '--help'), 'Subcommands'), re.M)


def options(*path):
    """The options of a command, short and long."""
    heads = re.findall(r'^  (-\S+)', section(run(VEXFS, *path, '--help'), 'Options'), re.M)
    return [option for head in heads for option in head.split(',')]


def every_command():
    yield ()
    for command in commands():
        yield (command,)
        yield from ((command, inner) for inner in commands(command))


def mount_words():
    """The words after -o, each as the help shows it: `commit=5`."""
    head, table = re.search(r'(  -o .*)comma-separated:\n((?: +\S.*\n)+)',
                            run(VEXFS, 'mount', '--help')).groups()
    heads = [line.strip().split('  ')[0] for line in table.splitlines()
             if re.match(rf' {{{len(head)}}}\w', line)]
    return [word for head in heads for word in re.split(', *', head)]


class Manual(unittest.TestCase):
    def test_pages_are_well_formed(self):
        if not shutil.which('groff'):
            self.skipTest('no groff')
        for name in ('vexfs.1', 'mount.vexfs.8'):
            done = subprocess.run(['groff', '-man', '-ww', '-Tutf8', '-rLL=120n'], text=True,
                                  capture_output=True, input=page(name))
            self.assertEqual((done.returncode, done.stderr), (0, ''), name)

    def test_each_command_and_option_has_its_place(self):
        text = page('vexfs.1').replace('\\-', '-')
        for path in every_command():
            if path:
                self.assertIn(f'.SS vexfs {" ".join(path)}\n', text)
            for option in options(*path):
                self.assertRegex(text, rf'(?m)[ ,]{option}\b')

    def test_each_mount_option_is_named_and_understood(self):
        text = page('mount.vexfs.8')
        words = mount_words()
        self.assertGreater(len(words), 12)
        with tempfile.TemporaryDirectory() as folder:
            image, directory = f'{folder}/v.vex', f'{folder}/mnt'
            os.mkdir(directory)
            run(VEXFS, 'mkfs', image, '--size', '64M')
            for word in words:
                self.assertIn(word, text)
                word = re.sub(r'=SIZE$', '=64M', re.sub(r'\[.*\]', '', word))
                if word != 'remount':  # of a mount that is there
                    run(VEXFS, 'mount', '--pretend', '-o', word, image, directory)


class Completion(unittest.TestCase):
    def complete(self, *words):
        script = (f'source {ROOT}/tools/vexfs.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1));'
                  '_vexfs; printf "%s\\n" "${COMPREPLY[@]}"')
        with tempfile.TemporaryDirectory() as folder:
            os.symlink(os.path.abspath(VEXFS), f'{folder}/vexfs')
            path = f'{folder}:{os.environ["PATH"]}'
            return run('bash', '-c', script, 'bash', 'vexfs', *words,
                       env={**os.environ, 'PATH': path}).split()

    def test_commands(self):
        for path in every_command():
            if commands(*path):
                self.assertEqual(self.complete(*path, ''), commands(*path))
        self.assertEqual(self.complete('m'), [c for c in commands() if c.startswith('m')])

    def test_options(self):
        for path in every_command():
            self.assertEqual(self.complete(*path, '-'), options(*path))

    def test_mount_options(self):
        words = [re.sub('=.*', '=', word) for word in mount_words()]
        self.assertEqual(self.complete('mount', '-o', ''), words)
        self.assertEqual(self.complete('mount', '-o', 'ro,no'),
                         ['ro,' + word for word in words if word.startswith('no')])


if __name__ == '__main__':
    unittest.main()
