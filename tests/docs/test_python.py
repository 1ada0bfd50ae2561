"""Every Python block of the docs runs, on the toys in place of a user's models and files."""

from __future__ import annotations

import shutil

import pytest
from tests.docs.blocks import fenced_blocks

BLOCKS = fenced_blocks("python")
SWAPS = {
    '"chgnet:0.3.0"': '"toy:soft-copper"',
    '"silicon"': '"toy"',
    '"examples/silicon/Si8.cif"': '"examples/toy/Cu.cif"',
    'bulk("Si"': 'bulk("Cu"',
}
"""What stands for a user's own in the docs -> what the test's folder has."""


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_it_runs(block, here):
    shutil.copy("frames.extxyz", "frame.extxyz")  # what the script of a labeler finds; it reads the last frame
    text = block.text
    for old, new in SWAPS.items():
        text = text.replace(old, new)
    exec(compile(text, block.place, "exec", dont_inherit=True), {"__name__": "__main__"})
    if "labelled.extxyz" in text:
        from pfd.frames import labels_of, read_frames

        (frame,) = read_frames(here / "labelled.extxyz")
        assert labels_of(frame).forces.shape == (len(frame), 3)


def test_there_are_blocks():
    assert {"README.md", "docs/python.md", "docs/data-gate.md", "docs/labels-command.md"} <= {b.page for b in BLOCKS}
