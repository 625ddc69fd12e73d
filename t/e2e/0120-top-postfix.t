#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# posternctl top shows what goes through a real Postfix: as text, as JSON, and on
# a terminal of any size, which is left as it was however the command ends.

import json
import os
import signal
import subprocess
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from milter import Conversation
from postern import binary, no_leak_check
from rig import PATIENCE, Client, Dnsd, Postern, Postfix, Sink, is_, like, \
    need_root, ok, plan, wait_until
from screen import Screen

CONF = '''
Mode sv
IPRev no
HELO no
SPF no
DMARC no
Nameservers 127.0.0.1@%d
QuotaTable @DIR@/quota
BlockList file:@DIR@/block
RefuseAt end,blocklist=connect
DNSBL "zen.example.net" { Score = 4.0 }
DNSBL "dead.example.net" { Score = 1 }
Quota default {
    Messages = {4/hour}
    Recipients = {50/day}
}
'''
ZONE = {
    '2.0.0.127.zen.example.net': {'A': '127.0.0.2'},
    '7.100.51.198.zen.example.net': {'A': '127.0.0.4'},
    '2.0.0.127.dead.example.net': 'SERVFAIL',
}
MESSAGE = 'From: bob@example.org\nSubject: hello\n\nHello.\n'
# What a terminal would obey, and characters that take two columns.
EVIL = 'evil\x1b[2J\x1b[31m"\u4e2d\u6587<b>\x9b31m'
EVIL_SHOWN = r'evil\x1b[2j\x1b[31m\x22\xe4\xb8\xad\xe6\x96\x87<b>'
UTF8 = {'LC_ALL': 'C.UTF-8'}

BOB, EVE, LISTED, BLOCKED = '203.0.113.1', '203.0.113.2', '198.51.100.7', \
    '192.0.2.66'


def send(mta, ip, login=None, rcpts=1):
    users = (login, 'secret') if login else None
    with Client(mta.submission_port if login else mta.port,
                xclient={'ADDR': ip, 'NAME': 'h.example.net'},
                login=users) as client:
        return client.send(
            'bob@example.org' if login else 'eve@from.example',
            ['r%d@%s' % (i, 'example.net' if login else 'example.org')
             for i in range(rcpts)], MESSAGE)


def fill(mta, daemon):
    """Bob and eve send, eve more than she may; others come from outside."""
    sent = [send(mta, BOB, 'bob', rcpts=2), send(mta, BOB, 'bob')]
    sent += [send(mta, EVE, 'eve') for _ in range(6)]
    sent += [send(mta, LISTED), send(mta, '198.51.100.8')]
    is_([s.accepted for s in sent],
        [True] * 6 + [False] * 2 + [True] * 2, 'mail goes through Postfix')
    with Conversation(daemon.address) as c:
        c.connect('a.example', BLOCKED)
        c.helo()
    with Conversation(daemon.address) as c:
        c.connect('b.example', '203.0.113.9')
        c.helo()
        c.macros(b'M', **{'i': 'EVIL', '{auth_authen}': EVIL})
        c.mail()
        c.rcpt()
        c.finish()


def check_empty(daemon):
    """A ring in which nothing is yet."""
    top = json.loads(once(daemon, '--json'))
    is_([top[key] for key in ('messages', 'accounts', 'clients', 'stages',
                              'dnsbl', 'other_accounts')],
        [[], [], [], [], [], None], 'nothing goes on')
    with screen(daemon) as s:
        ok(s.wait('newest -$') and whole(s), 'an empty screen', s.text())


def check_stream(daemon, mta):
    with subprocess.Popen(
            [binary('POSTERNCTL'), 'top', '--json', '--interval', '0.1', '-x',
             daemon.conf_file], stdout=subprocess.PIPE) as process:
        first = json.loads(process.stdout.readline())
        before = sum(m['total'] for m in first['messages'])
        send(mta, LISTED)
        now = first
        end = time.monotonic() + PATIENCE
        while sum(m['total'] for m in now['messages']) == before and \
                time.monotonic() < end:
            now = json.loads(process.stdout.readline())
        is_((sum(m['total'] for m in now['messages']), now['t'] > first['t']),
            (before + 1, True), 'an object each time, with what is new')
        process.terminate()


