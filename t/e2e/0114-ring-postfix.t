#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# The decision ring behind a real Postfix: a message's record is there before
# its client has the answer, whatever becomes of the daemon then, its file, and
# the machine.

import json
import os
import signal
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import (PATIENCE, Client, Postern, Postfix, Sink, is_, like, need_root,
                 ok, plan, wait_until)

CONF = '''
Mode       v
SPF        no
DMARC      no
IPRev      no
HELO       no
RingFile   @DIR@/run-ring
RingSize   1M
StateDirectory @DIR@
'''
MESSAGE = 'From: a@example.com\nSubject: %s\n\nAt noon?\n'


def main():
    need_root()
    plan(13)
    with Sink() as sink, Postern(CONF) as daemon, \
            Postfix(sink, milter=daemon) as mta:
        ring = os.path.join(daemon.dir, 'run-ring')
        copy = os.path.join(daemon.dir, 'ring')
        ids = [send(mta, daemon, 'one')]
        is_(kept(daemon), ids, 'a message has a record')
        record = why(daemon, ids[0])[0]
        is_((record['sender'], record['recipients'], record['subject'],
             record['verdict']),
            ('a@example.com', ['b@example.org'], 'one', 'accept'),
            'which says what it was')
        is_(os.stat(ring).st_mode & 0o7777, 0o600, 'for nobody else to read')

        daemon.signal(signal.SIGKILL)
        daemon.end()
        is_(kept(daemon), ids, 'it survives kill -9, and needs no daemon')
        daemon.run()
        ids.append(send(mta, daemon, 'two'))
        is_(kept(daemon), ids, 'and the next start goes on behind it')

        os.unlink(ring)
        ids.append(send(mta, daemon, 'three'))
        wait_until(lambda: kept(daemon) == ids, PATIENCE,
                   'the ring is made anew')
        ok(True, 'removed under the daemon, it is made anew with all of them')

        daemon.stop()
        is_(in_file(daemon, copy), ids, 'a stop brings the copy up to date')
        os.unlink(ring)
        daemon.run()
        is_(kept(daemon), ids, 'after a reboot they are taken from there')
        ids.append(send(mta, daemon, 'four'))
        is_(kept(daemon), ids, 'and it goes on')
        is_(daemon.stop(), 0, 'a stop is clean')

        with open(ring, 'r+b') as f:
            f.seek(100)
            f.write(b'noise' * 100000)
        done = daemon.ctl('why', ids[0])
        is_(done.returncode > 1 and ring in done.stderr, False,
            'noise in the records is no mistake of the file')
        with open(ring, 'wb') as f:
            f.write(b'noise')
        done = daemon.ctl('why', ids[0])
        like(done.stderr, 'cut off', 'noise in its place is told of')
        daemon.run()
        is_(kept(daemon), ids, 'and set aside: the copy takes its place')


def send(mta, daemon, subject):
    """The queue id of a message that was sent."""
    before = len(daemon.log_lines(': direction='))
    with Client(mta.port) as client:
        client.send('a@example.com', 'b@example.org', MESSAGE % subject)
    return daemon.summaries(before + 1)[before]['id']


def why(daemon, *args):
    done = daemon.ctl('why', '--json', *args)
    return [json.loads(line) for line in done.stdout.splitlines()]


def kept(daemon):
    """The queue ids in the ring, in their order."""
    return [one['queue_id'] for one in why(daemon, '--from', 'a@example.com')]


def in_file(daemon, path):
    """The same of another file."""
    conf = os.path.join(daemon.dir, 'other.conf')
    with open(daemon.conf_file) as f:
        text = f.read()
    with open(conf, 'w') as f:
        f.write(text + 'RingFile %s\n' % path)
    was, daemon.conf_file = daemon.conf_file, conf
    try:
        return kept(daemon)
    finally:
        daemon.conf_file = was


main()
