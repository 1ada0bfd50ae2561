"""Speed of selection against the quests package: ratios in one process, CPU seconds, the best of three repeats.

    python benchmarks/selection.py [--out selection.json] [--parts descriptor,picks,gate,million]

Rivals: the older tool's rule (10 frames at a time by the sum of quests' differential entropy, all recomputed at each
chunk), and quests' msc_conditional. Pools come from a seed. The part ``million`` runs in a process of its own, so that
its memory is its own; it fits the exponent of the cost over four sizes of the pool.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["NUMBA_NUM_THREADS"] = "1"

import numpy as np
from ase import Atoms
from ase.build import bulk

from pfd.frames import frame_id
from pfd.select.descriptor import Environments, describe, environments_by_species
from pfd.select.gate import pass_gate
from pfd.select.greedy import greedy_cover, greedy_entropy
from pfd.select.settings import GateSettings

PARTS = ("descriptor", "picks", "gate", "million")
TARGETS = {
    "descriptor Si64": 3.0,
    "descriptor SrTiO3": 4.0,
    "naive 300/200": 15.0,
    "naive 1000/60": 5.0,
    "naive 1000/200": 25.0,
}
BANDWIDTH = 0.015


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.child:
        print(json.dumps(million()))
        return 0
    makers = {"descriptor": descriptors, "picks": picks, "gate": gate, "million": million_apart}
    results = {part: makers[part]() for part in options.parts.split(",")}
    missed = show(results)
    if options.out:
        options.out.write_text(json.dumps(results, indent=1), encoding="utf-8")
    return 1 if missed else 0


def silicon(count: int, seed: int) -> list[Atoms]:
    """Si64 as from trajectories at several temperatures: rattled by 0.03 to 0.2 Å."""
    generator = np.random.default_rng(seed)
    base = bulk("Si", cubic=True).repeat(2)
    return [rattled(base, generator, 0.03 + 0.17 * generator.random()) for _ in range(count)]


def perovskite(count: int, seed: int) -> list[Atoms]:
    places = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    base = Atoms("SrTiO3", scaled_positions=places, cell=[3.905] * 3, pbc=True).repeat(3)
    generator = np.random.default_rng(seed)
    return [rattled(base, generator, 0.08) for _ in range(count)]


def rattled(base: Atoms, generator: np.random.Generator, width_A: float) -> Atoms:
    frame = base.copy()
    frame.positions += generator.normal(size=frame.positions.shape) * width_A
    return frame


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """CPU seconds, the best of some repeats."""
    taken = []
    for _ in range(repeats):
        begin = time.process_time()
        work()
        taken.append(time.process_time() - begin)
    return min(taken)


def compared(name: str, ours: Callable[[], object], theirs: Callable[[], object], repeats: int = 3) -> dict:
    """In turn, so that both meet the same load."""
    pairs = [(seconds(ours, 1), seconds(theirs, 1)) for _ in range(repeats)]
    best = [min(column) for column in zip(*pairs, strict=True)]
    print(f"{name}: {best[1] / best[0]:.1f}", file=sys.stderr, flush=True)
    return {"ours_s": best[0], "theirs_s": best[1], "ratio": best[1] / best[0]}


def descriptors() -> dict:
    from quests.descriptor import get_descriptors

    results = {}
    for name, frames in (("Si64", silicon(40, 0)), ("SrTiO3", perovskite(20, 0))):
        get_descriptors(frames[:1])
        describe(frames[0])
        results[f"descriptor {name}"] = compared(
            f"descriptor {name}",
            lambda frames=frames: [describe(frame) for frame in frames],
            lambda frames=frames: get_descriptors(frames),
        )
    return results


def picks() -> dict:
    from quests.compression.fps import msc_conditional
    from quests.entropy import entropy

    results = {}
    for size, count in ((300, 200), (1000, 60), (1000, 200)):
        frames = [*silicon(size, 1), *silicon(10, 2)]
        groups = environments_by_species(frames, 32, 5.0)
        rows = [groups[14].of(frame) for frame in range(len(frames))]
        older_rule(rows[:20], rows[size:], 10)
        own = np.array([entropy(row) for row in rows[:size]])
        tries = 3 if size == 300 else 2 if count == 60 else 1
        ours = lambda groups=groups, size=size, count=count: greedy_entropy(groups, size, count, BANDWIDTH)  # noqa: E731
        results[f"naive {size}/{count}"] = compared(
            f"naive {size}/{count}",
            ours,
            lambda rows=rows, size=size, count=count: older_rule(rows[:size], rows[size:], count),
            tries,
        )
        results[f"msc {size}/{count}"] = compared(
            f"msc {size}/{count}",
            lambda groups=groups, size=size, count=count: greedy_cover(groups, size, count, BANDWIDTH),
            lambda rows=rows, size=size, count=count, own=own: msc_conditional(rows[:size], own, count, rows[size:]),
            tries,
        )
        chosen, _ = ours()
        results[f"naive {size}/{count}"] |= {"picks": len(chosen)}
        if size == 300:
            results[f"naive {size}/{count}"]["same_as_float64"] = chosen[:30] == by_definition(groups, size, 30)
    return results


def older_rule(pool: list[np.ndarray], reference: list[np.ndarray], count: int, chunk: int = 10) -> list[int]:
    """Ten at a time, by the sum of the surprise over the atoms, everything recomputed for each chunk."""
    from quests.entropy import delta_entropy

    left, chosen = list(range(len(pool))), []
    while left and len(chosen) < count:
        known = np.concatenate([*reference, *(pool[index] for index in chosen)])
        surprise = delta_entropy(np.concatenate([pool[index] for index in left]), known, h=BANDWIDTH)
        ends = np.cumsum([0, *(len(pool[index]) for index in left)])
        sums = np.add.reduceat(surprise, ends[:-1])
        best = [left[place] for place in np.argsort(-sums)[:chunk]]
        chosen += best
        left = [index for index in left if index not in best]
    return chosen


def by_definition(groups: dict[int, Environments], pool: int, count: int) -> list[int]:
    """Plain greedy picks in double precision, all distances at once."""
    from scipy.special import logsumexp

    group = groups[14]
    chosen: list[int] = []
    candidates = group.features[: group.start[pool]]
    logs = logsumexp(_exponents(candidates, group.features[group.start[pool] :]), axis=1)
    for _ in range(count):
        gains = np.add.reduceat(-logs, group.start[:pool]) / np.diff(group.start[: pool + 1])
        gains[chosen] = -np.inf
        chosen.append(int(np.argmax(gains)))
        logs = np.logaddexp(logs, logsumexp(_exponents(candidates, group.of(chosen[-1])), axis=1))
    return chosen


def _exponents(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    from scipy.spatial.distance import cdist

    return -cdist(x, y, "sqeuclidean") / (2 * BANDWIDTH**2)


def gate() -> dict:
    base = bulk("Si", cubic=True).repeat(3)
    generator = np.random.default_rng(0)
    frames = [rattled(base, generator, 0.1) for _ in range(1000)]
    pass_gate(frames[:2], [], GateSettings())
    taken = seconds(lambda: pass_gate(frames, [], GateSettings()), 3)
    ids = seconds(lambda: [frame_id(frame) for frame in frames], 1)
    return {"gate 1000 x 216": {"ours_s": taken, "ids_s": ids}}


def million_apart() -> dict:
    done = subprocess.run([sys.executable, __file__, "--child"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def million(picked: int = 60) -> dict:
    """One million environments; the smaller pools are its beginnings."""
    sizes = [1954, 3907, 7813, 15625]
    results: dict = {}
    begin = time.process_time()
    groups = environments_by_species([*silicon(sizes[-1], 3), *silicon(313, 4)], 32, 5.0)
    results["making and describing"] = {"ours_s": time.process_time() - begin}
    taken = []
    for size in sizes:
        begin = time.process_time()
        chosen, _ = greedy_entropy(beginning_of(groups, size), size, picked, BANDWIDTH)
        taken.append(time.process_time() - begin)
        assert len(chosen) == picked
        results[f"{64 * size} environments / {picked}"] = {"ours_s": taken[-1]}
    begin = time.process_time()
    greedy_entropy(groups, sizes[-1], picked, BANDWIDTH)
    results[f"the last with {313 * 64} of reference"] = {"ours_s": time.process_time() - begin}
    exponent = float(np.polyfit(np.log(sizes), np.log(taken), 1)[0])
    status = Path("/proc/self/status").read_text(encoding="utf-8")  # ru_maxrss would be the parent's, if that is larger
    peak = float(status.split("VmHWM:")[1].split()[0]) / 1e6
    return results | {"exponent over four sizes": {"value": exponent}, "peak memory, GB": {"value": peak}}


def beginning_of(groups: dict[int, Environments], pool: int) -> dict[int, Environments]:
    """The first frames of the pool without a reference; the features are not copied."""
    group = groups[14]
    return {14: Environments(group.features[: group.start[pool]], group.start[: pool + 1])}


def show(results: dict) -> list[str]:
    """Print a table; returns the names of the missed targets."""
    missed = []
    print("| what | ours, CPU s | theirs, CPU s | ratio | wanted |\n|---|---|---|---|---|")
    for part in results.values():
        for name, row in part.items():
            wanted = TARGETS.get(name)
            if wanted and row["ratio"] < wanted:
                missed.append(name)
            cells = [f"{row[key]:.3g}" if key in row else "" for key in ("ours_s", "theirs_s", "ratio")]
            if "value" in row:
                cells[0] = f"({row['value']:.2f})"
            print(f"| {name} | {' | '.join(cells)} | {wanted or ''} |")
    if missed:
        print("missed: " + ", ".join(missed))
    return missed


if __name__ == "__main__":
    raise SystemExit(main())
