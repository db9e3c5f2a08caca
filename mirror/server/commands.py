"""The one table of all commands and of SYNC's actions: what runs each, what it takes, who may use it, what it does.

Dispatch, ``HELP`` and SYNC's listings come from it, and docs/protocol.md is checked against it.
"""

from mirror.peer.dial import MECHANISM
from mirror.server.administration import (
    ALL,
    MEND,
    accept_clock,
    check,
    dismiss,
    forget_aside,
    keep_both,
    reload,
    restore,
    retry_aside,
    take_comparison,
    tell_aside,
    tell_clock,
    tell_conflicts,
    tell_status,
    verify,
)
from mirror.server.attach_commands import (
    LOST,
    TAKE_OVER,
    approve,
    claim_place,
    fail_over,
    pair,
    pause,
    refuse,
    rehearse,
    release_place,
    reload_attachments,
    resume,
    tell_acting,
    tell_attachments,
    tell_claims,
)
from mirror.server.basics import (
    begin_tls,
    do_nothing,
    echo,
    leave,
    note_agent,
    say_nothing,
    tell_help,
    tell_info,
    tell_time,
)
from mirror.server.finding import find
from mirror.server.folders import create, delete, move, rename
from mirror.server.joining import join
from mirror.server.login import log_out, log_peer_in, log_user_in, name_user
from mirror.server.offers import take_offer
from mirror.server.queries import (
    BEGINNING,
    FEW,
    MAX_NEWEST,
    compare_ranges,
    pin,
    send_all,
    send_contents,
    send_newest,
    send_since,
    send_some,
    tell_heard,
    tell_lacking,
    tell_sizes,
    tell_state,
    unpin,
)
from mirror.server.room_commands import get_lines, go_to, set_lines
from mirror.server.rooms import tell_rooms
from mirror.server.share_commands import list_shares, preview, tell_sharing
from mirror.server.single_user import MAX_SECONDS
from mirror.server.single_user_commands import enter_single_user, leave_single_user
from mirror.server.sync import ATTACHMENTS, SHARES, TYPES, run_sync
from mirror.server.table import Handler, Permission, Table
from mirror.server.tail import send_tail
from mirror.service.folders import MAX_VIEW
from mirror.wire.arguments import (
    cursor,
    hexadecimal,
    number,
    number_or,
    one_of,
    rest,
    sha_256,
    text,
    words,
)
from mirror.wire.values import VERSIONS

ANYBODY, LOGGED_OUT, LOGGED_IN = Permission.ANYBODY, Permission.LOGGED_OUT, Permission.LOGGED_IN
USER, PEER_OR_ADMIN, ADMIN = Permission.USER, Permission.PEER_OR_ADMIN, Permission.ADMIN

COMMANDS = {
    "INFO": Handler(tell_info, "node name, protocol version, capabilities, time in milliseconds", permission=ANYBODY),
    "HELP": Handler(tell_help, "lists the commands, or explains one", (text("command", default=""),), ANYBODY),
    "IDEN": Handler(
        note_agent, "says what the client is", (rest("developer|client|version|description|host"),), ANYBODY
    ),
    "NOOP": Handler(do_nothing, "does nothing; keeps the session", permission=ANYBODY),
    "QNOP": Handler(say_nothing, "does nothing and answers nothing", permission=ANYBODY),
    "ECHO": Handler(echo, "answers the text", (rest("text"),), ANYBODY),
    "TIME": Handler(
        tell_time,
        "Unix time, offset from UTC in seconds, daylight saving, start of the daemon",
        permission=ANYBODY,
    ),
    "STLS": Handler(begin_tls, "goes on encrypted", permission=ANYBODY),
    "AUTH": Handler(
        log_peer_in,
        "logs a peer in (SCRAM, base64)",
        (words(f"{MECHANISM}|node|client-first, then: client-final|identity"),),
        LOGGED_OUT,
    ),
    "USER": Handler(name_user, "names the user who logs in", (text("name"),), LOGGED_OUT),
    "PASS": Handler(log_user_in, "logs the user in", (rest("password"),), LOGGED_OUT),
    "LOUT": Handler(log_out, "logs out", permission=ANYBODY),
    "SNGL": Handler(
        enter_single_user,
        "goes single-user within wait seconds, until ESNG or expire seconds of silence",
        (number("wait", 0, MAX_SECONDS), number("expire", 0, MAX_SECONDS)),
        PEER_OR_ADMIN,
    ),
    "ESNG": Handler(leave_single_user, "ends single-user mode", permission=LOGGED_IN),
    "GOTO": Handler(go_to, "enters a room, by the name it is shown under", (text("room"),), USER),
    "GNET": Handler(get_lines, "shows the room's network configuration to its aide", permission=USER),
    "SNET": Handler(set_lines, "replaces it: send the lines; all are checked first", permission=USER),
    "SYNC": Handler(
        run_sync,
        "synchronises; SYNC lists types, SYNC type its actions",
        (words("type|action|..."),),
        ANYBODY,
    ),
    "QUIT": Handler(
        leave, "ends the session; a node may say why, with a code", (rest("code|reason", default=""),), ANYBODY
    ),
}

