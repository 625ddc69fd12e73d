#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# Behind a real Postfix posternctl quota tells when, from where and how much
# accounts sent, which are near a limit, what their domains come to; in columns,
# whatever the names are; and without the decision ring the rest of it.

import json
import os
import re
import sys
import time
import unicodedata
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import Client, Postern, Postfix, Sink, is_, like, need_root, ok, plan
from quota import MESSAGE, send

USERS = dict.fromkeys(['bob', 'eve', 'cy@example.net'], 'secret')
CONF = '''
Mode           s
RingFile       @DIR@/decisions
QuotaTable     @DIR@/quota
QuotaAccounts  1000
QuotaRealm     example.org
Quota default { Messages = {20/hour} Bytes = {500M/day} }
Quota "eve@example.org" { Messages = {3/hour} }
QuotaTotal "@example.org" { Messages = {40/hour} }
QuotaTotal "@unused.example" { Messages = {40/hour} }
QuotaTotal "*" { Recipients = {500/day} }
'''
# Senders without a login are accounts of these names.
LONG = 'l' * 60 + '@example.org'
NAMES = ['gr\u00fc\u00df@example.org', '\u4e2d\u6587@example.org',
         '"a b=\u202ec\x1b"@example.org', LONG]
SENT = 15 + 4 + 1 + len(NAMES)


def mails(mta):
    for _ in range(15):
        send(mta)
    with Client(mta.submission_port, helo='phone',
                login=('eve', 'secret')) as client:
        for _ in range(4):
            client.send('bob@example.org', ['a@example.net', 'b@example.net'],
                        MESSAGE)
    send(mta, user='cy@example.net')
    for name in NAMES:
        mta.sendmail(name, 'eve@example.net', MESSAGE)


def out(postern, *args, locale='C.UTF-8', code=0):
    postern.env['LC_ALL'] = locale
    done = postern.ctl('quota', *args)
    if (done.returncode, done.stderr) != (code, ''):
        ok(False, ' '.join(args), done)
    return done.stdout


def objects(postern, *args):
    return [json.loads(line)
            for line in out(postern, *args, '--json').splitlines()]


def columns(text):
    """How wide it is on a terminal."""
    return sum(2 if unicodedata.east_asian_width(c) == 'W' else 1
               for c in text)


def listed(postern):
    text = out(postern, 'list')
    like(text, r'^ACCOUNT +STATE +USED +LAST +CLIENTS +REFUSED +USED/LIMIT\n',
         'list: a heading')
    like(text, r'(?m)^bob@example\.org +- +75% +\d+[sm] +1 +0  '
         r'messages/1h 15/20 +bytes/1d 2\.\dK/500M$',
         'list: per cent, last use, clients, refused, sizes that read')
    like(text, r'(?m)^eve@example\.org +- +100% +\d+[sm] +1 +1  '
         r'messages/1h 3/3 until ', 'list: one was refused')
    like(text, r'(?m)^@unused\.example +- +0% +- +0 +0  messages/1h 0/40$',
         'list: a QuotaTotal without mail')
    like(text, r'(?m)^\* +- +5% +\d+[sm] +1 +1  recipients/1d 26/500$',
         'list: the sum of all')
    like(text, r'\nCLIENTS and REFUSED are of the last \d+[sm], for which ',
         'list: how far the ring reaches')
    one = {o['account']: o for o in objects(postern, 'list')}
    bob = one['bob@example.org']
    is_((bob['share'], bob['clients'], bob['refused'],
         0 <= time.time() - bob['last_use'] < 600, list(bob)[:3]),
        (0.75, 1, 0, True, ['account', 'locked', 'limits']),
        'list --json: further keys behind the others')
    is_((one['@unused.example']['last_use'], one['*']['clients']), (None, 1),
        'list --json: of sums')


def aligned(postern):
    for locale, name in (('C.UTF-8', 'gr\u00fc\u00df'),
                         ('C', 'gr\\xc3\\xbc\\xc3\\x9f')):
        text = out(postern, 'list', locale=locale)
        rows = [r for r in text.splitlines()[1:] if '  messages/' in r]
        is_(len({columns(row[:row.index('messages/')]) for row in rows}), 1,
            '%s: the limits are in one column' % locale)
        ok('sender:%s@example.org ' % name in text and
           not re.search('[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]', text),
           '%s: names that read, and no controls' % locale, text)
    like(text, r'\nsender:%s\n {8}' % re.escape(LONG),
         'a long name has its own line')


def chosen(postern):
    def names(*args):
        return [o['account'] for o in objects(postern, 'list', *args)]
    is_(names('--near', '75'), ['bob@example.org', 'eve@example.org'],
        '--near: those that have used as much')
    is_(names('--near', '80%', '--sort', 'used'), ['eve@example.org'],
        '--near: with a sign')
    is_(names('--sort', 'used')[:2], ['eve@example.org', 'bob@example.org'],
        '--sort used: the nearest first')
    is_(names('--sort', 'refused')[:3],
        ['*', '@example.org', 'eve@example.org'],
        '--sort refused: the most first')
    use = [o['last_use'] or 0 for o in objects(postern, 'list', '--sort',
                                              'last')]
    is_(use, sorted(use, reverse=True), '--sort last: the newest first')
    clients = [o['clients'] for o in objects(postern, 'list', '--sort',
                                             'clients')]
    is_(clients, sorted(clients, reverse=True), '--sort clients')
    for args, why in ((('--near', '101'), '--near: expected a number of'),
                      (('--near', 'x'), '--near: expected a number of'),
                      (('--sort', 'size'), '--sort: expected account, used, ')):
        done = postern.ctl('quota', 'list', *args)
        is_((done.returncode, why in done.stderr), (64, True),
            'usage: ' + ' '.join(args))


