import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.errors import LedgerError
from kasauti.evolution.packing import (
    NAME_BYTES,
    pack_figures,
    pack_lines,
    pack_names,
    pack_texts,
    place_of,
    unpack_figures,
    unpack_lines,
    unpack_names,
    unpack_texts,
)

hashes = st.binary(min_size=32, max_size=32).map(bytes.hex)
# What looks like hashes and is none must come back as it was too.
odd = st.sampled_from(["", "g", "a" * 63, "A" * 64, " " + "a" * 63, "ab " * 20, "é" * 64])


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.lists(hashes) | st.lists(hashes | odd))
def test_names_come_back(names: list[str]) -> None:
    packed = pack_names(names)
    assert unpack_names(packed) == names
    for name in names:
        assert place_of(name, packed) == names.index(name)
    assert place_of("b" * 64, packed) is None
    assert place_of("nobody", packed) is None


def test_hashes_take_32_bytes_each() -> None:
    names = [hashlib.sha256(bytes([i])).hexdigest() for i in range(200)]
    assert len(pack_names(names)) == 200 * NAME_BYTES


def test_a_name_across_two_others_is_not_found() -> None:
    names = ["00" * 16 + "11" * 16, "22" * 16 + "33" * 16, "11" * 16 + "22" * 16]
    assert place_of("11" * 16 + "22" * 16, pack_names(names)) == 2
    assert place_of("11" * 16 + "22" * 16, pack_names(names[:2])) is None
    assert place_of("00" * 32, pack_names(["00" * 31 + "01", "00" * 32])) == 1


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.lists(st.lists(st.floats(), min_size=3, max_size=3), min_size=1, max_size=5))
def test_figures_come_back_and_what_is_not_finite_is_none(rows: list[list[float]]) -> None:
    packed = pack_figures(np.array(rows))
    for place, row in enumerate(rows):
        expected = [value if np.isfinite(value) else None for value in row]
        assert unpack_figures(packed, 3, place) == expected
    assert unpack_figures(pack_figures(np.zeros((2, 0))), 0, 1) == []


def test_texts_and_lines_come_back() -> None:
    texts = ["dominated: by 1", None, "two\nlines", "क"]
    assert unpack_texts(pack_texts(texts)) == texts
    assert unpack_lines(pack_lines([b"{}", b'{"a":1}'])) == [b"{}", b'{"a":1}']


def test_a_damaged_blob_is_refused() -> None:
    with pytest.raises(LedgerError, match="damaged"):
        unpack_lines(b"no zlib")
