# SPDX-License-Identifier: BSD-2-Clause
"""All of the rig for the scripts in t/e2e, under one name.

A script begins so:

    #!/usr/bin/python3
    # What is to hold, in a sentence or two.
    import os, sys
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
    import modules  # noqa: F401
    from rig import *

    need_root()
    plan(2)
    with Sink() as sink, Postern('Mode sv\\n') as postern, \\
            Postfix(sink, milter=postern, users={'bob': 'pw'}) as mta:
        with Client(mta.submission_port, login=('bob', 'pw')) as client:
            sent = client.send('bob@example.org', 'eve@example.net', MESSAGE)
        ok(sent.accepted, 'accepted', sent)
        is_(len(sink.wait_for(1)), 1, 'delivered')

POSTERN and POSTERNCTL name the programs, POSTERN_RIG_CACHE the directory of
unpacked packages; with POSTERN_RIG_KEEP=1 a test's files stay for a look.
"""

from tap import diag, is_, like, ok, plan, skip, skip_all
from proc import PATIENCE, RigError, Server, free_port, has_ipv6, need_root, \
    new_dir, root, unpacked, wait_until, write_file
from dnsd import Dnsd
from mail import Client, Mail, Reply, Sent, Sink
from miltertalk import Talk
from postern import Milter, OpenDKIM, Postern, binary, no_leak_check
from postfix import Postfix
from sendmail import Sendmail
