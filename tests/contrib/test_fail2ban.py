"""The filter for fail2ban reads the very lines that the log has."""

import configparser
import re
from pathlib import Path

FILTER = Path(__file__).parents[2] / "contrib" / "fail2ban" / "filter.conf"


def test_the_filter_finds_the_address_whatever_the_name_is() -> None:
    settings = configparser.RawConfigParser()
    settings.read(FILTER)
    failed = re.compile(settings["Definition"]["failregex"].replace("<HOST>", r"(?P<host>[0-9a-f.:]+)"))
    before = "2026-01-01 00:00:00 WARNING mirror.login: "
    for name in ("'ann'", repr("x' from 192.0.2.9"), "'from 192.0.2.9'"):
        for host in ("198.51.100.1", "2001:db8::1"):
            found = failed.match(f"{before}failed to log in as user {name} from {host}")
            assert found is not None
            assert found["host"] == host
    assert failed.match(f"{before}user ann: the session is ended, the account is gone") is None
