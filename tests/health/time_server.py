"""A real time server on this machine, as wrong as a test wants it (RFC 4330)."""

import socket
import struct
import threading
import time
from types import TracebackType

EPOCH = 2_208_988_800  # seconds from 1900 to 1970


class TimeServer:
    """Answers every question with a time that is `ahead` seconds of this machine's.

    Parameters
    ----------
    ahead : float
    stratum : int
        16: the server does not know the time.
    forged : bool
        Whether it answers a question that nobody asked.
    short : bool
        Whether it answers too little.
    """

    def __init__(
        self, ahead: float = 0.0, *, stratum: int = 2, forged: bool = False, short: bool = False
    ) -> None:
        self._ahead, self._stratum, self._forged, self._short = ahead, stratum, forged, short
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def address(self) -> str:
        """Where it listens, ``host:port``."""
        host, port = self._socket.getsockname()
        return f"{host}:{port}"

    def __enter__(self) -> "TimeServer":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ends.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._ends.is_set():
            try:
                question, asker = self._socket.recvfrom(512)
            except TimeoutError:
                continue
            now = int((time.time() + self._ahead + EPOCH) * 2**32)
            (mark,) = struct.unpack("!Q", question[40:48])
            answer = struct.pack(
                "!BB22xQQQ", 0b00_100_100, self._stratum, mark + self._forged, now, now
            )
            self._socket.sendto(answer[: 20 if self._short else 48], asker)
