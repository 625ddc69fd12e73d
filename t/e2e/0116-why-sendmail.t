#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# What became of mail through Sendmail, and because of what: posternctl why.

import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import Sendmail
import tenkinds

tenkinds.Run(
    lambda sink, postern: Sendmail(
        sink, milter=postern,
        users={name: 'secret' for name in ('bob', 'ann', 'eve')}),
    ('127.0.0.2', '127.0.0.66', '127.0.0.70'),
    lambda ip: {'source': ip},
).run()
