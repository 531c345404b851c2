# SPDX-License-Identifier: Apache-2.0
"""The file systems that stand beside each other, each on the same disk.

mounted(name, ...) gives the directory to work in and the pid of the daemon (None: none), and takes
everything away again at the end, also after a failure.
"""
import contextlib
import os
import shlex
import shutil
import subprocess
import time

PASSTHROUGH = '/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c'
NAMES = ('ext4', 'mem', 'passthrough_ll', 'mergerfs', 'bindfs', 'vexfs')


class Missing(Exception):
    """The peer is not installed here."""


def passthrough(folder):
    """Debian ships it as a source only."""
    if not os.path.exists(PASSTHROUGH):
        raise Missing('libfuse3-dev')
    program = os.path.join(folder, 'passthrough_ll')
    if not os.path.exists(program):
        flags = subprocess.check_output(['pkg-config', '--cflags', '--libs', 'fuse3'], text=True)
        subprocess.run(['cc', '-O2', '-w', '-o', program, PASSTHROUGH, *shlex.split(flags)],
                       check=True)
    return program


def command(name, build, folder, source, target):
    """The foreground command that serves `target`."""
    if name == 'mem':
        return [os.path.join(build, 'bench', 'mem_fs'), target]
    if name == 'passthrough_ll':
        return [passthrough(folder), '-f', '-o', f'source={source},cache=always,xattr', target]
    if name == 'vexfs':
        image = os.path.join(folder, 'volume.vex')
        vexfs = os.path.join(build, 'vexfs')
        subprocess.run([vexfs, 'mkfs', '--size', '12G', image], check=True,
                       stdout=subprocess.DEVNULL)
        return [vexfs, 'mount', '-f', image, target]
    program = shutil.which(name)
    if program is None:
        raise Missing(name)
    return [program, '-f', source, target]


@contextlib.contextmanager
def mounted(name, build, disk, cpu=None):
    """`cpu`: the daemon stays on that one."""
    folder = os.path.join(disk, f'vexfs-bench-{os.getpid()}')
    source, target = os.path.join(folder, 'source'), os.path.join(folder, 'mount')
    os.makedirs(source)
    os.makedirs(target)
    daemon = None
    try:
        if name == 'ext4':
            yield source, None
            return
        pin = [] if cpu is None else ['taskset', '-c', str(cpu)]
        daemon = subprocess.Popen(pin + command(name, build, folder, source, target),
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not os.path.ismount(target):
            if daemon.poll() is not None or time.monotonic() > deadline:
                raise Missing(f'{name}: the mount failed')
            time.sleep(0.05)
        yield target, daemon.pid
    finally:
        if daemon is not None:
            subprocess.run(['fusermount3', '-u', target], stderr=subprocess.DEVNULL, check=False)
            try:
                daemon.wait(60)
            except subprocess.TimeoutExpired:
                subprocess.run(['fusermount3', '-u', '-z', target], check=False)
                daemon.kill()
                daemon.wait()
        shutil.rmtree(folder)
