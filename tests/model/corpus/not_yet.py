"""What merging does not do yet: kept out of what is drawn, each for a reason.

Nothing that is drawn is checked less."""

MANNERS = {
    **dict.fromkeys(
        ("in order of names", "in reverse order"),
        "the order of the lines of one part, or inside an alarm or a zone, counts as an edit",
    ),
    **dict.fromkeys(
        (
            "parameters in another order",
            "in quotes",
            "without quotes",
            "names in small letters",
            "MAILTO in capitals",
            "the rule in another order",
        ),
        "other words for the same count as an edit",
    ),
    "groups renumbered": "a card's groups are told apart by their names",
    "occurrences named in UTC": "an occurrence is another one where its zone is written otherwise",
    "REV with an offset": "such a REV is not read, and so older than any",
    "no SEQUENCE": "what is left out counts as zero, so a new incarnation begins",
    "no dates": "what is left out counts as zero, so a new incarnation begins",
}
"""By the name of a manner, why no program writes so."""
EDITS = {
    **dict.fromkeys(
        ("something labelled", "something labelled less", "another label"), "a number and its label are two parts"
    ),
    **dict.fromkeys(
        ("a member", "a category", "a category less", "an exception"), "entries of a list do not merge one by one"
    ),
    **dict.fromkeys(("an alarm", "an alarm less", "acknowledged"), "the alarms of an event are one part"),
    **dict.fromkeys(("done", "in process"), "the state of a task is three parts"),
    "a birthday": "with other parameters it is another part, so a card gets two",
    "an occurrence cancelled": "what the other side wrote into the occurrence is hidden, and not told",
    "another zone": "a zone goes with who took it out, though the other side still uses it",
}
"""By the name of an edit, why nobody does it."""
ITEMS = {
    "android-card.vcf": "soft line breaks of version 2.1 are not read",
    "outlook-card.vcf": "soft line breaks of version 2.1 are not read",
    "sony-card.vcf": "the empty line that ends base64 in version 2.1 is dropped",
}
"""By the name of an item, why it is not changed."""