def of(rows, **key):
    found = [r for r in rows
             if all(r.get(k) == v for k, v in key.items())]
    return found[0] if len(found) == 1 else {}


def once(daemon, *options):
    done = daemon.ctl('top', '--once', *options)
    ok(done.returncode == 0 and done.stderr == '',
       ' '.join(('top', '--once') + options), done.stderr)
    return done.stdout


def check_json(daemon):
    text = once(daemon, '--json')
    top = json.loads(text)
    is_(text.count('\n'), 1, 'one object, on a line')
    ok(abs(top['t'] - time.time()) < 60, 't is now')
    flow = {(m['direction'], m['verdict']): m['total']
            for m in top['messages']}
    is_(flow, {('outbound', 'accept'): 7, ('outbound', 'tempfail'): 2,
               ('inbound', 'accept'): 2}, 'messages, by direction and verdict')
    ok(of(top['messages'], direction='inbound')['per_s'] >= 0, 'per_s')
    is_([(m['verdict'], m['total']) for m in top['clients_refused']],
        [('reject', 1)], 'clients that were refused before any message')
    bob, eve = of(top['accounts'], account='bob'), \
        of(top['accounts'], account='eve')
    is_((bob['per_h'], bob['recipients_h'], bob['refused_h'], bob['share'],
         bob['clients']), (2, 3, 0, 0.5, [BOB]), 'an account')
    is_((eve['per_h'], eve['recipients_h'], eve['refused_h'], eve['share'],
         eve['limit']['kind']), (6, 4, 2, 1, 'messages'),
        'an account over its limit')
    ok('score' in bob, 'score')
    is_([a['account'] for a in top['accounts'] if 'evil' in a['account']],
        [EVIL.replace('J', 'j')], 'a hostile name in JSON')
    is_(of(top['clients'], client=LISTED)['score'], 4,
        "a client's highest score")
    is_(of(top['clients'], client=BLOCKED)['refused_h'], 1,
        'a client that is refused')
    zen, dead = of(top['dnsbl'], zone='zen.example.net'), \
        of(top['dnsbl'], zone='dead.example.net')
    is_((zen['queried'], zen['listed'], zen['failed']), (2, 1, 0),
        'a DNS list')
    is_((dead['queried'], dead['off']), (0, 2), 'one that is switched off')
    names = [s['name'] for s in top['stages']]
    ok({'quota', 'dnsbl', 'blocklist'} <= set(names) and
       all(s['us_mean'] > 0 for s in top['stages']), 'time of checks', names)
    is_(of(top['decided_by'], by='quota'),
        {'by': 'quota', 'verdict': 'tempfail', 'total': 2}, 'who decided')


def check_text(daemon):
    text = once(daemon)
    like(text, r'(?m)^outbound .* 9$', 'messages')
    like(text, r'(?m)^eve +6 +4 +2 +100%% .* messages/1h +%s$' % EVE,
         'an account')
    ok(EVIL_SHOWN in text and '\x1b' not in text and text.isascii(),
       'a hostile name, escaped', text)
    like(text, r'(?m)^%s +1 +0 +1 ' % BLOCKED, 'a client')
    like(text, r'(?m)^dead.example.net .* 2 ', 'a DNS list')
    like(once(daemon, '--since', '1s'), 'ACCOUNTS', 'a span of a second')
    like(once(daemon, '--since', '2d'), r'\A\S+Z, the last 2d\n',
         'a span has its own words')
    like(text, r'(?m)^DNS LISTS .* FAILED OF ALL ', 'failures as a share')
    for options, wrong in (
            (('--interval', '0'), 'seconds from 0.1'),
            (('--since', '2100-01-01'), 'a time in the past'),
            ((), 'no terminal')):
        done = daemon.ctl('top', *options)
        ok(done.returncode == 64 and wrong in done.stderr,
           'top %s: %s' % (' '.join(options), wrong), done.stderr)


def screen(daemon, **options):
    options.setdefault('env', UTF8)
    return Screen([binary('POSTERNCTL'), 'top', '-x', daemon.conf_file],
                  **options)


