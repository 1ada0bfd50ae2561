"""``python -m pfd.models.serve FOLDER DEVICE``: predictions of a model for a process in another environment.

Both directions carry messages of an 8-byte length and that many bytes of a numpy ``.npz``; frames come in, labels or an
error go out, until the input ends. Whatever packages print goes to standard error.
"""

from __future__ import annotations

import io
import os
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pfd.errors import PFDError, error_content
from pfd.models.family import read_model
from pfd.models.training import make_family

LENGTH = struct.Struct("<Q")


def send(stream: BinaryIO, content: dict[str, Any]) -> None:
    """Write one message."""
    body = io.BytesIO()
    np.savez(body, **content)
    stream.write(LENGTH.pack(body.tell()) + body.getvalue())
    stream.flush()


def receive(stream: BinaryIO) -> dict[str, Any] | None:
    """Read one message; None if the other side has closed, be it in the middle of one."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    body = stream.read(LENGTH.unpack(head)[0])
    if len(body) < LENGTH.unpack(head)[0]:
        return None
    with np.load(io.BytesIO(body), allow_pickle=False) as content:
        return {name: content[name] for name in content.files}


def main(folder: Path, device: str) -> int:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what packages print must not come between the answers
    family = make_family(read_model(folder).card.family)
    calculator = None
    while (asked := receive(sys.stdin.buffer)) is not None:
        try:
            calculator = calculator or family.calculator(folder, device)
            answer = _answer(calculator, asked)
        except PFDError as error:
            answer = {f"error_{key}": text for key, text in error_content(error).items()}
        send(answers, answer)
    return 0


def _answer(calculator: Any, asked: dict[str, Any]) -> dict[str, Any]:
    from ase import Atoms

    frame = Atoms(asked["numbers"], asked["positions"], cell=asked["cell"], pbc=asked["pbc"])
    frame.calc = calculator
    answer = {"energy": frame.get_potential_energy(), "forces": frame.get_forces()}
    if frame.pbc.all() and "stress" in calculator.implemented_properties:
        answer["stress"] = frame.get_stress()
    return answer


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
