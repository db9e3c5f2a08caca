"""What a server whose direction is 'both' keeps of what is written into it, and what is not written; shown as it is."""

KEPT: tuple[tuple[str, str, str], ...] = (
    (
        "users",
        "name, password, level, flags, days until purge, addresses of the server's own domains, the latest call",
        "of a name what is ASCII, of a password 31 bytes; an address of a domain of which none is told here stays; "
        "a number is kept where the server never had one near it, else another is given",
    ),
    (
        "rooms and folders",
        "name, flags, password, directory, floor, order, view, aide, expiry",
        "of a password 10 characters, of a directory 14; an order from 1 to 127; when the room was made; numbers as "
        "users'; an aide who is no user of the server that made the room is nobody",
    ),
    (
        'settings and system messages, where `settings` is "shared"',
        "those of how a site is run; the files of system messages",
        "what has a bar in it",
    ),
    ("floors", "name, what expires there once a room is on it", "the number is the first that is free"),
    (
        "messages, mail",
        "author, time, message id, subject, addresses, references, text, attachments",
        "the room it was posted in first; format 0 and 1 become 4; an empty line more in front of the body; "
        "`Received:` and the like; of an author's name `<`, `>` and `\"`",
    ),
    (
        "events, tasks",
        "the item's text, message id, author",
        "the message's time is the event's, its subject the summary; as of messages",
    ),
    (
        "contacts",
        "what the card says, message id, author, time",
        "it is written anew as vCard 2.1, with long lines and `;charset=UTF-8`; encoded cards are entered as pages are",
    ),
    ("notes (text/vnote)", "the item's text, message id, author, time", "as of messages"),
    (
        "wiki pages and their histories, other notes",
        "text and format to the byte, author's name, references, exclusive id",
        "message id and time are new, the address is the service's own",
    ),
    (
        "read and answered marks",
        "each user's, where the user may enter the room; the last call stays",
        "in 4095 bytes a room and user (some 800 scattered ones): those of the lowest numbers become one range, "
        "so what is between them is read as well, and the highest number can be lost",
    ),
    ("views", "how a room is shown to each user who chose that", ""),
    ("who may enter a room", "who was let in or put out", "who forgot it"),
    (
        "texts and pictures of rooms, bios, pictures of users",
        "what is shown",
        "the server's own message has it, with another id and time; no lines over 4000 bytes",
    ),
    (
        "files of rooms with a directory",
        "name, type, comment, bytes",
        "the time is when it is written; of one that is replaced the type and comment of the first stay",
    ),
    (
        "network configurations of rooms",
        "lines that do not act (roommailalias)",
        "lines that act are in force on the room's home alone; all others stay as they stand",
    ),
)
"""Kind, what is kept, what is lost or otherwise."""

NOT_WRITTEN: tuple[tuple[str, str], ...] = (
    ("users and rooms whose names are taken there by others", "no live account or room is taken over or renamed"),
    ("the service's own account", "it writes, so its password and level are the server's"),
    ("folders that are killed, of users without a password there", "nobody but the owner may kill them"),
    ("messages of rooms that the server does not have", "there is nowhere to put them"),
    ("posts of blogs", "the server would give them another exclusive id, or lose their time and replies"),
    ("items whose exclusive id has a |, or over 200 bytes", "the server cannot be asked for them"),
    ("pages and plain notes whose id is over 120 bytes, or with a line 000", "the server would cut them"),
    ("marks of users without a password there, or whom it refuses", "nobody else may set them"),
    (
        "answered marks in rooms whose names have letters beyond U+FFFF (📦)",
        "IMAP alone sets them, and 980 takes such letters for others there; what was read is marked by another command",
    ),
    ("views of users without a password there", "nobody else may choose them"),
    ("which rooms users forgot", "nobody else may have them do that"),
    ("who was put out of the server's first room (`Lobby`)", "the server lets nobody in there or out"),
    (
        "the killing of a floor on which the server counts rooms that are not there",
        "the server refuses it; 980 counts so once it refused to rename a room, and counts anew when it is started",
    ),
    ("texts, pictures and bios that were taken back", "the server can be given others, but not none"),
    ("bios of users without a password there", "nobody else may write them"),
    ("what users' programs keep in My Citadel Config, and users' own cards", "each server has its own of a user"),
    ("files whose path there is over 63 bytes", "the server could not delete them again"),
    ("settings and system messages", 'but where `settings` is "shared"'),
    ("settings of a machine, of who may log in, of mail's ways", "each server has its own"),
    (
        "system configurations",
        "each server has its own: its domains, and by which hosts and filters its mail goes, are one text",
    ),
    (
        "system messages that the server has none of, or where the node may not write its files",
        "a record makes no file",
    ),
    ("inbox rules of elsewhere", "they are in force at their user's home; 'attach failover' moves them"),
    ("inbox rules of users without a password there", "nobody else may put them in force, or take them out"),
    (
        "messages of rooms that have listrecp, digestrecp or participate there, where that is not their home",
        "the server would mail them, perhaps a second time",
    ),
    ("events, tasks, contacts, notes and pages of rooms with such lines", "posts alone are put there"),
    (
        "lines of a room's network configuration but roommailalias",
        "what acts is in force on the room's home alone; a rule that shares a room is the mirror's; of others it is "
        "not known whether they act",
    ),
    (
        "mail into the inbox of a user with inbox rules there that are at home elsewhere, or without a password",
        "the rules would act on it: file, forward, reply",
    ),
    ("messages whose id is not ASCII, has <, > or blanks, or over 900 bytes", "the server would give them another one"),
    ("messages over 10 MiB", "the server takes none"),
    ("anonymous messages", "the server would show who wrote them"),
)
"""What, and why."""