def whole(s):
    """Is the line of keys the last one?"""
    return s.wait(r'q quit') and s.lines()[-1].startswith('q quit')


def check_sizes(daemon):
    with screen(daemon) as s:
        ok(s.wait('^DNS LISTS') and whole(s), '80x24 has all tables',
           s.text())
        ok(s.alternate and not s.cursor, 'the screen is its own')
        like(s.text(), r'(?m)^eve +6 +4 +2 +100% .*[▁▂▃▄▅▆▇█]$',
             'a line with its plot')
        ok(EVIL_SHOWN[:20] in s.text(), 'a hostile name', s.text())
        ok('\u4e2d' not in s.text() and 'evil' in s.lines()[-1] + s.text(),
           'no wide character')
        ok({31, 33} & s.colours, 'colours', s.colours)
        s.resize(40, 120)
        ok(s.wait('OF LIMIT +CLIENT') and whole(s), '120x40', s.text())
        for rows, columns in ((10, 40), (3, 10), (1, 1), (5, 200)):
            s.resize(rows, columns)
            found = s.wait(r'^[pq]') and s.process.poll() is None
            ok(found, '%dx%d' % (columns, rows), s.text())
        s.resize(24, 80)
        ok(s.wait('^DNS LISTS') and whole(s), '80x24 again', s.text())
        s.press('q')
        is_(s.end(), 0, 'q ends it')
        ok(s.is_restored(), 'and leaves the terminal as it was')


def check_keys(daemon, mta):
    with screen(daemon) as s:
        s.wait('^DNS LISTS')
        s.press('/BO')
        ok(s.wait('^filter: BO_') and s.wait_without('^eve ') and
           s.wait('^bob '), 'a filter', s.text())
        s.press('x\x7fq\n')
        ok(s.wait(r'filter: BOq ') and s.wait_without('^bob '),
           'keys are letters of it until Enter', s.text())
        s.press('/\x1b')
        ok(s.wait('^bob ') and s.wait('^eve '), 'none', s.text())
        s.press('r')
        ok(s.wait('sort: recipients'), 'sorted by recipients')
        names = [line.split()[0] for line in s.lines()
                 if line.startswith(('bob', 'eve', 'evil'))]
        is_([n[:3] for n in names], ['eve', 'bob', 'evi'], 'in order')
        s.press('n')
        s.wait('sort: name')
        names = [line.split()[0] for line in s.lines()
                 if line.startswith(('bob', 'eve', 'evil'))]
        is_([n[:3] for n in names], ['bob', 'eve', 'evi'], 'by name')
        s.press('s')
        ok(s.wait('sort: messages'), 's is the next')
        s.press('4')
        ok(s.wait_without('^ACCOUNTS') and s.wait('^zen.example.net'),
           'one table alone', s.text())
        s.press('0h')
        ok(s.wait('SHARE +of its nearest limit'), 'help', s.text())
        s.press('h')
        ok(s.wait('^bob +2 '), 'and back')
        s.press('p')
        ok(s.wait('PAUSED'), 'pause')
        send(mta, BOB, 'bob')
        wait_until(lambda: of(json.loads(
            daemon.ctl('top', '--once', '--json').stdout)['accounts'],
            account='bob')['per_h'] == 3, PATIENCE, 'mail in the ring')
        s.pump(1.5)
        like(s.text(), r'(?m)^bob +2 ', 'nothing is read meanwhile')
        s.resize(30, 90)
        ok(whole(s) and s.wait('PAUSED'), 'but the size changes', s.text())
        s.press('p')
        ok(s.wait('^bob +3 ') and s.wait_without('PAUSED'), 'it goes on',
           s.text())
        send(mta, BOB, 'bob')
        ok(s.wait('^bob +4 +5 +0 +100%'), 'mail is seen as it comes',
           s.text())
        s.press('q')
        is_(s.end(), 0, 'the end')


