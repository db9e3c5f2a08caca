"""Reading single elements of an export: what is plain is read as an XML parser reads it, what is not by one."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from mirror.formats.migr import Element, Raw, read_element

NAMES = st.sampled_from(["QRname", "f_num", "v_seen", "msg_text", "_a1"])
TEXTS = st.text(st.sampled_from("ab0 \n\r\t<>&;/\"'=\x00\x0b\x1f\x7f\x85\u2028é\ufffe\uffff€😀"), max_size=8)
FIELDS = st.lists(st.tuples(NAMES, TEXTS, NAMES | st.none(), st.sampled_from(["", "\n", " x", "<!-- -->"])), max_size=4)


@given(FIELDS)
def test_an_element_is_what_an_xml_parser_says_of_it(fields: list[tuple[str, str, str | None, str]]) -> None:
    inside = "".join(f"<{name}>{text}</{end or name}>{behind}" for name, text, end, behind in fields)
    data = f"<room>\n{inside}\n</room>".encode()
    try:
        told = {child.tag: child.text or "" for child in ElementTree.fromstring(data)}
    except ElementTree.ParseError:
        return
    element = read_element(Raw("room", data, 1, len(data)))
    assert isinstance(element, Element)
    assert (element.children, element.notice, element.key, element.data) == (told, "", "", data)


def test_what_is_no_xml_is_mended_and_named() -> None:
    for inside, text in ((b"a&b", "a&b"), (b"a\x01b", "a\ufffdb"), (b"a\xe9b", "aéb"), (b"a&amp;b", "a&b")):
        element = read_element(Raw("room", b"<room><QRname>" + inside + b"</QRname></room>", 1, 1))
        assert isinstance(element, Element)
        assert element.children == {"QRname": text}
        assert bool(element.notice) == (b"&amp;" not in inside)
