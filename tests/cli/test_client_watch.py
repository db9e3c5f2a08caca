"""What a client that watches tells: what was done, what is wrong once, and that both sides are watched."""

import json

import pytest

from mirror.cli.client_watch import Teller
from mirror.client.report import Report
from mirror.client.state import BadState
from mirror.peer.channel import ConnectionLost


def done(**sent: int) -> Report:
    report = Report()
    report.sent.update(sent)
    return report


def wrong(why: str) -> Report:
    report = Report()
    report.problem("Calendar", "a.ics", why)
    return report


def test_a_round_in_which_nothing_happened_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    teller = Teller(["mail", "calendars"], False, False)
    teller.round("mail", Report())
    assert capsys.readouterr() == ("", "")
    teller.round("calendars", Report())
    assert capsys.readouterr().out.endswith("mail, calendars: both sides are watched\n")
    teller.round("mail", Report())
    teller.round("calendars", done(new=2))
    assert capsys.readouterr().out.endswith("calendars: sent 2 new\n")


def test_what_is_wrong_is_told_once_until_it_is_something_else(capsys: pytest.CaptureFixture[str]) -> None:
    teller = Teller(["calendars"], True, False)
    told = []
    for report in (wrong("no UID"), wrong("no UID"), Report(), wrong("no UID"), wrong("cut")):
        teller.round("calendars", report)
        told.append(capsys.readouterr().err)
    line = "calendars: Calendar/a.ics: no UID\n"
    assert told == [line, "", "", line, "calendars: Calendar/a.ics: cut\n"]


def test_why_a_pair_waits_is_told_once_until_it_is_kept_equal_again(capsys: pytest.CaptureFixture[str]) -> None:
    teller = Teller(["calendars"], True, False)
    full = OSError(28, "No space left on device", "/home")
    told = []
    for seconds in (1.0, 2.0):
        teller.failed("calendars", full, seconds)
        told.append(capsys.readouterr().err)
    teller.round("calendars", Report())
    teller.failed("calendars", full, 1.0)
    told.append(capsys.readouterr().err)
    line = "calendars: /home: No space left on device; again in 1 s, and then less often\n"
    assert told[0].endswith(line) and told[1] == "" and told[2].endswith(line)


def test_scripts_are_told_a_line_of_json_each(capsys: pytest.CaptureFixture[str]) -> None:
    teller = Teller(["calendars"], False, True)
    for report in (Report(), done(changed=1)):
        teller.round("calendars", report)
    teller.lost(ConnectionLost("gone"), 2.0)
    teller.failed("calendars", BadState("full"), 1.0)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line.get("pair", line.get("lost")) for line in lines] == ["calendars", "gone", "calendars"]
    assert (lines[2]["failed"], lines[2]["again_s"]) == ("full", 1.0)
    assert lines[0]["sent"]["changed"] == 1 and lines[1]["again_s"] == 2.0
