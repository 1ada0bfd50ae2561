"""Frames that stand twice: within a set, in two sets, in training and test; and twins whose labels disagree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pfd.evaluate.data_gate.finding import Finding, Verdict, named
from pfd.evaluate.data_gate.labelled_set import LabelledSet
from pfd.frames import labels_of
from pfd.frames.fingerprint import near_pairs
from pfd.frames.split import trajectory_of
from pfd.wording import counted

DISAGREE_EV_PER_ATOM = 0.005
"""Energies of one geometry that differ by more are of two calculations that should not stand in one set: other
settings, another SCF branch, or no convergence."""
TEST_REFUSED = 0.5
"""Part of the test frames that may be in training before the test set tests nothing."""
Pairs = list[tuple[int, int]]
"""Number of a frame in one set, and of its twin in another or the same."""


def twins(train: Sequence[LabelledSet], test: Sequence[LabelledSet] = ()) -> Iterator[Finding]:
    """Findings ``twins``, ``overlap``, ``disagreeing twins`` and ``shared trajectory``.

    Twins have one id, or fingerprints that agree to 1e-3 (``pfd.frames.fingerprint``): symmetry copies agree to 1e-14,
    and the nearest distinct frames of the sets in docs/data-gate.md differ by 1e-2.

    Args:
        train: sets to train on.
        test: sets to test on.
    """
    sets = [*train, *test]
    owner = [(number, index) for number, each in enumerate(sets) for index in range(len(each.frames))]
    grouped: dict[tuple[int, int], Pairs] = {}
    for first, second in near_pairs([sets[number].frames[index] for number, index in owner]):
        (one, i), (two, j) = owner[first], owner[second]
        grouped.setdefault((one, two), []).append((i, j))
    for (one, two), found in sorted(grouped.items()):
        if one < len(train) <= two:
            yield _overlap(sets[one], sets[two], found)
        else:
            yield _twins(sets[one], sets[two], found)
        yield from _disagreeing(sets[one], sets[two], found)
    for each in test:
        yield from _shared_trajectories(train, each)


def _first_twin(found: Pairs) -> list[tuple[int, int]]:
    """Each frame of the second set once, with its first twin."""
    return sorted({j: i for i, j in reversed(found)}.items())


def _overlap(train: LabelledSet, test: LabelledSet, found: Pairs) -> Finding:
    partners = _first_twin(found)
    texts = [f"test {test.short(j)} is training {train.short(i)}" for j, i in partners]
    total = len(test.frames)
    return Finding(
        sign="overlap",
        verdict=Verdict.REFUSED if len(partners) > TEST_REFUSED * total else Verdict.WARNING,
        where=_both(train, test),
        text=f"in training, too: {len(partners)} of {counted(total, 'test frame')}: {named(texts)}",
        hint="take them out of one of the two: they make errors look smaller than they are",
        numbers={"frames": len(partners), "of": total},
        frames=tuple(f"{test.called(j)} = {train.called(i)}" for j, i in partners),
    )


def _twins(first: LabelledSet, second: LabelledSet, found: Pairs) -> Finding:
    partners = _first_twin(found)
    texts = [f"{second.short(j)} is {first.short(i)}" for j, i in partners]
    total = len(second.frames)
    what = "stand there before" if first is second else f"of {second.name} are in {first.name}"
    return Finding(
        sign="twins",
        verdict=Verdict.WARNING,
        where=_both(first, second),
        text=f"{len(partners)} of {counted(total, 'frame')} {what}, as they are or as symmetry copies: {named(texts)}",
        hint="in training they count twice; take them out before a split into training and test",
        numbers={"frames": len(partners), "of": total},
        frames=tuple(f"{second.called(j)} = {first.called(i)}" for j, i in partners),
    )


def _both(first: LabelledSet, second: LabelledSet) -> str:
    return first.name if first is second else f"{first.name} and {second.name}"


def _disagreeing(first: LabelledSet, second: LabelledSet, found: Pairs) -> Iterator[Finding]:
    off = {}
    for i, j in found:
        one, two = labels_of(first.frames[i]).energy, labels_of(second.frames[j]).energy
        if one is not None and two is not None:
            difference = abs(one - two) / len(first.frames[i])
            if difference > DISAGREE_EV_PER_ATOM:
                off[i, j] = 1000.0 * difference
    if off:
        texts = [f"{first.short(i)} and {second.short(j)}: {value:.0f}" for (i, j), value in off.items()]
        yield Finding(
            sign="disagreeing twins",
            verdict=Verdict.WARNING,
            where=_both(first, second),
            text=f"{counted(len(off), 'pair')} of one geometry and two energies, in meV/atom apart: {named(texts)}",
            hint="two levels of theory, two magnetic states, or no convergence: keep one of each pair",
            numbers={"pairs": len(off), "largest_meV_per_atom": max(off.values())},
            frames=tuple(f"{second.called(j)} = {first.called(i)}" for i, j in off),
        )


def _shared_trajectories(train: Sequence[LabelledSet], test: LabelledSet) -> Iterator[Finding]:
    known = {name for each in train for frame in each.frames if (name := trajectory_of(frame))}
    shared = [i for i, frame in enumerate(test.frames) if trajectory_of(frame) in known]
    if shared:
        total = counted(len(test.frames), "test frame")
        yield Finding(
            sign="shared trajectory",
            verdict=Verdict.WARNING,
            where=test.name,
            text=f"{len(shared)} of {total} come from trajectories that are in training: "
            + named([test.short(index) for index in shared]),
            hint="report their errors apart: they resemble training frames",
            numbers={"frames": len(shared), "of": len(test.frames)},
            frames=tuple(test.called(index) for index in shared),
        )
