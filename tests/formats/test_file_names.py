"""Names of files made from names that people gave: safe everywhere, and told apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.formats.file_names import MAX_BYTES, Distinct, safe_name

TEXTS = st.text(max_size=300) | st.text("./\\ :con*\0é😀", max_size=9)


@given(TEXTS, st.sampled_from(["", ".ics", ".vcf"]))
def test_a_name_is_one_visible_file_in_its_directory(name: str, ending: str) -> None:
    safe = safe_name(name, ending)
    assert 0 < len(safe.encode()) <= MAX_BYTES and not set(safe) & set('/\\:*?"<>|\0\n')
    assert not safe.startswith(".") and not safe.endswith((".", " "))
    assert safe.endswith(ending)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("plan.pdf", "plan.pdf"), ("../../etc/passwd", "_._.._etc_passwd"), (".profile", "_profile"), ("a/b", "a_b"),
        ("CON.txt", "_CON.txt"), ("", "_"), ("x. ", "x"), ("re\u0301sume\u0301.pdf", "r\xe9sum\xe9.pdf"),
    ],
)  # fmt: skip
def test_names_stay_as_they_are_where_they_can(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_a_long_name_keeps_its_ending() -> None:
    assert safe_name("x" * 500 + ".pdf").endswith("x.pdf")


def test_names_that_look_alike_are_two_files() -> None:
    names = Distinct()
    given = [
        names.give(one) for one in ("Plan.pdf", "plan.PDF", "plan.pdf", "README", "readme", "pla\u0301n", "pl\xe1n")
    ]
    assert given == ["Plan.pdf", "plan (2).PDF", "plan (3).pdf", "README", "readme (2)", "pla\u0301n", "pl\xe1n (2)"]