def domains(postern):
    text = out(postern, 'list', '--by-domain')
    like(text, r'^DOMAIN +ACCOUNTS +USED +LAST +CLIENTS +REFUSED +USED/LIMIT\n',
         '--by-domain: a heading')
    one = {o['domain']: o for o in objects(postern, 'list', '--by-domain')}
    org, net = one['example.org'], one['example.net']
    messages = org['limits'][0]
    is_((org['accounts'], org['locked'], messages['used'], messages['limit'],
         org['refused']), (2 + len(NAMES), 0, SENT - 2, 40, 1),
        '--by-domain: where QuotaTotal has the domain, with its limit')
    is_((net['accounts'], net['limits'][0]['used'], net['limits'][0]['limit'],
         net['share']), (1, 1, None, None),
        '--by-domain: another is added up')
    like(text, r'(?m)^example\.net +1 +- +\d+[sm] +1 +0  messages/1h 1 +',
         '--by-domain: as text')


def shown(postern):
    text = out(postern, 'show', 'eve')
    like(text, '\nThe last 48 hours:\n +\u2588  messages: 3 in the busiest hour\n'
         ' +\u2588  refused: 1 in the busiest hour\n', 'show: a graph')
    like(text, r'\nLast clients:\n  127\.0\.0\.1 +phone +4 messages, the last '
         r'\d+[sm] ago\n', 'show: the last clients')
    like(text, r'reaches back to \d{4}-\d\d-\d\dT\d\d:\d\dZ\.\n$',
         'show: how far it looks')
    like(out(postern, 'show', 'eve', locale='C'),
         '\nThe last 48 hours:\n +#  messages: ', 'show: in ASCII')
    one, = objects(postern, 'show', 'eve')
    hours = one['hours']
    is_((len(hours), sum(h['messages'] for h in hours),
         sum(h['refused'] for h in hours), {b['t'] - a['t'] for a, b in
                                            zip(hours, hours[1:])}),
        (48, 3, 1, {3600}), 'show --json: the hours')
    is_([(c['ip'], c['helo'], c['messages']) for c in one['last_clients']],
        [('127.0.0.1', 'phone', 4)], 'show --json: the clients')


def history(postern):
    text = out(postern, 'history', 'EVE')
    like(text, r'^The decision ring reaches back to \S+Z\.\n\nDAY \(UTC\) +'
         r'MESSAGES +RECIPIENTS +BYTES +REFUSED +CLIENTS\n\d{4}-\d\d-\d\d +'
         r'[1-3] +[246] +\d+ +[01] +1  not whole\n', 'history: the days')
    like(text, r'\n\nHOUR \(UTC\) .*\n\d{4}-\d\d-\d\dT\d\d:00 +[1-3] +',
         'history: the hours')
    for account, count in (('eve', 3), ('@example.org', SENT - 2),
                           ('*', SENT - 1)):
        spans = objects(postern, 'history', account)
        is_([sum(o['messages'] for o in spans if o['span'] == span)
             for span in ('day', 'hour')], [count] * 2,
            'history --json: of ' + account)
    like(out(postern, 'history', 'nobody', code=1), 'It has no mail of that',
         'history: of nobody')
    os.rename(os.path.join(postern.dir, 'quota'),
              os.path.join(postern.dir, 'away'))
    like(out(postern, 'history', 'eve'), 'HOUR', 'history: needs no table')
    os.rename(os.path.join(postern.dir, 'away'),
              os.path.join(postern.dir, 'quota'))


def ringless(postern):
    away = CONF.replace('decisions', 'none/decisions')
    postern.configure(away)
    # What outlives a reboot: it was made at the start, and is empty.
    done = postern.ctl('quota', 'list')
    like(done.stderr, 'none/decisions is not there: this is of its copy ',
         'a copy of the ring: said')
    postern.configure(away + 'StateDirectory /nonexistent\n')
    done = postern.ctl('quota', 'list')
    like(done.stdout, r'^ACCOUNT +STATE +USED +USED/LIMIT\n',
         'without the ring: those columns are absent')
    is_((done.returncode, len(done.stderr.splitlines())), (0, 1),
        'without the ring: said once')
    like(done.stderr, 'none/decisions: .*: without the decision ring, ',
         'without the ring: and why')
    done = postern.ctl('quota', 'show', 'bob')
    ok('15/20' in done.stdout and 'hours' not in done.stdout,
       'without the ring: show has the limits', done)
    done = postern.ctl('quota', 'list', '--json')
    is_((done.stderr, sorted(json.loads(done.stdout.splitlines()[0]))),
        ('', ['account', 'limits', 'locked', 'share']),
        'without the ring: JSON has no such keys')
    done = postern.ctl('quota', 'history', 'bob')
    is_((done.returncode, done.stdout), (1, ''), 'without the ring: no history')
    like(done.stderr, 'none/decisions: ', 'without the ring: and why')
    postern.configure(CONF)


def main():
    need_root()
    plan(8 + 5 + 9 + 4 + 6 + 7 + 8 + 1)
    with Sink() as sink, Postern(CONF) as postern, \
            Postfix(sink, milter=postern, non_smtpd_milter=postern,
                    users=USERS) as mta:
        mails(mta)
        postern.summaries(SENT)
        for step in (listed, aligned, chosen, domains, shown, history,
                     ringless):
            step(postern)
    is_(postern.status, 0, 'postern ended well')


main()
