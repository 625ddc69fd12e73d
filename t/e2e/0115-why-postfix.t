#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# What became of mail through Postfix, and because of what: posternctl why.

import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import Postfix
import tenkinds

tenkinds.Run(
    lambda sink, postern: Postfix(
        sink, milter=postern,
        users={name: 'secret' for name in ('bob', 'ann', 'eve')},
        settings={'local_header_rewrite_clients': ''}),
    ('192.0.2.1', '192.0.2.66', '192.0.2.70'),
    lambda ip: {'xclient': {'ADDR': ip, 'NAME': '[UNAVAILABLE]'}},
).run()
