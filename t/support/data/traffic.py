#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Traffic of a mail server, some of its accounts hijacked, for t/oracle/alarms:
NAME.jsonl, NAME.truth.json and NAME.conf.

    traffic.py NAME [SEED [DAYS [ACCOUNTS]]]

It is made with other numbers, and by other means, than what the defaults were
tried with first: people write by themselves, answer, travel, change their job
and now and then write to many; bots are slow, sit in webmail, come from the
owner's own network, or are many with one subject.  SCORES=no leaves scores out,
HELO=no the HELO names.
"""

import json
import os
import random
import sys

DAY = 86400
START = 1700006400
ROLES = (  # name, share, mails a day, share of mails to strangers, networks
    ('desk', .45, 12, .12, 'fixed'),
    ('home', .2, 3, .1, 'daily'),
    ('phone', .12, 6, .1, 'roaming'),
    ('seller', .1, 30, .35, 'mixed'),
    ('idle', .05, .1, .3, 'fixed'),
    ('webmail', .08, 8, .15, 'web'))
BOTS = ('hour', 'crawl', 'web', 'insider', 'swarm', 'proxies', 'guess', 'form',
        'spray')


class World:
    def __init__(self, seed, days, accounts):
        self.r = random.Random(seed)
        self.days, self.accounts = days, accounts
        self.events, self.hijacks, self.people = [], [], {}
        self.scores = os.environ.get('SCORES') != 'no'
        self.helos = os.environ.get('HELO') != 'no'
        self.serial = 0
        self.web = self.address()

    def address(self):
        r = self.r
        if r.random() < .15:
            return '2001:db8:%x:%x::%x' % (r.getrandbits(16), r.getrandbits(16),
                                           r.getrandbits(16))
        return '%d.%d.%d.%d' % (r.randint(11, 99), r.randint(0, 255),
                                r.randint(0, 255), r.randint(1, 254))

    def stranger(self):
        self.serial += 1
        return 'p%d@d%d.example' % (self.serial, self.r.randint(0, 3000))

    def subject(self):
        return '%08x' % self.r.getrandbits(32)

    def send(self, t, person, rcpts, client, helo, spam=False, refused=(),
             subject=None, bulk=False, bounces=.006, from_=None):
        r = self.r
        account = person['account']
        e = {'t': t, 'direction': 'outbound', 'account': account,
             'client': client,
             'from': from_ or person['from'], 'rcpts': list(rcpts)}
        if self.helos and helo:
            e['helo'] = helo
        if refused:
            e['refused'] = list(refused)
        if rcpts:
            self.serial += 1
            qid = '%011X' % (self.serial * 7919)
            e.update(bytes=int(r.lognormvariate(8.2, 1)), bulk=bulk,
                     subject=subject or self.subject(), queue_id=qid)
            if self.scores:
                e['score'] = round(r.expovariate(1 / 2.8), 1) if spam else \
                    round(max(0, r.gauss(.4, .9)), 1)
            for _ in rcpts:
                if r.random() < bounces:
                    self.events.append((t + r.expovariate(1 / 90), {
                        'direction': 'inbound', 'from': '',
                        'rcpts': [person['from']], 'client': self.address(),
                        'about': qid}))
        self.events.append((t, e))
        return len(rcpts)

    # -- people --

    def person(self, n):
        r = self.r
        pick, role = r.random(), ROLES[0]
        for role in ROLES:
            pick -= role[1]
            if pick < 0:
                break
        name = 'u%d@o%d.example' % (n, n % 9)
        p = {'account': name, 'from': name, 'role': role[0], 'rate': role[2] *
             r.lognormvariate(0, .5), 'new': min(.7, role[3] *
                                                 r.lognormvariate(0, .4)),
             'nets': role[4], 'office': self.address(), 'home': self.address(),
             'helo': r.choice(['PC-%x' % r.getrandbits(24), '[192.168.1.%d]' %
                               r.randint(2, 250), 'localhost']),
             'start': r.randint(1, self.days - 2) if r.random() < .06 else 0,
             'known': [self.stranger() for _ in range(5)], 'notes': [],
             'from_hour': r.choice([6, 7, 8, 8, 9, 14])}
        self.people[name] = p
        return p

    def place(self, p, day):
        r = self.r
        if p['nets'] == 'web':
            return self.web, 'webmail.example'
        if p['nets'] == 'daily' and p.get('day') != day:
            p['day'], p['home'] = day, self.address()
        if p['nets'] == 'roaming' and r.random() < .4:
            p['home'] = self.address()
        if day in p.get('trip', ()):
            if p.get('tripday') != day:
                p['tripday'], p['tripnet'] = day, self.address()
            return p['tripnet'], p['helo']
        if p['nets'] in ('fixed', 'mixed') and r.random() < .75:
            return p['office'], p['helo']
        return p['home'], p['helo']

    def live(self, p):
        r = self.r
        if r.random() < .15:
            first = r.randint(0, self.days)
            p['trip'] = range(first, first + r.randint(2, 6))
        for day in range(p['start'], self.days):
            rate = p['rate'] * (.2 if day % 7 > 4 else 1)
            for _ in range(min(200, int(r.expovariate(1 / rate) + .5))):
                t = START + day * DAY + p['from_hour'] * 3600 + abs(
                    r.gauss(15000, 9000))
                new = p['new'] if p['start'] < day else .7
                rcpts = {self.stranger() if r.random() < new else
                         r.choice(p['known'])
                         for _ in range(1 + int(r.expovariate(1 / .6)))}
                bad = {a for a in rcpts if r.random() < .004}
                self.send(t, p, sorted(rcpts - bad), *self.place(p, day),
                          refused=sorted(bad))
                p['known'].extend(sorted(rcpts - bad))
            if r.random() < .004 and day > p['start']:
                self.many(p, day)

    def many(self, p, day):
        """A good reason for many mails."""
        r = self.r
        p['notes'].append('many %d' % day)
        t = START + day * DAY + 36000
        subject, client = self.subject(), self.place(p, day)
        one = r.random() < .3
        count = int(r.lognormvariate(3.7, .5))
        rcpts = [self.stranger() if r.random() < .6 else r.choice(p['known'])
                 for _ in range(count)]
        if one:
            self.send(t, p, sorted(set(rcpts)), *client, subject=subject,
                      bounces=.02)
            return
        for a in rcpts:
            t += r.expovariate(1 / r.choice([20, 60, 200]))
            refused = r.random() < .015
            self.send(t, p, [] if refused else [a], *client, subject=subject,
                      refused=[a] if refused else [], bounces=.02)

    def machines(self):
        r = self.r
        for n in range(3):
            p = {'account': 'script:/www/s%d/mail.php' % n,
                 'from': 'www@s%d.example' % n}
            self.people[p['account']] = dict(p, role='form', notes=[])
            for day in range(self.days):
                for _ in range(int(r.expovariate(1 / (4 + 20 * n)))):
                    self.send(START + day * DAY + r.random() * DAY, p,
                              [self.stranger()], '127.0.0.1', None)
        news = {'account': 'news@o1.example', 'from': 'news@o1.example'}
        self.people[news['account']] = dict(news, role='news', notes=[])
        readers = [self.stranger() for _ in range(1500)]
        for day in range(2, self.days, 5):
            subject = self.subject()
            for i, a in enumerate(readers):
                self.send(START + day * DAY + 30000 + i, news, [a],
                          '192.0.2.5', 'news', subject=subject, bulk=True,
                          bounces=.012)

    # -- bots --

    def hijack(self, kind, victims):
        r = self.r
        start = START + r.uniform(5.2, self.days - 1.2) * DAY
        gap, nets, size, bad, bounce = {
            'hour': (30, 2, 1, .05, .08), 'crawl': (500, 9, 1, .03, .06),
            'web': (40, 0, 4, .06, .08), 'insider': (45, 0, 1, .08, .1),
            'swarm': (120, 6, 1, .04, .06), 'proxies': (150, 999, 1, .04, .06),
            'guess': (20, 3, 1, .5, .05), 'form': (60, -1, 15, .04, .08),
            'spray': (5, 1, 40, .1, .1)}[kind]
        subject = [self.subject() for _ in range(r.randint(1, 4))]
        clients = [self.address() for _ in range(nets if nets > 0 else 1)]
        helo = r.choice(['User', 'localhost', 'WIN-%x' % r.getrandbits(20)])
        h = {'kind': kind, 'hard': kind == 'crawl', 'accounts':
             [v['account'] for v in victims], 'start': start, 'timeline': [],
             'mails': 0}
        t = start
        for _ in range(r.randint(80, 400)):
            v = r.choice(victims)
            rcpts = [self.stranger() for _ in range(size)]
            refused = [a for a in rcpts if r.random() < bad]
            client, name = r.choice(clients), helo
            if kind == 'web':
                client, name = self.web, 'webmail.example'
            elif kind == 'insider':
                client, name = v['office'], v.get('helo')
            elif kind == 'form':
                client, name = '127.0.0.1', None
            n = self.send(t, v, [a for a in rcpts if a not in refused], client,
                          name, spam=True, refused=refused, bounces=bounce,
                          subject=r.choice(subject))
            h['timeline'].append([round((t - start) * 1000), n])
            h['mails'] += 1
            t += r.lognormvariate(0, .7) * gap
        h['end'] = t
        self.hijacks.append(h)

    def make(self, name):
        r = self.r
        for n in range(self.accounts):
            self.live(self.person(n))
        self.machines()
        people = [p for p in self.people.values() if 'office' in p]
        r.shuffle(people)
        forms = [p for p in self.people.values() if p['role'] == 'form']
        for kind in BOTS * 2:
            if kind == 'form':
                self.hijack(kind, [forms.pop()])
            else:
                self.hijack(kind, [people.pop() for _ in
                                   range(4 if kind == 'swarm' else 1)])
        with open(name + '.jsonl', 'w', encoding='utf-8') as out:
            for t, e in sorted(self.events, key=lambda x: x[0]):
                out.write(json.dumps({'t': round(t, 3), **{
                    k: v for k, v in e.items() if k != 't'}}) + '\n')
        with open(name + '.truth.json', 'w', encoding='utf-8') as out:
            json.dump({'start': START, 'days': self.days, 'hijacks':
                       self.hijacks, 'accounts': {
                           a: {'role': p['role'], 'notes': p['notes']}
                           for a, p in self.people.items()}}, out)
        with open(name + '.conf', 'w', encoding='utf-8') as out:
            out.write('Mode s\nQuota default {\n'
                      '    Messages = {200/hour, 1000/day}\n}\n'
                      'Quota "news@o1.example" {\n'
                      '    Messages = {5000/hour}\n}\n')


def main():
    name, *numbers = sys.argv[1:]
    seed, days, accounts = (list(map(int, numbers)) + [1, 14, 200][
        len(numbers):])
    World(seed, days, accounts).make(name)


if __name__ == '__main__':
    main()
