#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# Attached to Sendmail by INPUT_MAIL_FILTER, postern sees outbound and inbound
# mail. Sendmail has no XCLIENT: the stranger has another loopback address.

import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import Sendmail
import session

session.run(
    lambda sink, postern, users: Sendmail(sink, milter=postern, users=users),
    stranger={'source': '127.0.0.2'})
