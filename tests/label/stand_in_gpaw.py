"""A stand-in for the package gpaw, on PYTHONPATH: insists on its keywords, and gives Lennard-Jones labels.

The file ``mode`` beside it says how it fails; ``keywords`` beside it takes the keywords of each run, one line of JSON.
"""

import json
from pathlib import Path

import numpy as np
from ase.calculators.lj import LennardJones

HERE = Path(__file__).parent
__version__ = "0.0"
setup_paths = [str(HERE / "setups")]


class KohnShamConvergenceError(Exception):
    pass


class GPAW(LennardJones):
    def __init__(self, *, mode, xc, kpts, occupations, convergence, charge, txt, maxiter, **more):
        super().__init__(sigma=2.1, epsilon=0.5, rc=4.0, smooth=True)
        given = {key: value for key, value in locals().items() if key not in {"self", "more", "__class__"}} | more
        unknown = set(more) - {"setups", "mixer", "eigensolver", "poissonsolver"}
        if unknown:
            raise TypeError(f"unknown keywords {unknown}")
        assert mode["name"] == "pw"
        assert kpts["gamma"] is True
        with (HERE / "keywords").open("a") as stream:
            stream.write(json.dumps(given) + "\n")
        self.told = (HERE / "mode").read_text() if (HERE / "mode").is_file() else ""
        self.limit, self.given = maxiter, given
        Path(txt).write_text("the log\n")

    def calculate(self, atoms=None, properties=(), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        tries = len((HERE / "keywords").read_text().splitlines())
        if self.told == "unconverged" or (self.told == "third" and tries < 3):
            raise KohnShamConvergenceError
        if self.told == "setup":
            raise FileNotFoundError("Could not find required PAW dataset file")
        if self.told == "overlap":
            raise RuntimeError("Atoms too close!")
        moments = atoms.get_initial_magnetic_moments()
        self.results["free_energy"] = self.results["energy"] - 0.1
        self.results["magmoms"] = moments
        self.results["magmom"] = float(np.sum(moments))

    def get_number_of_iterations(self):
        return self.limit if self.told == "all steps" else 9
