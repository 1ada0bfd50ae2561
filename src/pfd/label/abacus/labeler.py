"""ABACUS as labeler: write INPUT, STRU and KPT, run it, read its log, and trust none of its final energies."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pfd.digests import json_digest
from pfd.errors import LabelRejected, SettingError
from pfd.frames import frame_id
from pfd.label.abacus.failure import failure_of
from pfd.label.abacus.input import SUFFIX, AbacusInput, abacus_input
from pfd.label.abacus.orbital_file import orbital_digest
from pfd.label.abacus.output import AbacusOutput, read_abacus_output
from pfd.label.abacus.settings import AbacusSettings
from pfd.label.engine_program import ProgramLabeler, run_engine
from pfd.label.labeler import CUTOFF_STEP, Finer, Outcome, finer_by, finer_mesh
from pfd.label.pseudopotential import Pseudopotential, functional_name, one_functional, read_pseudopotential
from pfd.label.species_order import frame_order

if TYPE_CHECKING:
    from ase import Atoms

LADDER: tuple[tuple[float, int], ...] = ((1.0, 1), (0.25, 2), (0.0625, 4))
"""Factors on ``mixing_beta`` and ``max_scf_steps`` of each try: 0.4, 0.1, 0.025, as ABACUS's manual advises."""


class Abacus(ProgramLabeler[AbacusSettings, AbacusInput]):
    """Labels with ABACUS, one static run per frame, in plane waves or numerical atomic orbitals.

    A frame that is not periodic in all directions is computed in its own box with one k-point along the directions
    that are not, and without stress; the box must hold enough vacuum. The charge sets nelec, the spin 2S+1 nupdown.

    The tests run stand-ins and recorded outputs; no live ABACUS was ever run by us.
    """

    name: ClassVar[str] = "abacus"
    citation = "P. Li et al., Comput. Mater. Sci. 112, 503 (2016), doi:10.1016/j.commatsci.2015.07.004"
    Settings = AbacusSettings
    programs = ("abacus",)
    install = "conda install -c conda-forge abacus, or https://abacus.deepmodeling.com"
    how = ProgramLabeler.how | {"pseudo_dir", "orbital_dir", "kpt_file"}
    evidence = ("INPUT", "STRU", "KPT", "abacus.out", "OUT.*/INPUT", "OUT.*/running_scf.log")
    honours = frozenset({"charge", "spin", "initial_magmoms", "partial_pbc"})

    def level_of_theory(self) -> str:
        """Functional, basis, cutoff, k-points, smearing, further keys of the physics, and digests of the files.

        Raises:
            InputError: if a file is missing, or the pseudopotentials do not fit each other.
        """
        settings, used = self._settings, self._pseudopotentials
        if lacking := sorted(set(settings.hubbard) - set(used)):
            what = f"no pseudopotential for {', '.join(lacking)}"
            raise SettingError(
                what, where="finetune.label.hubbard", hint="correct the symbol, or add it to pseudopotentials"
            )
        extra = settings.extra_physics()
        named = extra.pop("dft_functional", None)
        functional = functional_name(str(named)) if named else one_functional(list(used.values()))
        digests = {element: pseudo.digest for element, pseudo in used.items()}
        width = "" if settings.smearing == "none" else f" {settings.sigma_Ry:g} Ry"
        parts = [
            f"ABACUS {functional}{'+U' if settings.hubbard else ''}",
            settings.basis,
            f"ecutwfc {settings.ecutwfc_Ry:g} Ry",
            self._k_points_shown(),
            f"smearing {'fixed' if settings.smearing == 'none' else settings.smearing}{width}",
            *(f"{key} {_shown(value)}" for key, value in extra.items()),
            *(["dipole correction"] if settings.dipole_correction else []),
            *(f"{element} starts with {moment:g}" for element, moment in sorted(settings.magmoms.items()) if moment),
            *(f"{element} {each}" for element, each in sorted(settings.hubbard.items())),
            f"pseudopotentials {json_digest(digests)[:12]}",
            *([f"orbitals {json_digest(self._orbitals)[:12]}"] if settings.basis == "lcao" else []),
        ]
        return ", ".join(parts)

    def _k_points_shown(self) -> str:
        text = self._kpt_text
        return (
            f"kspacing {self._settings.kspacing_per_A:g}/Å" if text is None else f"KPT {json_digest(text.split())[:8]}"
        )

    def finer(self, frames: Sequence[Atoms] = ()) -> list[Finer]:
        """A higher cutoff, and a denser mesh of k-points where ``kspacing_per_A`` makes it."""
        settings = self._settings
        mesh = finer_mesh(settings, frames) if settings.kpt_file is None else []
        return finer_by(settings, "ecutwfc_Ry", CUTOFF_STEP) + mesh

    def prepare(self, frame: Atoms) -> AbacusInput:
        """See ``abacus_input``."""
        return abacus_input(self._settings, self._pseudopotentials, frame, self._kpt_text)

    def ladder(self, given: AbacusInput) -> list[dict[str, Any]]:
        """Smaller ``mixing_beta``, and more steps."""
        rungs = LADDER if self._settings.ladder else LADDER[:1]
        return [self._tuned(given, mixing, more) for mixing, more in rungs]

    def attempt(self, frame: Atoms, given: AbacusInput, folder: Path, tuned: Mapping[str, Any]) -> Outcome | str:
        """See ``ProgramLabeler``."""
        where = f"frame {frame_id(frame)}"
        folder.mkdir(parents=True)
        given.write(folder, tuned)
        finished = run_engine(self._settings, folder, "abacus.out", install=self.install)
        output = read_abacus_output(_text(folder / f"OUT.{SUFFIX}" / "running_scf.log"), finished.output)
        if failure := failure_of(finished, output, where):
            raise failure
        if not output.converged or (output.scf_steps or 0) >= tuned["scf_nmax"]:
            return f"ABACUS did not converge in {output.scf_steps} SCF steps"
        _require_settings(given, _text(folder / f"OUT.{SUFFIX}" / "INPUT"), where)
        return _outcome(given, tuned, output, frame)

    def unconverged_hint(self, given: AbacusInput) -> str:
        """See ``ProgramLabeler``."""
        settings = self._settings
        return (
            f"raise finetune.label.max_scf_steps ({settings.max_scf_steps}), lower "
            f"finetune.label.mixing_beta ({settings.mixing_beta:g}), "
            f"or raise finetune.label.sigma_Ry ({settings.sigma_Ry:g})"
        )

    def _tuned(self, given: AbacusInput, mixing: float, more: int) -> dict[str, Any]:
        beta = round(self._settings.mixing_beta * mixing, 6)
        tuned = {"mixing_beta": beta, "scf_nmax": self._settings.max_scf_steps * more}
        return tuned if mixing == 1.0 or given.keys.get("nspin") != 2 else tuned | {"mixing_beta_mag": beta}

    @cached_property
    def _pseudopotentials(self) -> dict[str, Pseudopotential]:
        folder = self._settings.pseudo_dir.expanduser()
        named = sorted(self._settings.pseudopotentials.items())
        return {element: read_pseudopotential(folder / file, element) for element, file in named}

    @cached_property
    def _orbitals(self) -> dict[str, str]:
        folder = (self._settings.orbital_dir or self._settings.pseudo_dir).expanduser()
        named = sorted(self._settings.orbitals.items())
        return {element: orbital_digest(folder / file, element) for element, file in named}

    @cached_property
    def _kpt_text(self) -> str | None:
        path = self._settings.kpt_file
        if path is None:
            return None
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise SettingError(
                f"not readable: {error}", where="finetune.label.kpt_file", hint="correct the path"
            ) from error


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _require_settings(given: AbacusInput, echo: str, where: str) -> None:
    """Refuse a run with other numbers than it was given; ABACUS lists what it used in OUT.pfd/INPUT.

    Raises:
        LabelRejected: naming the first that differs.
    """
    done = dict(re.findall(r"^(\w+)[ \t]+([-+.\deE]+)(?:\s|$)", echo, re.MULTILINE))
    for key in ("ecutwfc", "smearing_sigma", "nspin", "nelec", "nupdown", "ntype"):
        if (
            key in done
            and key in given.keys
            and not math.isclose(float(done[key]), float(given.keys[key]), rel_tol=1e-6)
        ):
            what = f"ABACUS: {key} is {done[key]} in its output, and {given.keys[key]} was asked"
            raise LabelRejected(what, where=where, hint="does the command run ABACUS in the folder it is started in?")


def _outcome(given: AbacusInput, tuned: Mapping[str, Any], output: AbacusOutput, frame: Atoms) -> Outcome:
    """The outcome in the frame's order of atoms.

    Raises:
        LabelRejected: if ABACUS does not echo its atoms.
    """
    echoed, forces = output.echoed, output.labels.forces
    if echoed is None or len(echoed) != len(frame):
        what = f"ABACUS echoes {'none' if echoed is None else len(echoed)} of the {len(frame)} atoms"
        raise LabelRejected(what, where=f"frame {frame_id(frame)}", hint="look into its log in the task folder")
    numbers = {"energy_sigma0_eV": output.energy_sigma0_eV, "total_magmom": output.total_magmom}
    return Outcome(
        labels=replace(output.labels, forces=None if forces is None else frame_order(forces, given.order)),
        converged=True,
        echoed=frame_order(echoed, given.order),
        scf_steps=output.scf_steps,
        max_scf_steps=int(tuned["scf_nmax"]),
        needs_stress=bool(frame.pbc.all()),
        extra={key: value for key, value in numbers.items() if value is not None and math.isfinite(value)},
    )
