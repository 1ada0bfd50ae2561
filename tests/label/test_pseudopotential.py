"""Headers of pseudopotential files, version 1 and 2 of UPF."""

import pytest

from pfd.errors import InputError
from pfd.label.pseudopotential import functional_name, one_functional, read_pseudopotential

VERSION_ONE = """<PP_INFO>
</PP_INFO>
<PP_HEADER>
   0                   Version Number
  Al                   Element
   US                  Ultrasoft pseudopotential
    T                  Nonlinear Core Correction
 SLA  PW   PBX  PBC    PBE  Exchange-Correlation functional
    3.00000000000      Z valence
</PP_HEADER>
"""
VERSION_TWO = """<UPF version="2.0.1">
<PP_HEADER
element="Si" pseudo_type="{kind}" is_ultrasoft="false" is_paw="{paw}"
functional=" SLA  PZ   NOGX NOGC" z_valence="4.000000000000e0"
/>
"""


def test_version_one(tmp_path):
    path = tmp_path / "Al.UPF"
    path.write_text(VERSION_ONE)
    read = read_pseudopotential(path, "Al")
    assert (read.valence, read.functional, read.norm_conserving) == (3.0, "PBE", False)


@pytest.mark.parametrize(("kind", "paw", "conserving"), [("NC", "false", True), ("PAW", "true", False)])
def test_version_two(tmp_path, kind, paw, conserving):
    path = tmp_path / "Si.UPF"
    path.write_text(VERSION_TWO.format(kind=kind, paw=paw))
    read = read_pseudopotential(path, "Si")
    assert (read.valence, read.functional, read.norm_conserving) == (4.0, "PZ", conserving)


def test_the_digest_follows_the_bytes(tmp_path):
    path = tmp_path / "Al.UPF"
    path.write_text(VERSION_ONE)
    first = read_pseudopotential(path, "Al").digest
    path.write_text(VERSION_ONE + "\n")
    assert read_pseudopotential(path, "Al").digest != first


def test_wrong_files_are_named(tmp_path):
    path = tmp_path / "Al.UPF"
    with pytest.raises(InputError, match=r"pseudopotentials\.Al: no such pseudopotential"):
        read_pseudopotential(path, "Al")
    path.write_text(VERSION_ONE)
    with pytest.raises(InputError, match="is a pseudopotential of Al"):
        read_pseudopotential(path, "Si")
    path.write_text("hello")
    with pytest.raises(InputError, match="not a UPF"):
        read_pseudopotential(path, "Al")


def test_one_functional_for_all(tmp_path):
    (tmp_path / "Al.UPF").write_text(VERSION_ONE)
    (tmp_path / "Si.UPF").write_text(VERSION_TWO.format(kind="NC", paw="false"))
    both = [read_pseudopotential(tmp_path / f"{symbol}.UPF", symbol) for symbol in ("Al", "Si")]
    assert one_functional(both[:1]) == "PBE"
    with pytest.raises(InputError, match="PBE, PZ"):
        one_functional(both)
    assert functional_name("SLA PW PBE PBE") == functional_name("pbe") == "PBE"
