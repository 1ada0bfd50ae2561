"""Selection, convergence and test set of an older input."""

from __future__ import annotations

from typing import Any

from pfd.config.older.explore import Stages
from pfd.config.older.old_section import OldSection

CRITERIA = ("force_rmse", "force_rmse_idv", "energy_rmse")
NOT_NEEDED = "how the older tool did it; the result does not depend on it"


def translate_select(whole: OldSection, loop: str) -> dict[str, Any]:
    """The section ``select``."""
    chosen = whole.section("select_confs")
    chosen_max = _either(chosen, whole.section("evaluate"), "max_sel")
    if chosen_max is None:
        chosen.refuse("max_sel", "missing: most frames to label in an iteration")
    select: dict[str, Any] = {"max_frames": max(1, int(chosen_max or 1))}
    if chosen.given("h_filter") is None:
        select["method"] = "random"
        chosen.say(f"{loop}.select.method", "there was no h_filter, so frames were drawn at random")
    else:
        select |= _entropy(chosen.section("h_filter"), loop)
    gate: dict[str, Any] = {}
    for frame_filter in chosen.sections("frame_filter"):
        gate |= _gate(frame_filter, loop)
    return select | ({"gate": gate} if gate else {})


def translate_converge(whole: OldSection, loop: str) -> dict[str, Any]:
    """The section ``converge``."""
    converge = whole.section("evaluate").section("converge")
    kind, limit = converge.text("type"), converge.positive("RMSE") or 0.01
    if kind not in CRITERIA:
        converge.refuse(
            "type", f"missing: {', '.join(CRITERIA)}" if kind is None else f"{kind!r} is none of {', '.join(CRITERIA)}"
        )
    if kind == "energy_rmse":
        converge.say(f"{loop}.converge.energy_rmse_meV_per_atom", f"RMSE: {limit:g} eV per atom")
        return {"energy_rmse_meV_per_atom": round(1000.0 * limit, 9)}
    converge.say(
        f"{loop}.converge.force_rmse_eV_per_A",
        f"RMSE: {limit:g} eV/Å; here at every temperature and pressure by itself",
    )
    return {"force_rmse_eV_per_A": limit}


def translate_test(whole: OldSection, stages: Stages, select: dict[str, Any]) -> dict[str, Any]:
    """The section ``evaluate``: as many test frames as the older tool took of an iteration's labels.

    Args:
        whole: the older input.
        stages: the converted exploration.
        select: the converted selection.
    """
    size = _either(whole.section("evaluate"), whole.section("select_confs"), "test_size")
    size = 0.1 if size is None else size
    if not 0.0 < size < 1.0:
        whole.section("evaluate").refuse("test_size", f"a fraction between 0 and 1 is needed (found {size:g})")
        return {}
    conditions = max([1, *(_conditions(stage) for stage in stages)])
    frames = max(1, round(size * select["max_frames"] / conditions))
    told = f"test_size: {size:g} of max_sel for {conditions} conditions; labelled once, beside the frames to train on"
    whole.say("evaluate.test_frames", told)
    return {"test_frames": frames}


def _conditions(stage: list[dict[str, Any]]) -> int:
    """Temperatures and pressures of a stage."""
    pairs = {
        (temperature, pressure)
        for group in stage
        for temperature in group.get("temperatures_K", [None])
        for pressure in group.get("pressures_GPa", [None])
    }
    return len(pairs)


def _either(read: OldSection, documented: OldSection, name: str) -> float | None:
    """A number that was documented in one section and read from another; what was read counts."""
    value, other = read.number(name, least=0.0), documented.number(name, least=0.0)
    if value is not None and other is not None and value != other:
        read.record.ignored.append(f"{documented.named(name)}: the older tool read {read.named(name)}")
    return other if value is None else value


def _entropy(settings: OldSection, loop: str) -> dict[str, Any]:
    """Keys of selection by entropy, those that differ from today's defaults, which are the older ones."""
    settings.ignore(NOT_NEEDED, "batch_size", "chunk_size")
    pairs = {
        "k": settings.whole("k", least=2) or 32,
        "cutoff_A": settings.positive("cutoff") or 5.0,
        "bandwidth_per_A": settings.positive("h") or 0.015,
    }
    usual = {"k": 32, "cutoff_A": 5.0, "bandwidth_per_A": 0.015}
    settings.say(f"{loop}.select.method", "h_filter")
    settings.say(f"{loop}.select.bandwidth_per_A", "h")
    return {"method": "entropy"} | {key: value for key, value in pairs.items() if value != usual[key]}


def _gate(settings: OldSection, loop: str) -> dict[str, Any]:
    """A filter of frames as keys of the gate."""
    kind = settings.text("type")
    where = f"{loop}.select.gate"
    if kind == "distance":
        ratio = settings.positive("safe_dist_ratio")
        settings.ignore("distances go by covalent radii here; see select.gate.min_distance", "custom_safe_dist")
        settings.say(f"{where}.min_distance", "safe_dist_ratio, times the default 0.6 of the covalent radii's sum")
        return {} if ratio in {None, 1.0} else {"min_distance": round(0.6 * float(ratio or 1.0), 6)}
    if kind == "box_skewness":
        theta = settings.number("theta")
        settings.say(f"{where}.min_cell_angle_deg", "90 degrees less theta")
        return {"min_cell_angle_deg": 90.0 - (60.0 if theta is None else theta)}
    if kind == "box_length":
        ratio = settings.number("length_ratio", least=1.0)
        settings.say(f"{where}.max_cell_aspect", "length_ratio: longest vector over shortest height")
        return {"max_cell_aspect": ratio or 5.0}
    settings.refuse("type", f"{kind!r} is none of distance, box_skewness, box_length")
    return {}
