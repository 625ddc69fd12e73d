#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# What leaves Sendmail is signed, and the signatures verify.

import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import Sendmail
import signmails

# Sendmail writes fields with addresses anew on delivery: folds are lost, which
# the relaxed form forgives; space comes behind commas and comments move, which
# it does not. Lines are broken at the mailer's L=.
SIMPLE = [canon for canon in signmails.CANONS if canon.startswith('simple/')]
BROKEN = {'folded-list': SIMPLE, 'dense-list': signmails.CANONS,
          'comment': signmails.CANONS, 'longer-line': signmails.CANONS}

# Bare CR and LF it does not take (srv_features u and g, off by default).
REFUSED = ['bare-cr', 'bare-lf']

signmails.run(
    lambda sink, postern, users: Sendmail(sink, milter=postern, users=users),
    # EightBitMode is pass8 unless set: 8 bits are sent all the same.
    BROKEN, REFUSED, downgrades=False, local=True)
