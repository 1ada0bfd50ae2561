"""Judge what an engine said of a frame: a label enters a training set only if it passes every acceptance rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import LabelRejected
from pfd.frames import Labels, frame_id
from pfd.frames.apart import apart_A
from pfd.frames.state import refuse_unhonoured_state
from pfd.label.labeler import AcceptanceRules, Labeler, Outcome
from pfd.label.magnetic_state import magnetic_measures, magnetic_problem
from pfd.label.record import LabelRecord, Measures

if TYPE_CHECKING:
    from ase import Atoms


def label_frame(labeler: Labeler, frame: Atoms, scratch: Path) -> Labels:
    """Label one frame end to end: refuse what cannot be honoured, run the engine, judge, name the level of theory.

    Args:
        labeler: the engine with its settings.
        frame: the frame; labels and constraints that it carries play no part.
        scratch: a folder of its own for the engine.

    Raises:
        LabelRejected: if the label is not fit for training.
        TransientError: if something outside ended the engine.
        InputError, MissingError: if no frame could be labelled like this.
    """
    refuse_unhonoured([frame], labeler)
    labels = judge(frame, labeler.run(frame, scratch), labeler.settings.accept)
    return replace(labels, level_of_theory=labeler.level_of_theory())


def record_label(labeler: Labeler, frame: Atoms, scratch: Path) -> tuple[LabelRecord, Labels | None]:
    """As ``label_frame``, but without the acceptance rules: they can be applied later, and again, to the record.

    Returns:
        What is known of the label, and the label itself if it is sound.

    Raises:
        TransientError, InputError, MissingError: as ``label_frame``.
    """
    refuse_unhonoured([frame], labeler)
    known: dict[str, Any] = {"id": frame_id(frame), "level": labeler.level_of_theory(), "settings": labeler.aids()}
    try:
        outcome = labeler.run(frame, scratch)
        known |= {key: getattr(outcome, key) for key in ("scf_steps", "max_scf_steps", "notes", "extra")}
        labels = sound_labels(frame, outcome)
    except LabelRejected as rejected:
        return LabelRecord(**known, sound=False, reason=str(rejected)), None
    record = LabelRecord(**known, sound=True, measures=measure(frame, labels, outcome))
    return record, replace(labels, level_of_theory=record.level)


def judge(frame: Atoms, outcome: Outcome, rules: AcceptanceRules) -> Labels:
    """The outcome's labels if they are sound and pass every rule.

    Raises:
        LabelRejected: at the first rule that the outcome breaks, with the setting to change and its value.
    """
    labels = sound_labels(frame, outcome)
    require_accepted(measure(frame, labels, outcome), rules, f"frame {frame_id(frame)}")
    return labels


def sound_labels(frame: Atoms, outcome: Outcome) -> Labels:
    """The outcome's labels if the engine converged, computed these atoms, and gave all that it should.

    The stress of a frame that is not periodic in all directions has no meaning and is left out.

    Raises:
        LabelRejected: at the first sign of failure.
    """
    where = f"frame {frame_id(frame)}"
    _require_convergence(outcome, where)
    labels = outcome.labels if frame.pbc.all() else replace(outcome.labels, stress=None)
    _require_complete(frame, labels, outcome, where)
    if outcome.echoed is not None:
        _require_same_atoms(frame, outcome.echoed, where)
    return labels


def measure(frame: Atoms, labels: Labels, outcome: Outcome) -> Measures:
    """The numbers of a sound label that the acceptance rules look at.

    Args:
        frame: the frame that was to be labelled.
        labels: its sound labels.
        outcome: what the engine said; its echo, if there is one, is of the same atoms.
    """
    assert labels.forces is not None
    echoed, asked = outcome.echoed, frame if outcome.asked is None else outcome.asked
    cell_off, positions_off = (None, None) if echoed is None else apart_A(frame, echoed)
    if echoed is not None and min(echoed.cell.rank, frame.cell.rank) < 3:
        cell_off = None  # engines put what has no cell into a box
    return Measures(
        largest_force_eV_per_A=float(np.linalg.norm(labels.forces, axis=1).max()),
        net_force_eV_per_A=float(np.linalg.norm(labels.forces.sum(axis=0))) / len(frame),
        cell_off_A=cell_off,
        positions_off_A=positions_off,
        **magnetic_measures(asked, outcome.extra),
    )


def require_accepted(measures: Measures, rules: AcceptanceRules, where: str) -> None:
    """Refuse a sound label that breaks an acceptance rule.

    Raises:
        LabelRejected: at the first rule that it breaks, with the setting to change and its value.
    """
    net, largest = measures.net_force_eV_per_A, measures.largest_force_eV_per_A
    if net > rules.max_net_force_eV_per_A:
        raise LabelRejected(
            f"the forces sum to {net:.3g} eV/Å per atom instead of zero",
            where=where,
            hint="use a finer grid or basis (higher cutoffs), or raise accept.max_net_force_eV_per_A "
            f"({rules.max_net_force_eV_per_A:g})",
        )
    if largest > rules.max_force_eV_per_A:
        raise LabelRejected(
            f"the largest force is {largest:.3g} eV/Å",
            where=where,
            hint="look at the frame for atoms too close to each other, or raise accept.max_force_eV_per_A "
            f"({rules.max_force_eV_per_A:g})",
        )
    for what, off in (("another cell", measures.cell_off_A), ("other positions", measures.positions_off_A)):
        if off is not None and off > rules.echo_tolerance_A:
            raise LabelRejected(
                f"the engine computed {what} (off by {off:.3g} Å)",
                where=where,
                hint="report this to the author of the labeler, or raise accept.echo_tolerance_A "
                f"({rules.echo_tolerance_A:g})",
            )
    if rules.magnetic_state == "reject" and (problem := magnetic_problem(measures)):
        raise LabelRejected(
            problem,
            where=where,
            hint="give the frames moments nearer to those of the state you want, or a spin, or "
            "finetune.label.magnetic_starts; accept.magnetic_state: flag keeps such labels",
        )


def refuse_unhonoured(frames: Sequence[Atoms], labeler: Labeler) -> None:
    """Refuse frames that ask for what the labeler cannot do; constraints are always fine, they change no label.

    Raises:
        InputError: naming each of charge, spin, initial_magmoms and partial_pbc that is asked for in vain.
    """
    refuse_unhonoured_state(frames, labeler.honours, f"the labeler {labeler.name!r}", "finetune.label.method")


def _require_convergence(outcome: Outcome, where: str) -> None:
    steps, limit = outcome.scf_steps, outcome.max_scf_steps
    hint = outcome.hint or "raise max_scf_steps" + ("" if limit is None else f" ({limit})")
    if not outcome.converged:
        told = "" if steps is None else f" in {steps} SCF steps"
        raise LabelRejected(f"{outcome.by} did not converge{told}", where=where, hint=hint)
    if steps is not None and limit is not None and steps >= limit:
        raise LabelRejected(
            f"{outcome.by} used all of its {limit} SCF steps, so its sign of convergence proves nothing",
            where=where,
            hint=hint,
        )


def _require_complete(frame: Atoms, labels: Labels, outcome: Outcome, where: str) -> None:
    look = outcome.hint or "look into its output in the task folder"
    needed = {"energy": (), "forces": (len(frame), 3)}
    if labels.stress is not None or (outcome.needs_stress and frame.pbc.all()):
        needed["stress"] = (6,)
    for name, shape in needed.items():
        value = getattr(labels, name)
        if value is None:
            raise LabelRejected(f"{outcome.by} gave no {name}", where=where, hint=look)
        if np.shape(value) != shape:
            what = f"the {name} has the shape {np.shape(value)}, not {shape}"
            raise LabelRejected(what, where=where, hint=look)
        if not np.isfinite(value).all():
            raise LabelRejected(f"the {name} is not finite", where=where, hint="look at the frame: is it sane?")


def _require_same_atoms(frame: Atoms, echoed: Atoms, where: str) -> None:
    """Compare species in order; a geometry that is no geometry is no echo of the frame either."""
    hint = "report this to the author of the labeler"
    if len(echoed) != len(frame) or (echoed.numbers != frame.numbers).any():
        raise LabelRejected("the engine computed other atoms, or in another order", where=where, hint=hint)
    if not (np.isfinite(echoed.positions).all() and np.isfinite(echoed.cell.array).all()):
        raise LabelRejected("the geometry that the engine echoes is not finite", where=where, hint=hint)
