"""What the recording of a real server shows."""

from pathlib import Path

RECORDING = Path(__file__).parents[1] / "recordings" / "02-admin-users-floors-rooms.txt"


def recorded(command: str) -> bytes:
    """Return the listing that follows a command in the recording of a real server."""
    lines = RECORDING.read_text("utf-8").splitlines()
    at = lines.index(f"C: {command}") + 2
    end = next(number for number in range(at, len(lines)) if lines[number][3:] == "000")
    return "".join(line[3:] + "\n" for line in lines[at:end]).encode()
