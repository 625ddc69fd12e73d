#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# Behind a real Postfix every message becomes an event in the file of Journal,
# whatever stands in it: outbound, inbound, a bounce, refused. The file may be
# renamed at any time, shared by two daemons, and its disk may be full: no mail
# waits or is lost for that, and no line is torn. Recipients and subjects are
# hashed or left out where that is configured.

import json
import os
import re
import stat
import subprocess
import sys
import threading
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import PATIENCE, Client, Dnsd, Postern, Postfix, Sink, is_, like, \
    need_root, new_dir, ok, plan, wait_until
import broken

USERS = {'bob': 'secret'}
ZONE = {'friend.example': {'TXT': 'v=spf1 ip4:192.0.2.80 -all'},
        'strict.example': {'TXT': 'v=spf1 -all'}}
CONF = '''
Mode        sv
AuthservID  mx.example.org
Nameservers 127.0.0.1@%d
QuotaTable  @DIR@/quota
RuleFile    @DIR@/local.cf
RuleStats   none
RejectScore 50
Quota default { Recipients = {2/day} }
Journal     @DIR@/journal
'''
RULES = 'header PILLS Subject =~ /pills/\nscore PILLS 60\n'
MESSAGE = 'From: bob@example.org\nSubject: %s\n\nHello.\n'
# What may not end a line, a string, or move a terminal.
HOSTILE = b'From: bob@example.org\r\nSubject: \xff"}\\ \x1b[2J\xc2\x9b ' \
    b'gr\xc3\xbc\xc3\x9fe\r\n\r\nHello.\r\n'


class Journal:
    """The file, whose every line must be an object."""

    def __init__(self, postern, path=None):
        self.path = path or os.path.join(postern.dir, 'journal')

    def raw(self):
        if not os.path.exists(self.path):
            return b''
        with open(self.path, 'rb') as file:
            return file.read()

    def events(self, count=0):
        if count:
            wait_until(lambda: self.raw().count(b'\n') >= count, PATIENCE,
                       '%d lines in %s' % (count, self.path))
        return [json.loads(line) for line in self.raw().splitlines()]

    def last(self, count):
        return self.events(count)[-1]


def outbound(mta, rcpts='eve@example.net', subject='hello', message=None):
    with Client(mta.submission_port, helo='laptop',
                login=('bob', 'secret')) as client:
        return client.send('bob@example.org', rcpts,
                           message or MESSAGE % subject)


def inbound(mta, sender, ip='192.0.2.80', rcpt='bob@example.org',
            subject='hello'):
    with Client(mta.port, helo='mx.friend.example', xclient={
            'ADDR': ip, 'NAME': '[UNAVAILABLE]'}) as client:
        return client.send(sender, rcpt, MESSAGE % subject)


def same(postern, journal, count, name):
    """posternctl makes the same of the ring."""
    done = postern.ctl('journal', '--events', '--limit', str(count))
    is_((done.returncode, done.stderr, done.stdout.encode()),
        (0, '', b''.join(journal.raw().splitlines(True)[-count:])), name)


def kinds(mta, postern):
    journal = Journal(postern)
    sent = outbound(mta)
    event = journal.last(1)
    time, size = event.pop('t'), event.pop('bytes')
    score = event.pop('score', None)
    is_(event, {
        'direction': 'outbound', 'account': 'bob', 'client': '127.0.0.1',
        'helo': 'laptop', 'from': 'bob@example.org',
        'rcpts': ['eve@example.net'], 'subject': 'hello',
        'queue_id': sent.queue_id}, 'outbound: all that is known')
    ok(abs(time - os.stat(journal.path).st_mtime) < PATIENCE and
       size > 50 and score is not None, 'outbound: the numbers',
       (time, size, score))
    is_(stat.S_IMODE(os.stat(journal.path).st_mode) & 0o137, 0,
        'the file is for us and our group alone')

    sent = outbound(mta, ['ann@example.net', 'eve@example.net'])
    event = journal.last(2)
    is_((event['rcpts'], event['stopped'], 'verdict' in event),
        (['ann@example.net'], ['eve@example.net'], False),
        'a recipient over the quota: among those that we stopped')
    outbound(mta)
    event = journal.last(3)
    is_((event['rcpts'], event['stopped'], event['verdict'],
         sorted(set(event) & {'bytes', 'subject', 'queue_id'})),
        ([], ['eve@example.net'], 'tempfail', []),
        'all of them: no message, and no queue id')

    sent = inbound(mta, 'ann@friend.example')
    event = journal.last(4)
    is_((event['direction'], event['client'], event['from'], event['proved'],
         event['queue_id'], 'account' in event),
        ('inbound', '192.0.2.80', 'ann@friend.example', True, sent.queue_id,
         False), 'inbound: its sender is proved')
    inbound(mta, 'ann@strict.example')
    is_(journal.last(5)['proved'], False, 'inbound: its sender is not proved')
    inbound(mta, '')
    event = journal.last(6)
    is_((event['from'], event['rcpts'], 'proved' in event),
        ('', ['bob@example.org'], False), 'inbound: a bounce')
    sent = inbound(mta, 'ann@friend.example', subject='pills')
    event = journal.last(7)
    is_((sent.accepted, event['verdict'], event['score'] >= 60), (False,
        'reject', True), 'inbound: refused')
    same(postern, journal, 7, 'journal --events: the same')


