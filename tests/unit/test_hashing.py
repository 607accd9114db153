"""Digests that other tools give too, and keyed order that never changes."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from occluded_datasets.hashing import CHUNK, file_digests, key, merge_digests, pixel_digest

# what `sha256sum` and `git hash-object` print
FILES = (
    (
        b"",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
    ),
    (
        b"hello\n",
        "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
        "ce013625030ba8dba906f756967f9e9ca394464a",
    ),
    (
        b"ab" * CHUNK,
        "9437fffe24658f67662446bc9c0d6aaa6afc7bf866ba2b64ae396fc7d3a140e4",
        "5860662002f9cee1205741f3b0a2798d4f2906ef",
    ),
)


@pytest.mark.parametrize(("data", "sha256", "blob"), FILES, ids=["empty", "small", "two chunks"])
def test_file_digests_are_what_other_tools_print(tmp_path: Path, data: bytes, sha256: str, blob: str) -> None:
    """The pair is what ``sha256sum`` and ``git hash-object`` say of the file, whatever its length."""
    (tmp_path / "file").write_bytes(data)
    assert file_digests(tmp_path / "file") == (sha256, blob)


def test_pixel_digest_is_of_size_and_rgb_bytes() -> None:
    """sha256 of ``2x1\\n`` and the six bytes 1..6: ``printf '2x1\\n\\1\\2\\3\\4\\5\\6' | sha256sum``."""
    pixels = np.arange(1, 7, dtype=np.uint8).reshape(1, 2, 3)
    assert pixel_digest(pixels) == "7819e9ad0fc64529a16d644e6593057123d1e3f2e3ffc355886c6a75719cca5a"


def test_pixel_digest_tells_shapes_apart() -> None:
    """Equal bytes of another width are another picture."""
    assert pixel_digest(np.zeros((2, 1, 3), np.uint8)) != pixel_digest(np.zeros((1, 2, 3), np.uint8))


def test_keys_are_sha256_of_the_parts() -> None:
    """``printf '7|probe|3|12' | sha256sum``."""
    assert key(7, "probe", 3, 12).hex() == "3b212e9d8c1a5f1a2530dca1a57d8ec4b16de5dd67f3c06d77554556f7e6e9d7"


def test_merging_does_not_look_at_order() -> None:
    """The digest of a set of digests is of the sorted bytes; repeats count."""
    parts = [bytes([n]) * 32 for n in range(5)]
    shuffled = random.Random(1).sample(parts, 5)
    assert merge_digests(parts) == merge_digests(iter(shuffled))
    assert merge_digests(parts) != merge_digests([*parts, parts[0]])
    assert merge_digests([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_two_digests_merge_to_the_hash_of_both_in_ascending_order() -> None:
    """sha256 of 32 bytes 0x01 and 32 bytes 0x02, worked out outside."""
    assert merge_digests([b"\2" * 32, b"\1" * 32]) == "f818afd37a6dc3bc92fb44731011277006db4efa6e9023cd7468c02335d22a4d"
