"""The CRC-64 of the mirror: CRC-64/WE (width 64, poly 0x42f0e1eba9ea3693, init and xorout all ones).

Computed by fastcrc, which folds with the processor's carry-less multiplication.  Where it is missing or does not
give the published check value, crcmod's C extension does it, some thirty times slower; it is also the reference
that the tests hold the other against.  Without either the same sums take a thousand times longer, so that is refused
at import time instead of being noticed as a slow mirror.
"""

from collections.abc import Callable

Checksum = Callable[[bytes], int]

CHECK_INPUT, CHECK_VALUE = b"123456789", 0x62EC59E3F1A4F00A
"""What the catalogues of CRCs publish as this one's check."""


def reference() -> Checksum:
    """Return the CRC as crcmod computes it.  Raises ImportError where its C extension is missing."""
    from crcmod import crcmod, predefined

    if not crcmod._usingExtension:
        raise ImportError(
            "neither fastcrc nor crcmod's C extension is installed, and without them the mirror would be far too slow; "
            "install the packages fastcrc and crcmod-plus, which ship them compiled (pip install fastcrc crcmod-plus)"
        )
    made: Checksum = predefined.mkPredefinedCrcFun("crc-64-we")
    return made


def fast() -> Checksum | None:
    """Return the CRC as fastcrc computes it, or None where that is not installed or computes another one."""
    try:
        from fastcrc.crc64 import we
    except ImportError:
        return None
    return we if we(CHECK_INPUT) == CHECK_VALUE else None


crc64: Checksum = fast() or reference()
"""Return the CRC-64/WE of some bytes."""
