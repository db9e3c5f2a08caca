"""A person's folders kept equal with the rooms of a node: a Maildir for mail, a vdir for calendars and contacts."""
