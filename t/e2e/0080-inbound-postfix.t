#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# Inbound mail through Postfix, which says of its clients what XCLIENT told it,
# and takes mail in UTF-8.

import json
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import inbound
from rig import Postfix, is_, like, write_file


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


inbound.Run(
    lambda sink, postern: Postfix(sink, milter=postern,
                                  settings={'inet_protocols': 'all'}),
    '192.0.2.1', '2001:db8::1', client,
).run(inbound.CASES + inbound.CASES_LONG + inbound.CASES_UTF8, one_name, 3)
