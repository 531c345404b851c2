#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: text is found in files of every kind, and no file takes the daemon down. Method: files made
here, whole, damaged and hostile; what the status of each says."""
import gzip
import os
import random
import signal
import sys

sys.path.insert(0, os.path.dirname(__file__))
import harness  # noqa: E402


def pdf(*pages):
    """A PDF with a page for each text, as small as they come."""
    kids = ' '.join(f'{4 + 2 * i} 0 R' for i in range(len(pages)))
    objects = ''
    for i, text in enumerate(pages):
        content = f'BT /F1 12 Tf 72 700 Td ({text}) Tj ET'
        objects += (f'{4 + 2 * i} 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents '
                    f'{5 + 2 * i} 0 R/Resources<</Font<</F1 3 0 R>>>>>> endobj\n'
                    f'{5 + 2 * i} 0 obj <</Length {len(content)}>> stream\n{content}\n'
                    'endstream endobj\n')
    return (f'%PDF-1.4\n1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj\n2 0 obj <</Type/Pages/Count '
            f'{len(pages)}/Kids[{kids}]>> endobj\n3 0 obj <</Type/Font/Subtype/Type1/BaseFont'
            f'/Helvetica>> endobj\n{objects}trailer <</Root 1 0 R/Size {4 + 2 * len(pages)}>>\n'
            '%%EOF\n').encode()


def children_of(pid):
    """Of all its threads: whichever needed one has started it."""
    found = []
    for task in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{task}/children', encoding='ascii') as f:
            found += [int(child) for child in f.read().split()]
    return found


class Content(harness.Case):
    size = '256M'

    def status(self, name):
        return os.getxattr(self.path(name), 'user.vexfs.status').decode()

    def lines(self, question):
        value = os.getxattr(self.mnt, f'user.vexfs.search.mode=text:{question}').decode()
        return [line.split('\t') for line in value.splitlines() if not line.startswith('#')]

    def test_pages_of_a_pdf_are_found(self):
        self.write('report', pdf('the harbour at dawn', 'rotate the signing keys'))  # no suffix
        self.write('empty.pdf', pdf(''))
        self.write('short.pdf', b'%PDF-1.7\nand nothing more')
        self.write('text.pdf', 'the zeppelin lands\n')
        self.wait_indexed()
        [[_, path, locator, snippet]] = self.lines('signing keys')
        self.assertEqual((path, locator), ('report', 'page 2'))
        self.assertIn('rotate the signing keys', snippet)
        self.assertEqual(self.ask('zeppelin'), ['text.pdf'])
        self.assertTrue(self.status('empty.pdf').startswith('skipped: no text in it'))
        self.assertTrue(self.status('short.pdf').startswith('skipped: '), self.status('short.pdf'))
        self.assertIn('short.pdf: skipped: ', self.read('.vexfs/errors').decode())
        self.remount()
        self.assertEqual(self.lines('signing keys')[0][2], 'page 2')
        self.write('report', pdf('nothing of the kind'))
        self.assertEqual(self.lines('signing keys'), [])

    def test_encodings_are_found_out(self):
        russian = 'меняйте ключи каждую весну, пожалуйста. ' * 20
        for charset in ('windows-1251', 'koi8-r', 'utf-16', 'utf-16-le', 'utf-8'):
            self.write(f'{charset}.txt', russian.encode(charset))
        self.write('latin.txt', 'un café au lait très chaud\n'.encode('latin-1'))
        self.write('data.json', b'{"name":"caf\\u00e9 noir","more":["a\\nzeppelin"]}')
        self.wait_indexed()
        self.assertEqual(sorted(self.ask('ключи', options='mode=text')),
                         ['koi8-r.txt', 'utf-16.txt', 'utf-8.txt', 'windows-1251.txt'])
        self.assertEqual(sorted(self.ask('café', options='mode=text')), ['data.json', 'latin.txt'])
        self.assertEqual(self.ask('zeppelin', options='mode=text'), ['data.json'])

    def test_binary_files_say_what_they_are(self):
        for name, content, why in (
                ('a.txt', b'\x89PNG\r\n\x1a\n' + bytes(100), 'binary: PNG image'),
                ('b', gzip.compress(b'the harbour'), 'binary: compressed (gzip)'),
                ('c.md', bytes(range(256)) * 8, 'binary'),
                ('d.js', b'var a=1;' * 2000, 'minified')):
            self.write(name, content)
            self.wait_indexed()
            self.assertEqual(self.status(name), f'skipped: {why}')

    def test_a_hostile_file_costs_its_own_text_only(self):
        rng = random.Random(11)
        good = pdf('rotate the signing keys')
        for i in range(20):
            bad = bytearray(good)
            for _ in range(6):
                bad[rng.randrange(len(bad))] = rng.randrange(256)
            self.write(f'bad{i}.pdf', bytes(bad))
        self.write('deep.pdf', b'%PDF-1.4\n1 0 obj ' + b'[' * 3_000_000 + good[9:])
        self.write('good.pdf', good)
        self.wait_indexed()
        self.assertIn('good.pdf', self.ask('signing keys', options='k=50,mode=text'))

    def test_the_process_that_reads_may_nothing_and_may_die(self):
        self.write('one.pdf', pdf('the harbour at dawn'))
        self.wait_indexed()
        readers = children_of(self.volume.daemon.pid)
        self.assertEqual(len(readers), 1)
        with open(f'/proc/{readers[0]}/status', encoding='ascii') as f:
            facts = dict(line.rstrip('\n').split(':\t', 1) for line in f if ':\t' in line)
        self.assertEqual(facts['NoNewPrivs'], '1')
        if os.geteuid() == 0:
            self.assertEqual(set(facts['Uid'].split()), {'65534'})
            self.assertEqual(int(facts['CapEff'], 16), 0)
        self.assertEqual(sorted(os.listdir(f'/proc/{readers[0]}/fd')), ['0', '1', '2'])
        os.kill(readers[0], signal.SIGKILL)
        self.write('two.pdf', pdf('the lighthouse keeper'))
        self.wait_indexed()
        self.assertEqual(self.ask('lighthouse', options='mode=text'), ['two.pdf'])


if __name__ == '__main__':
    harness.main()
