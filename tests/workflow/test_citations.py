"""What a run cites: every model, labeler and method that it used, each once, and nothing that it did not."""

from __future__ import annotations

import pytest
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


@pytest.mark.parametrize("name", [name for name in plugin_names(LABELERS) if name not in OURS])
def test_every_engine_names_its_paper(name):
    labeler = load_plugin(LABELERS, name)
    assert issubclass(labeler, Labeler)
    assert "doi:10." in labeler.citation
