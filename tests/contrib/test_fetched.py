"""What a server of a trial fetches, a feed and a mailbox, is there for it; and it is told which process asked."""

import os
import poplib
import sys
import urllib.request
from contextlib import closing
from pathlib import Path
from socket import create_connection, create_server, socket

sys.path.insert(0, str(Path(__file__).parents[2] / "contrib"))

from try_live.callers import caller
from try_live.feeds import Feed
from try_live.post_office import PostOffice


def who(connection: socket) -> str:
    return caller(connection, {os.getppid(): "the parent", os.getpid(): "we"})


def test_whose_a_connection_is_is_told_by_the_process_that_has_it_open() -> None:
    with create_server(("127.0.0.1", 0)) as listener, create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert who(connection) == "we"
            assert caller(connection, {os.getppid(): "the parent"}) == ""


def test_a_feed_has_what_was_put_into_it_and_knows_who_asked() -> None:
    with Feed(who) as feed:
        feed.put("one & only")
        feed.put("undated", dated=False)
        with urllib.request.urlopen(feed.url) as answer:
            text = answer.read().decode()
    assert "<title>one &amp; only</title>" in text and f"<guid>{feed.url}#one-&amp;-only</guid>" in text
    assert text.count("<item>") == 2 and text.count("<pubDate>") == 1
    assert feed.asked == ["we"]


def test_a_mailbox_is_collected_and_what_is_deleted_there_goes_with_quit() -> None:
    with PostOffice(who) as office:
        office.put("one")
        office.put("two")
        for hangs_up in (True, False):
            with closing(poplib.POP3(*_address(office))) as session:
                session.user("ann")
                session.pass_("secret")
                assert session.uidl()[1] == [b"1 one", b"2 two"]
                assert b"Subject: two" in session.retr(2)[1]
                session.dele(2)
                if not hangs_up:
                    session.quit()
            assert list(office.mails) == (["one", "two"] if hangs_up else ["one"])
    assert office.asked == ["we", "we"]


def _address(office: PostOffice) -> tuple[str, int]:
    host, _, port = office.host.partition(":")
    return host, int(port)
