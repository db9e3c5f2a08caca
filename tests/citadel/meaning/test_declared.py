"""The table of declared differences: what it is asked, and that the docs show it as it is."""

from pathlib import Path

from mirror.citadel.meaning.declared import EXPECTED, KEY, UNTOLD, declaration

DOCS = (Path(__file__).parents[3] / "docs" / "citadel.md").read_text("utf-8")


def test_a_difference_is_declared_by_kind_and_field() -> None:
    found = declaration("users", "u_lastcall")
    assert found is not None and found.why.startswith("a log-in")
    assert declaration("users", "u_flags") is None
    assert declaration("rooms", "u_lastcall") is None


def test_a_kind_stands_for_the_collections_of_all_rooms() -> None:
    assert declaration("messages/alpha:7", KEY) in EXPECTED
    assert declaration("messages/alpha:7", "msg_msgnum") is None


def test_any_field_of_some_kinds_may_differ() -> None:
    assert declaration("places", "whatever") in EXPECTED


def test_what_an_export_alone_tells_is_a_table_of_its_own() -> None:
    assert declaration("rooms", "QRgen") is None
    assert declaration("rooms", "QRgen", UNTOLD) in UNTOLD


def test_the_docs_show_the_tables_as_they_are() -> None:
    rows = [f"| `{one.kind}` | `{one.field}` | {one.why} |" for one in (*EXPECTED, *UNTOLD)]
    begin, end = DOCS.index("### What may differ"), DOCS.index("### What a mirror does not hold as rooms")
    assert [line for line in DOCS[begin:end].splitlines() if line.startswith("| `")] == rows
