#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: a model's folder and an endpoint give the vectors that they should, and an endpoint that is
down costs freshness, never an answer. Method: vectors computed here, by another tokenizer than the
daemon's; a server of ours that goes and comes back."""
import http.server
import json
import math
import os
import re
import struct
import sys
import tempfile
import threading
import time
import unicodedata

sys.path.insert(0, os.path.dirname(__file__))
import harness  # noqa: E402

TEXTS = {
    'keys.txt': 'Rotate the signing-keys, every spring!\n',
    'bread.txt': 'Knead the dough; bake it until BROWN.\n',
    'cafe.txt': 'Un café très chaud at the harbour.\n',
}
VOCABULARY = ('[PAD] [UNK] [CLS] [SEP] rotate the sign ##ing - keys key ##s , every spring ! knead '
              'dough ; bake it until brown . un cafe tres chaud at harbour har ##bour ro ##tate '
              'bread oven').split()


def reference_ids(text):
    """BERT's tokenizer, written again: greedy pieces of words without accents."""
    text = ''.join(c for c in unicodedata.normalize('NFD', text)
                   if unicodedata.category(c) != 'Mn').lower()
    ids = []
    for word in re.findall(r'\w+|[^\w\s]', text):
        found, at = [], 0
        while at < len(word):
            for end in range(len(word), at, -1):
                piece = ('##' if at else '') + word[at:end]
                if piece in VOCABULARY:
                    found.append(VOCABULARY.index(piece))
                    at = end
                    break
            else:
                found = []
                break
        ids += found
    return ids


def unit(vector):
    length = math.sqrt(sum(x * x for x in vector)) or 1
    return [x / length for x in vector]


def model_row(i):
    return [math.sin(1 + i * 7 + j * 3) for j in range(16)]


def reference_vector(text):
    rows = [model_row(i) for i in reference_ids(text)]
    return unit([sum(column) for column in zip(*rows)])


def write_model(folder):
    with open(f'{folder}/tokenizer.json', 'w', encoding='utf-8') as f:
        json.dump({'normalizer': {'type': 'BertNormalizer', 'clean_text': True,
                                  'handle_chinese_chars': True, 'strip_accents': None,
                                  'lowercase': True},
                   'pre_tokenizer': {'type': 'BertPreTokenizer'},
                   'model': {'type': 'WordPiece', 'unk_token': '[UNK]',
                             'continuing_subword_prefix': '##', 'max_input_chars_per_word': 100,
                             'vocab': {word: i for i, word in enumerate(VOCABULARY)}}}, f)
    values = b''.join(struct.pack('<16f', *model_row(i)) for i in range(len(VOCABULARY)))
    header = json.dumps({'embeddings': {'dtype': 'F32', 'shape': [len(VOCABULARY), 16],
                                        'data_offsets': [0, len(values)]}}).encode()
    with open(f'{folder}/model.safetensors', 'wb') as f:
        f.write(struct.pack('<Q', len(header)) + header + values)


def cosines(case, question, options=None):
    """Of each file, as the query file says them; and the status record."""
    with open(case.path('.vexfs/query'), 'r+b', buffering=0) as f:
        f.write(json.dumps({'text': question, **(options or {})}).encode() + b'\n')
        answer = b''
        while part := f.read(65536):
            answer += part
    lines = [json.loads(line) for line in answer.splitlines()]
    return {hit['path']: hit.get('cosine') for hit in lines[:-1]}, lines[-1]['status']


