#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# What leaves Postfix is signed, and the signatures verify.

import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import Postfix
import signmails

# What Postfix does before the milter sees the mail does no harm: a bare CR
# becomes a space, a bare LF a line end (cleanup_replace_stray_cr_lf), a last
# line gets its end. Its SMTP client breaks body lines, not those of the
# header, at smtp_line_length_limit, after them all.
BROKEN = {'longer-line': signmails.CANONS}

signmails.run(
    # A cached connection would remember what the sink offered before.
    lambda sink, postern, users: Postfix(
        sink, milter=postern, users=users,
        settings={'smtp_connection_cache_on_demand': 'no'}), BROKEN)
