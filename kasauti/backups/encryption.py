"""Encrypts and decrypts a stream under a passphrase; what is in the stream is not known here.

AES-256-GCM over chunks in the STREAM construction (Hoang, Reyhanitabar, Rogaway and Vizár 2015): a
chunk's nonce is its number and whether it is the last, so that a chunk that was changed, moved,
repeated or cut off is refused. The key is scrypt's of the passphrase and a salt of each stream.
The first chunk is empty: it only tells whether the passphrase is the right one.
"""

import io
import os
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import SecretStr

from kasauti.errors import BackupError, UsageError

VARIABLE = "KASAUTI_BACKUP_KEY"
MAGIC = b"KASAUTI BACKUP 1\n"
SALT, KEY, TAG, NUMBER = 32, 32, 16, 11  # bytes
CHUNK = 1 << 20  # bytes of plain text
LOG_N, R, P = 17, 8, 1  # 128 MB and 0.4 s a guess
CUT_OFF = "the backup is damaged or cut off: use another one"
SHORTEST = 12  # characters; a shorter passphrase is guessed


def passphrase() -> SecretStr | None:
    """Return the passphrase of the environment, None if none is set.

    Raises
    ------
    UsageError
        If it is too short to protect anything.
    """
    given = os.environ.get(VARIABLE)
    if not given:
        return None
    if len(given) < SHORTEST:
        raise UsageError(f"{VARIABLE} is shorter than {SHORTEST} characters: choose a longer one")
    return SecretStr(given)


class Encrypting(io.RawIOBase):
    """A stream that encrypts what is written to it into `target`; close it, or it is cut off."""

    def __init__(self, target: IO[bytes], secret: SecretStr) -> None:
        self._target = target
        self._header = MAGIC + os.urandom(SALT)
        self._cipher = _cipher(secret, self._header)
        self._waiting = bytearray()
        self._number = 0
        target.write(self._header)
        self._put(b"", last=False)

    def writable(self) -> bool:
        """Whether it can be written: yes."""
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]
        """Take in `content`; a chunk goes out once the next one has begun."""
        self._waiting += content
        while len(self._waiting) > CHUNK:
            self._put(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]
        return len(content)

    def finish(self) -> None:
        """Write the last chunk."""
        self._put(bytes(self._waiting), last=True)

    def _put(self, plain: bytes, *, last: bool) -> None:
        sealed = self._cipher.encrypt(_nonce(self._number, last), plain, self._header)
        self._target.write(sealed)
        self._number += 1


class Decrypting(io.RawIOBase):
    """A stream that reads what `Encrypting` wrote to `source`.

    Raises
    ------
    BackupError
        For another passphrase; while reading, for anything that was changed or cut off.
    """

    def __init__(self, source: IO[bytes], secret: SecretStr) -> None:
        self._source = source
        self._header = _exactly(source, len(MAGIC) + SALT)
        if not self._header.startswith(MAGIC) or len(self._header) < len(MAGIC) + SALT:
            raise BackupError("the backup is damaged: it does not begin like an encrypted one")
        self._cipher = _cipher(secret, self._header)
        self._number = 0
        try:
            self._open(_exactly(source, TAG), last=False)
        except InvalidTag:
            raise BackupError(
                f"{VARIABLE} is not the key of this backup (or its first bytes are damaged)"
            ) from None
        self._plain = memoryview(b"")
        self._next = _exactly(source, CHUNK + TAG)
        if not self._next:
            raise BackupError(CUT_OFF)

    def readable(self) -> bool:
        """Whether it can be read: yes."""
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        """Put the next bytes into `buffer` and return their number, 0 at the end."""
        while not self._plain and self._next:
            sealed, self._next = self._next, _exactly(self._source, CHUNK + TAG)
            try:
                self._plain = memoryview(self._open(sealed, last=not self._next))
            except InvalidTag:
                raise BackupError(CUT_OFF) from None
        count = min(len(buffer), len(self._plain))
        buffer[:count], self._plain = self._plain[:count], self._plain[count:]
        return count

    def _open(self, sealed: bytes, *, last: bool) -> bytes:
        plain = self._cipher.decrypt(_nonce(self._number, last), sealed, self._header)
        self._number += 1
        return plain


def _cipher(secret: SecretStr, header: bytes) -> AESGCM:
    scrypt = Scrypt(salt=header[len(MAGIC) :], length=KEY, n=1 << LOG_N, r=R, p=P)
    return AESGCM(scrypt.derive(secret.get_secret_value().encode()))


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(NUMBER, "big") + bytes([last])


def _exactly(source: IO[bytes], count: int) -> bytes:
    """Return the next `count` bytes, fewer only at the end."""
    parts, missing = [], count
    while missing and (part := source.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
