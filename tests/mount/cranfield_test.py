#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: real questions about real texts are answered through plain calls, and still after a
remount and a crash. Method: the Cranfield collection as 1,400 files, nDCG@10 over its 225
questions; where it is absent a visible line says so, and the same path runs on made texts."""
import collections
import json
import math
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))
import harness  # noqa: E402

CRANFIELD = harness.SHARED / 'data' / 'cranfield'
NDCG_MIN = {'text': 0.54, 'vector': 0.55, 'hybrid': 0.56}
K = 10


def ndcg(answers, relevant):
    """Mean over the questions; every judged document has gain 1."""
    total = 0.0
    for number, wanted in relevant.items():
        gain = sum(1 / math.log2(rank + 2) for rank, found in enumerate(answers[number][:K])
                   if found in wanted)
        total += gain / sum(1 / math.log2(rank + 2) for rank in range(min(K, len(wanted))))
    return total / len(relevant)


class Cranfield(harness.Case):
    @unittest.skipUnless(CRANFIELD.is_dir(), f'no Cranfield collection in {CRANFIELD}')
    def test_questions_find_their_documents(self):
        with open(CRANFIELD / 'docs.jsonl', encoding='utf-8') as lines:
            documents = [json.loads(line) for line in lines]
        with open(CRANFIELD / 'queries.tsv', encoding='utf-8') as lines:
            questions = dict(line.rstrip('\n').split('\t') for line in lines)
        relevant = collections.defaultdict(set)
        with open(CRANFIELD / 'qrels.tsv', encoding='utf-8') as lines:
            for line in lines:
                number, document, _ = line.split('\t')
                relevant[number].add(f'{document}.txt')
        for document in documents:
            self.write(f"{document['id']}.txt", f"{document['title']}\n\n{document['text']}\n")
        self.wait_indexed()

        by_attribute = {n: self.ask(q[:230]) for n, q in questions.items()}
        by_listing = {n: self.ask_ls(q[:230]) for n, q in questions.items()}
        self.assertEqual(by_attribute, by_listing)
        for mode, least in NDCG_MIN.items():
            score = ndcg({n: self.ask(q[:220], options=f'mode={mode}')
                          for n, q in questions.items()}, relevant)
            print(f'nDCG@{K} over {len(relevant)} questions, {mode}: {score:.4f}')
            self.assertGreaterEqual(score, least)

        self.remount()
        self.assertEqual({n: self.ask(q[:230]) for n, q in questions.items()}, by_attribute)
        self.crash()
        self.wait_indexed()
        self.assertEqual({n: self.ask(q[:230]) for n, q in questions.items()}, by_attribute)


TOPICS = {
    'volcano': 'lava magma eruption crater basalt ash geology',
    'violin': 'strings bow luthier orchestra sonata spruce varnish',
    'bread': 'flour yeast dough oven crust sourdough baker',
    'sailing': 'mast rudder keel harbour spinnaker tide helm',
    'chess': 'opening gambit endgame rook bishop checkmate grandmaster',
}


class MadeTexts(harness.Case):
    """The same path on documents of the test's own: nothing outside the project is needed."""

    def texts(self):
        for topic, words in TOPICS.items():
            words = words.split()
            for i in range(20):
                yield (f'{topic}-{i:02}.txt',
                       f'Notes on {topic}, part {i}\n\n' + ' '.join(
                           f'The {words[(i + j) % 7]} and the {words[(i * 3 + j * 2) % 7]} '
                           f'of item {i * 31 + j}.' for j in range(12)) + '\n')

    def test_a_question_finds_its_topic_and_keeps_doing_so(self):
        for name, text in self.texts():
            self.write(name, text)
        self.wait_indexed()
        questions = {topic: ' '.join(words.split()[:3]) for topic, words in TOPICS.items()}
        before = {}
        for topic, question in questions.items():
            found = self.ask(question)
            self.assertEqual(len(found), K)
            self.assertTrue(all(name.startswith(topic) for name in found), (question, found))
            self.assertEqual(found, self.ask_ls(question))
            before[topic] = found
        self.remount()
        self.assertEqual({t: self.ask(q) for t, q in questions.items()}, before)
        self.crash()
        self.wait_indexed()
        self.assertEqual({t: self.ask(q) for t, q in questions.items()}, before)

    def test_nothing_found_is_said_and_is_no_error(self):
        self.write('a.txt', 'the harbour master counts the boats\n')
        self.wait_indexed()
        self.assertEqual(self.ask('zyxwvut qqqq'), [])
        self.assertEqual(os.listdir(self.path('.vexfs', 'search', 'zyxwvut qqqq')),
                         ['000_no-match'])

    def test_every_synced_file_survives_a_crash_in_the_middle_of_writing(self):
        texts = list(self.texts())
        for name, text in texts[:60]:
            self.write(name, text, sync=True)
        for name, text in texts[60:]:
            self.write(name, text)
        self.crash()
        for name, text in texts[:60]:
            self.assertEqual(self.read(name).decode(), text)
        present = dict(texts)
        for name in os.listdir(self.mnt):
            self.assertIn(self.read(name).decode(), (present[name], ''))
        self.wait_indexed()
        found = self.ask('lava magma eruption')
        self.assertTrue(found and all(name.startswith('volcano') for name in found), found)


if __name__ == '__main__':
    harness.main()
