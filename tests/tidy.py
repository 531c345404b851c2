#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when the tree breaks a rule of ARCHITECTURE: an #include against the arrows, a
third-party header outside its home, a file that has grown too long, a missing licence line, a
flush site that does not stand in exactly one place."""
import pathlib
import re
import sys

ARROWS = {
    'base': [],
    'storage': ['base'],
    'vector': ['base'],
    'hnsw': ['vector', 'base'],
    'extract': ['search', 'base'],
    'search': ['hnsw', 'vector', 'storage', 'base'],
    'fs': ['search', 'hnsw', 'vector', 'storage', 'base'],
    'src': ['fs', 'search', 'hnsw', 'vector', 'storage', 'base'],
    'tools': ['src', 'fs', 'search', 'hnsw', 'vector', 'storage', 'base'],
    'tests': ['tools', 'src', 'fs', 'search', 'hnsw', 'vector', 'storage', 'base'],
    'bench': ['tests', 'src', 'fs', 'search', 'hnsw', 'vector', 'storage', 'base'],
}
# header prefix -> where it may be included (a folder, or the start of a file's path)
HOMES = {
    'liburing': ['storage/'],
    'zstd': ['storage/', 'tests/support/golden_image'],
    'hwy/': ['vector/', 'tests/vector/'],
    'fuse': ['fs/fuse_', 'src/'],
    'xxhash': ['base/hash.cc'],
    'fmt/': ['base/text.h'],
    'nlohmann/': ['base/json.h'],
    'CLI/': ['tools/'],
    'utf8proc': ['search/'],
    'libstemmer': ['search/'],
    'curl/': ['search/http_client.cc'],
    'poppler/': ['extract/'],
    'seccomp': ['extract/'],
    'uchardet/': ['extract/'],
    'doctest/': ['tests/'],
    'lmdb': ['bench/', 'tests/storage/oracle_lmdb.cc'],
    'hnswlib/': ['bench/'],
    'faiss/': ['bench/'],
    'rocksdb/': ['bench/'],
    'sqlite3': ['bench/'],
}
LINES_MAX, COLUMNS_MAX = 600, 100
INCLUDE = re.compile(r'\s*#\s*include\s+(["<])([^">]+)')


def faults_of(path, name, folder):
    lines = path.read_text().splitlines()
    if not lines or 'SPDX-License-Identifier: Apache-2.0' not in lines[0]:
        yield f'{name}:1: no licence line'
    if len(lines) > LINES_MAX:
        yield f'{name}: {len(lines)} lines, at most {LINES_MAX}'
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            yield f'{name}:{number}: over {COLUMNS_MAX} columns'
        hit = INCLUDE.match(line)
        if not hit:
            continue
        target = hit[2].split('/')[0]
        if hit[1] == '"' and target in ARROWS and target != folder and target not in ARROWS[folder]:
            yield f'{name}:{number}: {folder} must not include {target}'
        if hit[1] == '<':
            for prefix, homes in HOMES.items():
                if hit[2].startswith(prefix) and not any(name.startswith(h) for h in homes):
                    yield f'{name}:{number}: <{hit[2]}> belongs to {" ".join(homes)}'


def flush_site_faults(root):
    """Each FlushSite stands in one place: a new flush needs a site of its own, and so a control."""
    header = (root / 'storage/flush_site.h').read_text()
    body = header.split('enum class FlushSite')[1].split('};')[0]
    sites = re.findall(r'^  (\w+),', body, re.M)
    if re.findall(r'"(\w+)"', header.split('kFlushSiteNames')[1]) != sites:
        yield 'storage/flush_site.h: kFlushSiteNames are not the names of the sites'
    program = ''.join(path.read_text() for folder in ('storage', 'search', 'fs', 'src', 'tools')
                      for path in sorted((root / folder).rglob('*.cc')))
    for site in sites:
        uses = len(re.findall(rf'FlushSite::{site}\b', program))
        if uses != 1:
            yield f'storage/flush_site.h: {site} stands in {uses} places, not in one'


def faults(root):
    yield from flush_site_faults(root)
    for folder in ARROWS:
        for path in sorted((root / folder).rglob('*')):
            if path.suffix in ('.h', '.cc'):
                yield from faults_of(path, path.relative_to(root).as_posix(), folder)


def main():
    found = list(faults(pathlib.Path(sys.argv[1])))
    print('\n'.join(found) if found else 'tidy')
    return bool(found)


if __name__ == '__main__':
    sys.exit(main())
