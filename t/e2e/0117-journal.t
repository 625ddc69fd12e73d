#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# posternctl journal --follow prints every decision once, whatever becomes of the
# ring's file meanwhile, and ends well; and where there is no ring, it and why
# say what there is to do.

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from milter import Conversation
from rig import PATIENCE, Postern, Talk, binary, is_, like, ok, plan, wait_until

CONF = 'Mode v\nSPF no\nDMARC no\nIPRev no\nHELO no\n'
TALKS, MAILS = 4, 300     # conversations at once, and mails of each


class Follower:
    """A journal --follow that runs; its lines."""

    def __init__(self, postern, *args):
        self.lines = []
        self.process = subprocess.Popen(
            [binary('POSTERNCTL'), 'journal', '--follow', *args, '-x',
             postern.conf_file], env=postern.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def wait_for(self, count):
        """The lines, when there are so many or none comes any more."""
        end = time.monotonic() + PATIENCE
        while len(self.lines) < count and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.5)     # one too many?
        return list(self.lines)

    def stop(self, number):
        """Its exit code, and what it said."""
        self.process.send_signal(number)
        self.process.wait(PATIENCE)
        self.thread.join()
        return self.process.returncode, self.process.stderr.read()


def mail(talk, queue_id, sender='<a@example.com>'):
    talk('macro', 'mail', 'i', queue_id)
    talk('mail', sender)
    talk('rcpt', '<bob@example.org>')
    talk('data')
    talk('header', 'From', 'a@example.com')
    talk('header', 'Subject', 'x')
    talk('eoh')
    talk('eom')


