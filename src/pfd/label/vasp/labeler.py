"""VASP as labeler: write the input, run it, read vasprun.xml and OUTCAR, and believe neither of them alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pfd.errors import LabelRejected
from pfd.frames import frame_id
from pfd.label.engine_program import ProgramLabeler, run_engine
from pfd.label.labeler import CUTOFF_STEP, SPACING_STEP, Finer, LabelerSettings, Outcome, finer_mesh
from pfd.label.species_order import frame_order
from pfd.label.vasp.failure import failed_in_cycle, failure_of
from pfd.label.vasp.incar import AIDS, ENFORCED, Value, differing, physics_of
from pfd.label.vasp.input import VaspInput, vasp_input
from pfd.label.vasp.output import VaspOutput, read_vasp_output
from pfd.label.vasp.recipe import VaspRecipe
from pfd.label.vasp.settings import VaspSettings

if TYPE_CHECKING:
    from ase import Atoms

LINEAR: dict[str, Value] = {"ALGO": "Normal", "AMIX": 0.2, "BMIX": 0.0001}
LINEAR_MAGNETIC: dict[str, Value] = {"AMIX_MAG": 0.8, "BMIX_MAG": 0.0001}
"""Linear mixing, the manual's advice for cycles that do not converge (https://vasp.at/wiki/AMIX)."""
_DIRECT = ("A", "C", "D")
"""First letters of ALGO = All, Conjugate, Damped: direct minimisation, which needs no mixing."""


class Vasp(ProgramLabeler[VaspSettings, VaspInput]):
    """Labels with VASP, one static run per frame.

    A frame that is not periodic in all directions is computed in its own box with one k-point along the directions
    that are not, and without stress; the box must hold enough vacuum. The charge sets NELECT, the spin 2S+1 NUPDOWN.

    The tests run stand-ins and recorded outputs; no live VASP was ever run by us.
    """

    name: ClassVar[str] = "vasp"
    citation = "G. Kresse, J. Furthmüller, Phys. Rev. B 54, 11169 (1996), doi:10.1103/PhysRevB.54.11169"
    Settings = VaspSettings
    programs = ("vasp_std",)
    install = "VASP is licensed (https://www.vasp.at); name yours with finetune.label.command"
    how = ProgramLabeler.how | {"potcar_dir", "incar_file", "kpoints_file"}
    private = ("POTCAR",)
    evidence = ("INCAR", "POSCAR", "KPOINTS", "OUTCAR", "vasprun.xml", "vasp.out")
    honours = frozenset({"charge", "spin", "initial_magmoms", "partial_pbc"})

    def __init__(self, settings: LabelerSettings) -> None:
        super().__init__(settings)
        self._recipe = VaspRecipe(self._settings)

    def level_of_theory(self) -> str:
        """See ``VaspRecipe.level_of_theory``.

        Raises:
            InputError, MissingError: if a file is missing, or something does not fit.
        """
        return self._recipe.level_of_theory()

    def aids(self) -> dict[str, Any]:
        """Keys of INCAR that only say how to get to the ground state, wherever they were given, and the ladder."""
        given = {key: value for key, value in self._recipe.user_keys.items() if key in AIDS}
        aids = {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()}
        return {"incar": aids, "ladder": self._settings.ladder}

    def finer(self, frames: Sequence[Atoms] = ()) -> list[Finer]:
        """A higher ENCUT and a denser mesh of k-points, whatever gives them: keys, an INCAR, or a preset.

        A KPOINTS file is the user's decision for all frames, and is not compared.
        """
        cutoff = self._recipe.cutoff()
        value = round(cutoff * CUTOFF_STEP)
        named = self._settings.model_copy(update=self._recipe.spelt_out())
        changed = named.model_copy(update={"incar": {**named.incar, "ENCUT": value}})
        finer = Finer("incar.ENCUT", f"{cutoff:g}", f"{value:g}", changed)
        return [finer, *self._finer_mesh(named, frames)]

    def _finer_mesh(self, named: VaspSettings, frames: Sequence[Atoms]) -> list[Finer]:
        k_points = self._recipe.k_points
        if k_points.spacing_per_A is not None:
            return finer_mesh(named.model_copy(update={"kspacing_per_A": k_points.spacing_per_A}), frames)
        if not k_points.preset:
            return []
        spacings = [spacing for frame in frames if (spacing := self._recipe.spacing_of_mesh(frame)) is not None]
        if not spacings:
            return []
        finer = float(f"{SPACING_STEP * min(spacings):.3g}")
        changed = named.model_copy(update={"kspacing_per_A": finer})
        return [Finer("kspacing_per_A", f"of {named.preset}", f"{finer:g}", changed)]

    def prepare(self, frame: Atoms) -> VaspInput:
        """See ``vasp_input``."""
        return vasp_input(self._recipe, frame)

    def attempt(self, frame: Atoms, given: VaspInput, folder: Path, tuned: Mapping[str, Value]) -> Outcome | str:
        """See ``ProgramLabeler``; no POTCAR is left in the folder."""
        where = f"frame {frame_id(frame)}"
        folder.mkdir(parents=True)
        given.write(folder, tuned)
        try:
            finished = run_engine(self._settings, folder, "vasp.out", install=self.install)
        finally:
            (folder / "POTCAR").unlink(missing_ok=True)
        output = read_vasp_output(folder)
        if routine := failed_in_cycle(finished, output, charged="NELECT" in given.incar):
            return f"VASP failed in the SCF cycle ({routine})"
        if failure := failure_of(finished, output, where):
            raise failure
        if output.problem:
            raise LabelRejected(f"VASP: {output.problem}", where=where, hint="look into its files in the task folder")
        if not output.converged:
            return f"VASP did not converge in {output.scf_steps} SCF steps"
        return _outcome(given, tuned, output, frame)

    def unconverged_hint(self, given: VaspInput) -> str:
        """See ``ProgramLabeler``."""
        steps = given.incar["NELM"]
        return (
            f"raise NELM ({steps}) in finetune.label.incar, choose another ALGO or mixing there, or look at the frame"
        )

    def ladder(self, given: VaspInput) -> list[dict[str, Value]]:
        """The keys that each try changes: how to get to the ground state, never what it is.

        ISMEAR and SIGMA stay. They would help, but they are part of the free energy and of its gradient. Direct
        minimisation (ALGO = All) cannot do tetrahedra, whose third try is mixed still more gently instead.
        """
        if not self._settings.ladder:
            return [{}]
        incar = given.incar
        steps, smearing = incar["NELM"], incar.get("ISMEAR", 1)
        assert isinstance(steps, int)
        polarised = incar.get("ISPIN") == 2 or incar.get("LNONCOLLINEAR") or incar.get("LSORBIT")
        linear: dict[str, Value] = {**LINEAR, **(LINEAR_MAGNETIC if polarised else {})}
        direct = str(incar.get("ALGO", "Normal")).upper().startswith(_DIRECT)
        last: dict[str, Value] = {"ALGO": "Damped", "TIME": 0.2} if direct else {"ALGO": "All"}
        if isinstance(smearing, int) and smearing <= -4:
            last = linear | {"AMIX": 0.05}
        return [{}, linear | {"NELM": 2 * steps}, last | {"NELM": 4 * steps}]


