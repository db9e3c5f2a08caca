"""A web server on loopback that has one feed, whose entries are added as a trial goes, and tells who asked for it."""

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from xml.sax.saxutils import escape

from try_live.loopback import Listening

WhoCalls = Callable[[socket], str]
"""Returns the name of who is at the other end of a connection."""


class Feed(Listening):
    """Use it in a ``with``: it listens at a port that the kernel chose until the end."""

    def __init__(self, who_calls: WhoCalls) -> None:
        self.asked: list[str] = []
        """Who asked for the feed, one after another."""
        self.entries: dict[str, str] = {}
        """When each was posted, by the titles; nothing where the feed does not say."""
        self._server = _Server(("127.0.0.1", 0), _Request)
        self._server.feed, self._server.who_calls = self, who_calls

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/feed.rss"

    def put(self, title: str, *, dated: bool = True) -> None:
        self.entries[title] = "Mon, 05 Jan 2026 12:00:00 +0000" if dated else ""

    def text(self) -> bytes:
        """Return the feed, as RSS 2.0."""
        items = "".join(_item(self.url, title, date) for title, date in self.entries.items())
        return f'<rss version="2.0"><channel><title>A feed</title>{items}</channel></rss>'.encode()


def _item(url: str, title: str, date: str) -> str:
    """Return an entry of the feed at a URL: a server takes one of the same id, of whatever feed, once."""
    words = escape(title)
    link = f"{url}#{words.replace(' ', '-')}"
    text = f"<title>{words}</title><link>{link}</link><guid>{link}</guid><description>This is {words}.</description>"
    posted = f"<pubDate>{date}</pubDate>" if date else ""
    return f"<item>{text}{posted}</item>"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    feed: Feed
    who_calls: WhoCalls


class _Request(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.feed.asked.append(self.server.who_calls(self.connection))
        text = self.server.feed.text()
        self.send_response(200)
        self.send_header("Content-Type", "application/rss+xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
