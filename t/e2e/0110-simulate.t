#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# posternctl simulate: what limits stop and when they are near, whom an alert
# tells of and by which evidence, locks and their end; lines come as soon as
# their event does and not before, the first part of the events brings the first
# part of the lines, and nothing is left behind.

import json
import os
import subprocess
import sys
import tempfile
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import is_, ok, plan, like

POSTERNCTL = os.environ['POSTERNCTL']
T = 1764547200
LIMITS = '''
Mode s
QuotaRealm example.org
QuotaTable @DIR@/state/quota
Quota default {
    Messages = {5/hour}
    Recipients = {12/day}
}
QuotaTotal "*" {
    Messages = {9/hour}
}
'''
HABITS = '''
Mode s
QuotaTable @DIR@/state/quota
CanaryRecipients trap@example.net
'''


class Place:
    def __init__(self, dir_, conf):
        self.conf = os.path.join(dir_, 'conf')
        with open(self.conf, 'w', encoding='utf-8') as out:
            out.write(conf.replace('@DIR@', dir_))

    def argv(self, file='-'):
        return [POSTERNCTL, 'simulate', file, '-x', self.conf]

    def run(self, events, file='-'):
        text = ''.join((e if isinstance(e, str) else json.dumps(e)) + '\n'
                       for e in events)
        done = subprocess.run(self.argv(file), input=text, text=True,
                              capture_output=True, check=False)
        return done.returncode, [json.loads(line) for line in
                                 done.stdout.splitlines()], done.stderr


def mail(t, account='bob', rcpts=('al@example.com',), **more):
    return {'t': T + t, 'direction': 'outbound', 'account': account,
            'client': '192.0.2.7', 'helo': 'laptop', 'rcpts': list(rcpts),
            'bytes': 4000, 'from': account, **more}


def told(lines):
    return [(round(x['t'] - T, 3), x['account'], x['event']) for x in lines]


def check_limits(dir_):
    place = Place(dir_, LIMITS)
    code, lines, said = place.run([mail(i + .125, 'BoB ') for i in range(7)])
    is_((code, said), (0, ''), 'limits: exit code')
    bob = 'bob@example.org'
    is_(told(lines), [(3.125, bob, 'notice'), (4.125, bob, 'notice'),
                      (5.125, bob, 'refused'), (6.125, bob, 'refused')],
        '80 %, all, and what is over it')
    is_(lines[0]['evidence'], [{'kind': 'quota', 'text':
                                '4 of 5 messages in 1 hour'}], 'in words')
    is_(list(lines[2]), ['t', 'account', 'event', 'score', 'evidence'],
        'the members of a line')
    is_(lines[2]['evidence'][0], {'kind': 'quota', 'text':
                                  '5 of 5 messages in 1 hour'},
        'which limit stops it')
    is_(told(place.run([mail(i * 1200) for i in range(13)])[1])[-1][2],
        'refused', 'a day has its own limit')
    lines = place.run([mail(i * 3700, rcpts=[]) for i in range(20)])[1]
    is_(lines, [], 'recipients that the MTA refused count in no limit')
    counted = [mail(i, recipient_count=1) for i in range(6)]
    for event in counted:
        del event['rcpts']
    is_(told(place.run(counted)[1]),
        [(3, bob, 'notice'), (4, bob, 'notice'), (5, bob, 'refused')],
        'recipients that were only counted count')
    lines = place.run([mail(i, 'u%d' % i) for i in range(11)])[1]
    is_(told(lines), [(7, '*', 'notice'), (8, '*', 'notice'),
                      (9, 'u9@example.org', 'refused'),
                      (10, 'u10@example.org', 'refused')],
        'a sum of all accounts')
    lines = place.run([mail(0, rcpts=['r%d@example.com' % i for i in
                                      range(15)]), mail(1)])[1]
    is_(told(lines), [(0, bob, 'notice'), (0, bob, 'notice'),
                      (1, bob, 'refused')][1:],
        'recipients over a limit are left out, and the message goes on')
    lines = place.run([mail(0, None, **{'from': 'x@example.net'})
                       for _ in range(6)])[1]
    is_(lines[-1]['account'], 'sender:x@example.net', 'mail without a login')
    ok(not os.path.exists(os.path.join(dir_, 'state')), 'no table is made')


def past():
    """Eight days of mail to friends."""
    return [mail(day * 86400 + 32400 + i * 2800,
                 rcpts=['friend%d@example.com' % i])
            for day in range(8) for i in range(10)]


