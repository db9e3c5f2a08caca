"""System messages as they are written and as a server tells them."""

import pytest

from mirror.formats.told_text import PIECE, tells


@pytest.mark.parametrize(
    ("written", "told", "same"),
    [
        (b"hello\n", b"hello\n", True),
        (b"hello\n", b"hello there\n", False),
        (b"", b"", True),
        (b"", b"hello\n", False),
        (b"without an end", b"without an en\n", True),
        (b"a\r\nb\n", b"a\r\nb\n", True),
        (b"Welcome to ^humannode!\n", b"Welcome to The alpha test system!\n", True),
        (b"Welcome to ^humannode!\n", b"Welcome to !\n", True),
        (b"Welcome to ^humannode!\n", b"Welcome to Alpha?\n", False),
        (b"^nodename ^fqdn ^sysadm\n", b"alpha alpha.example.org admin\n", True),
        (b"^nodename (^fqdn)\n", b"alpha\n", False),
        (b"aa^fqdnaa\n", b"aaa\n", False),
        (b"^other\n", b"else\n", False),
        (b"x" * (PIECE - 1) + b"\nb\n", b"x" * (PIECE - 1) + b"\nb\n", True),
        (b"x" * PIECE + b"yz\n", b"x" * (PIECE - 1) + b"\nyz\n", True),
    ],
)
def test_a_server_tells_a_file_with_its_names_in_it(written: bytes, told: bytes, same: bool) -> None:
    assert tells(told, written) is same
