"""Properties of cards in another version say what they said, whichever way they came there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.model.cards import in_version, is_sure

VERSIONS = ("2.1", "3.0", "4.0")
TEXT = st.text(alphabet='aB ;,:\\\nä漢="', max_size=20)
LINES = {
    "TEL;TYPE=cell:1": ("TEL;TYPE=CELL:+49 170 1", "TEL;VALUE=uri;PREF=1;TYPE=cell:tel:+49-170-1", "TEL;CELL;PREF:1"),
    "NOTE": ("NOTE:a\\, b\\nc\\; d", "NOTE:plain"),
    "name": ("N:Doe;Jane;Ann,Mary;;\nFN:Jane Doe", "N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;J"),
    "ADR;TYPE=home:x": ("item1.ADR;TYPE=home:;;Main St 5\\, back;Town;;1;DE\nitem1.X-ABADR:de",),
    "URL:x": ("URL:https://example.org/a;b,c\\d",),
    "identity": ("UID:urn:uuid:1",),
}


@pytest.mark.parametrize("name", LINES)
def test_the_way_to_a_version_does_not_matter(name: str) -> None:
    for line in LINES[name]:
        text = line.encode()
        for start in VERSIONS:
            for one in VERSIONS:
                between = in_version(name, text, start, one)
                for end in VERSIONS:
                    assert in_version(name, between, one, end) == in_version(name, text, start, end)


@given(st.sampled_from(("NOTE", "TITLE", "ORG", "N")), TEXT, st.sampled_from(VERSIONS), st.sampled_from(VERSIONS))
def test_any_text_comes_back(name: str, text: str, one: str, other: str) -> None:
    escaped = text.replace("\\", "\\\\").replace(",", "\\,").replace(";", "\\;").replace("\n", "\\n")
    here = in_version("name" if name == "N" else name, f"{name}:{escaped}".encode(), "3.0", one)
    there = in_version("name" if name == "N" else name, here, one, other)
    assert in_version("name" if name == "N" else name, there, other, one) == here


@pytest.mark.parametrize(
    ("text", "old", "new", "wanted"),
    [
        ("TEL;CELL;PREF:0170 1", "2.1", "3.0", "TEL;TYPE=pref;TYPE=cell:0170 1"),
        ("TEL;TYPE=cell,pref:0170 1", "3.0", "4.0", "TEL;PREF=1;TYPE=cell:0170 1"),
        ("TEL;TYPE=CELL:0170 1", "3.0", "2.1", "TEL;CELL:0170 1"),
        ("TEL;VALUE=uri;TYPE=cell:tel:+49-170-1", "4.0", "3.0", "TEL;TYPE=cell:+49-170-1"),
        ("NOTE:a\\nä", "3.0", "2.1", "NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:a=0D=0A=C3=A4"),
        ("NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:a=0D=0A=C3=A4", "2.1", "4.0", "NOTE:a\\nä"),
    ],
)
def test_a_property_in_another_version(text: str, old: str, new: str, wanted: str) -> None:
    assert in_version(text.partition(";")[0].partition(":")[0], text.encode(), old, new) == wanted.encode()


def test_what_versions_write_in_ways_of_their_own_is_not_sure() -> None:
    assert not is_sure("PHOTO") and not is_sure("X-CUSTOM") and is_sure("TEL;TYPE=cell:1")
