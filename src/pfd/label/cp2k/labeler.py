"""CP2K as labeler: write the input of Quickstep, run it, read its output, and believe no normal end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pfd.digests import file_digest, json_digest
from pfd.errors import InputError, LabelRejected
from pfd.frames import frame_id
from pfd.label.cp2k.data_file import Entry, data_folder, find_entry
from pfd.label.cp2k.failure import failure_of
from pfd.label.cp2k.input import CP2KInput, cp2k_input
from pfd.label.cp2k.output import CP2KOutput, read_cp2k_output
from pfd.label.cp2k.settings import CP2KSettings
from pfd.label.engine_program import ProgramLabeler, run_engine
from pfd.label.labeler import CUTOFF_STEP, Finer, Outcome, finer_by, finer_mesh

if TYPE_CHECKING:
    from ase import Atoms

LADDER: tuple[tuple[float, int], ...] = ((1.0, 1), (0.25, 2), (0.0625, 4))
"""Factors on ``mixing_alpha`` and ``max_scf_steps`` of each try."""


class CP2K(ProgramLabeler[CP2KSettings, CP2KInput]):
    """Labels with CP2K's Quickstep (GPW), one single point per frame.

    Along directions in which a frame is not periodic there is one k-point, the Coulomb interaction is cut off (see
    ``open_boundaries``), and there is no stress. The spin 2S+1 is kept, initial moments only start the cycle.
    """

    name: ClassVar[str] = "cp2k"
    citation = "T. D. Kühne et al., J. Chem. Phys. 152, 194103 (2020), doi:10.1063/5.0007045"
    Settings = CP2KSettings
    programs = ("cp2k.psmp",)
    install = "apt install cp2k cp2k-data, or conda install -c conda-forge cp2k"
    how = ProgramLabeler.how | {"data_dir", "basis_files", "potential_files"}
    evidence = ("cp2k.inp", "cp2k.out", "BASIS", "POTENTIAL")
    honours = frozenset({"charge", "spin", "initial_magmoms", "partial_pbc"})

    def level_of_theory(self) -> str:
        """Functional, cutoffs, k-points, smearing, further keys of the physics, basis sets, and digests of the data.

        Raises:
            InputError: if an element has no such basis set or pseudopotential, or the two do not fit each other.
            MissingError: if CP2K's data are not found.
        """
        settings = self._settings
        smearing = "fixed" if settings.smearing == "none" else f"fermi-dirac {settings.electronic_temperature_K:g} K"
        data = {
            element: [self._basis_sets[element].text, self._potentials[element].text] for element in self._basis_sets
        }
        files = {name: file_digest(path) for name, path in self._links.items()}
        parts = [
            f"CP2K {settings.functional}{'-D3(BJ)' if settings.d3 else ''}{'+U' if settings.hubbard else ''}",
            f"cutoff {self._cutoff_Ry:g} Ry",
            f"rel_cutoff {settings.rel_cutoff_Ry:g} Ry",
            *([f"eps_default {settings.eps_default:g}"] if settings.moved("eps_default") else []),
            f"kspacing {settings.kspacing_per_A:g}/Å",
            f"smearing {smearing}",
            *(["spin-polarised"] if settings.spin_polarised else []),
            *(["open boundaries periodic"] if settings.open_boundaries == "periodic" else []),
            *(f"{path} {_shown(value)}" for path, value in settings.extra_physics()),
            *(f"{element} starts with {moment:g}" for element, moment in sorted(settings.magmoms.items()) if moment),
            *(f"{element} {each}" for element, each in sorted(settings.hubbard.items())),
            "+".join(sorted(set(settings.basis_sets.values()))),
            f"basis sets and potentials {json_digest(data | files)[:12]}",
        ]
        return ", ".join(parts)

    def finer(self, frames: Sequence[Atoms] = ()) -> list[Finer]:
        """A higher cutoff, on which the net force depends, and a denser mesh of k-points."""
        settings = self._settings
        resolved = settings.model_copy(update={"cutoff_Ry": self._cutoff_Ry})
        return finer_by(resolved, "cutoff_Ry", CUTOFF_STEP) + finer_mesh(settings, frames)

    def prepare(self, frame: Atoms) -> CP2KInput:
        """See ``cp2k_input``."""
        settings = self._settings.model_copy(update={"cutoff_Ry": self._cutoff_Ry})
        return cp2k_input(settings, self._basis_sets, self._potentials, self._links, frame)

    def ladder(self, given: CP2KInput) -> list[dict[str, Any]]:
        """A smaller share of the new density, and more steps."""
        settings = self._settings
        rungs = LADDER if settings.ladder else LADDER[:1]
        return [
            {"ALPHA": round(settings.mixing_alpha * mixing, 6), "MAX_SCF": settings.max_scf_steps * more}
            for mixing, more in rungs
        ]

    def attempt(self, frame: Atoms, given: CP2KInput, folder: Path, tuned: Mapping[str, Any]) -> Outcome | str:
        """See ``ProgramLabeler``."""
        where = f"frame {frame_id(frame)}"
        folder.mkdir(parents=True)
        scf = {"MAX_SCF": tuned["MAX_SCF"], "MIXING": {"ALPHA": tuned["ALPHA"]}}
        given.write(folder, {"FORCE_EVAL": {"DFT": {"SCF": scf}}})
        finished = run_engine(self._settings, folder, "cp2k.out", arguments=["-i", "cp2k.inp"], install=self.install)
        output = read_cp2k_output(finished.output)
        if failure := failure_of(finished, output, where):
            raise failure
        if not output.converged or (output.scf_steps or 0) >= tuned["MAX_SCF"]:
            return f"CP2K did not converge in {output.scf_steps} SCF steps"
        self._require_settings(given, output, where)
        return _outcome(given, tuned, output, frame)

    def unconverged_hint(self, given: CP2KInput) -> str:
        """See ``ProgramLabeler``."""
        settings = self._settings
        smear = f", or raise finetune.label.electronic_temperature_K ({settings.electronic_temperature_K:g})"
        steps = f"raise finetune.label.max_scf_steps ({settings.max_scf_steps})"
        mixing = f", lower finetune.label.mixing_alpha ({settings.mixing_alpha:g})"
        return (
            steps
            + mixing
            + (smear if settings.smearing != "none" else ", or write finetune.label.smearing: fermi-dirac")
        )

    def _require_settings(self, given: CP2KInput, output: CP2KOutput, where: str) -> None:
        """Refuse a run with other numbers than it was given.

        Raises:
            LabelRejected: naming the first that differs.
        """
        settings, electrons = self._settings, given.electrons
        asked: dict[str, float] = {
            "cutoff_Ry": self._cutoff_Ry,
            "rel_cutoff_Ry": settings.rel_cutoff_Ry,
            "eps_scf": settings.eps_scf,
            "charge": electrons.charge,
            "multiplicity": electrons.multiplicity,
        }
        if settings.smearing != "none":
            asked["electronic_temperature_K"] = settings.electronic_temperature_K
        for name, value in asked.items():
            done = output.settings.get(name)
            rounding = 0.101 if name.endswith("_Ry") else 0.006 * abs(value)  # one decimal of a hartree, three digits
            if done is None or abs(done - value) > rounding:
                what = (
                    f"CP2K: {name} is {'not' if done is None else f'{done:g}'} in its output, and {value:g} was asked"
                )
                raise LabelRejected(what, where=where, hint="does the command run CP2K with the input it is given?")

    @cached_property
    def _data(self) -> Path:
        return data_folder(self._settings.data_dir, self._settings.command)

    @property
    def _cutoff_Ry(self) -> float:
        """One for all frames, so that all have one level of theory."""
        return self._settings.cutoff_for(max(entry.largest_exponent() for entry in self._basis_sets.values()))

    @cached_property
    def _basis_sets(self) -> dict[str, Entry]:
        files = [self._data / Path(name).expanduser() for name in self._settings.basis_files]
        named = sorted(self._settings.basis_sets.items())
        return {
            element: find_entry(element, name, files, f"finetune.label.basis_sets.{element}") for element, name in named
        }

    @cached_property
    def _potentials(self) -> dict[str, Entry]:
        """By element; a basis set that was made for another number of electrons is refused."""
        files = [self._data / Path(name).expanduser() for name in self._settings.potential_files]
        found = {}
        for element, basis in self._basis_sets.items():
            where = f"finetune.label.potentials.{element}"
            entry = find_entry(element, self._settings.potential_name(element), files, where)
            if basis.electrons not in {None, entry.valence()}:
                what = f"{entry.names[0]} has {entry.valence()} valence electrons, and {basis.names[0]} is made for"
                what += f" {basis.electrons}"
                raise InputError(what, where=where, hint="choose a pair whose names end with the same -q")
            found[element] = entry
        return found

    @cached_property
    def _links(self) -> dict[str, Path]:
        if not self._settings.d3:
            return {}
        path = self._data / "dftd3.dat"
        if not path.is_file():
            raise InputError(
                f"no such file: {path}", where="finetune.label.d3", hint="D3 needs its parameters in data_dir"
            )
        return {path.name: path}


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _outcome(given: CP2KInput, tuned: Mapping[str, Any], output: CP2KOutput, frame: Atoms) -> Outcome:
    """The outcome of a run that converged.

    Raises:
        LabelRejected: if CP2K does not echo its atoms, or did not keep the spin.
    """
    where, electrons = f"frame {frame_id(frame)}", given.electrons
    echoed = output.echoed
    if echoed is None or len(echoed) != len(frame):
        what = f"CP2K does not echo the {len(frame)} atoms" + ("" if echoed is None else f" but {len(echoed)}")
        raise LabelRejected(what, where=where, hint="look into its output in the task folder")
    echoed.positions -= given.shift
    echoed.pbc = frame.pbc
    sign = -1.0 if electrons.flipped else 1.0
    total, local = output.total_magmom, output.local_magmoms
    if electrons.fixed and total is not None and abs(total - electrons.multiplicity + 1) > 0.01:
        what = f"the total moment is {total:.2f}, and the frame asks for {electrons.multiplicity - 1}"
        raise LabelRejected(what, where=where, hint="start from other initial moments, or leave the spin out")
    extra: dict[str, float | list[float]] = {}
    if output.entropy_eV is not None and output.labels.energy is not None:
        extra["energy_sigma0_eV"] = output.labels.energy - output.entropy_eV / 2.0
    if total is not None:
        extra["total_magmom"] = sign * total
    if local is not None:
        extra["local_magmoms"] = [sign * moment for moment in local]
    return Outcome(
        labels=output.labels,
        converged=True,
        echoed=echoed,
        scf_steps=output.scf_steps,
        max_scf_steps=int(tuned["MAX_SCF"]),
        needs_stress=given.has_stress,
        extra=extra,
    )