def check_ends(daemon):
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP,
                signal.SIGQUIT, signal.SIGABRT):
        with screen(daemon) as s:
            s.wait('^DNS LISTS')
            s.signal(sig)
            is_(s.end(), -sig, 'ended by %s' % sig.name)
            ok(s.is_restored(), 'the terminal is as before')
    with screen(daemon) as s:
        s.wait('^DNS LISTS')
        s.press('\x03')
        is_(s.end(), -signal.SIGINT, 'Ctrl-C')
        ok(s.is_restored(), 'the terminal is as before')
    # A sanitizer makes an end of its own of this one.
    with screen(daemon) as s:
        s.wait('^DNS LISTS')
        s.signal(signal.SIGSEGV)
        ok(s.end() != 0 and s.is_restored(), 'a fault')
    # ncurses leaks some memory then.
    with screen(daemon, term='no-such-terminal', env=no_leak_check()) as s:
        is_(s.end(), 69, 'a terminal that nobody knows')
        like(s.text(), '--once', 'says what else there is')
        ok(s.is_restored(), 'and is left alone')


def check_plain(daemon):
    with screen(daemon, env={'LC_ALL': 'C', 'NO_COLOR': '1'}) as s:
        ok(s.wait('^DNS LISTS') and s.text().isascii(), 'without UTF-8',
           s.text())
        like(s.text(), r'(?m)^eve +6 +4 +2 .* #$', 'a plot of plain letters')
        is_(s.colours, set(), 'no colours where they are not wanted')
    with screen(daemon, term='xterm-mono') as s:
        ok(s.wait('^DNS LISTS') and not s.colours,
           'nor where there are none', s.colours)


def check_many(daemon):
    """More accounts than are kept apart."""
    with Conversation(daemon.address) as c:
        c.connect('b.example', '203.0.113.9')
        c.helo()
        for i in range(1100):
            c.macros(b'M', **{'i': 'MANY%d' % i, '{auth_authen}': 'u%d' % i})
            c.mail()
            c.rcpt()
            c.finish()
    top = json.loads(once(daemon, '--json'))
    is_(len(top['accounts']), 1000, 'so many are kept apart')
    is_(round(sum(a['per_h'] for a in top['accounts']) +
              top['other_accounts']['per_h']),
        sum(m['total'] for m in top['messages']
            if m['direction'] == 'outbound'), 'with the others they are all')
    is_(top['accounts'][0]['account'], 'eve', 'who sends most is not lost')
    like(once(daemon), r'(?m)^and 980 more$\nand others: \d+ messages',
         'others as text')
    with screen(daemon) as s:
        ok(s.wait('^and others: '), 'others on the screen', s.text())
        s.press('1')
        s.wait_without('^CLIENTS')
        s.press('\x1b[6~')
        ok(s.wait_without('^eve ') and s.wait('^and others: '),
           'the next page', s.text())
        s.press('\x1b[5~')
        ok(s.wait('^eve '), 'and back', s.text())


def check_ring(daemon, mta):
    """The ring is read while others do what they like with its file."""
    path = os.path.join(daemon.dir, 'ring')
    with screen(daemon) as s:
        s.wait('^bob +4 ')
        os.unlink(path)
        send(mta, LISTED)
        ok(s.wait('^inbound .* 4$'), 'another ring takes its place',
           s.text())
        daemon.stop()
        os.truncate(path, 4096)
        s.press('m')
        s.pump(2)
        ok(whole(s) and s.process.poll() is None, 'one that is cut off',
           s.text())
        s.press('q')
        is_(s.end(), 0, 'ends')
        ok(s.is_restored(), 'and leaves the terminal as it was')


def main():
    need_root()
    plan(98)
    with Dnsd(ZONE) as dns, Sink() as sink, \
            Postern(CONF % dns.port,
                    files={'block': BLOCKED + ' go away\n'}) as daemon, \
            Postfix(sink, milter=daemon, users={'bob': 'secret',
                                                'eve': 'secret'}) as mta:
        daemon.wait_log('dead.example.net: switched off')
        daemon.wait_log('zen.example.net: in use')
        check_empty(daemon)
        fill(mta, daemon)
        check_json(daemon)
        check_text(daemon)
        check_sizes(daemon)
        check_keys(daemon, mta)
        check_ends(daemon)
        check_plain(daemon)
        check_many(daemon)
        check_stream(daemon, mta)
        check_ring(daemon, mta)


if __name__ == '__main__':
    main()
