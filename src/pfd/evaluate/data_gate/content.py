"""What a labelled set holds: labels, compositions, levels of theory, and the kind of its energies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from pfd.evaluate.data_gate.finding import MOST_NAMED, Finding, Verdict, named
from pfd.evaluate.data_gate.labelled_set import LabelledSet
from pfd.frames import count_labels, labels_of
from pfd.frames.labels import FREE_KEY, LOCAL_MOMENTS_KEY, SIGMA0_KEY
from pfd.wording import counted

if TYPE_CHECKING:
    from ase import Atoms

MOMENTS = ("initial_magmoms", LOCAL_MOMENTS_KEY)
"""Arrays of a frame that hold magnetic moments, Bohr magnetons."""
NOT_FREE = "not the free energy"
"""Sign of energies beside which the frames hold a free energy that is another number."""
SAME_MEV_PER_ATOM = 0.1
"""Two kinds of energy that differ by less (RMS) need not be told apart: an insulator's."""


def content(labelled: LabelledSet) -> Iterator[Finding]:
    """Findings ``content``, ``left out``, ``missing labels``, ``constant energy``, ``level of theory`` of a set."""
    frames = labelled.frames
    found = count_labels(frames)
    found["moments"] = sum(any(name in frame.arrays for name in MOMENTS) for frame in frames)
    sizes = sorted({len(frame) for frame in frames})
    kinds = Counter(frame.symbols.formula.format("hill") for frame in frames)
    most = ", ".join(f"{count} of {kind}" for kind, count in kinds.most_common(MOST_NAMED))
    rest = f" and {len(kinds) - MOST_NAMED} other compositions" if len(kinds) > MOST_NAMED else ""
    labels = ", ".join(f"{name} in {found[name]}" for name in ("energy", "forces", "stress", "moments"))
    atoms = f"{sizes[0]} to {sizes[-1]} atoms" if len(sizes) > 1 else counted(sizes[0], "atom")
    yield Finding(
        sign="content",
        verdict=Verdict.FINE,
        where=labelled.name,
        text=f"{counted(found['frames'], 'frame')} of {atoms}; {labels}; {most}{rest}",
        numbers={**found, "compositions": len(kinds)},
    )
    if labelled.left_out:
        yield Finding(
            sign="left out",
            verdict=Verdict.WARNING,
            where=labelled.name,
            text=f"{counted(len(labelled.left_out), 'frame')} left out: {named(labelled.left_out)}",
            hint="label them anew if they are needed",
            numbers={"frames": len(labelled.left_out)},
        )
    yield from _missing(labelled)
    yield from energy_convention(labelled)
    yield from _constant_energy(labelled)
    yield from _levels(labelled)


def _missing(labelled: LabelledSet) -> Iterator[Finding]:
    for name in ("energy", "forces"):
        lacking = [i for i, frame in enumerate(labelled.frames) if getattr(labels_of(frame), name) is None]
        if lacking:
            yield Finding(
                sign="missing labels",
                verdict=Verdict.WARNING,
                where=labelled.name,
                text=f"{len(lacking)} of {counted(len(labelled.frames), 'frame')} carry no {name}: "
                + named([labelled.short(index) for index in lacking]),
                hint=f"training needs it: name its key (--labels {name}=KEY), or leave them out",
                numbers={"frames": len(lacking)},
                frames=tuple(labelled.called(index) for index in lacking),
            )


def energy_convention(labelled: LabelledSet) -> Iterator[Finding]:
    """Finding ``energy convention`` where frames hold a free energy and one extrapolated to zero smearing.

    Where the one that is taken is not the free one, and they differ, it is ``not the free energy`` instead.
    """
    energies = [i for i, frame in enumerate(labelled.frames) if labels_of(frame).energy is not None]
    for key, taken, other in (
        (SIGMA0_KEY, "free energy", "one extrapolated to zero smearing"),
        (FREE_KEY, "energy extrapolated to zero smearing, or another", "free energy, whose gradient the forces are,"),
    ):
        both = [index for index in energies if key in labelled.frames[index].info]
        if not both:
            continue
        off = [_apart_meV_per_atom(labelled.frames[index], key) for index in both]
        rms = float(np.sqrt(np.mean(np.square(off))))
        mixed = len(both) < len(energies)
        sign, verdict, hint = "energy convention", Verdict.FINE, ""
        if key == FREE_KEY and max(map(abs, off)) > SAME_MEV_PER_ATOM:
            sign, verdict, hint = NOT_FREE, Verdict.WARNING, "take the free energy: --labels energy=free_energy"
        elif mixed and rms > SAME_MEV_PER_ATOM:
            verdict = Verdict.WARNING
            hint = "find out which energy the other frames hold; in an input, data.energy_is must say it"
        yield Finding(
            sign=sign,
            verdict=verdict,
            where=labelled.name,
            text=f"{len(both)} of {len(energies)} energies are the {taken}; the {other} stands beside it, "
            f"{rms:.2f} meV/atom off (RMS)",
            hint=hint,
            numbers={"frames": len(both), "of": len(energies), "rms_meV_per_atom": rms},
        )


def _apart_meV_per_atom(frame: Atoms, key: str) -> float:
    return 1000.0 * (float(labels_of(frame).energy or 0.0) - float(frame.info[key])) / len(frame)


def _constant_energy(labelled: LabelledSet) -> Iterator[Finding]:
    """One energy for structures that differ by atoms or volume is no label."""
    energies, shapes = [], set()
    for frame in labelled.frames:
        energy = labels_of(frame).energy
        if energy is not None:
            energies.append(energy)
            shapes.add((len(frame), round(float(frame.cell.volume), 6), round(float(np.ptp(frame.positions)), 6)))
    if len(energies) > 2 and len(shapes) > 2 and np.ptp(energies) == 0.0:
        yield Finding(
            sign="constant energy",
            verdict=Verdict.REFUSED,
            where=labelled.name,
            text=f"all {len(energies)} energies are {energies[0]:g} eV, and the structures differ",
            hint="name the key that holds the energy (--labels energy=KEY)",
        )


def _levels(labelled: LabelledSet) -> Iterator[Finding]:
    levels = Counter(level for frame in labelled.frames if (level := labels_of(frame).level_of_theory))
    if levels:
        told = ", ".join(f"{level} in {count}" for level, count in levels.most_common())
        more = len(levels) > 1
        yield Finding(
            sign="level of theory",
            verdict=Verdict.REFUSED if more else Verdict.FINE,
            where=labelled.name,
            text=f"level of theory: {told}" if not more else f"labels of {len(levels)} levels of theory: {told}",
            hint="labels of two levels cannot be trained on together: split the set" if more else "",
        )
