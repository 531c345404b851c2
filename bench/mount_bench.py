#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A mount beside ext4 on the same disk and beside other FUSE file systems, in one run.

    meson setup build-bench -Dbench=true --buildtype=debugoptimized && ninja -C build-bench
    bench/mount_bench.py --build build-bench calls cached
    bench/mount_bench.py --build build-bench --disk /mnt/ext4 data programs
    FILES=1000000 bench/mount_bench.py --build build-bench --peers ext4,vexfs many

Single calls are made on the daemon's CPU. `data` and `programs` empty the kernel's caches: as root.
Peers that are not installed are left out (mergerfs bindfs libfuse3-dev fio are Debian's packages).
"""
import argparse
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'mounts'))
import figures  # noqa: E402
import peers  # noqa: E402

FIGURES = ('calls', 'cached', 'data', 'programs', 'many')


def table(kind, columns):
    """Markdown: a row a figure, a column a file system; the median of the rounds."""
    names = list(columns)
    print(f'\n| {kind} | ' + ' | '.join(names) + ' |')
    print('|---' * (len(names) + 1) + '|')
    rows = {row: unit for one in columns.values() for row, (_, unit) in one[0].items()}
    for row, unit in rows.items():
        cells = []
        for rounds in columns.values():
            values = [one[row][0] for one in rounds if row in one]
            value = statistics.median(values) if values else None
            cells.append('–' if value is None else
                         f'{value:,.0f}' if value >= 100 else f'{value:.1f}' if value >= 2
                         else f'{value:.2f}')
        print(f'| {row}, {unit} | ' + ' | '.join(cells) + ' |', flush=True)


def measure(kind, name, build, disk):
    """One round; None where the peer is missing or cannot do it."""
    try:
        with peers.mounted(name, build, disk, cpu=0 if kind == 'calls' else None) as (where, pid):
            return getattr(figures, kind)(build, where, pid)
    except peers.Missing as missing:
        print(f'mount_bench: {name} is left out: {missing}', file=sys.stderr)
    except Exception as error:  # a peer's failure is no end of the run
        if name == 'vexfs':
            raise
        print(f'mount_bench: {name} cannot do {kind}: {error}', file=sys.stderr)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('kinds', nargs='+', choices=FIGURES)
    parser.add_argument('--build', default='build', help='the build with the benches in it')
    parser.add_argument('--disk', default='.', help='a directory on the disk to measure on')
    parser.add_argument('--peers', default=','.join(peers.NAMES))
    parser.add_argument('--rounds', type=int, default=1, help='interleaved; medians are shown')
    options = parser.parse_args()
    build, disk = os.path.abspath(options.build), os.path.abspath(options.disk)
    for kind in options.kinds:
        columns = {}
        for _ in range(options.rounds):
            for name in options.peers.split(','):
                one = measure(kind, name, build, disk)
                if one is not None:
                    columns.setdefault(name, []).append(one)
        table(kind, columns)


if __name__ == '__main__':
    main()
