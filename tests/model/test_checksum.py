"""The fast CRC-64 is the reference's, for whatever bytes; and each alone is enough."""

import sys
from random import Random
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.model import checksum

REFERENCE = checksum.reference()


def test_both_have_the_published_check_value() -> None:
    assert checksum.crc64(checksum.CHECK_INPUT) == REFERENCE(checksum.CHECK_INPUT) == 0x62EC59E3F1A4F00A


def test_the_fast_one_is_what_is_used() -> None:
    assert checksum.crc64 is checksum.fast()


@given(st.binary(max_size=2000))
def test_the_fast_crc_is_the_reference_of_any_bytes(data: bytes) -> None:
    assert checksum.crc64(data) == REFERENCE(data)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 127, 128, 129, 65_535, 1024 * 1024])
def test_the_fast_crc_is_the_reference_of_any_length(size: int) -> None:
    data = Random(size).randbytes(size)
    assert checksum.crc64(data) == REFERENCE(data)


def test_without_the_fast_one_the_reference_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastcrc.crc64", None)
    assert checksum.fast() is None


def test_a_fast_one_that_computes_another_crc_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    other = ModuleType("fastcrc.crc64")
    other.we = lambda _data: 0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fastcrc.crc64", other)
    assert checksum.fast() is None


def test_a_reference_without_its_extension_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crcmod.crcmod._usingExtension", False)
    with pytest.raises(ImportError, match="fastcrc"):
        checksum.reference()
