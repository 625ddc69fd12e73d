#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# Inbound mail through Postfix, which says of its clients what XCLIENT told it,
# and takes mail in UTF-8.

import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import inbound
from rig import Postfix


def client(run, ipv6):
    return {'xclient': {'ADDR': 'IPV6:' + run.v6 if ipv6 else run.v4,
                        'NAME': 'x.example', 'HELO': 'helo.good.example'}}


# Whoever connects from this host counts as local, XCLIENT or not, and would
# have its header rewritten.
SETTINGS = {'inet_protocols': 'all', 'local_header_rewrite_clients': ''}

inbound.Run(
    lambda sink, postern: Postfix(sink, milter=postern, settings=SETTINGS),
    '192.0.2.1', '2001:db8::1', client,
).run(inbound.CASES + inbound.CASES_UTF8)