def many(postern, letter, then=None):
    """Mails in several conversations at once; then(): halfway."""
    half = threading.Barrier(TALKS + 1)

    def converse(name):
        with Talk(postern) as talk:
            talk('connect', 'x.example', '192.0.2.1')
            for i in range(MAILS):
                if i == MAILS // 2:
                    half.wait()
                # postern looks after its ring each second.
                time.sleep(0.01 if then and i > MAILS // 2 else 0)
                mail(talk, '%s%d' % (name, i))

    threads = [threading.Thread(target=converse, args=('%s%d-' % (letter, n),))
               for n in range(TALKS)]
    for thread in threads:
        thread.start()
    half.wait()
    if then:
        then()
    for thread in threads:
        thread.join()
    return {'%s%d-%d' % (letter, n, i) for n in range(TALKS)
            for i in range(MAILS)}


def ids(lines):
    return [json.loads(line)['queue_id'] for line in lines]


def one_mail(postern, queue_id, sender='<a@example.com>'):
    with Talk(postern) as talk:
        talk('connect', 'x.example', '192.0.2.1')
        mail(talk, queue_id, sender)


def begin(postern, *args):
    """One that has begun to follow: mail is sent until it shows."""
    follower = Follower(postern, *args)
    number = 0
    while not follower.lines:
        number += 1
        one_mail(postern, 'BEGIN%d' % number)
        time.sleep(0.2)
    wait_until(lambda: 'BEGIN%d' % number in ''.join(follower.lines), PATIENCE,
               'the newest')
    del follower.lines[:]
    return follower


def follows(postern):
    one_mail(postern, 'BEFORE')
    follower = begin(postern, '--json')
    wanted = many(postern, 'A')
    got = ids(follower.wait_for(len(wanted)))
    is_((len(got), set(got)), (len(wanted), wanted),
        'every decision is printed once')
    del follower.lines[:]
    ring = os.path.join(postern.dir, 'ring')
    wanted = many(postern, 'B', lambda: os.unlink(ring))
    got = ids(follower.wait_for(len(wanted)))
    is_((len(got), set(got)), (len(wanted), wanted),
        'and so where the ring is replaced')
    del follower.lines[:]
    postern.configure(CONF + 'RingSize 1M\n')
    wanted = many(postern, 'C', postern.reload)
    got = ids(follower.wait_for(len(wanted)))
    is_((len(got), set(got)), (len(wanted), wanted),
        'and where it gets another size')
    is_(follower.stop(signal.SIGINT), (0, ''), 'SIGINT ends it well')
    ok(all(line.endswith('\n') for line in follower.lines),
       'and no line is cut')


def chooses(postern):
    follower = begin(postern)
    one_mail(postern, 'E1', '<x@other.example>')
    one_mail(postern, 'E2')
    lines = follower.wait_for(2)
    like(''.join(lines), r'^\S+Z accept +inbound +E1 192\.0\.2\.1 '
         r'<x@other\.example> -> <bob@example\.org>: It is accepted: nothing '
         r'refuses or holds it.*\.\n\S+Z accept +inbound +E2 ',
         'as text: a line each')
    is_(follower.stop(signal.SIGTERM), (0, ''), 'SIGTERM ends it well')
    follower = Follower(postern, '--from', 'other.example', '--since', '1h',
                        '--json')
    is_(ids(follower.wait_for(1)), ['E1'], '--since, and --from a domain')
    one_mail(postern, 'F1')
    one_mail(postern, 'F2', '<y@other.example>')
    is_(ids(follower.wait_for(2)), ['E1', 'F2'], 'and so what comes')
    follower.stop(signal.SIGINT)
    follower = Follower(postern, '--limit', '2', '--json')
    is_(ids(follower.wait_for(2)), ['F1', 'F2'], '--limit: the newest')
    follower.stop(signal.SIGINT)
    done = postern.ctl('journal', '--limit', '1')
    ok(done.returncode == 0 and done.stdout.count('\n') == 1,
       'without --follow it ends', done)
    sender = 'x\x9b31m\x7f\u202ey\u20ac@example.com'
    with Conversation(postern.address) as c:
        c.connect()
        c.helo()
        c.mail(sender)
        c.rcpt()
        c.finish()
    done = postern.ctl('journal', '--limit', '1', '--json')
    ok(json.loads(done.stdout)['sender'] == sender and
       re.fullmatch('[\x20-\x7e\n]*', done.stdout),
       'what would move a terminal is escaped in JSON too', done)


def reader_goes(postern):
    """The other end of the pipe is closed."""
    process = subprocess.Popen(
        [binary('POSTERNCTL'), 'journal', '--follow', '-x',
         postern.conf_file], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.5)
    process.stdout.close()
    is_((process.wait(PATIENCE), process.stderr.read()), (0, b''),
        'it ends when nobody reads')


def no_ring(postern):
    """postern is stopped."""
    ring = os.path.join(postern.dir, 'ring')
    os.rename(ring, ring + '.away')
    for command in (('why', 'X'), ('journal', )):
        done = postern.ctl(*command)
        is_((done.returncode, done.stdout), (66, ''),
            'no ring: %s: 66' % command[0])
        like(done.stderr, r'/ring: there is no decision ring: postern makes it '
             r'when it starts; RingFile names another place\n$',
             'no ring: what there is to do')
    with open(ring, 'w') as file:
        file.write('hello')
    done = postern.ctl('why', 'X')
    is_((done.returncode, done.stdout), (66, ''), 'a foreign file: 66')
    like(done.stderr, r'/ring: ', 'a foreign file: named')
    # What the service kept for after a reboot, in the state directory.
    os.unlink(ring)
    os.mkdir(os.path.join(postern.dir, 'state'))
    os.rename(ring + '.away', os.path.join(postern.dir, 'state', 'ring'))
    postern.configure(CONF + 'StateDirectory @DIR@/state\n')
    done = postern.ctl('why', 'F2')
    ok(done.returncode == 0 and ' F2 inbound: accept' in done.stdout,
       'after a reboot: the copy is read', done)
    like(done.stderr, r'postern has not run since the machine started',
         'after a reboot: and that is said')
    postern.configure(CONF + 'RingFile none\n')
    done = postern.ctl('why', 'X')
    is_((done.returncode, done.stderr),
        (69, 'posternctl: RingFile is none, so no decisions are kept\n'),
        'RingFile none: said')
    done = postern.ctl('why')
    ok(done.returncode == 64 and 'expected a queue id, or' in done.stderr,
       'why of nothing: 64', done)
    for args, words in ((('--since', 'noon'), '--since: expected so long ago'),
                        (('--since', '2026-02-30'), '--since: expected'),
                        (('--since', '1y'), '--since: expected'),
                        (('--until', '2026-13-01'), '--until: expected'),
                        (('--limit', '0'), '--limit: expected a number'),
                        (('--verdict', 'maybe'), '--verdict: expected')):
        done = postern.ctl('why', *args)
        ok(done.returncode == 64 and words in done.stderr,
           'wrong: %s: 64' % ' '.join(args), done)


def main():
    plan(29)
    with Postern(CONF) as postern:
        follows(postern)
        chooses(postern)
        reader_goes(postern)
    no_ring(postern)


main()
