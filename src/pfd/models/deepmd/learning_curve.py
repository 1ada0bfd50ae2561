"""The learning curve that deepmd-kit writes while it trains."""

from __future__ import annotations

import math
from pathlib import Path

from pfd.models.family import EpochRecord


def read_curve(path: Path) -> list[EpochRecord]:
    """The rows of ``lcurve.out`` so far, oldest first; a row that is being written is left out.

    The file gives energies per atom (eV) and force components (eV/Å), as root mean squares: of the last training batch,
    and of the validation frames.
    """
    if not path.is_file():
        return []
    names: list[str] = []
    records = []
    for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
        if line.startswith("#"):
            names = line.split()[1:] if "step" in line.split() else names
            continue
        row = dict(zip(names, map(float, line.split()), strict=False))
        if len(row) < len(names):
            continue
        records.append(
            EpochRecord(
                step=int(row["step"]),
                loss=(_first(row, "rmse_trn", "rmse") or 0.0) ** 2,
                train_force_rmse_eV_per_A=_first(row, "rmse_f_trn", "rmse_f"),
                valid_force_rmse_eV_per_A=_first(row, "rmse_f_val"),
                valid_energy_rmse_eV_per_atom=_first(row, "rmse_e_val"),
            )
        )
    return records


def _first(row: dict[str, float], *names: str) -> float | None:
    """The first of these columns that is there and holds a number."""
    return next((row[name] for name in names if name in row and math.isfinite(row[name])), None)
