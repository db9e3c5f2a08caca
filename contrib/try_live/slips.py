"""What a server of version 980 mails twice by itself, told apart from what a mirror has it mail twice.

All its threads that have nothing else to do run its housekeeping, in one and the same context, and nothing keeps two
from doing so at once.  So a user's rules may deal with a mail twice; and a list may be mailed while another of them
delivers, so that up to where it was mailed is noted in the room of mails that go out instead of its own: it is all
mailed again the next time.  A server that no mirror knows forwarded two of 60 mails twice, once each second or so.
Knows no mirror.
"""

from collections.abc import Iterable

from try_live.catchall import Mail
from try_live.session import Asking, posts_in

_GOING_OUT = "__CitadelSMTPspoolout__"
"""The room of mails that go out."""
_SENT = "lastsent|"


def forwarded_twice(mails: Iterable[Mail], word: str, address: str) -> bool:
    """Tell whether one server sent a mail, by the last word of its subject, twice to an address, and no other did."""
    by = [mail.by for mail in mails if mail.word == word and address in mail.to]
    return len(by) == 2 and by[0] == by[1]


def noted_elsewhere(session: Asking, room: str) -> list[str]:
    """Return the last words of the subjects of posts that a list mailed, where it noted that in another room.

    ``session``, an administrator's, in that room or another; it is in ``room`` afterwards.
    """
    session.go(_GOING_OUT)
    elsewhere = _sent_up_to(session)
    session.go(room)
    sent = _sent_up_to(session)
    posts = posts_in(session, room)
    return [post.subject.rpartition(" ")[2] for post in posts if sent < post.number <= elsewhere]


def _sent_up_to(session: Asking) -> int:
    """Return up to which number the present room's lines say that all was mailed; 0 where they don't."""
    return next((int(line[len(_SENT) :]) for line in session.lines("GNET") if line.startswith(_SENT)), 0)
