#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# The quota's table is cut off, overwritten or replaced while mail flows through
# a real Postfix: no mail is lost or waits, the daemon goes on, what can be read
# still counts, the log says it once, and posternctl works. A later program's
# table is left as it is.

import os
import struct
import sys
import threading
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import PATIENCE, Postern, Postfix, RigError, Sink, diag, is_, like, \
    need_root, ok, plan, wait_until
import quota
from quota import conf, fresh, send, used

MOVED = 128         # where the word is


def table(postern):
    return os.path.join(postern.dir, 'quota')


def aside(postern):
    return sorted(name for name in os.listdir(postern.dir)
                  if name.startswith('quota.bad-'))


def overwrite(path, at, octets):
    with open(path, 'r+b') as file:
        file.seek(at)
        file.write(octets)


def served(postern):
    return len(postern.log_lines(r'starting it again|was killed'))


class Flow:
    """Mail by eve from another thread, until it is told to end."""

    def __init__(self, mta):
        self.mta = mta
        self.sents = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.ended.is_set():
            try:
                self.sents.append(send(self.mta, user='eve').accepted)
            except Exception as error:
                self.sents.append(error)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def more(self, count=3):
        have = len(self.sents)
        wait_until(lambda: len(self.sents) >= have + count, PATIENCE, 'mail')


def damaged(mta, sink, postern, what, damage, log, kept):
    """One kind of damage, while mail flows."""
    fresh(mta, sink, postern)
    is_([send(mta).accepted for _ in range(3)], [True] * 3,
        '%s: before' % what)
    bad, lines = len(aside(postern)), len(postern.log_lines(log))
    try:
        with Flow(mta) as flow:
            flow.more()
            damage(table(postern))
            flow.more()
            wait_until(lambda: len(aside(postern)) > bad, PATIENCE,
                       'the damaged table set aside')
            flow.more()
    except RigError as error:
        diag(error)
    is_(set(flow.sents), {True}, '%s: mail goes on' % what)
    is_(len(aside(postern)), bad + 1, '%s: it is set aside' % what)
    is_(len(postern.log_lines(log)), lines + 1, '%s: logged once' % what)
    is_(served(postern), 0, '%s: the daemon lives' % what)
    done = postern.ctl('quota', 'list')
    like(done.stdout, r'(?m)^eve ', '%s: posternctl quota list works' % what)
    if kept:
        is_(used(postern), (3, 3), '%s: what can be read counts' % what)
        is_(send(mta).accepted, False, '%s: and is not granted again' % what)
    else:
        is_(send(mta).accepted, True, '%s: what is gone begins anew' % what)


def of_a_later_program(mta, sink, postern):
    fresh(mta, sink, postern)
    is_([send(mta).accepted for _ in range(2)], [True] * 2, 'later: before')
    bad = aside(postern)
    with open(table(postern), 'rb') as file:
        octets = bytearray(file.read())
    octets[16:20] = struct.pack('<I', 9)
    with open(table(postern) + '.later', 'wb') as file:
        file.write(octets)
    os.chmod(file.name, 0o600)
    owner = os.stat(table(postern))
    os.chown(file.name, owner.st_uid, owner.st_gid)
    os.rename(file.name, table(postern))
    seen = os.stat(table(postern)).st_ino
    sents = []
    for _ in range(3):
        sents.append(send(mta).accepted)
        threading.Event().wait(6)       # as often as the file is looked at
    is_(sents, [True, False, False], 'later: counting goes on as it was')
    is_(len(postern.log_lines(r'of version 9.*later than 2')), 1,
        'later: the log says so, once')
    is_((os.stat(table(postern)).st_ino, aside(postern)), (seen, bad),
        'later: the file stays')
    done = postern.ctl('quota', 'list')
    ok(done.returncode not in (0, -7), 'later: posternctl says that too')
    like(done.stderr, r'of version 9', 'later: in the same words')


def no_start(sink):
    postern = Postern(conf(), start=False)
    with open(table(postern), 'wb') as file:
        file.write(b'postern quota\n\0\0' + struct.pack('<I', 9) +
                   bytes(8192))
    os.chmod(file.name, 0o600)
    try:
        postern.run()
        failed = False
    except RigError:
        failed = True
    ok(failed, 'later: no start with it')
    like(postern.log(), r'QuotaTable: .*of version 9.*remove the file',
         'later: says why, and what to do')
    is_((os.path.getsize(table(postern)), aside(postern)), (8212, []),
        'later: and leaves it as it is')
    postern.stop()


RENEWED = r'quota: .*while it was in use.*it is kept as '


def main():
    need_root()
    plan(4 * 6 + 2 * 2 + 2 + 1 + 6 + 1 + 3)
    text = conf() + """
Quota eve {
    Messages   = 100000/hour
    Recipients = 100000/hour
    Bytes      = 1G/hour
}
"""
    with Sink() as sink, Postern(text) as postern, \
            Postfix(sink, milter=postern, users=quota.USERS) as mta:
        size = os.path.getsize(table(postern))
        for what, damage, kept in (
                ('emptied', lambda path: os.truncate(path, 0), False),
                ('cut to a page', lambda path: os.truncate(path, 4096), False),
                ('a word', lambda path: overwrite(
                    path, MOVED, struct.pack('<Q', 0x4141414141414141)), True),
                ('the header', lambda path: overwrite(
                    path, 0, b'x' * 200), True)):
            damaged(mta, sink, postern, what, damage, RENEWED, kept)
        is_(os.path.getsize(table(postern)), size, 'the file is whole again')
        of_a_later_program(mta, sink, postern)
    is_(postern.status, 0, 'postern ended well')
    with Sink() as sink:
        no_start(sink)


main()
