"""The encrypted stream: what goes in comes out, and nothing else ever does."""

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from kasauti.backups import encryption
from kasauti.backups.encryption import MAGIC, SALT, TAG, Decrypting, Encrypting, passphrase
from kasauti.errors import BackupError, UsageError
from tests.backups.states import SECRET

CHUNK = 64
HEAD = len(MAGIC) + SALT + TAG


@pytest.fixture(autouse=True, scope="module")
def small() -> object:
    """Small chunks and a quick key derivation: the construction is the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encryption, "CHUNK", CHUNK)
        patch.setattr(encryption, "LOG_N", 4)
        yield


def sealed(plain: bytes, secret: SecretStr = SECRET) -> bytes:
    target = io.BytesIO()
    stream = Encrypting(target, secret)
    for begin in range(0, len(plain), 37):
        stream.write(plain[begin : begin + 37])
    stream.finish()
    return target.getvalue()


def opened(content: bytes, secret: SecretStr = SECRET) -> bytes:
    stream: Any = Decrypting(io.BytesIO(content), secret)
    return io.BufferedReader(stream, 50).read()


@given(st.binary(max_size=5 * CHUNK))
@settings(deadline=None)
def test_what_goes_in_comes_out(plain: bytes) -> None:
    assert opened(sealed(plain)) == plain


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_a_stream_that_was_cut_off_anywhere_is_refused(size: int) -> None:
    content = sealed(bytes(size))
    for length in range(len(content)):
        with pytest.raises(BackupError):
            opened(content[:length])


@given(st.data())
@settings(deadline=None)
def test_any_flipped_bit_is_refused(data: st.DataObject) -> None:
    content = bytearray(sealed(bytes(3 * CHUNK)))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(BackupError):
        opened(bytes(content))


def test_chunks_that_were_moved_repeated_or_left_out_are_refused() -> None:
    content, step = sealed(bytes(4 * CHUNK)), CHUNK + TAG
    head, chunks = content[:HEAD], [content[HEAD + n * step :][:step] for n in range(4)]
    assert opened(head + b"".join(chunks)) == bytes(4 * CHUNK)
    first, second, third, last = chunks
    for wrong in (
        [second, first, third, last],
        [first, first, second, third, last],
        [first, third, last],
        [first, second, third],
        [first, second, third, last, last],
        [last],
        [],
    ):
        with pytest.raises(BackupError):
            opened(head + b"".join(wrong))


def test_another_key_is_told_from_damage() -> None:
    with pytest.raises(BackupError, match="KASAUTI_BACKUP_KEY is not the key"):
        opened(sealed(b"text"), SecretStr("another passphrase"))


def test_equal_streams_are_not_equal_on_disk() -> None:
    assert sealed(b"text") != sealed(b"text")


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KASAUTI_BACKUP_KEY", raising=False)
    assert passphrase() is None
    monkeypatch.setenv("KASAUTI_BACKUP_KEY", "too short")
    with pytest.raises(UsageError, match="shorter than 12") as refused:
        passphrase()
    assert "too short" not in str(refused.value)
    monkeypatch.setenv("KASAUTI_BACKUP_KEY", "a long enough one")
    found = passphrase()
    assert found is not None and "long enough" not in repr(found)
