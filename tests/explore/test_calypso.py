"""The CALYPSO adapter, against a stand-in that speaks its files; the program itself is not to be had."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.io import read
from pydantic import ValidationError

from pfd.errors import MissingError, TaskFailed
from pfd.explore import Job
from pfd.explore.calypso import CalypsoSettings, calypso_input, write_result
from pfd.explore.random_search import random_structure
from pfd.frames import MODEL_ENERGY_KEY

STAND_IN = """#!{python}
# Reads input.dat, insists on the results of the last generation, writes POSCAR_1 ... POSCAR_N.
import pathlib, re, sys
mode = {mode!r}
keys = dict(line.split(" = ", 1) for line in open("input.dat") if " = " in line)
size = int(keys["PopSize"])
step = int(pathlib.Path("step").read_text()) if pathlib.Path("step").exists() else 0
if mode == "error":
    print("input.dat: DistanceOfIon is missing"); sys.exit(3)
if mode == "nothing":
    sys.exit(0)
assert keys["Split"].strip() == "T" and keys["SystemName"].strip() == "Cu2"
matrix = open("input.dat").read().split("@DistanceOfIon")[1].split("@End")[0].split()
assert len(matrix) == int(keys["NumberOfSpecies"]) ** 2
if step:
    for number in range(1, size + 1):
        text = open("OUTCAR_%d" % number).read()
        enthalpy = re.search(r"enthalpy is  TOTEN    =\\s+(\\S+) eV", text)
        assert enthalpy, "no enthalpy"
        lines = open("CONTCAR_%d" % number).read().splitlines()
        assert lines[5].split() == ["Cu"], lines[5]
        open("seen", "a").write("%d %d %s\\n" % (step, number, enthalpy.group(1)))
pathlib.Path("step").write_text(str(step + 1))
for number in range(1, size + 1):
    a = 3.4 + 0.1 * number + 0.05 * step
    if mode == "broken" and number == 1:
        pathlib.Path("POSCAR_1").write_text("not a POSCAR"); continue
    atoms = "0 0 0\\n0.5 0.5 0.0\\n0.5 0.0 0.5\\n0.0 0.5 0.45"
    cell = "Cu\\n1.0\\n%f 0 0\\n0 %f 0\\n0 0 %f\\nCu\\n4\\nDirect\\n" % (a, a, a)
    pathlib.Path("POSCAR_%d" % number).write_text(cell + atoms + "\\n")
"""


@pytest.fixture
def search(tmp_path: Path) -> Any:
    """Settings with a stand-in, and a job in an empty scratch folder."""

    def make(mode: str = "good", **changes: Any) -> tuple[CalypsoSettings, Job]:
        program = tmp_path / f"calypso-{mode}.x"
        program.write_text(STAND_IN.format(python=sys.executable, mode=mode), encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        wanted = {"formula": "Cu2", "population": 3, "generations": 2, "steps": 20, "every": 10}
        settings = CalypsoSettings(**wanted | {"command": str(program)} | changes)
        return settings, Job(None, EMT, formula="Cu2", name="search", group="s0-g0", seed=1, scratch=scratch)

    return make


def test_generations_are_relaxed_and_given_back(search: Any) -> None:
    settings, job = search()
    found = settings.run(job)
    assert found.finished
    names = {frame.info["trajectory"] for frame in found.frames}
    assert names == {f"search-g{generation}-{number}" for generation in range(2) for number in (1, 2, 3)}
    assert all(frame.info["group"] == "s0-g0" for frame in found.frames)
    assert all(MODEL_ENERGY_KEY in frame.info for frame in found.frames)
    seen = (job.scratch / "calypso" / "seen").read_text().splitlines()
    assert [line.split()[:2] for line in seen] == [["1", str(number)] for number in (1, 2, 3)]
    last = {frame.info["trajectory"]: frame for frame in found.frames}
    for line in seen:
        _, number, enthalpy = line.split()
        assert float(enthalpy) == pytest.approx(last[f"search-g0-{number}"].info[MODEL_ENERGY_KEY], abs=1e-6)


def test_the_result_reads_back(tmp_path: Path) -> None:
    frame = random_structure("Ti2O4", (2.0, 2.0), 0.7, np.random.default_rng(0))
    frame.info[MODEL_ENERGY_KEY] = -40.0
    write_result(tmp_path, 7, frame, 10.0)
    again = read(tmp_path / "CONTCAR_7", format="vasp")
    assert again.get_chemical_symbols() == frame.get_chemical_symbols()
    assert again.get_scaled_positions() == pytest.approx(frame.get_scaled_positions(), abs=1e-8)
    text = (tmp_path / "OUTCAR_7").read_text()
    work = 10.0 / 160.21766208 * frame.cell.volume
    assert f"{-40.0 + work:.8f}" in text


def test_the_input_says_what_was_asked(search: Any) -> None:
    settings, _ = search(formula="TiO2", formula_units=(2, 4), volume_A3=31.0)
    text = calypso_input(settings)
    for line in ("NumberOfSpecies = 2", "NameOfAtoms = Ti O", "NumberOfAtoms = 1 2", "AtomicNumber = 22 8"):
        assert line in text
    assert "NumberOfFormula = 2 4" in text
    assert "Volume = 31.000" in text
    assert "1.582" in text  # 0.7 (1.60 + 0.66) Å between Ti and O


@pytest.mark.parametrize(
    ("mode", "says"), [("error", "code 3"), ("nothing", "no structure"), ("broken", "cannot be read")]
)
def test_what_it_says_is_told(search: Any, mode: str, says: str) -> None:
    settings, job = search(mode)
    with pytest.raises(Exception, match=says) as failure:
        settings.run(job)
    if mode == "error":
        assert isinstance(failure.value, TaskFailed)
        assert "DistanceOfIon is missing" in str(failure.value)


def test_a_missing_program_names_where_to_get_it(search: Any) -> None:
    settings, job = search(command="no-such-calypso.x")
    with pytest.raises(MissingError, match=r"no-such-calypso\.x"):
        settings.run(job)


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"formula": "Xx2"}, "no element"), ({"formula_units": [3, 1]}, "smaller first"), ({"command": " "}, "empty")],
)
def test_mistakes_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        CalypsoSettings(**{"formula": "Cu2", **changes})
