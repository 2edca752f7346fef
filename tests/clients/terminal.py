#!/usr/bin/env python3
"""Runs a program at a terminal of its own and answers its questions, as a person does.

    terminal.py PROGRAM ARGUMENT... < answers.json

The answers are a list of {"after": TEXT, "type": TEXT, "unseen": BOOL}: when the terminal has shown `after`, `type`
is typed; what is `unseen` only once the program has turned the echo off. What the terminal showed goes to standard
output. Exit code: the program's own, or 99 if it ended before the last answer.
"""

import json
import os
import pty
import select
import sys
import termios

answers = json.load(sys.stdin)
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])

shown = b""
read_to = 0


def echoes():
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)


while True:
    if answers:
        at = shown.find(answers[0]["after"].encode(), read_to)
        if at >= 0 and not (answers[0].get("unseen") and echoes()):
            answer = answers.pop(0)
            read_to = at + len(answer["after"].encode())
            os.write(terminal, answer["type"].encode() + b"\n")
            continue
    if not select.select([terminal], [], [], 0.02)[0]:
        continue
    try:
        more = os.read(terminal, 65536)
    except OSError:  # Linux: the other end is closed
        break
    if not more:
        break
    shown += more

code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.stdout.buffer.write(shown)
sys.exit(99 if answers else code)
