"""VASP as labeler: write the input, run it, read vasprun.xml and OUTCAR, and believe neither of them alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pfd.errors import LabelRejected
from pfd.frames import frame_id
from pfd.label.engine_program import ranks, require_program, run_engine
from pfd.label.labeler import Labeler, LabelerSettings, Outcome
from pfd.label.species_order import frame_order
from pfd.label.vasp_failure import failed_in_cycle, failure_of
from pfd.label.vasp_incar import AIDS, ENFORCED, Value, differing, physics_of
from pfd.label.vasp_input import VaspInput, vasp_input
from pfd.label.vasp_output import VaspOutput, read_vasp_output
from pfd.label.vasp_recipe import VaspRecipe
from pfd.label.vasp_settings import VaspSettings
from pfd.program import Finished

if TYPE_CHECKING:
    from ase import Atoms

LINEAR: dict[str, Value] = {"ALGO": "Normal", "AMIX": 0.2, "BMIX": 0.0001}
LINEAR_MAGNETIC: dict[str, Value] = {"AMIX_MAG": 0.8, "BMIX_MAG": 0.0001}
"""Linear mixing, the manual's advice for cycles that do not converge (https://vasp.at/wiki/AMIX)."""
_DIRECT = ("A", "C", "D")
"""First letters of ALGO = All, Conjugate, Damped: direct minimisation, which needs no mixing."""


class Vasp(Labeler):
    """Labels with VASP, one static run per frame.

    A frame that is not periodic in all directions is computed in its own box with one k-point along the directions
    that are not, and without stress; the box must hold enough vacuum. The charge sets NELECT, the spin 2S+1 NUPDOWN.

    The tests run stand-ins and recorded outputs; no live VASP was ever run by us.

    Source: G. Kresse, J. Furthmüller, Phys. Rev. B 54, 11169 (1996), doi:10.1103/PhysRevB.54.11169.
    """

    name: ClassVar[str] = "vasp"
    Settings = VaspSettings
    programs = ("vasp_std",)
    install = "VASP is licensed (https://www.vasp.at); name yours with label.command"
    how = frozenset({"command", "wall_time", "potcar_dir", "incar_file", "kpoints_file"})
    honours = frozenset({"charge", "spin", "initial_magmoms", "partial_pbc"})

    def __init__(self, settings: LabelerSettings) -> None:
        super().__init__(settings)
        assert isinstance(settings, VaspSettings)
        self._settings = settings
        self._recipe = VaspRecipe(settings)

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

    def cores(self) -> tuple[int, str] | None:
        """The ranks that ``command`` starts."""
        return ranks(self._settings)

    def check(self, frames: Sequence[Atoms]) -> None:
        """Refuse what no run could mend: a missing program or file, keys that contradict, a frame that has no input.

        Raises:
            InputError, MissingError
        """
        require_program(self._settings, self.install)
        self.level_of_theory()
        for frame in frames:
            vasp_input(self._recipe, frame)

    def run(self, frame: Atoms, scratch: Path) -> Outcome:
        """Label one frame, on the ladder if need be; each try leaves its files, but no POTCAR, in ``try-N``.

        Raises:
            LabelRejected: if VASP does not converge, stops at this very frame, or its files are no label.
            TransientError: if it was killed, ran out of time, or its output is cut short.
            InputError: if VASP refuses the input; its own message is quoted.
            MissingError: if there is no such program.
        """
        where = f"frame {frame_id(frame)}"
        given = vasp_input(self._recipe, frame)
        reason = ""
        for attempt, tuned in enumerate(self._ladder(given.incar), start=1):
            folder = scratch / f"try-{attempt}"
            finished = self._run_once(given, folder, tuned)
            output = read_vasp_output(folder)
            if routine := failed_in_cycle(finished, output, charged="NELECT" in given.incar):
                reason = reason or f"VASP failed in the SCF cycle ({routine})"
                continue
            if failure := failure_of(finished, output, where):
                raise failure
            if output.problem:
                raise LabelRejected(
                    f"VASP: {output.problem}", where=where, hint="look into its files in the task folder"
                )
            if output.converged:
                notes = {} if attempt == 1 else {"tries": str(attempt)} | {key: str(tuned[key]) for key in tuned}
                return _outcome(given, tuned, output, notes, frame)
            reason = reason or f"VASP did not converge in {output.scf_steps} SCF steps"
        tries = len(self._ladder(given.incar))
        steps = given.incar["NELM"]
        raise LabelRejected(
            reason + (f", nor in {tries - 1} gentler tries" if tries > 1 else ""),
            where=where,
            hint=f"raise NELM ({steps}) in label.incar, choose another ALGO or mixing there, or look at the frame",
        )

    def _ladder(self, incar: Mapping[str, Value]) -> list[dict[str, Value]]:
        """The keys that each try changes: how to get to the ground state, never what it is.

        ISMEAR and SIGMA stay. They would help, but they are part of the free energy and of its gradient. Direct
        minimisation (ALGO = All) cannot do tetrahedra, whose third try is mixed still more gently instead.
        """
        if not self._settings.ladder:
            return [{}]
        steps, smearing = incar["NELM"], incar.get("ISMEAR", 1)
        assert isinstance(steps, int)
        polarised = incar.get("ISPIN") == 2 or incar.get("LNONCOLLINEAR") or incar.get("LSORBIT")
        linear: dict[str, Value] = {**LINEAR, **(LINEAR_MAGNETIC if polarised else {})}
        direct = str(incar.get("ALGO", "Normal")).upper().startswith(_DIRECT)
        last: dict[str, Value] = {"ALGO": "Damped", "TIME": 0.2} if direct else {"ALGO": "All"}
        if isinstance(smearing, int) and smearing <= -4:
            last = linear | {"AMIX": 0.05}
        return [{}, linear | {"NELM": 2 * steps}, last | {"NELM": 4 * steps}]

    def _run_once(self, given: VaspInput, folder: Path, tuned: Mapping[str, Value]) -> Finished:
        folder.mkdir(parents=True)
        given.write(folder, tuned)
        try:
            return run_engine(self._settings, folder, "vasp.out", install=self.install)
        finally:
            (folder / "POTCAR").unlink(missing_ok=True)


def _outcome(
    given: VaspInput, tuned: Mapping[str, Value], output: VaspOutput, notes: dict[str, str], frame: Atoms
) -> Outcome:
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
        notes=notes,
        extra=_extra(given, output),
    )


def _extra(given: VaspInput, output: VaspOutput) -> dict[str, float | list[float]]:
    numbers = {"energy_sigma0_eV": output.energy_sigma0_eV, "total_magmom": output.total_magmom}
    finite = {key: value for key, value in numbers.items() if value is not None and math.isfinite(value)}
    local = output.local_magmoms
    return finite | ({} if local is None else {"local_magmoms": frame_order(local, given.order).tolist()})
