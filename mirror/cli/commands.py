"""The table of commands: in which module each stands, and its line in ``ctdlmirror --help``.

Whoever adds a command adds it here; ``tests/cli/test_commands.py`` says so otherwise.
"""

from mirror.cli.lazy import Lazy, placed

COMMANDS: dict[str, Lazy] = {
    **placed(
        "mirror.cli.setup",
        {
            "init": "Set up a node: its directory, store, certificate and commented configuration.",
            "daemon": "Run the node: listen, dial the peers, keep everything equal.  SIGTERM stops it, SIGHUP reloads.",
            "reload": "Have the running daemon take its settings and certificate over again, if they are good.",
            "config": "The node's settings, mirror.toml and the files beside it.",
            "cert": "The node's certificate.",
        },
    ),
    **placed("mirror.cli.setup", {"peer": "Manage the nodes that this one replicates with."}, "mirror.cli.joining"),
    **placed(
        "mirror.cli.joining",
        {"join": "Become the peer of the node that printed an invitation, read from standard input."},
    ),
    **placed(
        "mirror.cli.backups",
        {
            "backup": "Write the node to FILE, also while the daemon runs: store, settings, secrets, certificates.",
            "restore": "Put a node back from a backup FILE.  It gets a new epoch, so the peers reconcile with it.",
        },
    ),
    **placed(
        "mirror.cli.renew",
        {"renew": "Begin a new life of this node's store, apart from any other node that has its name."},
    ),
    **placed(
        "mirror.cli.transfer",
        {
            "import": "Take over a MIGR export (FILE, or - for standard input), plain or as the server sent it.",
            "bootstrap": "Make the first copy: from a live server (citadel://ADMIN@HOST:504) or a node (mirror://HOST:PORT).",
        },
    ),
    **placed("mirror.cli.single_user", {"multi-user": "End single-user mode, whoever holds it."}),
    **placed("mirror.cli.export", {"export": "Write what is here into files that other programs read."}),
    **placed("mirror.cli.rebuild", {"rebuild": "Make a lost Citadel server anew from what this node holds."}),
    **placed("mirror.cli.attach", {"attach": "Follow a Citadel server, so that what happens there is here at once."}),
    **placed(
        "mirror.cli.verify",
        {"verify": "Compare with a peer or a Citadel server, and name the first records that differ."},
    ),
    **placed(
        "mirror.cli.inspect",
        {
            "status": "Show this node, its links and who is connected.",
            "conflicts": "Versions that lost to a concurrent one: nothing is thrown away.",
            "check": "Recompute every CRC, digest and content of the store and name what is wrong.",
        },
    ),
    **placed(
        "mirror.cli.data",
        {
            "post": "Post TEXT (or standard input) into ROOM.",
            "read": "Show the newest messages of ROOM, oldest first.",
            "delete": "Delete the message with KEY (as 'read' shows it) from ROOM, everywhere.",
        },
    ),
    **placed("mirror.cli.data", {"calendar": "Calendar items.", "file": "Files in rooms."}, "mirror.cli.contents"),
    **placed("mirror.cli.names", {"room": "Rooms by name, and with whom they are shared."}, "mirror.cli.share"),
    **placed("mirror.cli.names", {"user": "Users, by name."}, "mirror.cli.killed"),
    **placed(
        "mirror.cli.netconf",
        {"netconf": "Rooms' network configurations: what is shared with whom.  See docs/netconf.md."},
    ),
    **placed("mirror.cli.clock", {"clock": "This machine's clock, who confirms it, and what to do once it was wrong."}),
    **placed("mirror.cli.aside", {"aside": "Records of peers that cannot be taken: they stop nothing, and are kept."}),
    **placed(
        "mirror.cli.client",
        {"client": "Keep your own folders equal with your rooms on a node: mail, calendars, contacts."},
        prepared=False,  # what needs green threads imports them itself: a round without TLS does not
    ),
    **placed("mirror.cli.demo", {"demo": "Run two nodes on this machine and keep them equal before your eyes."}),
}