def bot(n=40):
    return [mail(8 * 86400 + i * 60, 'BOB', ['s%d@example.net' % i],
                 client='203.0.113.9', helo='User') for i in range(n)]


def check_alert(dir_):
    place = Place(dir_, HABITS)
    code, lines, said = place.run(past() + bot())
    is_((code, said), (0, ''), 'alert: exit code')
    is_([x['event'] for x in lines], ['alert'], 'one alert for an episode')
    is_(lines[0]['account'], 'bob', 'of the account in its one form')
    ok(4.5 <= lines[0]['score'] < 10, 'the score', lines[0])
    ok({'networks', 'strangers', 'helo'} <= {
        e['kind'] for e in lines[0]['evidence']}, 'the evidence', lines[0])
    like(next(e['text'] for e in lines[0]['evidence'] if
              e['kind'] == 'strangers'), r'^\d+ of \d+ recipients within ',
         'in words with numbers')
    events = past() + bot()
    first = place.run(events[:-25])[1]
    is_(first, [x for x in lines if x['t'] <= events[-26]['t']],
        'the first part of the events brings the first part of the lines')
    is_(place.run(past())[1], [], 'nothing against who does what he did')
    twice = [mail(t, rcpts=['trap@example.net']) for t in (0, 86399, 86400)]
    is_(told(place.run(twice)[1]), [(0, 'bob', 'alert'),
                                    (86400, 'bob', 'alert')],
        'again after a day at the earliest')


def check_lock(dir_):
    place = Place(dir_, HABITS + 'LockScore 5\nLockKinds canary\nLockFor 1h\n')
    lines = place.run([mail(0), mail(1, rcpts=['trap@example.net']), mail(2),
                       mail(3599, 'al'), mail(3601, 'al'), mail(3602)])[1]
    is_(told(lines), [(1, 'bob', 'alert'), (1, 'bob', 'locked'),
                      (2, 'bob', 'refused'), (3601, 'bob', 'unlocked')],
        'locked, refused, and unlocked when the time has come')
    is_(lines[2]['evidence'][0]['kind'], 'canary', 'it says why it is locked')
    place = Place(dir_, HABITS + 'LockKinds bounces\n')
    code, lines, said = place.run([])
    is_(code, 78, 'what outsiders can produce can\'t lock')
    like(said, r'conf:5: LockKinds: bounces can\'t lock', 'and it is said')


def check_stream(dir_):
    """Each line stands there before the next event is written."""
    place = Place(dir_, HABITS)
    with subprocess.Popen(place.argv(), stdin=subprocess.PIPE, text=True,
                          stdout=subprocess.PIPE, bufsize=1) as p:
        for n in range(3):
            p.stdin.write(json.dumps(mail(n, 'u%d' % n, [
                'trap@example.net'])) + '\n')
            p.stdin.flush()
            line = json.loads(p.stdout.readline())
            is_(told([line]), [(n, 'u%d' % n, 'alert')], 'line %d' % n)
        p.stdin.close()
        is_(p.wait(), 0, 'and the end')


def check_faults(dir_):
    place = Place(dir_, HABITS)
    trap = mail(1, rcpts=['trap@example.net'])
    code, lines, said = place.run(['{"t":1', trap, '', '[]', '{"t":"x\x1b"}',
                                   mail(2, rcpts=[1])])
    is_((code, [x['event'] for x in lines]), (65, ['alert']),
        'a line that is no event, and the rest goes on')
    is_([line.split(': ')[1] for line in said.splitlines()],
        ['-:1', '-:3', '-:4', '-:5', '-:6'], 'each is named')
    ok('\x1b' not in said and 'rcpts: expected addresses' in said,
       'in clean words', said)
    is_(place.run([], os.path.join(dir_, 'absent'))[0], 66, 'no such file')
    is_(Place(dir_, 'Frobnicate x\n').run([])[0], 78, 'no such keyword')
    done = subprocess.run([POSTERNCTL, 'simulate'], capture_output=True,
                          check=False)
    is_(done.returncode, 64, 'no file named')


def main():
    plan(35)
    with tempfile.TemporaryDirectory() as dir_:
        check_limits(dir_)
        check_alert(dir_)
        check_lock(dir_)
        check_stream(dir_)
        check_faults(dir_)


if __name__ == '__main__':
    main()
