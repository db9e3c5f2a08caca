"""A scripted Citadel server that answers with what a real one was recorded to answer."""

import base64
import contextlib
import socket
import threading
from pathlib import Path

RECORDINGS = Path(__file__).parent / "recordings"


class Recording:
    """Answers by (room, open file, command); a READ by its offset, since a server may send less than asked."""

    def __init__(self, export: bytes, *names: str) -> None:
        self.answers: dict[tuple[str, str, str], bytes] = {("", "", "MIGR export"): export}
        self.turned_away: list[int] = []
        """Of each of the next to connect, how many users there may be, as who is turned away is told."""
        self.asked: list[str] = []
        """The commands that it was given."""
        for name in names:
            self._read((RECORDINGS / name).read_text("utf-8").splitlines())

    def _read(self, lines: list[str]) -> None:
        room = opened = ""
        command, answer = "", b""
        for line in [*lines, "C: "]:
            tag, text = line[:3], line[3:]
            if tag == "C: ":
                if command:
                    self.answers[self.place(room, opened, command)] = answer
                    room, opened = self.after(room, opened, command, answer)
                command, answer = text, b""
            elif tag in ("S: ", "s: "):
                answer += text.encode() + b"\n"
            elif tag == "s* ":
                answer += base64.b64decode(text)

    @staticmethod
    def place(room: str, opened: str, command: str) -> tuple[str, str, str]:
        verb = command[:4]
        if verb == "READ":
            return room, opened, "READ " + command[5:].split("|")[0]
        if verb in ("RDIR", "OPEN"):
            return room, "", command
        return "", "", command.split("|")[0] if verb == "GOTO" else command.rstrip("|")

    @staticmethod
    def after(room: str, opened: str, command: str, answer: bytes) -> tuple[str, str]:
        if answer.startswith(b"2") and command.startswith("GOTO "):
            return command[5:].split("|")[0], ""
        if answer.startswith(b"2") and command.startswith("OPEN "):
            return room, command[5:]
        return (room, "") if command == "CLOS" else (room, opened)

    def serve(self, connection: socket.socket, cut_after: int | None) -> bool:
        """Answer one client; tells whether that is all, for a client that hangs up in the middle comes again."""
        room = opened = ""
        sent = 0
        with connection, connection.makefile("rwb") as stream:
            if self.turned_away:
                most = self.turned_away.pop(0)
                stream.write(b"551 Too many users are already online (maximum is %d)\n" % most)
                return False
            stream.write(b"200 alpha.example.org Citadel server ready.\n")
            stream.flush()
            for line in stream:
                command = line.decode().rstrip("\n")
                self.asked.append(command)
                answer = self._answer(room, opened, command)
                room, opened = self.after(room, opened, command, answer)
                if cut_after is not None and sent + len(answer) > cut_after:
                    stream.write(answer[: cut_after - sent])
                    return True
                if answer.startswith(b"8"):  # the rest of the answer follows on a list from the client
                    first, _, answer = answer.partition(b"\n")
                    stream.write(first + b"\n")
                    stream.flush()
                    while next(stream) != b"000\n":
                        pass
                stream.write(answer)
                stream.flush()
                sent += len(answer)
                if command == "QUIT":
                    return True
        return False

    def _answer(self, room: str, opened: str, command: str) -> bytes:
        if command.startswith("IDEN"):
            return b"200 Ok\n"
        if command.startswith("ECHO "):
            return b"200 %s\n" % command[5:].encode()
        known = self.answers.get(self.place(room, opened, command))
        if known is not None:
            return known
        if command.startswith("GOTO "):
            return b"200 entered\n"
        if command == "RDIR":
            return b"100 host|files\n000\n"
        return b"200 Goodbye.\n" if command == "QUIT" else b"571 not here\n"


def accept_one(listening: socket.socket, recording: Recording, cut_after: int | None = None) -> None:
    """Have the scripted server wait for one client, who may hang up and connect again."""

    def accept() -> None:
        done = False
        while not done:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with contextlib.suppress(OSError):
                done = recording.serve(connection, cut_after)

    threading.Thread(target=accept, daemon=True).start()
