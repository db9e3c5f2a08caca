"""Lines of a room's network configuration that act are told from those that any server may have."""

from netconf.acting import acting_lines, as_written, beside, delivers, mails, sent_up_to, shown

TOLD = b"lastsent|7\nlistrecp|a@x\nroommailalias|r@x\nsomething|new\n"


def test_lines_act_whatever_their_case_is() -> None:
    body = b"ListRecp|a@x\nPOP3CLIENT|h|u|p|0|60\nroommailalias|r@x\nlastsent|3\nignet_push_share|beta\n"
    assert acting_lines(body) == ["ListRecp|a@x", "POP3CLIENT|h|u|p|0|60"]
    assert (mails(body), mails(b"pop3client|h|u|p\nrssclient|http://x/\n")) == (True, False)


def test_for_participants_alone_nothing_is_mailed_that_one_could_wait_for() -> None:
    of_participants = b"Participate|a@x\n"
    assert (mails(of_participants), delivers(of_participants)) == (True, False)
    assert delivers(b"participate|a@x\ndigestrecp|b@x\n") and delivers(b"listrecp|a@x\n")


def test_of_a_server_that_has_none_of_the_lines_that_act_elsewhere_all_else_is_taken() -> None:
    assert beside(b"roommailalias|new@x\n", TOLD) == b"roommailalias|new@x\nlistrecp|a@x\n"
    assert beside(b"listrecp|own@x\n", TOLD) == b"listrecp|a@x\n"


def test_a_server_is_given_what_does_not_act_and_keeps_its_own_lines() -> None:
    there = b"lastsent|3\nlistrecp|own@x\nunknown|1\n"
    assert as_written(there, TOLD) == b"lastsent|3\nlistrecp|own@x\nunknown|1\nroommailalias|r@x\n"
    assert as_written(as_written(there, TOLD), TOLD) == as_written(there, TOLD)
    assert as_written(TOLD, b"") == b"lastsent|7\nlistrecp|a@x\nsomething|new\n"
    assert as_written(b"", TOLD) == b"roommailalias|r@x\n"


def test_lines_that_are_given_up_go_and_no_others() -> None:
    given_up = frozenset(acting_lines(TOLD))
    assert as_written(b"listrecp|a@x\r\nlistrecp|b@x\n", b"", dropped=given_up) == b"listrecp|b@x\n"


def test_how_far_a_list_has_come_stands_first() -> None:
    assert sent_up_to(TOLD, 9) == b"lastsent|9\nlistrecp|a@x\nroommailalias|r@x\nsomething|new\n"


def test_nobody_is_shown_a_password() -> None:
    assert shown("pop3client|mail.example.org|ann|secret|1|300") == "pop3client|mail.example.org|ann|...|1|300"
    assert shown("listrecp|a@x") == "listrecp|a@x"