def hostile(mta, postern):
    postern.reset_quotas()
    postern.wait_log('quotas reset')
    journal = Journal(postern)
    before = len(journal.events())
    with Client(mta.port, helo='a"b\\c', xclient={
            'ADDR': '192.0.2.80'}) as client:
        client.send('"x\\"}"@friend.example', 'bob@example.org', HOSTILE)
    event = journal.last(before + 1)
    is_(event['subject'], '\ufffd"}\\ \x1b[2J\x9b gr\u00fc\u00dfe',
        'hostile: the subject as it was')
    raw = journal.raw().splitlines()[-1]
    ok(b'\x1b' not in raw and b'\xc2\x9b' not in raw,
       'hostile: nothing that moves a terminal', raw)


def renamed(mta, postern):
    """As logrotate does; with a configuration that is refused, too."""
    journal = Journal(postern)
    for turn, conf in enumerate((None, 'Flavour sweet\n')):
        before = len(journal.events())
        old = Journal(postern, journal.path + '.%d' % turn)
        os.rename(journal.path, old.path)
        if conf:
            postern.configure(conf)
        postern.reload()
        wait_until(lambda: os.path.exists(journal.path), PATIENCE,
                   'a new file')
        inbound(mta, 'ann@friend.example', subject='new')
        is_((len(old.events()), [e['subject'] for e in journal.events(1)]),
            (before, ['new']), 'renamed%s: the next event is in a new file' %
            (', and the reload refused' if conf else ''))
    ok(postern.log_lines('reload refused'), 'it was refused')


def privacy(mta, postern, conf):
    """Hashes are the same after a restart."""
    journal = Journal(postern)
    os.unlink(journal.path)
    seen = []
    for text in ('hash', 'hash', 'count'):
        postern.stop()
        postern.configure(conf + 'JournalPrivacy %s\n' % text)
        postern.run()
        inbound(mta, 'ann@friend.example', subject='secret')
        seen.append(journal.last(len(seen) + 1))
        same(postern, journal, 1,
             'journal --events: the same with %s' % text)
    raw = journal.raw()
    ok(b'bob@example.org' not in raw and b'secret' not in raw,
       'privacy: no recipient and no subject', raw)
    like(seen[0]['rcpts'][0], '^[0-9a-f]{16}@[0-9a-f]{16}$', 'hash: its form')
    is_((seen[0]['rcpts'], seen[0]['subject']),
        (seen[1]['rcpts'], seen[1]['subject']),
        'hash: equal stays equal over a restart')
    is_(sorted(set(seen[2]) & {'rcpts', 'subject', 'recipient_count'}),
        ['recipient_count'], 'count: how many, and no more')
    key = os.path.join(postern.dir, 'journal-key')
    is_(stat.S_IMODE(os.stat(key).st_mode), 0o600, 'hash: the key is ours')

    os.chmod(key, 0o644)
    before = len(journal.events())
    postern.configure(conf + 'JournalPrivacy hash\n')
    postern.reload()
    line = postern.wait_log('no events are written')
    done = postern.ctl('journal', '--events')
    is_((done.returncode, done.stdout), (78, ''),
        'a key that others may read: no events from the ring either')
    like(line[-1], r'journal-key: mode 0644 lets others read it: mend it '
         r'with: chmod 600 ', 'a key that others may read: said, with a cure')
    inbound(mta, 'ann@friend.example')
    done = broken.run(['-n', '-x', postern.conf_file])
    like(done.stdout + done.stderr, 'warning: journal: .*no events',
         'a key that others may read: postern -n says so')
    is_(len(journal.events()), before,
        'a key that others may read: no events, rather than plain ones')


