"""What the tests of labelers share that stand-ins for programs take part in."""

import shlex
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
POTCAR = """  {title}
 {valence}
 parameters from PSCTR are:
   VRHFIN ={element}: a stand-in
   LEXCH  = {exchange}
   EATOM  =    12.4884 eV,    0.9179 Ry

   TITEL  = {title}
   POMASS =    1.000; ZVAL   =   {valence:.3f}    mass and valenz
   ENMAX  =  250.000; ENMIN  =  200.000 eV
 numbers that are nobody's property
   End of Dataset
"""


def write_potcar(folder, element, name, valence, exchange="PE", title=None):
    title = title or f"PAW_PBE {name} 02Aug2007"
    text = POTCAR.format(element=element, title=title, valence=valence, exchange=exchange)
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "POTCAR").write_text(text)


@pytest.fixture
def potcar_dir(tmp_path):
    """A user's folder of POTCARs, with invented content."""
    folder = tmp_path / "potcars"
    for element, name, valence in (
        *(("Fe", "Fe_pv", 14.0), ("O", "O", 6.0), ("Ti", "Ti", 4.0), ("H", "H", 1.0), ("Al", "Al", 3.0)),
        *(("Si", "Si", 4.0), ("Cu", "Cu_pv", 17.0)),
    ):
        write_potcar(folder, element, name, valence)
    return folder


@pytest.fixture
def stand_in(tmp_path):
    """A program in place of an engine: one of the Python scripts beside the tests, with arguments of its own.

    The script counts its runs in the file ``state``.
    """

    def make(script, mode="ok", recorded=""):
        program = tmp_path / f"program-{mode.replace(',', '-').replace('@', '-')}"
        words = [sys.executable, "-I", "-S", HERE / script, mode, tmp_path / "state", *([recorded] if recorded else [])]
        program.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, words))} "$@"\n')
        program.chmod(0o755)
        return str(program)

    return make


UPF = """<UPF version="2.0.1">
<PP_HEADER element="{element}" pseudo_type="NC" is_ultrasoft="false" is_paw="false"
functional="{functional}" z_valence="{valence}" />
"""
ORBITAL = """---------------------------------------------------------------------------
Element                     {element}
Energy Cutoff(Ry)           100
Radius Cutoff(a.u.)         7
Lmax                        2
---------------------------------------------------------------------------
"""


@pytest.fixture
def pseudo_dir(tmp_path):
    """A folder of pseudopotentials and orbitals, headers without content."""
    folder = tmp_path / "pseudos"
    folder.mkdir()
    for element, valence in (("Fe", 16.0), ("O", 6.0), ("Al", 3.0), ("C", 4.0), ("H", 1.0), ("Si", 4.0)):
        (folder / f"{element}.upf").write_text(UPF.format(element=element, functional="PBE", valence=valence))
        (folder / f"{element}.orb").write_text(ORBITAL.format(element=element))
    (folder / "Al_lda.upf").write_text(UPF.format(element="Al", functional="PZ", valence=3.0))
    return folder


CP2K_BASIS = """# a comment
 {element}  DZVP-TEST-GTH DZVP-TEST-GTH-q{valence}
 1
 2 0 1 1 2 1  # two exponents
      1.25  0.29 -1.53
      0.50 -0.01  0.52
"""
CP2K_POTENTIAL = """#
{element} GTH-PBE-q{valence} GTH-PBE
    {shells}
     0.44    1    -6.26
    0
"""


@pytest.fixture
def cp2k_data(tmp_path):
    """A folder in the place of CP2K's data, with invented numbers."""
    folder = tmp_path / "cp2k-data"
    folder.mkdir()
    elements = {"H": "1", "O": "2 4", "Al": "2 1", "Si": "2 2", "Fe": "4 6 6"}
    valences = {element: sum(map(int, shells.split())) for element, shells in elements.items()}
    basis = [CP2K_BASIS.format(element=element, valence=valence) for element, valence in valences.items()]
    potential = [
        CP2K_POTENTIAL.format(element=element, valence=valences[element], shells=shells)
        for element, shells in elements.items()
    ]
    small_core = CP2K_POTENTIAL.format(element="Fe", valence=8, shells="2 0 6").replace(" GTH-PBE\n", "\n")
    (folder / "BASIS_MOLOPT").write_text("".join(basis))
    (folder / "GTH_POTENTIALS").write_text("".join([*potential, small_core]))
    return folder
