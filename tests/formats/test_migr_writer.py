"""Writing an export: lines that a server takes, and elements that are read as they were written."""

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mirror.formats import migr_writer
from mirror.formats.message import FIXED, FLOWING, MIME, Message
from mirror.formats.migr import FIELDS, NOT_XML, Element, read_elements
from mirror.formats.server_own import OWN_FIELDS

OF_902 = {"u_timescalled", "u_posted"}


def read(*blocks: bytes) -> list[Element]:
    found = list(read_elements([migr_writer.BEGIN, *blocks, migr_writer.END]))
    assert all(isinstance(one, Element) and not one.notice for one in found), found
    return found  # type: ignore[return-value]


def longest(data: bytes) -> int:
    return max(map(len, data.splitlines(keepends=True)))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=50) | st.builds(
    lambda text, times: text * times, st.text("a<&\"'>é€😀\n\r\t;-", min_size=1, max_size=9), st.integers(1, 2000)
)


@given(TEXTS)
def test_a_text_is_read_as_it_was_and_no_line_is_longer_than_a_server_takes(text: str) -> None:
    wanted = NOT_XML.sub("\ufffd", text)
    data = migr_writer.element("visit", {"v_seen": text, "v_flags": "1"}) + migr_writer.config("key", text)
    visit, config = read(data)
    assert visit.children == {"v_seen": wanted, "v_flags": "1"}
    assert (config.key, config.text) == ("key", wanted)
    assert longest(data) < migr_writer.MAX_LINE + 100
    assert longest(data) < 4095, "what is beyond is lost"
    # A server joins the lines without their ends.
    assert [one.children for one in read(data.replace(b"\n", b""))[:1]] == [visit.children]


def test_no_line_of_a_text_ends_a_listing() -> None:
    data = migr_writer.config("x", "first\n000\nlast")
    assert b"000" not in data.splitlines()
    assert read(data)[0].text == "first\n000\nlast"


@given(st.binary(max_size=9000))
def test_a_message_is_read_as_it_was(data: bytes) -> None:
    written = migr_writer.message(7, 2, Message(65, FLOWING, []), data, {"msg_mimetype": "kept"})
    assert longest(written) <= migr_writer.MAX_LINE and b"000" not in written.splitlines()
    (element,) = read(written)
    assert element.children["msg_msgnum"] == "7" and element.children["msg_mimetype"] == "kept"
    import base64

    assert base64.b64decode("".join(element.children["msg_text"].split())) == data


def test_the_type_of_a_message_is_what_the_server_keeps() -> None:
    def kind(format: int, text: bytes) -> str:
        return migr_writer.content_type(Message(65, format, [("M", text)]))

    assert kind(FLOWING, b"") == "text/x-citadel-variformat"
    assert kind(FIXED, b"Content-type: text/html\n\n") == "text/plain"
    assert kind(MIME, b"X: y\r\nContent-Type: text/calendar; charset=UTF-8\r\n\r\n") == "text/calendar"
    assert kind(MIME, b"X: y\n\nContent-Type: text/calendar\n") == "text/plain"


def test_a_list_of_messages_is_read_by_its_numbers() -> None:
    written = b"".join(migr_writer.room_messages("A & B", range(1, 1001)))
    (element,) = read(written)
    assert element.children["FRname"] == "A & B"
    assert [int(one) for one in element.children["FRmsglist"].split(",") if one.strip()] == list(range(1, 1001))
    assert longest(written) <= migr_writer.MAX_LINE


def test_the_fields_are_those_that_a_server_writes_in_its_order(export: Path) -> None:
    data = export.read_bytes()
    for name, fields in FIELDS.items():
        found = re.findall(rb"<%s>(.*?)</%s>" % (name.encode(), name.encode()), data, re.DOTALL)
        orders = {tuple(tag.decode() for tag in re.findall(rb"<([A-Za-z]\w*)>", one)) for one in found}
        assert orders and all(order == tuple(one for one in fields if one in order) for order in orders), name
    assert all(own - OF_902 <= set(FIELDS[name]) for name, own in OWN_FIELDS.items())
