"""The tests of both packages.

Their models are small: several threads for one of them would wait for one another, the more so beside a browser. This
must stand before torch is imported; commands that a test starts inherit it.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
