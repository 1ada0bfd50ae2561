"""Quantum ESPRESSO as labeler: write the input, run pw.x, read its output, and trust none of its exit codes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pfd.digests import json_digest
from pfd.errors import InputError
from pfd.frames import frame_id
from pfd.frames.state import electronic_state
from pfd.label.engine_program import ProgramLabeler, run_engine
from pfd.label.espresso.dipole import dipole_keys
from pfd.label.espresso.failure import failure_of
from pfd.label.espresso.moments import moment_shares
from pfd.label.espresso.output import PwOutput, read_pw_output
from pfd.label.espresso.settings import EspressoSettings
from pfd.label.k_mesh import k_divisions
from pfd.label.labeler import CUTOFF_STEP, Finer, LabelerSettings, Outcome, finer_by, finer_mesh
from pfd.label.pseudopotential import Pseudopotential, functional_name, one_functional, read_pseudopotential

if TYPE_CHECKING:
    from ase import Atoms

LADDER: tuple[dict[str, float | str], ...] = (
    {"mixing": 1.0, "steps": 1, "diagonalization": ""},
    {"mixing": 0.5, "steps": 2, "diagonalization": ""},
    {"mixing": 0.2, "steps": 4, "diagonalization": "cg"},
)
"""Factors on ``mixing_beta`` and ``max_scf_steps``, and the diagonalisation, of each try of an unconverged frame."""


class Espresso(ProgramLabeler[EspressoSettings, None]):
    """Labels with pw.x, one single-point run per frame.

    A frame that is not periodic in all directions is computed in its own box with one k-point along the directions
    that are not, and without stress; the box must hold enough vacuum. The spin 2S+1 fixes the total magnetisation.
    """

    name: ClassVar[str] = "espresso"
    citation = "P. Giannozzi et al., J. Phys.: Condens. Matter 29, 465901 (2017), doi:10.1088/1361-648X/aa8f79"
    Settings = EspressoSettings
    programs = ("pw.x",)
    install = "apt install quantum-espresso, or conda install -c conda-forge qe"
    how = ProgramLabeler.how | {"pseudo_dir"}
    evidence = ("pw.in", "pw.out")
    honours = frozenset({"charge", "spin", "initial_magmoms", "partial_pbc"})

    def __init__(self, settings: LabelerSettings) -> None:
        super().__init__(settings)
        self._read: dict[str, Pseudopotential] = {}

    def level_of_theory(self) -> str:
        """Functional, cutoffs, k-points, smearing, further keys of the physics, and a digest of the pseudopotentials.

        Raises:
            InputError: if a pseudopotential is missing, or they do not fit each other.
        """
        settings = self._settings
        used = self._pseudopotentials()
        digest = json_digest({element: pseudo.digest for element, pseudo in used.items()})
        extra = settings.extra_physics()
        functional = extra.pop("input_dft", None)
        functional = functional_name(str(functional)) if functional else one_functional(list(used.values()))
        smearing = "fixed" if settings.smearing == "none" else f"{settings.smearing} {settings.degauss_Ry:g} Ry"
        parts = [
            f"pw.x {functional}",
            f"ecutwfc {settings.ecutwfc_Ry:g} Ry",
            f"ecutrho {self._ecutrho():g} Ry",
            f"kspacing {settings.kspacing_per_A:g}/Å",
            f"smearing {smearing}",
            *(f"{key} {value}" for key, value in extra.items()),
            *(["dipole correction"] if settings.dipole_correction else []),
            f"pseudopotentials {digest[:12]}",
        ]
        return ", ".join(parts)

    def finer(self, frames: Sequence[Atoms] = ()) -> list[Finer]:
        """A higher cutoff (of the density too), and a denser mesh of k-points."""
        settings = self._settings
        cutoff = finer_by(settings, "ecutwfc_Ry", CUTOFF_STEP)
        if settings.ecutrho_Ry is not None:
            rho = {"ecutrho_Ry": settings.ecutrho_Ry * CUTOFF_STEP}
            cutoff = [replace(each, settings=each.settings.model_copy(update=rho)) for each in cutoff]
        return cutoff + finer_mesh(settings, frames)

    def prepare(self, frame: Atoms) -> None:
        """Refuse a frame of an element without a pseudopotential, or without a box.

        Raises:
            InputError
        """
        where = f"frame {frame_id(frame)}"
        lacking = sorted(set(frame.get_chemical_symbols()) - set(self._pseudopotentials()))
        if lacking:
            hint = f"add it to finetune.label.pseudopotentials ({', '.join(sorted(self._settings.pseudopotentials))})"
            raise InputError(f"no pseudopotential for {', '.join(lacking)}", where=where, hint=hint)
        if frame.cell.rank < 3:
            raise InputError(
                "pw.x needs a cell, also along directions that are not periodic",
                where=where,
                hint="put the atoms into a box with at least 8 Å of vacuum",
            )
        moments = electronic_state(frame).magmoms
        if moments is not None and moments.ndim != 1:
            raise InputError("the frame's moments are vectors", where=where, hint="give one number per atom")
        if self._settings.dipole_correction:
            dipole_keys(frame, where)

    def ladder(self, given: None) -> list[dict[str, Any]]:
        """Smaller ``mixing_beta``, more steps, and in the end another diagonalisation."""
        return [self._tuned(rung) for rung in (LADDER if self._settings.ladder else LADDER[:1])]

    def attempt(self, frame: Atoms, given: None, folder: Path, tuned: Mapping[str, Any]) -> Outcome | str:
        """See ``ProgramLabeler``."""
        folder.mkdir(parents=True)
        (folder / "pw.in").write_text(self.input_text(frame, tuned), encoding="utf-8")
        finished = run_engine(self._settings, folder, "pw.out", arguments=["-in", "pw.in"], install=self.install)
        output = read_pw_output(finished.output)
        if failure := failure_of(finished, output, f"frame {frame_id(frame)}"):
            raise failure
        if not output.converged:
            return f"pw.x did not converge in {output.scf_steps} SCF steps"
        return Outcome(
            labels=output.labels,
            converged=True,
            echoed=output.echoed,
            scf_steps=output.scf_steps,
            max_scf_steps=int(tuned["electron_maxstep"]),
            needs_stress=bool(frame.pbc.all()),
            extra=_moments(output),
        )

    def unconverged_hint(self, given: None) -> str:
        """See ``ProgramLabeler``."""
        settings = self._settings
        return (
            f"raise finetune.label.max_scf_steps ({settings.max_scf_steps}), lower "
            f"finetune.label.mixing_beta ({settings.mixing_beta:g}), "
            f"or raise finetune.label.degauss_Ry ({settings.degauss_Ry:g})"
        )

    def _tuned(self, rung: dict[str, float | str]) -> dict[str, Any]:
        """The keys of ``electrons`` that a try changes."""
        tuned: dict[str, Any] = {
            "mixing_beta": round(self._settings.mixing_beta * float(rung["mixing"]), 6),
            "electron_maxstep": self._settings.max_scf_steps * int(rung["steps"]),
        }
        return tuned | ({"diagonalization": rung["diagonalization"]} if rung["diagonalization"] else {})

    def input_text(self, frame: Atoms, tuned: Mapping[str, Any] | None = None) -> str:
        """The input of pw.x for one frame.

        Args:
            frame: constraints do not enter: labels are raw forces.
            tuned: keys of ``electrons`` that replace those of the settings.
        """
        from ase.io.espresso import write_espresso_in

        copy = frame.copy()
        copy.set_constraint()
        copy.calc = None
        self._share_moments(copy)
        counts = self.k_points(frame)
        stream = io.StringIO()
        write_espresso_in(
            stream,
            copy,
            input_data=self._namelists(frame, tuned or self._tuned(LADDER[0])),
            pseudopotentials=self._settings.pseudopotentials,
            kpts=None if counts == (1, 1, 1) else counts,
        )
        return stream.getvalue()

    def k_points(self, frame: Atoms) -> tuple[int, int, int]:
        """Divisions of the Gamma-centred grid: ceil(|b| / kspacing) with |b| in 1/Å, 2 pi included."""
        return k_divisions(frame, self._settings.kspacing_per_A)

    def _namelists(self, frame: Atoms, tuned: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        settings = self._settings
        state = electronic_state(frame)
        own: dict[str, dict[str, Any]] = {
            "control": {
                "calculation": "scf",
                "prefix": "pfd",
                "outdir": "./out",
                "pseudo_dir": str(settings.pseudo_dir.expanduser().absolute()),
                "disk_io": "none",
                "tprnfor": True,
                "tstress": bool(frame.pbc.all()),
            },
            "system": {"ecutwfc": settings.ecutwfc_Ry, "ecutrho": self._ecutrho()},
            "electrons": {"conv_thr": settings.conv_thr_Ry},
        }
        system = own["system"]
        if settings.smearing == "none":
            system["occupations"] = "fixed"
        else:
            system |= {"occupations": "smearing", "smearing": settings.smearing, "degauss": settings.degauss_Ry}
        if state.charge:
            system["tot_charge"] = state.charge
        if state.magmoms is not None or state.multiplicity not in {None, 1}:
            system["nspin"] = 2
            if state.multiplicity is not None:
                system["tot_magnetization"] = float(state.multiplicity - 1)
        if settings.dipole_correction:
            for section, sawtooth in dipole_keys(frame, f"frame {frame_id(frame)}").items():
                own[section] |= sawtooth
        for section, keys in settings.namelists.items():
            own[section] |= {key.lower(): value for key, value in keys.items()}
        own["electrons"] |= tuned
        return own

    def _share_moments(self, copy: Atoms) -> None:
        """Turn moments in Bohr magnetons into pw.x's shares of the valence electrons, -1 to 1."""
        moments = electronic_state(copy).magmoms
        if moments is None:
            copy.arrays.pop("initial_magmoms", None)
            return
        used = self._pseudopotentials()
        symbols = copy.get_chemical_symbols()
        copy.set_initial_magnetic_moments(moment_shares(moments, symbols, [used[each].valence for each in symbols]))

    def _ecutrho(self) -> float:
        if self._settings.ecutrho_Ry is not None:
            return self._settings.ecutrho_Ry
        soft = all(pseudo.norm_conserving for pseudo in self._pseudopotentials().values())
        return self._settings.ecutwfc_Ry * (4.0 if soft else 8.0)

    def _pseudopotentials(self) -> dict[str, Pseudopotential]:
        if not self._read:
            folder = self._settings.pseudo_dir.expanduser()
            named = sorted(self._settings.pseudopotentials.items())
            self._read = {element: read_pseudopotential(folder / file, element) for element, file in named}
        return self._read


def _moments(output: PwOutput) -> dict[str, float | list[float]]:
    total, local = output.total_magmom, output.local_magmoms
    found: dict[str, float | list[float]] = {} if total is None else {"total_magmom": total}
    return found if local is None else found | {"local_magmoms": local.tolist()}