def _outcome(given: VaspInput, tuned: Mapping[str, Value], output: VaspOutput, frame: Atoms) -> Outcome:
    """The outcome in the frame's order of atoms.

    Raises:
        LabelRejected: if VASP does not echo its atoms, or computed with other settings than it was given.
    """
    where = f"frame {frame_id(frame)}"
    echoed, labels = output.echoed, output.labels
    if echoed is None or len(echoed) != len(frame):
        found = "none" if echoed is None else str(len(echoed))
        hint = "look into its files in the task folder"
        raise LabelRejected(f"VASP echoes {found} of the {len(frame)} atoms", where=where, hint=hint)
    asked = {**given.incar, **tuned}
    compared = [key for key in (*physics_of(asked), *ENFORCED, "NELM", "ISIF") if key != "NBANDS"]
    if other := differing(asked, output.settings, compared):  # NBANDS is rounded up to the ranks
        hint = "does the command run VASP in the folder it is started in?"
        raise LabelRejected(f"VASP: {other}", where=where, hint=hint)
    forces = labels.forces
    return Outcome(
        labels=replace(
            labels, forces=None if forces is None or len(forces) != len(frame) else frame_order(forces, given.order)
        ),
        converged=True,
        echoed=frame_order(echoed, given.order),
        scf_steps=output.scf_steps,
        max_scf_steps=output.max_scf_steps,
        needs_stress=bool(frame.pbc.all()),
        extra=_extra(given, output),
    )


def _extra(given: VaspInput, output: VaspOutput) -> dict[str, float | list[float]]:
    numbers = {"energy_sigma0_eV": output.energy_sigma0_eV, "total_magmom": output.total_magmom}
    finite = {key: value for key, value in numbers.items() if value is not None and math.isfinite(value)}
    local = output.local_magmoms
    return finite | ({} if local is None else {"local_magmoms": frame_order(local, given.order).tolist()})
