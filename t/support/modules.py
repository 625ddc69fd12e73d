# SPDX-License-Identifier: BSD-2-Clause
"""Makes the modules of all rooms below t/support importable."""
import os
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), room)
                for room in ('rig', 'drivers', 'data', 'demo')]
