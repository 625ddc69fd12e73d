#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# Inbound mail through Sendmail. It has no XCLIENT: the client's addresses are
# loopback's. Debian's is built without SMTPUTF8 (USE_EAI): who asks for that is
# turned away before postern hears of it.

import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
import inbound
from rig import Client, Sendmail, diag, has_ipv6, ok

IPV6 = has_ipv6()


def client(run, ipv6):
    if ipv6:
        return {'host': '::1', 'source': run.v6, 'port': run.mta.ipv6_port}
    return {'source': run.v4}


def no_utf8(run):
    with Client(run.mta.port, **client(run, False)) as smtp:
        ok('SMTPUTF8' not in smtp.ehlo.text, 'SMTPUTF8: not offered',
           smtp.ehlo)
        case = inbound.CASES_UTF8[0]
        sent = smtp.send(case.sender, 'bob@example.org', 'Hello.\n',
                         case.params)
        ok(not sent.mail.ok, 'SMTPUTF8: refused', sent)


if not IPV6:
    diag('no ::1 here: clients with IPv6 are left out')
inbound.Run(
    lambda sink, postern: Sendmail(sink, milter=postern, ipv6=IPV6),
    '127.0.0.2', '::1', client,
).run([case for case in inbound.CASES if IPV6 or not case.ipv6], no_utf8, 2)
