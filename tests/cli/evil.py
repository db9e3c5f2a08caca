"""What a terminal should never get to see, and which commands are walked over it elsewhere."""

EVIL = "a\x1b]52;c;aGk=\x07b\rc\nde\u202ef[/x][red]g\x9b31m\u2028h\t\x7f|i\n2026-01-01 INFO mirror: forged"
"""Controls, OSC 52, line ends, bidi, rich's markup, a line that looks like the log's; no record holds a NUL."""

CLIENTS = {
    ("client", *words)
    for words in (
        ("conflicts", "show"),
        ("conflicts", "take"),
        ("discover",),
        ("init",),
        ("reset",),
        ("status",),
        ("sync",),
    )
}
"""Commands of persons, which have tests/cli/test_hostile_client.py."""