class Model(harness.Case):
    size = '256M'

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        write_model(folder.name)
        self.options = ('-o', f'embedder=model2vec:{folder.name}')
        super().setUp()

    def test_cosines_are_those_of_another_implementation(self):
        for name, text in TEXTS.items():
            self.write(name, text)
        self.wait_indexed()
        for question in ('rotate keys', 'the brown bread', 'harbour café', 'signing'):
            found, _ = cosines(self, question, {'k': 10})
            asked = reference_vector(question)
            self.assertNotEqual(found, {})
            for name, cosine in found.items():
                expected = sum(a * b for a, b in zip(asked, reference_vector(TEXTS[name])))
                self.assertAlmostEqual(cosine, expected, places=3, msg=(question, name))
        status = os.getxattr(self.path('keys.txt'), 'user.vexfs.status').decode()
        self.assertTrue(status.startswith('indexed embedder=model2vec chunks=1'), status)
        before = cosines(self, 'rotate keys')
        self.remount()
        self.assertEqual(cosines(self, 'rotate keys'), before)

    def test_a_change_of_embedder_is_made_in_the_background(self):
        for name, text in TEXTS.items():
            self.write(name, text)
        self.wait_indexed()
        self.volume.unmount()
        self.volume.options = []
        self.volume.mount()
        self.assertEqual(self.ask('dough'), ['bread.txt'])
        self.wait_indexed()
        self.assertIn('embedder=local',
                      os.getxattr(self.path('keys.txt'), 'user.vexfs.status').decode())
        self.volume.unmount()
        self.volume.options = list(self.options)
        self.volume.mount()
        self.wait_indexed()
        found, _ = cosines(self, 'rotate keys')
        expected = sum(a * b for a, b in zip(reference_vector('rotate keys'),
                                             reference_vector(TEXTS['keys.txt'])))
        self.assertAlmostEqual(found['keys.txt'], expected, places=3)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_POST(self):  # noqa: N802, the library's name
        body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        self.server.keys.add(self.headers.get('Authorization'))
        if self.server.broken:
            reply, status = b'{"data":[{"index"', self.server.broken
        else:
            data = [{'index': i, 'embedding': reference_vector(text) if reference_ids(text)
                     else [1.0] * 16} for i, text in enumerate(body['input'])]
            reply, status = json.dumps({'data': data[::-1]}).encode(), 200
        self.send_response(status)
        self.send_header('Content-Length', str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_):
        pass


class Endpoint(harness.Case):
    size = '256M'

    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.daemon_threads = True
        self.server.broken, self.server.keys = 0, set()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        key = tempfile.NamedTemporaryFile('w')
        self.addCleanup(key.close)
        key.write('hush-hush-42\n')
        key.flush()
        self.options = ('-o', f'embedder=openai:http://127.0.0.1:{self.server.server_port}/v1,'
                              f'embedder_key_file={key.name}')
        super().setUp()

    def no_vectors(self, name):
        return 'no_vectors_yet' in os.getxattr(self.path(name), 'user.vexfs.status').decode()

    def test_vectors_come_from_the_endpoint_and_the_key_stays_secret(self):
        for name, text in TEXTS.items():
            self.write(name, text)
        self.wait_indexed()
        found, status = cosines(self, 'rotate keys')
        expected = sum(a * b for a, b in zip(reference_vector('rotate keys'),
                                             reference_vector(TEXTS['keys.txt'])))
        self.assertAlmostEqual(found['keys.txt'], expected, places=3)
        self.assertEqual(status['left_out'], 0)
        self.assertEqual(self.server.keys, {'Bearer hush-hush-42'})
        for place in (self.volume.log(), self.read('.vexfs/metrics').decode(),
                      self.read('.vexfs/errors').decode(), self.read('.vexfs/stats').decode()):
            self.assertNotIn('hush-hush', place)

    def test_an_endpoint_that_is_down_costs_freshness_and_no_answer(self):
        self.write('keys.txt', TEXTS['keys.txt'])
        self.wait_indexed()
        for broken in (500, 200):
            self.server.broken = broken
            name = f'bread{broken}.txt'
            self.write(name, TEXTS['bread.txt'])
            self.wait_indexed()
            self.assertTrue(self.no_vectors(name))
            found, status = cosines(self, 'dough')
            self.assertIn(name, found)  # by its words
            self.assertEqual(status['left_out'], 1)
            if broken == 500:
                self.remount()
            self.server.broken = 0
            until = time.monotonic() + 60
            while self.no_vectors(name):
                self.assertLess(time.monotonic(), until, 'the vectors never came')
                time.sleep(0.1)
        until = time.monotonic() + 60
        while cosines(self, 'dough')[0].get('bread500.txt') is None:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.2)


if __name__ == '__main__':
    harness.main()
