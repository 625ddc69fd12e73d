#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# Inbound mail through Postfix, which says of its clients what XCLIENT told it,
# and takes mail in UTF-8.

import json
import os
import re
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
import inbound
from rig import Postfix, is_, like, ok, write_file


def client(run, ipv6):
    return {'xclient': {'ADDR': 'IPV6:' + run.v6 if ipv6 else run.v4,
                        'NAME': 'x.example', 'HELO': 'helo.good.example'}}


def one_name(run):
    """What postern adds names the host alike: in mail, where the MTA has
    another name, and off line, where there is none."""
    rules = write_file(os.path.join(run.postern.dir, 'local.cf'),
                       'header ONE exists:Subject\nscore ONE 1\n')
    message = 'From: a@good.example\nSubject: x\n\nHello.\n'
    run.reconfigure('RuleFile %s\nAuthservID id.example\n' % rules)
    run.sink.clear()
    run.send('a@good.example', message)
    mail = run.delivered()
    like(mail.values('X-Spam-Checker-Version')[0],
         r' on id\.example$', 'AuthservID: X-Spam-Checker-Version')
    like(inbound.field(mail)[0], r'^id\.example;', 'AuthservID: the results')
    done = run.postern.ctl('check', '--client-ip', run.v4,
                           '--from', 'a@good.example', input=message)
    is_([edit['value'].endswith(' on id.example')
         for edit in json.loads(done.stdout)['edits']
         if edit['name'] == 'X-Spam-Checker-Version'], [True],
        'AuthservID: and so says posternctl check')


def includes(name, depth):
    """Nine includes, each with nine includes, and so on."""
    below = ['i%d.%s' % (i, name) for i in range(9)] if depth else []
    found = {name: {'TXT': 'v=spf1 %s -all' % ' '.join(
        'include:' + one for one in below)}}
    for one in below:
        found.update(includes(one, depth - 1))
    return found


def few_names(run):
    """However many records one mail names, few are asked for."""
    run.dns.serve(dict(run.zone, **includes('many.example', 3)))
    run.dns.clear()
    run.sink.clear()
    run.send('a@many.example', 'From: a@many.example\n\nHello.\n')
    mail = run.delivered()
    like(inbound.field(mail)[0], r'\bspf=permerror\b', 'nested includes')
    asked = [name for (name, word), _ in run.dns.counts().items()
             if word == 'TXT' and re.fullmatch(
                 r'(i\d\.)*many\.example', name)]
    ok(1 < len(asked) <= 11, 'nested includes: %d names' % len(asked), asked)


def more(run):
    one_name(run)
    few_names(run)


# Whoever connects from this host counts as local, XCLIENT or not, and would
# have its header rewritten.
SETTINGS = {'inet_protocols': 'all', 'local_header_rewrite_clients': ''}

inbound.Run(
    lambda sink, postern: Postfix(sink, milter=postern, settings=SETTINGS),
    '192.0.2.1', '2001:db8::1', client,
).run(inbound.CASES + inbound.CASES_LONG + inbound.CASES_UTF8, more, 5)
