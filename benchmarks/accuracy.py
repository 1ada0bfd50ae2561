"""Data efficiency on labels that others made: errors of fine-tuned models and students on 10 to 100 labels.

    python benchmarks/accuracy.py [--data ../shared/data] [--out proof] [--rows WORD ...] [--most N] [--cores N]
        [--table]

The pool of a row is the training file of its material. A run of PFD-kit (``explore: pool``, ``label: stored``) chooses
and trains by its default settings, and never sees the test file. Each row is one file of ``--out``: rows that are there
are not run again, so the benchmark can be stopped at any time and goes on. ``--rows`` takes those whose names hold all
of these words (``silicon-selected-chgnet-20-0``), ``--most`` ends after so many, ``--table`` only prints; rows that
have not been run are printed as unrun.

``distilled`` is POD M, distilled from the model of the row ``selected`` with 100 labels, and fitted to those labels
too; it is to be compared with ``scratch`` (POD M too) on these and on all labels.

N counts every label: training, validation, energy shift, and the fixed test set of the run itself. Force errors are
component RMSE on the test file, mean over seeds, with the 95 % interval of a bootstrap over its simulations, widened by
the spread over seeds. A limit that lies in the interval is not resolved. Frames that occur in the training file up to
symmetry are named, and left out of a figure of its own; frames of simulations that the training file holds are scored
apart. A seed draws which blocks of the pool are held out, and with them what there is to choose from.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")

import numpy as np
from accuracy_plot import write_plot
from accuracy_rows import TEACHERS, Row, measure
from rich.console import Console
from rich.table import Table
from scipy.special import stdtrit

MATERIALS = {"silicon": (10, 20, 50, 100), "molybdenum": (10, 20, 50, 100), "water": (10, 20, 30)}
DEAR = {"sevennet": {20, 30, 100}, "l3i5": {100}}
"""Numbers of labels at which a family that costs several times the other's time is run at all."""
DISTILLED = 100
"""Labels of the model that students are distilled from."""
SEEDS = (0, 1, 2)
LIMITS = {
    ("silicon", 20): 100.0,
    ("silicon", 100): 70.0,
    ("molybdenum", 20): 180.0,
    ("molybdenum", 100): 120.0,
    ("water", 30): 110.0,
}
"""What is aimed at, meV/Å."""
ENERGY_LIMIT = 5.0
"""What is aimed at with 100 labels of silicon and molybdenum, meV per atom."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("proof"))
    parser.add_argument("--rows", nargs="*", default=[])
    parser.add_argument("--most", type=int, default=10**6)
    parser.add_argument("--cores", type=int, help="of this machine; fewer than all where other work runs beside")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: no labelled sets in {options.data} (--data)")
        return 0
    rows = [row for row in all_rows() if all(word in row.name for word in options.rows)]
    if not rows:
        print(f"no row holds all of {options.rows}", file=sys.stderr)
        return 2
    if not options.table:
        run(rows, options.data, options.out, options.most, options.cores)
    done = {row: found for row in rows if (found := result_of(row, options.out)) is not None}
    Console(width=160).print(table(rows, done))
    options.out.mkdir(parents=True, exist_ok=True)
    write_plot(done, LIMITS, options.out / "accuracy.svg")
    (options.out / "accuracy.json").write_text(json.dumps(list(done.values()), indent=1), encoding="utf-8")
    return 0


def all_rows() -> list[Row]:
    """Cheap rows first, so that a benchmark that is stopped has something of everything."""
    rows = [Row(material, "zero-shot", family, 0, 0) for material in MATERIALS for family in ("chgnet", "sevennet")]
    rows += [Row(material, "scratch", "chgnet", 0, 0) for material in MATERIALS]
    for family in TEACHERS:
        for seed in SEEDS:
            for material, budgets in MATERIALS.items():
                for labels in budgets:
                    if labels in DEAR.get(family, {labels}):
                        rows.append(Row(material, "selected", family, labels, seed))
                        rows.append(Row(material, "scratch", family, labels, seed))
                        rows.append(Row(material, "random", family, labels, seed))
                    if labels == DISTILLED:
                        rows.append(Row(material, "distilled", family, labels, seed))
    return sorted(rows, key=lambda row: (row.family != "chgnet" and row.labels > 0, row.seed, row.kind == "random"))


def run(rows: list[Row], data: Path, out: Path, most: int, cores: int | None) -> None:
    """The rows that have no result yet, one at a time."""
    (out / "rows").mkdir(parents=True, exist_ok=True)
    for row in [row for row in rows if result_of(row, out) is None][:most]:
        print(f"{time.strftime('%H:%M')} {row.name}", file=sys.stderr, flush=True)
        before = os.times()
        try:
            found = measure(row, data, out, cores)
        except FileNotFoundError as error:  # a row that builds on another one
            print(f"  left: {error}", file=sys.stderr)
            continue
        after = os.times()
        found["cpu_s"] = after.user + after.children_user - before.user - before.children_user
        (out / "rows" / f"{row.name}.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


def result_of(row: Row, out: Path) -> dict[str, Any] | None:
    """What a row measured, if it has been run."""
    path = out / "rows" / f"{row.name}.json"
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def table(rows: list[Row], done: dict[Row, dict[str, Any]]) -> Table:
    """One line for each kind of row, seeds together."""
    shown = Table(title="Errors on the test files")
    columns = ("material", "kind", "family", "labels", "seeds", "force meV/Å", "95 %", "aim", "without copies")
    for column in (*columns, "same / unseen simulation", "energy meV/atom", "stress GPa", "CPU s"):
        shown.add_column(column)
    for kind in dict.fromkeys((row.material, row.kind, row.family, row.labels) for row in rows):
        seeds = [row for row in rows if (row.material, row.kind, row.family, row.labels) == kind]
        shown.add_row(*_cells(kind, [done[row] for row in seeds if row in done], len(seeds)))
    return shown


def _cells(kind: tuple[str, str, str, int], found: list[dict[str, Any]], seeds: int) -> list[str]:
    front = [*kind[:3], str(kind[3] or ("all" if kind[1] == "scratch" else "none")), f"{len(found)} of {seeds}"]
    if not found:
        return [*front, "unrun", *[""] * 7]
    aim = LIMITS.get((kind[0], kind[3])) if kind[1] == "selected" else None
    return [
        *front,
        " ".join(f"{each['force']:.0f}" for each in found) + f"  mean {_mean(found, 'force'):.0f}",
        "{:.0f} to {:.0f}".format(*_interval(found)),
        _verdict(_mean(found, "force"), _interval(found), aim) if aim else "",
        f"{_mean(found, 'force_without_copies'):.0f}",
        f"{_mean(found, 'force_same_simulation'):.0f} / {_mean(found, 'force_unseen_simulation'):.0f}",
        f"{_mean(found, 'energy'):.1f}",
        f"{_mean(found, 'stress_GPa'):.2f}",
        f"{_mean(found, 'cpu_s'):.0f}",
    ]


def _mean(found: list[dict[str, Any]], key: str) -> float:
    values = [each[key] for each in found if each[key] is not None]
    return sum(values) / len(values) if values else float("nan")


def _interval(found: list[dict[str, Any]]) -> tuple[float, float]:
    """95 % interval of the mean over seeds: of the test frames' simulations, widened by the spread over seeds.

    Both are taken in the logarithm and added as independent; one seed says nothing of the spread.
    """
    half = sum(math.log(high / low) / 2 for low, high in (each["interval"] for each in found)) / len(found)
    if len(found) > 1:
        spread = np.std([math.log(each["force"]) for each in found], ddof=1) / math.sqrt(len(found))
        half = math.hypot(half, float(stdtrit(len(found) - 1, 0.975)) * float(spread))
    mean = _mean(found, "force")
    return mean * math.exp(-half), mean * math.exp(half)


def _verdict(mean: float, interval: tuple[float, float], aim: float) -> str:
    resolved = "" if not interval[0] < aim < interval[1] else ", not resolved"
    return f"{aim:.0f}: {'met' if mean <= aim else 'missed'}{resolved}"


if __name__ == "__main__":
    sys.exit(main())
