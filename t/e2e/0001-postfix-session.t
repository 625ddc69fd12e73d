#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# Attached to Postfix by smtpd_milters, postern sees outbound and inbound mail.

import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import Postfix
import session

session.run(
    lambda sink, postern, users: Postfix(sink, milter=postern, users=users),
    stranger={'xclient': {'ADDR': '192.0.2.1', 'NAME': 'mx.example.net'}})