_FROM = (cursor("epoch:sequence", BEGINNING), hexadecimal("token", default=None))

ACTIONS = {
    "info": Handler(
        tell_state,
        "state and digests; with the digest you hold, 200 alone if it is equal",
        (number("count", default=None), hexadecimal("crc", default=None)),
        LOGGED_IN,
    ),
    "rooms": Handler(
        tell_rooms,
        "the rooms open to the user: key|name|view|own|writes|replies|administers; 200 alone if the token is theirs",
        (hexadecimal("token", default=None),),
        USER,
    ),
    "sizes": Handler(
        tell_sizes,
        "of each collection how much is alive in it: collection|records|bytes; costs by that",
        permission=USER,
    ),
    "create": Handler(
        create,
        "of mailboxes: makes a room of the user's own, for what a view says",
        (number("view", 0, MAX_VIEW), rest("name")),
        USER,
    ),
    "rename": Handler(
        rename, "of mailboxes: gives a room of the user's own another name", (text("key"), rest("name")), USER
    ),
    "delete": Handler(
        delete,
        "of mailboxes: deletes a room of the user's own; with the digest of its messages, if they are still that",
        (text("key"), number("count", default=None), hexadecimal("crc", default=None)),
        USER,
    ),
    "move": Handler(
        move,
        "of mailboxes: moves messages from room to room, all or none: send a batch of keys, read what was written",
        (text("room"), text("other room")),
        USER,
    ),
    "getall": Handler(send_all, "all records", permission=LOGGED_IN),
    "get": Handler(
        send_some,
        "one record of a collection; without a key, send a batch of keys",
        (rest("key", default=None),),
        LOGGED_IN,
    ),
    "newest": Handler(
        send_newest,
        "the newest records of one collection that are alive, oldest first",
        (number("number", 1, MAX_NEWEST, default=FEW),),
        LOGGED_IN,
    ),
    "find": Handler(find, "the key and name of a room or user, by either", (rest("name"),), LOGGED_IN),
    "since": Handler(send_since, "what changed after a cursor; with a list's token also of rooms", _FROM, LOGGED_IN),
    "tail": Handler(send_tail, "the same, then every change as it is committed", _FROM, LOGGED_IN),
    "offer": Handler(
        take_offer,
        "takes records, contents or drafts that you send; with versions it tells of each draft what is there now",
        (one_of(VERSIONS, (VERSIONS,), default=None),),
        LOGGED_IN,
    ),
    "heard": Handler(
        tell_heard,
        "what was heard of all nodes: the horizon; origin|sign of life|newest stamp|agreed",
        permission=LOGGED_IN,
    ),
    "ranges": Handler(
        compare_ranges, "reconciles: send fingerprints of ranges, read what differs", permission=LOGGED_IN
    ),
    "body": Handler(
        send_contents,
        "contents of large bodies, from an offset in bytes",
        (sha_256("sha-256", default=None), number("offset", default=0)),
        LOGGED_IN,
    ),
    "lacks": Handler(tell_lacking, "send contents you have, read which are wanted from where", permission=LOGGED_IN),
    "pin": Handler(pin, "pins the present state for this session, and tells it", permission=PEER_OR_ADMIN),
    "unpin": Handler(unpin, "reads the living state again", permission=LOGGED_IN),
    "status": Handler(tell_status, "this node's links and sessions (administrators)", permission=ADMIN),
    "conflicts": Handler(
        tell_conflicts,
        "versions that lost (administrators)",
        (number_or("number or all", ALL, default=None),),
        ADMIN,
    ),
    "restore": Handler(restore, "makes the losing version the newest (administrators)", (number("number"),), ADMIN),
    "aside": Handler(
        tell_aside, "records of peers that were set aside (administrators)", (text("peer", default=""),), ADMIN
    ),
    "retry-aside": Handler(retry_aside, "tries all of them again (administrators)", permission=ADMIN),
    "forget-aside": Handler(forget_aside, "forgets those of a peer (administrators)", (text("peer"),), ADMIN),
    "dismiss": Handler(dismiss, "resolves a conflict as it stands (administrators)", (number("number"),), ADMIN),
    "keep-both": Handler(
        keep_both, "writes the losing version as a thing of its own (administrators)", (number("number"),), ADMIN
    ),
    "preview": Handler(
        preview,
        "of netconf/ROOM: send lines, read how many records they send or stop (administrators)",
        permission=ADMIN,
    ),
    "check": Handler(
        check,
        "recomputes every CRC and digest; mend writes anew what no node takes (administrators)",
        (one_of(MEND, (MEND,), default=None),),
        ADMIN,
    ),
    "join": Handler(
        join, "takes the secret that an invited node has from now on (that node, once)", (text("secret"),), LOGGED_IN
    ),
    "reload": Handler(
        reload, "takes over changed settings and certificate; what is wrong is told (administrators)", permission=ADMIN
    ),
    "verify": Handler(
        verify,
        "has a peer that dials us compare, and tells what it found (administrators)",
        (text("peer"),),
        ADMIN,
    ),
    "compared": Handler(
        take_comparison, "send what was found by comparing (a peer that was asked to)", (text("comparison"),), LOGGED_IN
    ),
    "clock": Handler(tell_clock, "this machine's clock, and what confirms it (administrators)", permission=ADMIN),
    "accept-clock": Handler(
        accept_clock, "believes this machine's clock, whatever its witnesses say (administrators)", permission=ADMIN
    ),
}

