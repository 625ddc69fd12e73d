# SPDX-License-Identifier: BSD-2-Clause
"""The MTA's side of a milter conversation, by way of miltertalk.

    with Talk(postern) as talk:
        talk('connect', 'localhost', '127.0.0.1')
        talk('mail', '<bob@example.org>')
        answer = talk('eom')
        answer.reply, answer.edits, answer.progress

The commands are those of miltertalk.c; strings are octets in Latin-1.
"""

import json
import subprocess

import proc
from postern import binary


class Answer:
    """reply is a word ('none': none was due) or, after a failure, None; then
    error says why."""

    def __init__(self, told):
        self.error = told.get('error')
        self.reply = told.get('reply')
        self.text = told.get('text', '')
        self.edits = [tuple(edit) for edit in told.get('edits', ())]
        self.progress = told.get('progress', 0)
        self.told = told

    def __repr__(self):
        return repr(self.told)

    def added(self, name):
        """Values of the header fields of that name that were put in."""
        return [value for kind, _, field, value in self.edits
                if kind in ('insheader', 'addheader') and
                field.lower() == name.lower()]


class Talk:
    """One miltertalk at milter, which is a Milter or a socket's address."""

    def __init__(self, milter, seconds=60):
        socket = milter if isinstance(milter, str) else milter.socket
        self.process = subprocess.Popen(
            [binary('MILTERTALK'), socket, str(seconds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, *command):
        self.process.stdin.write(json.dumps(command) + '\n')
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise proc.RigError('miltertalk: %r' % (command,))
        return Answer(json.loads(line))

    def repeat(self, times, *command):
        return self('repeat', times, command)

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
