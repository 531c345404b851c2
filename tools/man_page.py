#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a manual page: a text of doc/man, in which a line `@COMMANDS@` becomes what the program
says of all its commands, and `@HELP mount@` what it says of one. So they cannot differ.

    man_page.py VEXFS TEMPLATE > PAGE
"""
import re
import subprocess
import sys


def run(program, *words):
    return subprocess.run([program, *words], check=True, capture_output=True, text=True).stdout


def commands(program, *path):
    """The subcommands of a command, in the order of its help."""
    section = re.search(r'^Subcommands:\n((?:  .*\n)+)', run(program, *path, '--help'), re.M)
    return re.findall(r'^  (\w\S*)', section[1], re.M) if section else []


def as_it_stands(text):
    """Text for roff, line by line."""
    lines = [re.sub(r"^(?=[.'])", r'\\&', line.replace('\\', r'\e').replace('-', r'\-'))
             for line in text.rstrip().splitlines()]
    return '\n'.join(['.nf', *lines, '.fi'])


def section(program, *path):
    """One command: the help without the words that each has."""
    text = re.sub(r'^  -h,--help .*\n', '', run(program, *path, '--help'), flags=re.M)
    text = re.sub(r'^Options:\n\n', '', text, flags=re.M)
    return f'.SS vexfs {" ".join(path)}\n{as_it_stands(text)}'


def all_sections(program):
    for command in commands(program):
        yield section(program, command)
        for inner in commands(program, command):
            yield section(program, command, inner)


def main():
    program, template = sys.argv[1:]
    for line in open(template):
        if line.strip() == '@COMMANDS@':
            print('\n'.join(all_sections(program)))
        elif command := re.fullmatch(r'@HELP (\w+)@', line.strip()):
            print(as_it_stands(run(program, command[1], '--help')))
        else:
            print(line, end='')


if __name__ == '__main__':
    main()
