"""By how much the machine's clock is off: a time server's answer, or the kernel's own word.

Sources: RFC 4330 (SNTP), man 2 adjtimex.
"""

import ctypes
import socket
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from kasauti.errors import DataError

PORT = 123
TIMEOUT = 2.0  # seconds
NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
REQUEST = bytes([0b00_100_011]) + bytes(47)  # version 4, a client
ANSWER = struct.Struct("!BB22x8sQQ")  # mode, stratum, what was sent, received, transmitted
SERVER, ALARM, UNSYNCHRONISED = 4, 3, 16  # mode, leap indicator, stratum
TIME_ERROR = 5  # adjtimex: the clock is not synchronised
TIMEX_BYTES = 512  # more than struct timex has anywhere
MAX_ERROR = 3 * ctypes.sizeof(ctypes.c_long)  # its offset: after modes (padded), offset and freq
TIMESYNCD = Path("/run/systemd/timesync/synchronized")


def ask(server: str) -> float:
    """Return by how many seconds this machine's clock is ahead of a time server's.

    Parameters
    ----------
    server : str
        ``host`` or ``host:port``.

    Raises
    ------
    DataError
        If it cannot be reached, or answers anything but the time.
    """
    host, _, port = server.partition(":")
    wrong = f"the time server {server} of KASAUTI_NTP_SERVER"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.settimeout(TIMEOUT)
        # The server gives this back: an answer to somebody else's question is not taken.
        sent = time.time()
        mark = _stamp(sent)
        try:
            asked.connect((host, int(port or PORT)))
            asked.send(REQUEST[:40] + mark)
            answer = asked.recv(512)
        except (OSError, ValueError) as error:
            raise DataError(f"{wrong} does not answer ({error}): name another one") from error
    arrived = time.time()
    if len(answer) < ANSWER.size:
        raise DataError(f"{wrong} answered {len(answer)} bytes, that is no time: name another one")
    mode, stratum, origin, received, transmitted = ANSWER.unpack_from(answer)
    unsure = mode >> 6 == ALARM or not 0 < stratum < UNSYNCHRONISED
    if mode & 7 != SERVER or unsure or origin != mark or not transmitted:
        raise DataError(f"{wrong} does not know the time: name another one")
    return ((sent - _seconds(received)) + (arrived - _seconds(transmitted))) / 2


def _stamp(moment: float) -> bytes:
    return int((moment + NTP_EPOCH) * 2**32).to_bytes(8, "big")


def _seconds(stamp: int) -> float:
    return stamp / 2**32 - NTP_EPOCH


@dataclass(frozen=True)
class Kernel:
    """What the kernel says of its clock.

    Attributes
    ----------
    is_synchronised : bool
    at_most : float
        Largest error it believes in, seconds.
    why : str
        Where it is not synchronised, or cannot be asked.
    """

    is_synchronised: bool
    at_most: float = 0.0
    why: str = ""


def kernel() -> Kernel:
    """Ask the kernel; where it does not know, systemd-timesyncd's own mark counts."""
    state = (ctypes.c_char * TIMEX_BYTES)()
    try:
        answer = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(state))
    except (OSError, AttributeError):
        return Kernel(False, why="this system has no adjtimex")
    if 0 <= answer < TIME_ERROR:
        (worst,) = struct.unpack_from("@l", state, MAX_ERROR)
        return Kernel(True, worst / 1e6)
    if TIMESYNCD.exists():
        return Kernel(True)
    return Kernel(False, why="the kernel does not say that the clock is synchronised")
