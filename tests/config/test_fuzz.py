"""Thousands of damaged inputs: never a traceback, never two seconds; refused with the file and the key, or found good.

``make fuzz`` runs all; ``make test`` the first of them.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import time
import warnings
from pathlib import Path

import pytest
import yaml
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write
from tests.config.mutations import case
from tests.config.older.examples import EXAMPLES, write_files

from pfd.config.check import check_input
from pfd.config.reading import read_input
from pfd.config.sections import Input
from pfd.errors import PFDError, SettingError
from pfd.frames.ase_reader import read_with_ase
from pfd.frames.io import write_frames

SEED = 20261126
CASES = int(os.environ.get("PFD_FUZZ", "2000"))
SECONDS, WAITING_SECONDS = 2.0, 60
"""CPU time, so that a busy machine fails no test; and time of a clock, for what waits for ever, as a pipe does."""
ROOT = Path(__file__).parents[2]


MANY_METHODS = {
    "name": "many",
    "use": "academic",
    "teacher": {"family": "toy", "model": "soft-copper"},
    "structures": [
        {"file": "Cu.cif", "supercell": [2, 2, 2], "defects": {"count": 2, "vacancies": 1}},
        {"file": "Cu.cif", "slab": {"miller": [1, 1, 1], "thickness_A": 6.0, "vacuum_A": 8.0}},
    ],
    "data": [{"file": "labelled.extxyz", "labels": {"energy": "E", "forces": "F"}}],
    "finetune": {
        "explore": [
            [
                {"method": "rattle", "temperatures_K": [300, 600], "frames": 8, "replicas": 2},
                {"method": "relax", "cell": "full", "pressures_GPa": [0, 5], "structures": [0]},
            ],
            [
                {"method": "anneal", "ramp_K": [900, 300], "steps": 100, "stop": {"min_distance": 0.4}},
                {"method": "random", "formulas": ["Cu8"], "volume_factor": [1.2, 1.6], "replicas": 3},
                {"method": "pool", "file": "ten.extxyz"},
            ],
        ],
        "select": {"method": "mixed", "max_frames": 30, "gate": {"near_duplicate": 0.01}, "committee": {"models": 3}},
        "label": {"method": "family", "family": "toy", "model": "soft-copper", "accept": {"max_force_eV_per_A": 20}},
        "train": {"ridge": 1e-4, "continue": True},
        "converge": {"force_rmse_relative": 0.1, "stress_rmse_GPa": 1.0},
        "initial": "label",
    },
    "evaluate": {"test_frames": 2, "pool_test_fraction": 0.3},
    "resources": {"cores": 2, "label": {"walltime": "2h", "memory_GB": 1}},
    "environments": {"toy": {"python": "python3"}},
}


KEYS = "|".join(sorted({*Input.model_fields, *(key for example in EXAMPLES.values() for key in example)}))
NAMED = re.compile(
    r"input\.\w+( \(converted\))?(, line \d+)?: (\d+ mistakes\n  )?"
    r"(not readable|not UTF-8|the file holds|a key (stands|is)|there is nothing to do|"
    rf"({KEYS})(\.[^\n]*)?: |[^\n]*unknown key|[^\n]*not a key)"
)
"""How a message begins: the file, and a key of an input, an unknown one, or why no keys can be read."""


class TookLonger(BaseException):
    """Not an Exception: nothing may catch it on the way."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which the files of all sources are."""
    folder = tmp_path_factory.mktemp("fuzz") / "here"
    folder.mkdir()
    write_files(folder)
    for name in ("silicon/Si8.cif", "toy/Cu.cif"):
        shutil.copy(ROOT / "examples" / name, folder)
    (folder.parent / "silicon").mkdir()
    shutil.copy(ROOT / "examples/silicon/Si8.cif", folder.parent / "silicon")
    for name in ("dpa.pt", "mace-foundation.model", "mattersim-v1.0.0-1M.pth"):
        (folder / name).write_text("weights")
    labelled = []
    for seed in range(4):
        frame = bulk("Cu", cubic=True)
        frame.rattle(0.05, seed=seed)
        frame.calc = EMT()
        frame.info["E"], frame.arrays["F"] = frame.get_potential_energy(), frame.get_forces()
        frame.calc = None
        labelled.append(frame)
    write(folder / "labelled.extxyz", labelled)
    os.mkfifo(folder / "pipe")
    with (folder / "large.cif").open("wb") as stream:
        stream.truncate(100_000_000)
    write_frames(folder / "ten.extxyz", [frame for frame in read_with_ase(folder / "Cu.cif", None) for _ in range(10)])
    return folder


