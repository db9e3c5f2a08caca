"""What can be wrong with a room's network configuration."""

from mirror.model.errors import MirrorError


class NetconfError(MirrorError):
    """A line that cannot be obeyed: where it stands, which field of it, what is wrong, what to write instead."""

    def __init__(self, line: int, field: str, problem: str, fix: str, room: str = "") -> None:
        where = f"room {room!r}, " if room else ""
        super().__init__(f"{where}line {line}, {field}: {problem}; {fix}")
        self.line = line
        self.field = field
        self.problem = problem
        self.fix = fix

    def in_room(self, room: str) -> "NetconfError":
        """Return the same error with the room's name."""
        return NetconfError(self.line, self.field, self.problem, self.fix, room)
