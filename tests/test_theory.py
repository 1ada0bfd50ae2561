"""Levels of theory are compared by their physics, and what cannot be told is not guessed."""

from __future__ import annotations

import pytest

from pfd.theory import compare_levels, theory_of

MPTRJ = "PBE/PBE+U (MPtrj, uncorrected)"


@pytest.mark.parametrize(
    ("level", "words"),
    [
        (MPTRJ, "PBE or +U by element"),
        ("r2SCAN (MP-r2SCAN)", "r2SCAN"),
        ("pw.x PBE, ecutwfc 40 Ry, ecutrho 160 Ry, kspacing 0.2/Å, smearing cold 0.01 Ry", "PBE"),
        ("pw.x PBESOL, ecutwfc 40 Ry", "PBEsol"),
        ("pw.x PZ, ecutwfc 40 Ry", "LDA"),
        ("pw.x PBE, ecutwfc 40 Ry, vdw_corr dft-d3", "PBE+D3"),
        ("VASP PBE+D3(BJ)+U, ENCUT 520, kspacing 0.2/Å", "PBE+U+D3"),
        ("VASP r2SCAN+D4, ENCUT 680", "r2SCAN+D4"),
        ("ABACUS PBE+U, lcao, ecutwfc 100 Ry, Fe U 5.3 eV on d", "PBE+U"),
        ("VASP PBE hybrid+nonlocal vdW", "PBE hybrid+nonlocal"),
        ("VASP PBE, ENCUT 400, LHFCALC T", "PBE hybrid"),
        ("GPAW PBE, plane waves 500 eV, setup of Fe :d,4.0, setups 0123", "PBE+U"),
        ("CP2K LDA, cutoff 400 Ry, DZVP-PBE-GTH, basis sets", "LDA"),
        ("GFN1-xTB", "GFN-xTB"),
        ("toy Morse -3 eV", "unknown functional"),
        ("unknown", "unknown functional"),
        ("scandium oxide, in a cave", "unknown functional"),
    ],
)
def test_names_are_read(level, words):
    assert theory_of(level).words() == words


@pytest.mark.parametrize(
    ("model", "labels", "kind", "told"),
    [
        (MPTRJ, MPTRJ, "equal", "own level"),
        (MPTRJ, "pw.x PBE, ecutwfc 40 Ry", "shifted", "a shift for each element"),
        (MPTRJ, "VASP PBE+U, ENCUT 520", "shifted", "transition metals"),
        (MPTRJ, "VASP r2SCAN, ENCUT 520", "different", "r2SCAN for PBE"),
        (MPTRJ, "pw.x PBE, vdw_corr dft-d3", "different", "D3"),
        ("PBE+D3", "pw.x PBE", "different", "no D3"),
        ("PBE", "VASP PBE+U", "different", "a Hubbard U"),
        ("unknown", "pw.x PBE", "unknown", "the model does not say"),
        (MPTRJ, "my script 1.0", "unknown", "the labels do not say"),
    ],
)
def test_they_are_compared(model, labels, kind, told):
    found = compare_levels(model, labels)
    assert found.kind == kind
    assert told in found.words


def test_two_dispersion_corrections_are_both_seen():
    assert theory_of("VASP optB88-vdW+D3").dispersions == ("D3", "nonlocal")