def shared(sink, conf, mta_conf):
    """Two daemons, sixteen sessions, one file."""
    path = os.path.join(new_dir('shared'), 'journal')
    conf = conf.replace('@DIR@/journal', path).replace('2/day', '1K/day')
    with Postern(conf, files=mta_conf) as one, \
            Postern(conf, files=mta_conf) as two, \
            Postfix(sink, milter=one, users=USERS) as first, \
            Postfix(sink, milter=two, users=USERS) as second:
        def some(mta):
            with Client(mta.submission_port, login=('bob', 'secret')) as c:
                for i in range(10):
                    c.send('bob@example.org', 'eve@example.net',
                           MESSAGE % ('long ' * 100))
        threads = [threading.Thread(target=some, args=(mta,))
                   for mta in (first, second) * 8]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        events = Journal(None, path).events(160)
        is_((len(events), len({e['queue_id'] for e in events})), (160, 160),
            'two daemons: each event is whole, and there once')


def full(sink, conf, files):
    if not broken.private_mounts():
        for _ in range(6):
            ok(True, 'a full disk # SKIP no mounts')
        return
    small = new_dir('small')
    broken.mount(small, 'size=64k,mode=777')
    path = os.path.join(small, 'journal')
    conf = conf.replace('@DIR@/journal', path).replace('2/day', '1K/day')
    with Postern(conf, files=files) as postern, \
            Postfix(sink, milter=postern, users=USERS) as mta:
        journal = Journal(postern, path)
        outbound(mta)
        before = len(journal.events(1))
        filler = os.path.join(small, 'filler')
        with open(filler, 'wb', 0) as file:
            try:
                while True:
                    file.write(b'x' * 512)
            except OSError:
                pass
        accepted = [outbound(mta, subject='long ' * 80).accepted
                    for _ in range(20)]
        is_(accepted, [True] * 20, 'a full disk: mail flows')
        ok(postern.wait_log('No space left on device: events are lost'),
           'a full disk: the log says so')
        events = journal.events()
        ok(before <= len(events) < before + 20 and
           journal.raw().endswith(b'}\n'),
           'a full disk: what is there is whole', len(events))
        lost = before + 20 - len(events)
        is_(len(postern.log_lines('events are lost')), 1,
            'a full disk: once')
        os.unlink(filler)
        outbound(mta, subject='room')
        is_(journal.last(len(events) + 1)['subject'], 'room',
            'room again: it goes on')
        like(postern.wait_log('it is written again')[-1],
             r'; events lost: %d$' % lost,
             'room again: the log says how many were lost')
    broken.end_mounts()


def odd(postern):
    """What postern -n and a start say of a file that can't be."""
    postern.configure('Mode v\nJournal /nonexistent/journal\n')
    done = broken.run(['-n', '-x', postern.conf_file])
    like(done.stderr + done.stdout, r'warning: journal: Journal: '
         r'/nonexistent/journal: .*No such file or directory: no events',
         'no directory: postern -n warns')
    is_(done.returncode, 0, 'no directory: no mistake')
    postern.configure('Mode v\nJournal @DIR@/postern.conf\n'
                      'OpenDMARCConfig @DIR@/postern.conf\n')
    done = broken.run(['-n', '-x', postern.conf_file])
    like(done.stderr + done.stdout, 'is a file that postern makes for Journal',
         'a file that is read: no place for events')


def main():
    need_root()
    plan(10 + 2 + 3 + 12 + 1 + 6 + 3)
    with Dnsd(ZONE) as dns, Sink() as sink:
        conf, files = CONF % dns.port, {'local.cf': RULES}
        with Postern(conf, files=files) as postern, \
                Postfix(sink, milter=postern, users=USERS) as mta:
            kinds(mta, postern)
            hostile(mta, postern)
            renamed(mta, postern)
            privacy(mta, postern, conf)
        odd(postern)
        shared(sink, conf, files)
        full(sink, conf, files)


main()
