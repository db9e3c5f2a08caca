"""What can go wrong with a trial itself, apart from what it finds."""


class TrialFailed(Exception):
    """The trial could not be carried out: its text is one line that says what was wrong and what to do."""


class NotNow(Exception):
    """An operation found nothing that it could be done with."""


class Refused(Exception):
    """The server refused a command: its text names the command and the server's line."""
