"""A Citadel server's doors as text: read, written, and refused without a word of a password."""

from pathlib import Path

import pytest

from mirror.addresses import Address, ServerPlace, read_server_place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("citadel:///run/citadel", ServerPlace(Path("/run/citadel"))),
        ("citadel://admin@/run/citadel", ServerPlace(Path("/run/citadel"), "admin")),
        ("citadel:///with%20a%20space", ServerPlace(Path("/with a space"))),
        ("citadel://admin@h:504", ServerPlace(Address("h", 504), "admin")),
        ("citadel://Try%20Me@[::1]:1504", ServerPlace(Address("::1", 1504), "Try Me")),
    ],
)
def test_a_place_is_written_as_it_is_read(text: str, place: ServerPlace) -> None:
    assert read_server_place(text) == place
    assert str(place) == text


def test_another_machines_server_is_asked_as_admin_at_its_port_unless_it_is_said_otherwise() -> None:
    assert read_server_place("citadel://h") == ServerPlace(Address("h", 504), "admin")


@pytest.mark.parametrize(
    "text",
    ["", "http://h", "citadel://", "citadel:///", "citadel://admin@", "citadel://h:99999", "citadel://h:x",
     "citadel:/x", "citadel://h/x", "citadel:///x?y", "citadel:///x%00", "citadel://a%0ab@h"],
)  # fmt: skip
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no citadel://|is no address|one or the other"):
        read_server_place(text)


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    with pytest.raises(ValueError, match=r"a password in a URL is seen by others") as caught:
        read_server_place("citadel://admin:tr0ub4dor@h:x")
    assert "tr0ub4dor" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost", "LocalHost"])
def test_what_is_sent_to_a_loopback_address_stays_on_the_machine(host: str) -> None:
    assert Address(host, 504).loopback


@pytest.mark.parametrize(
    "host", ["localhost.evil.example", "127.evil.example", "127.0.0.1.evil.example", "::10", "::1:2", "::ffff:10.0.0.1"]
)
def test_a_name_that_begins_like_one_leads_elsewhere(host: str) -> None:
    assert not Address(host, 504).loopback
