"""Alloys: the sites of a lattice occupied at random, or quasi-randomly, over a range of compositions."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from pfd.errors import SettingError
from pfd.frames.frame import with_origin
from pfd.frames.neighbours import pairs_within
from pfd.settings import Settings

if TYPE_CHECKING:
    from ase import Atoms

Fraction = Annotated[float, Field(ge=0, le=1)]
SWAPS_PER_SITE = 30
"""Swaps tried for each site of a quasi-random structure; more changed nothing on fcc cells of 32 to 256 atoms."""
SAME_SHELL_A = 0.3
"""Neighbours whose distances differ by less belong to one shell, Å."""


class AlloySettings(Settings):
    """Occupation of the sites of a structure by several elements."""

    elements: tuple[str, ...] = Field(min_length=2)
    """What occupies the sites."""
    sites: str | None = None
    """The element whose sites are occupied; None is all sites."""
    fractions: tuple[tuple[Fraction, ...], ...] | None = Field(default=None, min_length=1)
    """Compositions: for each, the fraction of the sites of each element, adding up to 1. None spreads ``count``
    compositions evenly over all that are possible, pure ones left to chance."""
    count: int = Field(default=5, ge=1, le=10_000)
    """Structures: of each composition, or in all if ``fractions`` leaves the compositions open."""
    arrangement: Literal["random", "sqs"] = "random"
    """random: as a hot alloy; sqs: swaps until neighbours are as uncorrelated as the cell allows, the better stand-in
    for a random alloy in a small cell (Zunger et al., Phys. Rev. Lett. 65, 353 (1990); here of pairs)."""
    shells: int = Field(default=2, ge=1, le=6)
    """Shells of neighbours whose correlations sqs removes, the n-th with weight 1/n."""
    scale_volume: bool = True
    """Change the volume as the elements' covalent spheres say (Vegard's rule, roughly), so that large atoms on the
    sites of small ones do not begin under hundreds of kilobars."""

    @field_validator("elements")
    @classmethod
    def _elements(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        from ase.data import atomic_numbers

        wrong = [symbol for symbol in value if symbol not in atomic_numbers or symbol == "X"]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is no element")
        if len(set(value)) < len(value):
            raise ValueError("elements holds one twice")
        return value

    @model_validator(mode="after")
    def _compositions(self) -> AlloySettings:
        for fractions in self.fractions or ():
            if len(fractions) != len(self.elements) or abs(sum(fractions) - 1.0) > 1e-6:
                raise ValueError(
                    f"fractions {list(fractions)}: give one for each of {', '.join(self.elements)}, adding up to 1"
                )
        if self.arrangement != "sqs" and self.moved("shells"):
            raise ValueError("shells are of arrangement sqs; remove them")
        return self


def build_alloys(frame: Atoms, settings: AlloySettings, seed: int) -> list[Atoms]:
    """The structure with its sites occupied, once for each composition and copy; without labels.

    Numbers of atoms are the composition's, rounded so that they add up (largest remainders).

    Args:
        frame: the lattice.
        settings: what goes where.
        seed: of compositions and arrangements.

    Raises:
        SettingError: if no site has the element that is to be replaced.
    """
    sites = np.flatnonzero([settings.sites in {None, symbol} for symbol in frame.get_chemical_symbols()])
    if len(sites) == 0:
        raise SettingError(
            f"no site of {settings.sites} in {frame.symbols.formula.format('hill')}",
            where="alloy.sites",
            hint=f"one of {', '.join(sorted(set(frame.get_chemical_symbols())))}",
        )
    generator = np.random.default_rng(seed)
    return [_occupied(frame, sites, fractions, settings, generator) for fractions in _fractions(settings, generator)]


def _fractions(settings: AlloySettings, generator: np.random.Generator) -> list[np.ndarray]:
    """One composition for each structure; open ones from a quasi-random sequence on the simplex.

    The gaps between n - 1 sorted uniform numbers are uniform on the simplex of n fractions (Devroye, Non-Uniform
    Random Variate Generation, 1986, chapter V).
    """
    if settings.fractions is not None:
        return [np.array(entry) for entry in settings.fractions for _ in range(settings.count)]
    from scipy.stats import qmc

    cuts = qmc.Halton(len(settings.elements) - 1, seed=generator).random(settings.count)
    edges = np.column_stack([np.zeros(settings.count), np.sort(cuts, axis=1), np.ones(settings.count)])
    return [*np.diff(edges, axis=1)]


def _occupied(
    frame: Atoms,
    sites: np.ndarray,
    fractions: np.ndarray,
    settings: AlloySettings,
    generator: np.random.Generator,
) -> Atoms:
    from ase.data import atomic_numbers, covalent_radii

    counts = _rounded(fractions * len(sites))
    kinds = generator.permutation(np.repeat(np.arange(len(counts)), counts))
    if settings.arrangement == "sqs":
        kinds = _uncorrelated(frame, sites, kinds, len(counts), settings.shells, generator)
    alloy = frame.copy()
    numbers = alloy.numbers.copy()
    numbers[sites] = np.array([atomic_numbers[symbol] for symbol in settings.elements])[kinds]
    alloy.set_atomic_numbers(numbers)
    if "masses" in alloy.arrays:
        del alloy.arrays["masses"]
    if settings.scale_volume and frame.pbc.all():
        spheres = [float((covalent_radii[each.numbers] ** 3).sum()) for each in (frame, alloy)]
        alloy.set_cell(alloy.cell.array * np.cbrt(spheres[1] / spheres[0]), scale_atoms=True)
    return with_origin(alloy)


def _rounded(shares: np.ndarray) -> np.ndarray:
    """Whole numbers near the shares that add up to their sum."""
    counts = np.floor(shares + 1e-9).astype(int)
    missing = round(float(shares.sum())) - int(counts.sum())
    counts[np.argsort(counts - shares, kind="stable")[:missing]] += 1
    return counts


def _uncorrelated(
    frame: Atoms, sites: np.ndarray, kinds: np.ndarray, elements: int, shells: int, generator: np.random.Generator
) -> np.ndarray:
    """Swap unlike sites as long as that brings the pair correlations of the first shells nearer to those of chance."""
    links = neighbour_shells(frame[sites], shells)
    best, error = kinds, pair_error(kinds, links, elements)
    for _ in range(SWAPS_PER_SITE * len(sites)):
        one, other = generator.integers(len(sites), size=2)
        if best[one] == best[other]:
            continue
        tried = best.copy()
        tried[[one, other]] = best[[other, one]]
        changed = pair_error(tried, links, elements)
        if changed <= error:
            best, error = tried, changed
    return best


def neighbour_shells(frame: Atoms, shells: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Ordered pairs of sites in each of the first shells of neighbours, periodic images included."""
    cutoff = 3.0
    while True:
        pairs = pairs_within(frame, cutoff)
        radii = np.sort(pairs.distance)
        gaps = [0, *(np.flatnonzero(np.diff(radii) > SAME_SHELL_A) + 1)] if len(radii) else []
        if len(gaps) > shells or cutoff > 30.0:
            break
        cutoff *= 1.25
    edges = [float(radii[gap]) - 1e-6 for gap in gaps] + [np.inf]
    found = []
    for low, high in list(pairwise(edges))[:shells]:
        here = (pairs.distance >= low) & (pairs.distance < high)
        found.append((pairs.first[here], pairs.second[here]))
    return found


def pair_error(kinds: np.ndarray, shells: list[tuple[np.ndarray, np.ndarray]], elements: int) -> float:
    """Sum over shells n of 1/n times the squared differences of the pair probabilities from those of chance."""
    fractions = np.bincount(kinds, minlength=elements) / len(kinds)
    chance = np.outer(fractions, fractions).ravel()
    total = 0.0
    for number, (first, second) in enumerate(shells, 1):
        if len(first):
            found = np.bincount(elements * kinds[first] + kinds[second], minlength=elements**2) / len(first)
            total += float(((found - chance) ** 2).sum()) / number
    return total
