"""Which score of a frame finds rare defects: a pool of thermal silicon with a few vacancies and adatoms.

    python benchmarks/selection_scores.py [--seeds 3]

150 bulk frames of 216 atoms and 30 slab frames of 64; among them 3 with a vacancy and 3 with an adatom; the reference
has neither. Printed: how many of the six are among the first 6, 12 and 24 picks, by score. In the pool ``of one kind``
bulk and slabs have one temperature, as in the issue; in ``hot and cold`` a third of the frames are much hotter.
"""

from __future__ import annotations

import argparse

import numpy as np
from ase import Atoms
from ase.build import add_adsorbate, bulk, diamond100

from pfd.select.descriptor import environments_by_species
from pfd.select.greedy import greedy_cover, greedy_entropy

LOOKS = (6, 12, 24)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    print("| pool | score | " + " | ".join(f"of 6 in {look}" for look in LOOKS) + " |\n|---|---|" + "---|" * len(LOOKS))
    for name, hot in (("of one kind", 0.0), ("hot and cold", 1 / 3)):
        found: dict[str, list] = {}
        for seed in range(options.seeds):
            frames, pool = pool_of(seed, hot)
            groups = environments_by_species(frames, 32, 5.0)
            for score in ("mean", "top", "per_cost"):
                picks, _ = greedy_entropy(groups, pool, max(LOOKS), 0.015, score)
                found.setdefault(score, []).append([sum(pick < 6 for pick in picks[:look]) for look in LOOKS])
            picks, _ = greedy_cover(groups, pool, max(LOOKS), 0.015)
            found.setdefault("msc", []).append([sum(pick < 6 for pick in picks[:look]) for look in LOOKS])
        for score, counts in found.items():
            print(f"| {name} | {score} | " + " | ".join(f"{value:.1f}" for value in np.mean(counts, axis=0)) + " |")
    return 0


def pool_of(seed: int, hot: float) -> tuple[list[Atoms], int]:
    """Six defects, then the common frames, then the reference of 20; and how many are candidates."""
    generator = np.random.default_rng(seed)
    crystal = bulk("Si", cubic=True).repeat(3)
    slab = diamond100("Si", size=(4, 4, 4), vacuum=8.0)
    slab.pbc = True
    vacancy = crystal.copy()
    del vacancy[100]
    adatom = slab.copy()
    add_adsorbate(adatom, "Si", 1.6, "hollow" if "hollow" in adatom.info["adsorbate_info"]["sites"] else (2.0, 2.0))

    def moved(base: Atoms, width_A: float = 0.08) -> Atoms:
        frame = base.copy()
        frame.positions += generator.normal(size=frame.positions.shape) * width_A
        return frame

    def common(bulks: int, slabs: int, share: float) -> list[Atoms]:
        bases = [*[crystal] * bulks, *[slab] * slabs]
        return [moved(base, 0.14 if generator.random() < share else 0.08) for base in bases]

    defects = [*(moved(vacancy) for _ in range(3)), *(moved(adatom) for _ in range(3))]
    pool = [*defects, *common(150, 30, hot)]
    return [*pool, *common(14, 6, hot)], len(pool)


if __name__ == "__main__":
    raise SystemExit(main())
