"""What listens on this machine's loopback for as long as a trial needs it, in a thread."""

import socketserver
import threading
from typing import Self


class Listening:
    """Use it in a ``with``: it listens until the end.  Who derives from it makes ``_server``."""

    _server: socketserver.BaseServer

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