@pytest.fixture(scope="module")
def sources():
    shipped = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(ROOT.glob("examples/*/input.yaml"))]
    return [*shipped, shipped[-1], shipped[-1], MANY_METHODS, MANY_METHODS, *EXAMPLES.values()]


@contextlib.contextmanager
def limited(seconds):
    """End what takes more CPU time than this, or waits for ever."""

    def end(number, frame):
        raise TookLonger

    before = signal.signal(signal.SIGPROF, end), signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, WAITING_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, handler in zip((signal.SIGPROF, signal.SIGALRM), before, strict=True):
            signal.signal(number, handler)


def outcome(path, overrides=()):
    """Exit code, message and CPU seconds of a check."""
    began = time.process_time()
    try:
        with limited(SECONDS), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_input(read_input(path, overrides), read_model=False)
    except PFDError as error:
        return error.exit_code, str(error), time.process_time() - began
    return 0, "", time.process_time() - began


def test_a_damaged_input_is_one_message(folder, sources):
    chance = random.Random(SEED)
    good = folder / "good.yaml"
    good.write_text(yaml.safe_dump(sources[-len(EXAMPLES) - 1]))
    with contextlib.suppress(TookLonger):
        outcome(good)  # what is imported once counts for none of them
    codes = {0: 0, 2: 0}
    for number in range(CASES):
        kind, text = case(sources, chance)
        path = folder / f"input{kind}"
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            code, message, _ = outcome(path)
        except BaseException as error:
            kept = folder / f"case-{number}{kind}"
            path.rename(kept)
            raise AssertionError(f"case {number} of seed {SEED}: {error!r}; see {kept}") from error
        assert code in codes, f"case {number}: exit code {code}: {message}"
        assert code == 0 or NAMED.match(message.replace(f"{folder}/", "")), f"case {number}: no key in {message}"
        assert len(message) < 20_000, f"case {number}: {len(message)} characters"
        codes[code] += 1
    assert min(codes.values()) > 0


def test_a_file_of_100_MB_is_refused_before_it_is_read(folder):
    path = folder / "large.yaml"
    with path.open("wb") as stream:
        stream.truncate(100_000_000)
    code, message, seconds = outcome(path)
    assert code == 2
    assert "larger than 5 MB" in message
    assert seconds < 0.5


LARGE = {
    "list": "a: [" + "1, " * 1_600_000 + "]",
    "lines": "".join(f"k{number}: {number}\n" for number in range(350_000)),
    "text": "a: " + "x" * 4_900_000,
    "words": "a: '" + "x " * 2_400_000 + "'",
    "comment": "# " + "x" * 4_900_000,
    "comments": "# x\n" * 1_200_000,
    "brackets": "[" * 4_900_000,
    "dashes": "- " * 2_400_000,
    "question marks": "? " * 2_400_000,
    "indentation": "\n".join(" " * depth + "a:" for depth in range(3000)),
    "anchors": "".join(
        f"a{number}: &a{number} [*a{number - 1}, *a{number - 1}]\n" if number else "a0: &a0 1\n" for number in range(60)
    ),
    "quotes": '"' * 4_900_000,
    "tabs": "\t" * 4_900_000,
    "one key": "x" * 4_900_000 + ": 1",
}


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("kind", ["yaml", "json", "toml"])
def test_a_file_just_below_the_limit_takes_no_two_seconds(name, kind, folder):
    path = folder / f"large.{kind}"
    path.write_text(LARGE[name], encoding="utf-8")
    code, message, _ = outcome(path)
    assert code == 2
    assert path.name in message
    assert len(message) < 2000


WORDS = [
    "seed={}",
    "{}=3",
    "finetune.{}=3",
    "finetune.explore.0.0.{}=1",
    "finetune.explore.{}.0.steps=1",
    "structures={}",
    "{}",
]


def test_damaged_words_of_a_command_line(folder):
    path = folder / "toy.yaml"
    shutil.copy(ROOT / "examples/toy/input.yaml", path)
    chance = random.Random(SEED)
    from tests.config.mutations import VALUES

    for _ in range(max(50, CASES // 10)):
        word = chance.choice(WORDS).format(chance.choice(VALUES))
        code, message, _ = outcome(path, [word])
        assert code in {0, 2}
        assert code == 0 or path.name in message or "command line" in message


def test_the_limit_of_time_is_one():
    def endless():
        while True:
            pass

    with pytest.raises(TookLonger), limited(0.05):
        endless()


def test_a_traceback_would_be_seen(folder, monkeypatch):
    def broken(*arguments, **more):
        raise ValueError

    monkeypatch.setattr("pfd.config.reading.read_given", broken)
    with pytest.raises(ValueError):
        outcome(folder / "good.yaml")
    assert issubclass(SettingError, PFDError)
