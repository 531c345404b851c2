#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: files of vectors and vectors on files are found, and changes show in the next answer.
Method: a seeded cloud of 10,000 x 128; recall@10 of the query file against exact search."""
import array
import base64
import errno
import json
import math
import os
import random
import subprocess
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))
import harness  # noqa: E402

DIM, ROWS, QUESTIONS, K = 128, 10_000, 1_000, 10
SEED = 20


def cloud(rng, centres, count):
    return [[c + rng.gauss(0, 0.35) for c in rng.choice(centres)] for _ in range(count)]


def fvecs(rows):
    return b''.join(struct.pack('<i', len(row)) + array.array('f', row).tobytes() for row in rows)


def floats(row):
    return array.array('f', row).tobytes()


class QueryFile:
    def __init__(self, case, directory=''):
        self.file = open(case.path(directory, '.vexfs', 'query'), 'r+b', buffering=0)

    def ask(self, **question):
        self.file.write(json.dumps(question).encode() + b'\n')
        answer = b''
        while part := self.file.read(65536):
            answer += part
        return [json.loads(line) for line in answer.splitlines()]

    def rows(self, vector, k=K, **more):
        return [(hit['path'], hit['locator']) for hit in self.ask(vector=vector, k=k, **more)
                if 'path' in hit]

    def close(self):
        self.file.close()


class Rows(harness.Case):
    def test_a_file_of_vectors_is_searched_and_follows_changes(self):
        rng = random.Random(SEED)
        print(f'seed {SEED}')
        centres = [[rng.gauss(0, 1) for _ in range(DIM)] for _ in range(100)]
        base, questions = cloud(rng, centres, ROWS), cloud(rng, centres, QUESTIONS)
        os.mkdir(self.path('sift'))
        os.setxattr(self.path('sift'), 'user.vexfs.collection',
                    b'{"dim":128,"metric":"l2","embedder":"none"}')
        self.write('sift/base.fvecs', fvecs(base))
        self.wait_indexed()

        query = QueryFile(self, 'sift')
        answers = [query.rows(q) for q in questions]
        exact = [query.rows(q, exact=True) for q in questions[:100]]
        # Exact search itself is checked against arithmetic done here.
        for q, answer in list(zip(questions, exact))[:5]:
            true = sorted(range(ROWS), key=lambda i: sum((a - b) ** 2 for a, b in zip(base[i], q)))
            self.assertEqual(answer, [('base.fvecs', f'row {i}') for i in true[:K]])
        truth = [set(query.rows(q, exact=True)) for q in questions]
        recall = sum(len(t & set(a)) for t, a in zip(truth, answers)) / (K * QUESTIONS)
        print(f'recall@{K} over {QUESTIONS} questions: {recall:.4f}')
        self.assertGreaterEqual(recall, 0.95)

        # Results survive a remount without indexing again.
        query.close()
        self.remount()
        with open(self.path('.vexfs', 'metrics'), encoding='utf-8') as metrics:
            indexed = [line for line in metrics if line.startswith('vexfs_index_vectors_total')]
        self.assertTrue(all(float(line.split()[-1]) == 0 for line in indexed), indexed)
        query = QueryFile(self, 'sift')
        self.assertEqual([query.rows(q) for q in questions[:100]], answers[:100])

        # Rename, overwrite and unlink are seen by the next question.
        os.rename(self.path('sift/base.fvecs'), self.path('sift/renamed.fvecs'))
        self.assertEqual(query.rows(questions[0])[0][0], 'renamed.fvecs')
        self.write('sift/renamed.fvecs', fvecs(base[:50]))
        self.assertLessEqual({int(row.split()[1]) for _, row in query.rows(questions[0])},
                             set(range(50)))
        self.wait_indexed()
        self.assertEqual(len(query.rows(questions[0], k=100)), 50)
        os.unlink(self.path('sift/renamed.fvecs'))
        self.assertEqual(query.rows(questions[0]), [])
        query.close()

    def test_npy_rows_are_found(self):
        header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }"
        header += b' ' * (63 - (len(header) + 10) % 64) + b'\n'
        rows = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1]]
        os.mkdir(self.path('npy'))
        self.write('npy/rows.npy', b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header +
                   b''.join(floats(row) for row in rows))
        self.wait_indexed()
        query = QueryFile(self, 'npy')
        self.assertEqual(query.rows([0, 0.9, 0, 0.1], k=1), [('rows.npy', 'row 1')])
        query.close()


class OnFiles(harness.Case):
    def set(self, name, vector):
        os.setxattr(self.path(name), 'user.vexfs.vector', floats(vector))

    def test_set_get_list_remove(self):
        self.write('a', 'x')
        self.assertErrno(errno.ENODATA, os.getxattr, self.path('a'), 'user.vexfs.vector')
        self.set('a', [1, 2, 3])
        self.assertEqual(os.getxattr(self.path('a'), 'user.vexfs.vector'), floats([1, 2, 3]))
        self.assertEqual(json.loads(os.getxattr(self.path('a'), 'user.vexfs.vector.json')),
                         [1, 2, 3])
        self.assertEqual(os.listxattr(self.path('a')), ['user.vexfs.vector'])
        os.setxattr(self.path('a'), 'user.vexfs.vector.json', b'[0.5, 0.25, 3]')
        self.assertEqual(os.getxattr(self.path('a'), 'user.vexfs.vector'), floats([.5, .25, 3]))
        self.remount()
        self.assertEqual(os.getxattr(self.path('a'), 'user.vexfs.vector'), floats([.5, .25, 3]))
        os.removexattr(self.path('a'), 'user.vexfs.vector')
        self.assertEqual(os.listxattr(self.path('a')), [])

    def test_setfattr_and_getfattr_as_a_person_types_them(self):
        self.write('photo.jpg', b'\xff\xd8')
        self.write('other.jpg', b'\xff\xd8')
        for name, vector in (('photo.jpg', [1, 0]), ('other.jpg', [.9, .1])):
            harness.run('setfattr', '-n', 'user.vexfs.vector', '-v',
                        '0s' + base64.b64encode(floats(vector)).decode(), self.path(name))
        shown = harness.run('getfattr', '--only-values', '-n', 'user.vexfs.similar',
                            self.path('photo.jpg')).stdout
        self.assertIn('other.jpg', shown)
        self.assertNotIn('photo.jpg', shown)

    def test_neighbours_are_the_nearest(self):
        rng = random.Random(SEED)
        vectors = {f'f{i:03}': [rng.gauss(0, 1) for _ in range(16)] for i in range(300)}
        for name, vector in vectors.items():
            self.write(name, '')
            self.set(name, vector)
        self.wait_indexed()  # else a listing says, rightly, that files are pending

        def cosine(a, b):
            return sum(x * y for x, y in zip(a, b)) / math.sqrt(
                sum(x * x for x in a) * sum(y * y for y in b))
        for name in list(vectors)[:20]:
            nearest = sorted((n for n in vectors if n != name),
                             key=lambda n: -cosine(vectors[n], vectors[name]))[:5]
            value = os.getxattr(self.path(name), 'user.vexfs.similar.k=5')
            self.assertEqual(harness.hits(value), nearest)
            listing = self.path('.vexfs', 'similar.k=5', name)
            self.assertEqual([os.path.basename(os.readlink(os.path.join(listing, n)))
                              for n in sorted(os.listdir(listing))], nearest)

    def test_bad_vectors_are_refused_and_the_old_one_stays(self):
        self.write('a', 'x')
        self.set('a', [1, 2, 3])
        nan, inf = float('nan'), float('inf')
        for bad in (floats([1, nan, 3]), floats([inf, 1, 1]), b'abc', b'', b'\0' * 5,
                    floats([0, 0, 0]), floats([1] * 4097)):
            self.assertErrno(errno.EINVAL, os.setxattr, self.path('a'), 'user.vexfs.vector', bad)
        for bad in (b'', b'[]', b'[1,', b'{"a":1}', b'["x"]', b'[1e999]', b'[' * 5000):
            self.assertErrno(errno.EINVAL, os.setxattr, self.path('a'), 'user.vexfs.vector.json',
                             bad)
        # Each is listed with its reason, those that never were a vector, too.
        self.assertGreaterEqual(self.read('.vexfs/errors').decode().count('a: '), 11)
        self.assertEqual(os.getxattr(self.path('a'), 'user.vexfs.vector'), floats([1, 2, 3]))

    def test_a_vector_that_does_not_fit_is_parked_and_adopted(self):
        self.write('a', 'x')
        self.set('a', [1, 2, 3])
        os.mkdir(self.path('d'))
        self.write('d/b', 'x')
        self.set('d/b', [1, 2])
        status = os.getxattr(self.path('d/b'), 'user.vexfs.status').decode()
        self.assertIn('skipped: dimension 2, collection has 3', status)
        self.assertEqual(os.getxattr(self.path('d/b'), 'user.vexfs.vector'), floats([1, 2]))
        self.write('d/c', 'x')
        self.set('d/c', [2, 1])
        os.setxattr(self.path('d'), 'user.vexfs.collection', b'{"dim":2}')
        self.wait_indexed()
        self.assertEqual(harness.hits(os.getxattr(self.path('d/b'), 'user.vexfs.similar')), ['d/c'])

    def test_a_collection_that_holds_vectors_keeps_its_shape(self):
        os.mkdir(self.path('d'))
        os.setxattr(self.path('d'), 'user.vexfs.collection', b'{"dim":2,"metric":"l2"}')
        self.write('d/a', 'x')
        self.set('d/a', [1, 2])
        for bad in (b'{"dim":3}', b'{"metric":"ip"}', b'{"dim":0}', b'{"dim":4097}', b'{"x":1}',
                    b'nonsense', b'{"metric":"far"}', b'{"dim":"2"}'):
            self.assertErrno(errno.EINVAL, os.setxattr, self.path('d'), 'user.vexfs.collection', bad)
        settings = json.loads(os.getxattr(self.path('d'), 'user.vexfs.collection'))
        self.assertEqual((settings['dim'], settings['metric']), (2, 'l2'))
        with open(self.path('.vexfs', 'errors'), encoding='utf-8') as errors:
            self.assertTrue(errors.read())

    def test_cp_and_tar_carry_vectors_and_collections(self):
        os.mkdir(self.path('d'))
        os.setxattr(self.path('d'), 'user.vexfs.collection', b'{"dim":2,"metric":"l2"}')
        self.write('d/a', 'text of a')
        self.set('d/a', [1, 2])
        harness.run('cp', '-a', self.path('d'), self.path('copy'))
        harness.run('tar', '--xattrs', '-C', self.mnt, '-cf', os.path.join(self.volume.folder, 't'),
                    'd')
        os.mkdir(self.path('untarred'))
        harness.run('tar', '--xattrs', '--xattrs-include=*', '-C', self.path('untarred'), '-xf',
                    os.path.join(self.volume.folder, 't'))
        for copy in ('copy', 'untarred/d'):
            self.assertEqual(os.getxattr(self.path(copy, 'a'), 'user.vexfs.vector'), floats([1, 2]))
            self.assertEqual(json.loads(os.getxattr(self.path(copy), 'user.vexfs.collection'))
                             ['dim'], 2)
            self.assertEqual(self.read(copy + '/a'), b'text of a')


if __name__ == '__main__':
    harness.main()
