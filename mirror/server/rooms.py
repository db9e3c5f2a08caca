"""SYNC's list of rooms: what is open to a user, be there anything in it or not."""

from mirror.server.session import Session
from mirror.server.table import Asked
from mirror.service.rights import UserScope
from mirror.service.views import RoomList
from mirror.wire.answers import format_room_list
from mirror.wire.errors import Refused
from mirror.wire.lines import Code


def tell_rooms(session: Session, asked: Asked, token: int | None) -> None:
    """rooms: each room of a view, or of all that are open to the user, unless the asker holds the list of that token.

    Beside it the end of the feed as of the same moment.
    """
    if asked.type != "all" and not asked.view:
        raise Refused(Code.ILLEGAL, "rooms is for the type all, and for a user's views")
    responder = session.answering(asked.view)
    cursor = responder.end()
    scope = responder.scope
    assert isinstance(scope, UserScope)  # the table lets users alone in
    listed = RoomList.of(scope)
    told, lines = format_room_list(listed.token, cursor, listed.everything, listed.rooms.values())
    if token == listed.token:
        session.reply(Code.OK, told)
    else:
        session.send_listing(told, lines)
