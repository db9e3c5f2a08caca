"""What of that which comes from elsewhere is not written into a server whose direction is 'both'; shown as it is."""

NOT_WRITTEN: tuple[tuple[str, str], ...] = (
    ("users, rooms, floors, and what they are like", "not yet: make them on the server, before it is paired"),
    ("messages of rooms that the server does not have", "there is nowhere to put them"),
    ("calendar and contact items, tasks, notes, wiki pages", "not yet: all that has an exclusive id"),
    ("read and answered marks, views, access", "not yet"),
    ("files of rooms, texts, pictures, bios, inbox rules, settings, system messages", "not yet"),
    ("messages of rooms with listrecp, digestrecp or participate", "the server would mail them a second time"),
    ("mail into the inbox of a user with inbox rules there", "the rules would act on it: file, forward, reply"),
    ("messages whose id is not ASCII, has <, > or blanks, or over 900 bytes", "the server would give them another one"),
    ("messages over 10 MiB", "the server takes none"),
    ("anonymous messages", "the server would show who wrote them"),
)
"""What, and why."""
