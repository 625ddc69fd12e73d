#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# What etc/quickstart shows once all is built: a signature that verifies, the
# refusal, the reset, the numbers; and then nothing is left of it.

import os
import re
import subprocess
import sys
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '../support'))
import modules  # noqa: F401
from rig import is_, like, need_root, ok, plan

need_root()
plan(10)

done = subprocess.run([os.path.join(HERE, '../support/demo/demo.py')],
                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                      stderr=subprocess.STDOUT, text=True, timeout=300)
is_(done.returncode, 0, 'exit status')
if done.returncode:
    print(re.sub('(?m)^', '# ', done.stdout))
like(done.stdout, r'\| DKIM-Signature: ', 'the delivered mail is signed')
like(done.stdout, r'The signature is valid', 'the verifier says so')
like(done.stdout, r'it is not, as it should be', 'and not of a changed mail')
is_(re.findall(r'(?m)^  mail (\d+): (\d+)', done.stdout),
    [('2', '250'), ('3', '250'), ('4', '250'), ('5', '250'), ('6', '450'),
     ('7', '250')], 'five mails, the refusal, and the one after the reset')
like(done.stdout, r'(?m)^  mail 6: 450 4\.7\.1 ', 'the refusal\'s code')
is_(re.findall(r'\| bob .* messages/1h (\S+)', done.stdout), ['5/5', '1/5'],
    'the numbers before the reset and at the end')
ok('\033' not in done.stdout, 'no colour in a file')
ok(all(len(line) < 80 or line.startswith('    | ')
       for line in done.stdout.splitlines()), 'short lines')
directory = re.search(r'/\S*/postern-t\.\w+', done.stdout)
ok(directory and not os.path.exists(directory.group()), 'its files are gone')
