#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: an answer is never stale and never tells what its caller may not know.
Method: change files while questions run, and ask as another user."""
import os
import random
import sys
import threading

sys.path.insert(0, os.path.dirname(__file__))
import harness  # noqa: E402

SEED = 7
NOBODY = 65534


class Changes(harness.Case):
    def test_answers_hold_while_files_come_go_move_and_change(self):
        """Each file's content names the only word it may be found by; names keep changing."""
        rng = random.Random(SEED)
        print(f'seed {SEED}')
        # Far apart: a word that is absent for a moment is taken for a typing error of a near one.
        words = ('walrus violin harbour bishop magma yeast rudder orchestra glacier pepper anchor '
                 'falcon tunnel mirror cactus lantern').split()
        os.mkdir(self.path('d'))
        ends, faults = threading.Event(), []

        def change():
            while not ends.is_set():
                word = rng.choice(words)
                name = self.path('d', f'{rng.randrange(60)}-{word}.txt')
                act = rng.randrange(4)
                try:
                    if act < 2:
                        with open(name, 'w', encoding='utf-8') as f:
                            f.write(f'this text is about {word} and nothing else\n')
                    elif act == 2:
                        os.unlink(name)
                    else:
                        os.rename(name, self.path('d', f'{rng.randrange(60)}-{word}.txt'))
                except FileNotFoundError:
                    pass

        def ask():
            mine = random.Random(threading.get_ident())
            while not ends.is_set():
                word = mine.choice(words)
                for path in self.ask(word, options='k=50,mode=text'):
                    if not path.endswith(f'-{word}.txt'):
                        faults.append((word, path))

        threads = [threading.Thread(target=change)] + [threading.Thread(target=ask)
                                                       for _ in range(2)]
        for thread in threads:
            thread.start()
        ends.wait(8)
        ends.set()
        for thread in threads:
            thread.join()
        self.assertEqual(faults, [])
        # When all is quiet the answer is exactly what is there.
        self.wait_indexed()
        for word in words:
            there = {f'd/{n}' for n in os.listdir(self.path('d')) if n.endswith(f'-{word}.txt')}
            self.assertEqual(set(self.ask(word, options='k=100,mode=text')), there, word)

    def test_an_overwrite_withdraws_the_old_text_at_once(self):
        self.write('a.txt', 'the walrus sings\n')
        self.wait_indexed()
        self.assertEqual(self.ask('walrus'), ['a.txt'])
        with open(self.path('a.txt'), 'w', encoding='utf-8') as f:
            f.write('the violin sings\n')
            f.flush()
            self.assertEqual(self.ask('walrus'), [])
        self.wait_indexed()
        self.assertEqual(self.ask('violin'), ['a.txt'])
        self.assertEqual(self.ask('walrus'), [])

    def test_a_directory_renamed_takes_its_files_along(self):
        os.makedirs(self.path('a/b'))
        self.write('a/b/f.txt', 'the walrus sings\n')
        self.wait_indexed()
        os.rename(self.path('a'), self.path('c'))
        self.assertEqual(self.ask('walrus'), ['c/b/f.txt'])
        self.assertEqual(self.ask('walrus', directory='c'), ['b/f.txt'])


    def test_a_long_file_hides_no_other(self):
        """Found in use: a file with more matching chunks than a list is deep filled the list."""
        self.write('small.txt', 'gazelle jumps high in the savanna\n')
        self.write('big.txt', 'gazelle word ' * 100_000)
        self.wait_indexed()
        for mode in ('text', 'hybrid'):
            self.assertEqual(set(self.ask('gazelle', options=f'mode={mode}')),
                             {'small.txt', 'big.txt'}, mode)

    def test_nothing_is_found_among_files_that_were_rewritten_often(self):
        """Found in use: the noise level was measured over rows that are gone."""
        for round_ in range(30):
            for i in range(20):
                self.write(f'{i}.txt', f'notes of round {round_} about harbour {i} and the boats\n')
            self.wait_indexed()
        self.assertEqual(self.ask('zzzqqq unheard telescope'), [])
        self.assertEqual(len(self.ask('harbour', options='k=50')), 20)


class Permissions(harness.Case):
    options = ('-o', 'allow_other')

    def as_nobody(self, call):
        """What `call` returns, as a string, in a child without privileges."""
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                try:
                    text = repr(call())
                except OSError as error:
                    text = f'errno {error.errno}'
                os.write(write, text.encode())
            finally:
                os._exit(0)
        os.close(write)
        with os.fdopen(read) as answer:
            text = answer.read()
        os.waitpid(child, 0)
        return text

    def test_another_user_learns_nothing_of_what_he_cannot_read(self):
        if os.getuid() != 0:
            self.skipTest('needs root, to become another user')
        os.chmod(self.volume.folder, 0o755)
        os.chmod(self.mnt, 0o755)
        for name in ('open', 'closed'):
            os.mkdir(self.path(name))
            self.write(f'{name}/f.txt', f'the walrus sings in the {name} directory\n')
        self.write('secret.txt', 'the walrus has a secret\n')
        os.chmod(self.path('secret.txt'), 0o600)
        os.chmod(self.path('closed'), 0o700)
        self.wait_indexed()
        self.assertEqual(set(self.ask('walrus')), {'open/f.txt', 'closed/f.txt', 'secret.txt'})
        self.assertEqual(self.as_nobody(lambda: self.ask('walrus')), "['open/f.txt']")
        self.assertEqual(self.as_nobody(lambda: self.ask_ls('walrus')), "['open/f.txt']")
        self.assertEqual(self.as_nobody(lambda: self.ask('secret')), '[]')
        # A name that only the owner's answer holds is none for another.
        folder = self.path('.vexfs', 'search', 'secret')
        self.assertEqual(len(os.listdir(folder)), 1)
        self.assertEqual(self.as_nobody(lambda: os.readlink(os.path.join(folder, '1'))), 'errno 2')
        # What becomes readable is found, what stops being readable is not.
        os.chmod(self.path('secret.txt'), 0o644)
        self.assertEqual(self.as_nobody(lambda: self.ask('secret')), "['secret.txt']")
        os.chmod(self.path('open'), 0o700)
        self.assertEqual(self.as_nobody(lambda: self.ask('walrus')), "['secret.txt']")


if __name__ == '__main__':
    harness.main()
