"""Makes what these tests share importable."""

import sys
from pathlib import Path

for directory in ("client", "server"):
    sys.path.insert(0, str(Path(__file__).parent.parent / directory))
