"""Several magnetic starts of one frame: each is a full run, and the lowest energy is the label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import field_validator, model_validator

from pfd.errors import InputError, LabelRejected, PFDError
from pfd.frames import frame_id
from pfd.frames.state import electronic_state
from pfd.label.chgnet_moments import WEIGHTS, chgnet_moments, require_chgnet
from pfd.label.judge import sound_labels
from pfd.label.labeler import Labeler, LabelerSettings, Outcome

if TYPE_CHECKING:
    from ase import Atoms

Start = Literal["given", "ferro", "chgnet"] | dict[str, float | list[float]]


class StartSettings(LabelerSettings):
    """The setting of labelers that honour initial moments; a labeler has it if its own settings inherit from this."""

    magnetic_starts: tuple[Start, ...] = ()
    """Initial moments to start each frame from; each start is a full run, and the lowest energy is the label.
    ``given``: the frame's own; ``ferro``: their absolute values; ``chgnet``: what CHGNet predicts, all of one sign
    (needs its package where labels are made); or chemical symbol -> Bohr magnetons, such as ``{Fe: 3}``, where a list
    such as ``{Fe: [3, -3]}`` goes round the atoms of that element in the frame's order, and other elements start with
    0. Default: the frame's own alone, since each further start costs a label more."""

    @model_validator(mode="after")
    def _of_one_source(self) -> StartSettings:
        if self.magnetic_starts and any(getattr(self, "magmoms", {}).values()):
            raise ValueError("magnetic_starts and magmoms exclude each other: name the elements in the starts")
        return self

    @field_validator("magnetic_starts")
    @classmethod
    def _sane(cls, starts: tuple[Start, ...]) -> tuple[Start, ...]:
        from ase.data import atomic_numbers

        for start in starts:
            for symbol, moments in start.items() if isinstance(start, dict) else ():
                if atomic_numbers.get(symbol, 0) < 1:
                    raise ValueError(f"{symbol!r} is no chemical symbol")
                if not np.size(moments) or not np.isfinite(moments).all():
                    raise ValueError(f"{symbol} needs a finite moment, or a list of them")
        return starts


def lowest_of_starts(labeler: type[Labeler]) -> type[Labeler]:
    """The same labeler, which labels a frame from each start of its settings and keeps the lowest energy.

    The starts are part of the level of theory. Starts that give a frame the same moments are one. With one start, its
    moments count as the state asked for; with several, the lowest is asked for, whatever its moments (a spin still
    fixes the total).

    Its ``run`` raises LabelRejected if the runs from all starts are rejected; what else ends one run ends them all.

    Source: of the orderings that are tried, the one of lowest energy is taken for the ground state; see M. K. Horton et
    al., npj Comput. Mater. 5, 64 (2019), doi:10.1038/s41524-019-0199-7.
    """

    def level_of_theory(self: Labeler) -> str:
        names = sorted({start_name(start) for start in _starts(self)})
        return f"{labeler.level_of_theory(self)}, magnetic starts {' | '.join(names)}"

    def check(self: Labeler, frames: Sequence[Atoms]) -> None:
        labeler.check(self, _started(frames, _starts(self)))

    def run(self: Labeler, frame: Atoms, scratch: Path) -> Outcome:
        starts = starting_frames(frame, _starts(self))
        found: dict[str, Outcome] = {}
        failed: dict[str, LabelRejected] = {}
        for number, (name, start) in enumerate(starts.items(), start=1):
            folder = scratch / f"start-{number}"
            folder.mkdir(parents=True, exist_ok=True)
            try:
                outcome = labeler.run(self, start, folder)
                sound_labels(start, outcome)
                found[name] = outcome
            except PFDError as error:
                if error.where == f"frame {frame_id(start)}":
                    error.where = f"frame {frame_id(frame)}"
                if not isinstance(error, LabelRejected):
                    raise
                failed[name] = error
            finally:
                if not any(folder.iterdir()):
                    folder.rmdir()
        return _lowest(frame, starts, found, failed)

    own = {"level_of_theory": level_of_theory, "check": check, "run": run, "__doc__": labeler.__doc__}
    return type(labeler.__name__, (labeler,), own)


def _starts(labeler: Labeler) -> tuple[Start, ...]:
    assert isinstance(labeler.settings, StartSettings)
    return labeler.settings.magnetic_starts


