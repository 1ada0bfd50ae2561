"""What a run cites: every model, labeler and method that it used, each once, and nothing that it did not."""

from __future__ import annotations

import shutil

import pytest
import yaml
from tests.workflow.conftest import EXAMPLE

from pfd.config.reading import read_input
from pfd.label.labeler import Labeler
from pfd.plugins import LABELERS, load_plugin, plugin_names
from pfd.workflow.citations import IDEA, LAMMPS, citations_of

OURS = {"command", "external", "family", "stored", "toy"}
"""Labelers whose labels are of something else, which the user knows or which is cited as a model."""


def uses(name, cards=None, packages=()):
    found = citations_of(read_input(EXAMPLE.parent / name / "input.yaml"), cards or {}, packages)
    return {each["text"]: each["used_for"] for each in found}


def test_the_silicon_example_cites_what_it_uses():
    cards = {
        "pretrained": {"family": "chgnet", "source": "Deng"},
        "finetuned": {"family": "chgnet", "source": "Deng"},
        "student": {"family": "pod", "source": "Nguyen"},
        "scratch": {"family": "own", "source": ""},
    }
    found = uses("silicon", cards, ["lammps", "torch"])
    assert found[IDEA] == "the method"
    assert found["Deng"] == "model chgnet"
    assert found["Nguyen"] == "model pod"
    assert found[LAMMPS] == "molecular dynamics"
    text = " ".join(found)
    for part in ("wcms.1493", "acs.jctc.7b00118", "2404.12367", "cplett", "8X/aa680e"):
        assert part in text
    assert "acs.jctc.8b01176" not in text  # another Hamiltonian
    assert "" not in found


def test_one_source_of_two_uses_stands_once():
    found = uses("toy")
    assert found["D. Schwalbe-Koda et al., arXiv:2404.12367"] == "selection by entropy"
    assert LAMMPS not in found


def test_structures_and_properties_are_cited(tmp_path):
    content = yaml.safe_load((EXAMPLE.parent / "toy" / "input.yaml").read_text(encoding="utf-8"))
    content["structures"] = [
        {
            "file": "Cu.cif",
            "supercell": [2, 2, 2],
            "alloy": {"elements": ["Cu", "Ag"], "count": 1, "arrangement": "sqs"},
        }
    ]
    kinds = ("elastic", "phonons", "vacancy", "equation_of_state")
    content["evaluate"]["properties"] = [{"kind": kind, "structure": "Cu.cif"} for kind in kinds]
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    shutil.copy(EXAMPLE.parent / "toy" / "Cu.cif", tmp_path)
    found = {each["text"]: each["used_for"] for each in citations_of(read_input(tmp_path / "input.yaml"), {}, ())}
    told = " ".join(f"{text}: {used}" for text, used in found.items())
    for part in ("PhysRevLett.65.353: starting structures", "scriptamat", *(f"property {kind}" for kind in kinds)):
        assert part in told


@pytest.mark.parametrize("name", [name for name in plugin_names(LABELERS) if name not in OURS])
def test_every_engine_names_its_paper(name):
    labeler = load_plugin(LABELERS, name)
    assert issubclass(labeler, Labeler)
    assert "doi:10." in labeler.citation
