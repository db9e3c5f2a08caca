"""The CRC-64 of the mirror: CRC-64/WE (width 64, poly 0x42f0e1eba9ea3693, init and xorout all ones).

Computed by crcmod's C extension.  Without it the same sums take a thousand times longer, so a missing
extension is refused at import time instead of being noticed as a slow mirror.
"""

from collections.abc import Callable

from crcmod import crcmod as _crcmod
from crcmod import predefined as _predefined

if not _crcmod._usingExtension:
    raise ImportError(
        "crcmod was installed without its C extension and would be far too slow; "
        "install the package crcmod-plus, which ships it compiled (pip install crcmod-plus)"
    )

crc64: Callable[[bytes], int] = _predefined.mkPredefinedCrcFun("crc-64-we")
