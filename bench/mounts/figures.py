# SPDX-License-Identifier: Apache-2.0
"""What is measured in a directory. Each function gives {figure: (value, unit)}."""
import json
import os
import shutil
import subprocess
import tarfile
import time

FIO = os.path.join(os.path.dirname(__file__), '..', 'fio')


def lines_of(program, *arguments, cpu=None, **environment):
    """The lines of one of our benches, as dictionaries."""
    pin = [] if cpu is None else ['taskset', '-c', str(cpu)]
    done = subprocess.run(pin + [program, *arguments], check=True, text=True,
                          stdout=subprocess.PIPE, env={**os.environ, **environment})
    return [dict(word.split('=', 1) for word in line.split()) for line in done.stdout.splitlines()]


def calls(build, where, _pid):
    """Single calls, client on the daemon's CPU: p50."""
    lines = lines_of(os.path.join(build, 'bench', 'metadata_bench'), '--dir', where, cpu=0)
    return {line['bench']: (float(line['p50_us']), 'us') for line in lines}


def cached(build, where, _pid):
    """1 MiB and 4 KiB calls on a file of 256 MiB: p50."""
    lines = lines_of(os.path.join(build, 'bench', 'file_io_bench'), '--dir', where)
    wanted = ('write_1m_sequential', 'read_1m_sequential_warm', 'read_4k_random_warm',
              'write_4k_random', 'write_4k_fsync')
    return {line['bench']: (float(line['p50_us']), 'us') for line in lines
            if line['bench'] in wanted}


def drop_caches():
    """Cold: nothing of the disk or of a mount in memory."""
    os.sync()
    with open('/proc/sys/vm/drop_caches', 'w', encoding='ascii') as file:
        file.write('3')


def fio(where, job, size='1g', jobs=1, direct=0, depth=1, fsync=0, seconds=4, timed=1):
    """One job file of bench/fio; (KiB/s, I/Os a second) of reads and writes together."""
    environment = dict(os.environ, DIR=where, SIZE=size, JOBS=str(jobs), DIRECT=str(direct),
                       DEPTH=str(depth), FSYNC=str(fsync), SECONDS_MAX=str(seconds),
                       TIMED=str(timed))
    done = subprocess.run(['fio', '--output-format=json', os.path.join(FIO, job + '.fio')],
                          env=environment, check=True, stdout=subprocess.PIPE, text=True)
    sides = [json.loads(done.stdout[done.stdout.index('{'):])['jobs'][0][side]
             for side in ('read', 'write')]
    return sum(side['bw'] for side in sides), sum(side['iops'] for side in sides)


def data(_build, where, _pid):
    """fio: throughput."""
    out = {}
    for direct in (0, 1):
        tail = ' direct' if direct else ''
        rate, _ = fio(where, 'write-1m', direct=direct, seconds=60,
                      fsync=0 if direct else 1024)
        out['write 1 MiB' + tail] = (rate / 1024, 'MiB/s')
        drop_caches()
        rate, _ = fio(where, 'read-1m', direct=direct, seconds=60)
        out['read 1 MiB cold' + tail] = (rate / 1024, 'MiB/s')
    for jobs in (1, 4):
        size = f'{1024 // jobs}m'
        tail = f', {jobs} jobs' if jobs > 1 else ''
        if jobs > 1:
            fio(where, 'write-1m', size=size, jobs=jobs, seconds=60, fsync=1024)
        for job, name in (('randread-4k', 'random read 4 KiB'),
                          ('randwrite-4k', 'random write 4 KiB'),
                          ('randrw-4k', 'random mix 4 KiB')):
            drop_caches()
            _, rate = fio(where, job, size=size, jobs=jobs, direct=1, depth=32)
            out[f'{name} direct, depth 32{tail}'] = (rate, '1/s')
        drop_caches()
        _, rate = fio(where, 'randread-4k', size=size, jobs=jobs)
        out[f'random read 4 KiB{tail}'] = (rate, '1/s')
        _, rate = fio(where, 'randwrite-4k', size=size, jobs=jobs, fsync=1)
        out[f'write 4 KiB + fsync{tail}'] = (rate, '1/s')
    return out


def timed(*words, cwd):
    """Seconds of a command."""
    begin = time.monotonic()
    subprocess.run(words, cwd=cwd, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


def source_tree(folder):
    """A tar of the headers that every Debian with a compiler has."""
    path = os.path.join(folder, 'tree.tar')
    with tarfile.open(path, 'w') as tar:
        for tree in ('/usr/include/c++', '/usr/include/linux', '/usr/include/x86_64-linux-gnu'):
            tar.add(tree)
    return path


def programs(_build, where, _pid):
    """What people do with a source tree: seconds."""
    home = os.path.dirname(where)
    tree = source_tree(home)
    work = os.path.join(where, 'tree')
    os.mkdir(work)
    out = {}
    out['untar'] = (timed('tar', 'xf', tree, cwd=work), 's')
    timed('git', 'init', '-q', '.', cwd=work)
    out['git add'] = (timed('git', 'add', '.', cwd=work), 's')
    drop_caches()
    out['git status, cold'] = (timed('git', 'status', '--short', cwd=work), 's')
    out['git status, warm'] = (timed('git', 'status', '--short', cwd=work), 's')
    drop_caches()
    out['find, cold'] = (timed('find', '.', '-size', '+100k', cwd=work), 's')
    out['grep -r, warm'] = (timed('grep', '-rlI', 'std::vector', '.', cwd=work), 's')
    begin = time.monotonic()
    shutil.rmtree(work)
    out['rm -r'] = (time.monotonic() - begin, 's')
    return out


def many(build, where, pid):
    """A directory of FILES files (default 100,000)."""
    lines = lines_of(os.path.join(build, 'bench', 'directory_bench'), '--dir', where)
    out = {}
    for line in lines:
        key = f"{line['bench']}, {line['entries']} entries"
        if line['bench'] == 'create_close':
            out[key] = (float(line['per_second']), '1/s')
        else:
            out[key] = (float(line['p50_us']), 'us')
    if pid is not None:
        with open(f'/proc/{pid}/status', encoding='ascii') as file:
            peak = next(line.split()[1] for line in file if line.startswith('VmHWM'))
        out['memory of the daemon at most'] = (int(peak) / 1024, 'MiB')
    return out
