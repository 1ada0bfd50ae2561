"""Labelled sets that a user brings along, sent through the data gate: those of a command, and those of an input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pfd.config.brought import Brought
from pfd.config.environment import told_by_run
from pfd.config.reading import ResolvedInput
from pfd.errors import DataError, SettingError
from pfd.evaluate.data_gate.content import NOT_FREE, energy_convention
from pfd.evaluate.data_gate.finding import Finding, GateReport, Verdict, named
from pfd.evaluate.data_gate.gate import pass_sets
from pfd.evaluate.data_gate.labelled_set import LabelledSet, require_sane
from pfd.evaluate.data_gate.random_forces import REVERSED, random_forces
from pfd.frames.fingerprint import NEAR, overlap
from pfd.frames.outside import read_outside
from pfd.models.family import Progress, no_progress, read_model
from pfd.models.named_model import named_model, predictions
from pfd.wording import counted, shell_word

if TYPE_CHECKING:
    from ase import Atoms

MAX_PREDICTED = 200
"""Frames of each set that a model is asked about: enough for slopes to 1 %, and minutes on one core."""
MOST_FINGERPRINTS = 2000
"""Frames up to which an input's check looks for symmetry copies, at some 3 ms each; of more, only for equal ids."""


def check_data(
    files: Sequence[str | Path],
    against: str | Path | None = None,
    test: Sequence[str | Path] = (),
    *,
    labels: Mapping[str, str] | None = None,
    file_format: str | None = None,
    head: str | None = None,
    trust_file: bool = False,
    device: str = "cpu",
    max_predicted: int = MAX_PREDICTED,
    progress: Progress = no_progress,
) -> GateReport:
    """Look at labelled sets before they are trained on; ``REFUSED`` in the report says that they should not be.

    Args:
        files: sets to train on: extended XYZ, deepmd/npy folders, OUTCAR, whatever ``data:`` of an input reads.
        against: a model that was not trained on them: a folder, or ``FAMILY:WEIGHTS``; None compares with none.
        test: sets to test on, which should have no frame in common with the others.
        labels: label name -> key, for extended XYZ with keys of its own.
        file_format: of all files, where their names do not tell it.
        head: of a multi-head checkpoint.
        trust_file: see ``Family.adopt``.
        device: where the model runs, ``cpu`` or ``cuda``.
        max_predicted: most frames of each set that the model is asked about, spread evenly over the set.
        progress: told how many frames are predicted.

    Raises:
        DataError: if a file cannot be read or holds no labels.
        ModelError: if the model is none, or does not know an element.
        SettingError, MissingError: see ``read_outside`` and ``named_model``.
    """
    paths = [Path(path) for path in (*files, *test)]
    if not files:
        raise SettingError("no set to check", hint="name a file of labelled frames")
    for path in paths:
        if sum(path.resolve() == other.resolve() for other in paths) > 1:
            raise SettingError("one file is named twice", where=str(path), hint="name each set once")
    found = [(str(path), read_outside(path, file_format, labels)) for path in paths]
    sets = [LabelledSet(name, each.frames, left_out=each.left_out) for name, each in found]
    if against is not None:
        with named_model(str(against), head, trust_file, where="--against") as folder:
            sets = [_compared(each, folder, str(against), device, max_predicted, progress) for each in sets]
    return pass_sets(sets[: len(files)], sets[len(files) :])


def _compared(
    labelled: LabelledSet, folder: Path, called: str, device: str, most: int, progress: Progress
) -> LabelledSet:
    count = len(labelled.frames)
    chosen = sorted({int(index) for index in np.linspace(0, count - 1, min(most, count)).round()})
    told = told_by_run(folder.resolve().parent.parent)  # RUN/models/NAME
    found = predictions(folder, [labelled.frames[index] for index in chosen], progress, device, told)
    model = called if ":" in called else f"{read_model(folder).card.name} in {called}"
    return replace(labelled, predicted=dict(zip(chosen, found, strict=True)), model=model)


def look_at_brought(
    resolved: ResolvedInput, data: Sequence[Brought], test: Sequence[Brought]
) -> tuple[list[Brought], list[Brought]]:
    """What of the gate costs no model, for the sets of an input: random forces, and test frames in training.

    A test frame in training is warned of and no more: the loop judges on its own test set as well.

    Returns:
        The same sets, with notes of what is to be warned of.

    Raises:
        DataError: naming the key of a set that is refused, and the command that tells more; of energies that are, or
            may be, extrapolated to zero smearing, ``energy_is``.
    """
    for index, each in enumerate(data):
        _require_free_energies(resolved, index, each)
    known = [frame for each in data for frame in each.frames]
    return (
        [_noted(resolved, each, _forces(each)) for each in data],
        [_noted(resolved, each, [*_forces(each), *_overlap(known, each)]) for each in test],
    )


def _require_free_energies(resolved: ResolvedInput, index: int, brought: Brought) -> None:
    """Refuse energies that are not those whose gradient the forces are, or may not be.

    Raises:
        DataError: naming the key.
    """
    said = resolved.input.data[index].energy_is
    where = resolved.place(f"data.{index}.energy_is")
    found = list(energy_convention(LabelledSet(brought.file, brought.frames)))
    taken = [each for each in found if each.verdict is Verdict.WARNING]
    if said == "sigma0":
        raise DataError(
            f"energies extrapolated to zero smearing ({brought.file}) cannot be trained on beside free ones",
            where=where,
            hint="take the free energy (VASP's TOTEN), whose gradient the forces are, or leave this set out",
        )
    if said == "free" and (denied := [each for each in taken if each.sign == NOT_FREE]):
        hint = "take the free energy with labels: {energy: free_energy}; if that is of another method, remove it"
        raise DataError(f"{brought.file}: energy_is says free, but {denied[0].text}", where=where, hint=hint)
    if said is None and taken:
        hint = "write energy_is: free if all energies are free ones; name their key with labels: {energy: ...}"
        raise DataError(f"{brought.file}: {taken[0].text}", where=where, hint=hint)


def _forces(brought: Brought) -> list[Finding]:
    labelled = LabelledSet(brought.file, brought.frames)
    require_sane(labelled)
    return list(random_forces(labelled))


def _noted(resolved: ResolvedInput, brought: Brought, findings: list[Finding]) -> Brought:
    for finding in findings:
        if finding.verdict is Verdict.REFUSED:
            hint = f"{finding.hint}; pfd check data {shell_word(brought.file)} tells more"
            raise DataError(f"{brought.file}: {finding.text}", where=resolved.place(brought.key), hint=hint)
    warnings = [each for each in findings if each.verdict is Verdict.WARNING]
    notes = tuple(each.text for each in warnings if each.frames or each.sign == REVERSED)  # not that a set is small
    return replace(brought, notes=notes)


def _overlap(known: list[Atoms], test: Brought) -> list[Finding]:
    near = NEAR if len(known) + len(test.frames) <= MOST_FINGERPRINTS else 0.0
    found = overlap(known, test.frames, near)
    if not found:
        return []
    total = len(test.frames)
    frames = [each.frame for each in found]
    return [
        Finding(
            sign="overlap",
            verdict=Verdict.WARNING,
            where=test.file,
            text=f"in data, too, as they are or as symmetry copies: {len(found)} of {counted(total, 'test frame')}: "
            f"{named(frames)}",
            hint="test on frames that are not trained on",
            frames=tuple(frames),
        )
    ]
