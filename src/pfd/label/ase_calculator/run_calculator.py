"""Label one frame with a calculator of ASE; run by its path, in any interpreter that has ase and numpy (not pfd).

``python run_calculator.py`` reads frame.extxyz and calculation.json in the folder it is started in, and writes
labelled.extxyz, or failure.json if the calculator raises. ``python run_calculator.py --describe NAME`` prints a line of
JSON: what the calculator is. A module beside frame.extxyz can be named.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any


def calculator_class(name: str) -> Any:
    """The class, or function that makes a calculator, by ASE's registered name or as ``module:Class``."""
    module, _, attribute = name.partition(":")
    if attribute:
        return getattr(importlib.import_module(module), attribute)
    from ase.calculators.calculator import get_calculator_class

    return get_calculator_class(name)


def describe(name: str) -> dict[str, Any]:
    """Name, version and module of the package that a calculator comes from."""
    from importlib import metadata

    module = calculator_class(name).__module__
    top = module.partition(".")[0]
    found = metadata.packages_distributions().get(top)
    if found:
        return {"package": found[0], "version": metadata.version(found[0]), "module": module}
    return {"package": top, "version": getattr(importlib.import_module(top), "__version__", ""), "module": module}


def labelled(calculator: Any, atoms: Any, *, stress: bool) -> Any:
    """The atoms with what the calculator says of them."""
    import numpy as np
    from ase.calculators.calculator import PropertyNotImplementedError
    from ase.calculators.singlepoint import SinglePointCalculator

    atoms.calc = calculator
    results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(apply_constraint=False)}
    if stress:
        results["stress"] = atoms.get_stress(apply_constraint=False)
    with suppress(PropertyNotImplementedError):  # then the energy is the one whose gradient the forces are
        results["free_energy"] = atoms.get_potential_energy(force_consistent=True)
    told = getattr(calculator, "results", {})
    if atoms.get_initial_magnetic_moments().any() or np.any(told.get("magmoms", 0.0)):
        results.update({key: told[key] for key in ("magmom", "magmoms") if told.get(key) is not None})
    answer = atoms.copy()
    answer.calc = SinglePointCalculator(answer, **results)
    if hasattr(calculator, "get_number_of_iterations"):
        answer.info["scf_steps"] = calculator.get_number_of_iterations() or 0
    return answer


def main() -> int:
    """Label the frame of this folder."""
    asked = json.loads(Path("calculation.json").read_text(encoding="utf-8"))
    stage = "start"
    try:
        from ase.io import read, write

        calculator = calculator_class(asked["calculator"])(**asked["parameters"])
        stage = "calculate"
        atoms = read("frame.extxyz")  # after the calculator: ASE looks once for the MPI that it brings along
        answer = labelled(calculator, atoms, stress=asked["stress"])
        write("labelled.extxyz", answer)
    except Exception as error:
        traceback.print_exc()
        kinds = [kind.__name__ for kind in type(error).__mro__]
        content = {"stage": stage, "kinds": kinds, "message": str(error)}
        partial = Path(f"failure.json.{os.getpid()}")  # ranks of MPI fail together
        partial.write_text(json.dumps(content), encoding="utf-8")
        partial.replace("failure.json")
        return 3
    return 0


if __name__ == "__main__":
    sys.path[0] = str(Path.cwd())  # instead of this file's folder
    if sys.argv[1:2] == ["--describe"]:
        sys.stdout.write(json.dumps(describe(sys.argv[2])) + "\n")
    else:
        sys.exit(main())
