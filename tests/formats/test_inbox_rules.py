"""Inbox rules are read out of the message that holds them, in both ways in which they are written."""

from mirror.formats.inbox_rules import rule_lines, rules_in


def test_rules_are_the_lines_that_are_rules_and_older_ones_are_written_anew() -> None:
    text = b"Content-type: application/x-citadel-sieve-config\n\nrule|0|from\n# WEBCIT_RULE|1|to\r\nvacation\n"
    assert rule_lines(b"\xffA\x04Ix@alpha\0M" + text + b"\0") == ["rule|0|from", "rule|1|to"]


def test_what_is_no_message_has_none() -> None:
    assert (rule_lines(b"rule|0|from"), rules_in(["", "# rules"])) == ([], [])
