"""Text of files that a user names: of regular ones, and of no more than 5 MB."""

from __future__ import annotations

import os

import pytest

from pfd.small_file import MOST_BYTES, small_text


def test_text_comes_without_its_byte_order_mark(tmp_path):
    (tmp_path / "a").write_bytes("\ufeffä\n".encode())
    assert small_text(tmp_path / "a") == "ä\n"


def test_what_may_never_end_or_is_large_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * (MOST_BYTES + 1))
    (tmp_path / "most").write_bytes(b"x" * MOST_BYTES)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xfd")
    for name, words in (("pipe", "regular file"), ("large", "larger than 5 MB"), ("binary", "can't decode")):
        with pytest.raises(ValueError, match=words):
            small_text(tmp_path / name)
    with pytest.raises(OSError, match="No such file"):
        small_text(tmp_path / "none")
    assert len(small_text(tmp_path / "most")) == MOST_BYTES
