"""What libraries write past Python's streams is kept away, and only while it is asked for."""

import os

import pytest

from pfd.lammps.silence import silent_libraries


def test_nothing_is_seen_within_and_everything_afterwards(capfd):
    os.write(1, b"before\n")
    with silent_libraries():
        os.write(1, b"library\n")
        os.write(2, b"library\n")
    os.write(1, b"after\n")
    os.write(2, b"after\n")
    assert capfd.readouterr() == ("before\nafter\n", "after\n")


def test_an_error_within_ends_the_silence(capfd):
    with pytest.raises(ValueError, match="it"), silent_libraries():
        raise ValueError("it")
    os.write(1, b"after\n")
    assert capfd.readouterr().out == "after\n"