SHARE_ACTIONS = {
    "info": Handler(list_shares, "the rooms shared with the peer that asks", permission=LOGGED_IN),
    "status": Handler(tell_sharing, "all rules, peers and pairs (administrators)", permission=ADMIN),
}

_NAME = (text("name"),)

ATTACH_ACTIONS = {
    "status": Handler(tell_attachments, "how it is with each server that is followed", permission=ADMIN),
    "claims": Handler(tell_claims, "which node of the network follows which server", permission=ADMIN),
    "claim": Handler(
        claim_place,
        "has this node be the one that follows a server",
        (text("place"), text("name"), text("door"), one_of(TAKE_OVER, (TAKE_OVER,), default=None)),
        ADMIN,
    ),
    "release": Handler(release_place, "gives up what is attached under a name", _NAME, ADMIN),
    "reload": Handler(reload_attachments, "takes over what mirror.toml says of them now", permission=ADMIN),
    "rehearse": Handler(
        rehearse,
        "send a password and patterns of rooms, read what following that server would write",
        (text("door"), text("pair", None)),
        ADMIN,
    ),
    "acting": Handler(tell_acting, "what acts of a server's rooms and users, and where it is in force", _NAME, ADMIN),
    "failover": Handler(
        fail_over,
        "send what was told of that, read what is moved to be in force on the server",
        (text("name"), one_of(LOST, (LOST,), default=None)),
        ADMIN,
    ),
    "pause": Handler(pause, "stops following a server until it is resumed", _NAME, ADMIN),
    "resume": Handler(resume, "follows it again", _NAME, ADMIN),
    "approve": Handler(approve, "deletes what is held back", _NAME, ADMIN),
    "pair": Handler(
        pair,
        "has a user or room of a server, by its number there, be what is here under a key",
        (text("name"), one_of("kind", ("users", "rooms")), number("number", 1), text("key")),
        ADMIN,
    ),
    "refuse": Handler(refuse, "keeps what is held back, as this node's own", _NAME, ADMIN),
}

TABLE = Table(COMMANDS, TYPES, ACTIONS, {SHARES: SHARE_ACTIONS, ATTACHMENTS: ATTACH_ACTIONS})
