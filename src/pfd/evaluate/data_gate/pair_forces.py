"""How far pair forces explain the directions of a set's forces: the relation of force to structure, without a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from pfd.arrays import Forces
from pfd.evaluate.data_gate.labelled_set import FORCE_THAT_COUNTS_EV_PER_A
from pfd.frames.neighbours import pairs_within

if TYPE_CHECKING:
    from ase import Atoms

CUTOFF_A = 5.0
RADIAL = 10
"""Radial functions of each kind of pair."""
MOST_KINDS = 60
"""Kinds of pairs told apart; in sets of more, all pairs are of one kind: the scaled distance still tells them apart."""
MOST_NUMBERS = 2**25
"""Size of the linear system; larger sets are looked at in part, frame by frame in a seeded order."""
MOST_ATOMS = 20_000
_RIDGE = 1e-4
_FOLDS = 2
FrameForces = Float[np.ndarray, "_ 3"]
"""Forces of one of several frames, eV/Å: their numbers of atoms differ."""
Cosines = Float[np.ndarray, "atoms"]
Elements = Int[np.ndarray, " elements"]
FrameNumbers = Int[np.ndarray, "atoms"]
_Features = Float[np.ndarray, "atoms 3 features"]


@dataclass(frozen=True)
class PairForces:
    """What pair forces, fitted to one half of the atoms, say of the other half.

    Attributes:
        cosine: of the angle between the label and the fitted force, one per atom that was looked at.
        frame: number of the frame that the atom is of.
    """

    cosine: Cosines
    frame: FrameNumbers

    @property
    def atoms(self) -> int:
        """How many atoms were looked at."""
        return len(self.cosine)

    def mean(self) -> float:
        """Mean cosine: 0 for forces that know nothing of the structure, 1 for a pair potential's."""
        return float(self.cosine.mean()) if self.atoms else 0.0

    def of_frames(self, fewest_atoms: int) -> dict[int, float]:
        """Frame -> mean cosine, of the frames with enough atoms."""
        counts = np.bincount(self.frame)
        sums = np.bincount(self.frame, self.cosine)
        return {int(index): float(sums[index] / counts[index]) for index in np.flatnonzero(counts >= fewest_atoms)}


def fit_pair_forces(frames: Sequence[Atoms], forces: Sequence[FrameForces], seed: int = 0) -> PairForces:
    """Fit F_i = sum over neighbours j and functions k of c_k(kinds) phi_k(r_ij) r_ij / |r_ij|, and cross-validate.

    The phi_k are Gaussians of r over the sum of covalent radii, damped to zero at 5 Å, with coefficients of their own
    for each pair of elements. Every atom's row is divided by its force (at least 0.3 of the RMS force), so that
    directions are fitted; coefficients come from one half of the atoms, drawn at random over all frames, cosines from
    the other. For forces without relation to the structure the mean cosine of n atoms is 0 with a standard deviation of
    1/sqrt(3 n), whatever their distribution: a direction drawn at random has a cosine of variance 1/3 with any other.

    Args:
        frames: labelled frames with finite positions.
        forces: eV/Å, one array per frame.
        seed: of the halves, and of what is left out of a large set.
    """
    rng = np.random.default_rng(seed)
    elements = np.unique(np.concatenate([frame.numbers for frame in frames]))
    kinds = len(elements) * (len(elements) + 1) // 2
    if kinds > MOST_KINDS:
        elements = elements[:0]
    features = RADIAL * (kinds if len(elements) else 1)
    rows, labels, owner = [], [], []
    room = min(MOST_ATOMS, MOST_NUMBERS // (3 * features))
    for index in rng.permutation(len(frames)):
        size = np.linalg.norm(forces[index], axis=1)
        used = np.flatnonzero(size >= FORCE_THAT_COUNTS_EV_PER_A)[:room]
        if len(used):
            rows.append(pair_features(frames[index], elements)[used])
            labels.append(forces[index][used])
            owner.append(np.full(len(used), index))
            room -= len(used)
    if sum(map(len, owner)) < 2 * _FOLDS:
        return PairForces(np.empty(0), np.empty(0, dtype=np.int64))
    return PairForces(_cross_validated(np.concatenate(rows), np.concatenate(labels), rng), np.concatenate(owner))


def pair_features(frame: Atoms, elements: Elements) -> _Features:
    """Per atom and function, the sum of the unit vectors to the neighbours, weighted by the function.

    Args:
        frame: positions and cell must be finite.
        elements: sorted atomic numbers whose pairs are told apart; none for one kind of all pairs.
    """
    from ase.data import covalent_radii

    pairs = pairs_within(frame, CUTOFF_A)
    radii = covalent_radii[frame.numbers]
    scaled = pairs.distance / (radii[pairs.first] + radii[pairs.second])
    centres = np.linspace(0.7, 2.5, RADIAL)
    phi = np.exp(-(((scaled[:, None] - centres) / (centres[1] - centres[0])) ** 2))
    phi *= ((1.0 - (pairs.distance / CUTOFF_A) ** 2) ** 2)[:, None]
    unit = pairs.vector / np.maximum(pairs.distance, 1e-6)[:, None]
    place = np.searchsorted(elements, frame.numbers) if len(elements) else np.zeros(len(frame), dtype=int)
    low, high = np.sort([place[pairs.first], place[pairs.second]], axis=0)
    kind = high * (high + 1) // 2 + low
    kinds = max(1, len(elements) * (len(elements) + 1) // 2)
    features = np.zeros((len(frame), 3, kinds * RADIAL))
    for each in np.unique(kind):
        chosen = kind == each
        atoms = pairs.first[chosen]
        for axis in range(3):
            weighted = phi[chosen] * unit[chosen, axis, None]
            for number in range(RADIAL):
                features[:, axis, each * RADIAL + number] = np.bincount(atoms, weighted[:, number], len(frame))
    return features


def _cross_validated(rows: _Features, forces: Forces, rng: np.random.Generator) -> Cosines:
    size = np.linalg.norm(forces, axis=1)
    weight = 1.0 / np.maximum(size, 0.3 * np.sqrt((size**2).mean()))
    fold = rng.permutation(len(forces)) % _FOLDS
    cosine = np.zeros(len(forces))
    for held in range(_FOLDS):
        learnt, tested = fold != held, fold == held
        matrix = (rows[learnt] * weight[learnt, None, None]).reshape(-1, rows.shape[2])
        gram, target = matrix.T @ matrix, matrix.T @ (forces[learnt] * weight[learnt, None]).ravel()
        scale = np.sqrt(np.diag(gram))
        scale[scale == 0.0] = 1.0
        ridge = _RIDGE * np.eye(len(gram))
        coefficients = np.linalg.solve(gram / np.outer(scale, scale) + ridge, target / scale) / scale
        fitted = rows[tested] @ coefficients
        lengths = np.linalg.norm(fitted, axis=1) * size[tested]
        cosine[tested] = (fitted * forces[tested]).sum(axis=1) / np.maximum(lengths, 1e-12)
    return cosine
