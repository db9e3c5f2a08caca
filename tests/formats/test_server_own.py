"""What a server has for itself is told from what it holds of people."""

import pytest

from mirror.formats.server_own import Use, is_own_setting, replicated, setting_type, use_of_room, user_of_room


@pytest.mark.parametrize(
    ("name", "view", "use"),
    [
        ("Lobby", "0", Use.PEOPLE),
        ("0000000002.Mail", "1", Use.PEOPLE),
        ("0000000002.My Citadel Config", "0", Use.USER_CONFIGURATION),
        ("My Citadel Config", "0", Use.PEOPLE),
        ("Local System Configuration", "0", Use.CONFIGURATION),
        ("__CitadelSMTPspoolout__", "11", Use.QUEUE),
        ("__CitadelFNBLqueue__", "0", Use.QUEUE),
        ("Renamed spool", "11", Use.QUEUE),
        ("9999999999.6B04CB34.0001.Lobby", "0", Use.KILLED),
        ("0000000003.9999999999.x", "0", Use.PEOPLE),
    ],
)
def test_what_a_room_is_for(name: str, view: str, use: Use) -> None:
    assert use_of_room(name, view) is use
    assert user_of_room(name) == (2 if use is Use.USER_CONFIGURATION else 0)


@pytest.mark.parametrize(
    ("key", "own"),
    [
        ("MMhighest", True), ("MM_hosted_upgrade_level", True), ("host_key", True), ("c_ip_addr", True),
        ("c_port_number", True), ("c_imaps_port", True), ("c_xmpp_s2s_port", True), ("c_managesieve_port", True),
        ("c_ldap_port", False), ("c_fqdn", False), ("c_purge_hour", False), ("c_nodename", False),
    ],
)  # fmt: skip
def test_counters_keys_ports_and_addresses_are_the_servers_own(key: str, own: bool) -> None:
    assert is_own_setting(key) is own


def test_fields_that_move_by_themselves_are_left_out() -> None:
    assert replicated("room", {"QRname": "Lobby", "QRmtime": "5", "QRhighest": "7"}) == {"QRname": "Lobby"}
    assert replicated("visit", {"v_flags": "4"}) == {"v_flags": "4"}


def test_a_setting_in_a_message_is_told_by_its_type() -> None:
    assert setting_type("Content-type: Application/x-citadel-ignet-config\n\nx") == "application/x-citadel-ignet-config"
    assert setting_type("Content-type: application/x-citadel-ignet-map\n\nx") == ""
    assert setting_type("Content-type: text/plain\n\napplication/x-citadel-ignet-config") == ""