def _started(frames: Sequence[Atoms], starts: Sequence[Start]) -> list[Atoms]:
    """The frames with the moments of each start; nothing is predicted for that.

    Raises:
        InputError: if no start could give any of them a moment.
        MissingError: if a package is not installed.
    """
    known = [start for start in starts if start != "chgnet"]
    predicted = len(known) < len(starts)
    if predicted:
        require_chgnet()
    started = [start for frame in frames for start in starting_frames(frame, known or ["given"]).values()]
    if frames and not predicted and all(electronic_state(start).magmoms is None for start in started):
        raise InputError(
            "no start gives any atom of any frame a moment",
            where="finetune.label.magnetic_starts",
            hint="name elements of the frames, or give the structures initial moments",
        )
    return started


def start_name(start: Start) -> str:
    """In words: ``ferro``, or the elements with their moments, such as ``Fe 3/-3 O 0``."""
    if start == "chgnet":
        return f"CHGNet {WEIGHTS}"
    if isinstance(start, str):
        return start
    return " ".join(f"{symbol} {'/'.join(f'{each:g}' for each in _cycle(start[symbol]))}" for symbol in sorted(start))


def _cycle(moments: float | list[float]) -> list[float]:
    return moments if isinstance(moments, list) else [moments]


def starting_frames(frame: Atoms, starts: Sequence[Start]) -> dict[str, Atoms]:
    """Name of the start -> copy of the frame with its moments; of starts with the same moments the first.

    Raises:
        InputError: if a list does not go round the atoms of its element, or the frame's own moments are vectors.
        PFDError: see ``chgnet_moments``.
    """
    frames: dict[str, Atoms] = {}
    for start in starts:
        copy = frame.copy()
        moments = start_moments(frame, start)
        copy.arrays.pop("initial_magmoms", None)
        if moments.any():
            copy.set_initial_magnetic_moments(moments)
        if not any(_same_moments(copy, other) for other in frames.values()):
            frames[start_name(start)] = copy
    return frames


def _same_moments(one: Atoms, other: Atoms) -> bool:
    return bool((one.get_initial_magnetic_moments() == other.get_initial_magnetic_moments()).all())


def start_moments(frame: Atoms, start: Start) -> np.ndarray:
    """Initial moments of each atom, Bohr magnetons.

    Raises:
        PFDError: see ``starting_frames``, and ``chgnet_moments``.
    """
    if start == "chgnet":
        return chgnet_moments(frame)
    moments = np.zeros(len(frame))
    if isinstance(start, str):
        given = electronic_state(frame).magmoms
        if given is not None and given.ndim != 1:
            hint = "give the structures one number per atom, or write the moments by element"
            raise InputError("the frame's moments are vectors", where="finetune.label.magnetic_starts", hint=hint)
        if given is None:
            return moments
        return np.abs(given) if start == "ferro" else given.copy()
    symbols = np.array(frame.get_chemical_symbols())
    for symbol, each in start.items():
        cycle, mine = _cycle(each), np.flatnonzero(symbols == symbol)
        if len(mine) % len(cycle):
            raise InputError(
                f"{len(cycle)} moments do not go round the {len(mine)} atoms of {symbol} (frame {frame_id(frame)})",
                where="finetune.label.magnetic_starts",
                hint="give a list as long as the unit cell has such atoms, or initial moments with the structures",
            )
        moments[mine] = np.resize(cycle, len(mine))
    return moments


def _lowest(
    frame: Atoms, starts: Mapping[str, Atoms], found: Mapping[str, Outcome], failed: Mapping[str, LabelRejected]
) -> Outcome:
    """The outcome of lowest energy, with a note of what the others came to.

    Raises:
        LabelRejected: if there is none.
    """
    if not found:
        first = next(iter(failed.values()))
        if len(starts) == 1:
            raise first
        what = f"no run from any of the {len(starts)} magnetic starts gave a label; the first: {first.what}"
        raise LabelRejected(what, where=f"frame {frame_id(frame)}", hint=first.hint) from first
    energies = {name: _energy(outcome) for name, outcome in found.items()}
    best = min(energies, key=energies.__getitem__)
    if len(starts) == 1:
        return replace(found[best], asked=starts[best])
    asked = frame.copy()
    asked.arrays.pop("initial_magmoms", None)
    others: dict[str, Any] = {
        name: f"{1000.0 * (energy - energies[best]) / len(frame):+.2f}"
        for name, energy in energies.items()
        if name != best
    }
    others |= dict.fromkeys(failed, "rejected")
    notes = {
        "magnetic_start": best,
        "other_starts_meV_per_atom": "; ".join(f"{name}: {others[name]}" for name in starts if name in others),
    }
    return replace(found[best], notes={**found[best].notes, **notes}, asked=asked)


def _energy(outcome: Outcome) -> float:
    assert outcome.labels.energy is not None  # a sound label has one
    return outcome.labels.energy
