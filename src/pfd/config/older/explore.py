"""Stages of exploration of an older input: MD and relaxation in ASE, and structure search by CALYPSO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pfd.config.older.calypso import search
from pfd.config.older.old_section import OldSection
from pfd.units import pressure_GPa_from_bar

Stages = list[list[dict[str, Any]]]
ENSEMBLES = ("npt", "nvt", "lbfgs")


def translate_explore(explore: OldSection, frames: Sequence[range], loop: str) -> Stages:
    """The stages, each a list of groups.

    Args:
        explore: the section ``exploration``.
        frames: of each structure file, the numbers of its frames among all.
        loop: ``finetune`` or ``distill``.
    """
    kind = explore.text("type")
    if kind not in {"ase", "calypso"}:
        explore.refuse("type", "missing: ase or calypso" if kind is None else f"{kind!r} is neither ase nor calypso")
    stages: Stages = []
    for number, groups in enumerate(_stages(explore)):
        stages.append([])
        for index, content in enumerate(groups):
            group = explore.below(f"stages.{number}.{index}", content)
            key = f"{loop}.explore.{number}.{len(stages[-1])}"
            stages[-1].append(search(group, key) if kind == "calypso" else _group(group, frames, key))
    settings = explore.section("config")
    known = {"calculator", "calc", "head", "device"}
    settings.seen(*known)
    settings.ignore("the model and its family say it", *(name for name in settings.names() if name not in known))
    return stages


def _stages(explore: OldSection) -> list[list[dict[str, Any]]]:
    stages = explore.raw("stages")
    if isinstance(stages, list) and stages and all(isinstance(stage, dict) for stage in stages):
        stages = [stages]
    if not isinstance(stages, list) or not stages or not all(_is_stage(stage) for stage in stages):
        explore.refuse("stages", "a list of stages is needed, each a list of groups: [[{...}]]")
        return []
    return stages


def _is_stage(stage: Any) -> bool:
    return isinstance(stage, list) and bool(stage) and all(isinstance(group, dict) for group in stage)


def _group(group: OldSection, frames: Sequence[range], key: str) -> dict[str, Any]:
    """One group of MD, or of relaxation."""
    ensemble = (group.text("ens", "ensemble") or "npt").lower()
    if ensemble not in ENSEMBLES:
        group.refuse("ens", f"{ensemble!r} is none of {', '.join(ENSEMBLES)}")
    structures = _structures(group, frames, key)
    steps, every = group.whole("nsteps", least=1) or 1000, group.whole("trj_freq", least=1) or 100
    temperatures = group.listed(float, "temps")
    group.ignore("the structure file says along which directions it is periodic", "no_pbc")
    if ensemble == "lbfgs":
        group.ignore("a relaxation has none", "temps", "press", "dt", "tau_t", "tau_p")
        group.say(f"{key}.method", "ens lbfgs: atoms and cell, here by FIRE")
        relax = {"method": "relax", "cell": "full", "displacement_A": 0.0, "fmax_eV_per_A": 0.01}
        return relax | {"steps": steps, "every": every} | structures
    if not temperatures:
        group.refuse("temps", "missing: a list of temperatures in K")
    return _dynamics(group, ensemble, key) | {
        "temperatures_K": list(dict.fromkeys(temperatures)),
        "steps": steps,
        "every": every,
        "equilibrate_steps": 0,
        **structures,
    }


def _dynamics(group: OldSection, ensemble: str, key: str) -> dict[str, Any]:
    """What of a group depends on the ensemble: time step, time constants and pressures."""
    timestep, tau = group.positive("dt") or 2.0, group.positive("tau_t") or 100.0
    dynamics: dict[str, Any] = {"method": "md", "ensemble": ensemble, "timestep_fs": timestep}
    group.say(f"{key}.equilibrate_steps", "frames were kept from the start; left out, a quarter of the steps")
    if ensemble == "nvt":
        group.ignore("nvt has no barostat", "press", "tau_p")
        group.say(f"{key}.coupling_fs", f"tau_t: {tau:g} time steps of {timestep:g} fs")
        return dynamics | {"coupling_fs": tau * timestep}
    pressures = group.listed(float, "press")
    if not pressures:
        group.refuse("press", "missing: npt needs a list of pressures in bar")
    barostat = group.positive("tau_p")
    if barostat not in {None, 10.0 * tau}:
        note = f"{group.named('tau_p')}: the barostat takes ten times as long as the thermostat, {10.0 * tau:g} fs"
        group.record.ignored.append(note)
    group.say(f"{key}.pressures_GPa", f"press: {', '.join(f'{each:g}' for each in pressures)} bar")
    group.say(f"{key}.coupling_fs", f"tau_t: {tau:g} fs, in npt")
    group.say(f"{key}.cell", "the older barostat scaled all directions alike; full moves lengths and angles")
    converted = [pressure_GPa_from_bar(each) for each in dict.fromkeys(pressures)]
    return dynamics | {"cell": "isotropic", "coupling_fs": tau, "pressures_GPa": converted}


def _structures(group: OldSection, frames: Sequence[range], key: str) -> dict[str, Any]:
    """The starting frames: the first, the last and as many in between as ``n_sample`` asks for, of each file."""
    files, wanted = group.listed(int, "conf_idx"), group.whole("n_sample", least=1)
    if not files:
        group.refuse("conf_idx", "missing: which files of init_confs to start from, counted from 0")
    beyond = [index for index in files if not -len(frames) <= index < len(frames)]
    if beyond:
        group.refuse("conf_idx", f"there is no file {beyond[0]}: init_confs has {len(frames)}, counted from 0")
        return {}
    chosen = []
    for index in dict.fromkeys(files):
        of_file = frames[index]
        count = min(wanted or len(of_file), len(of_file))
        places = [round(place * (len(of_file) - 1) / max(1, count - 1)) for place in range(count)]
        chosen += [of_file[place] for place in places]
    group.say(
        f"{key}.structures", f"{wanted or 'all'} frames of each file of conf_idx {files}, evenly spaced, not at random"
    )
    return {"structures": sorted(chosen)}
