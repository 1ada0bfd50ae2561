"""What two levels of theory have in common, by what their names say: functional, Hubbard U, dispersion."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_FUNCTIONALS: tuple[tuple[str, str], ...] = (
    (r"r2\s?scan", "r2SCAN"),
    (r"r\s?scan", "rSCAN"),
    (r"scan", "SCAN"),
    (r"wb97\w*(?:-\w+)?", "ωB97"),
    (r"pbe\s?sol|psx psc", "PBEsol"),
    (r"rev\s?pbe|pbe\s?rev", "revPBE"),
    (r"rpbe", "RPBE"),
    (r"hse\s?(?:06|03)?", "HSE06"),
    (r"pbe0", "PBE0"),
    (r"b3lyp", "B3LYP"),
    (r"blyp", "BLYP"),
    (r"optb88[\w-]*|optb86b[\w-]*|vdw-df\S*|rev-vdw-df2|beef-vdw", "vdW-DF"),
    (r"pbe|perdew burke ernzerhof", "PBE"),
    (r"pw91", "PW91"),
    (r"lda|pz|pade|ca", "LDA"),
    (r"gfn[012]-xtb", "GFN-xTB"),
)
_DISPERSIONS: tuple[tuple[str, str], ...] = (
    (r"d4", "D4"),
    (r"d3\w*|dft-?d3\w*|grimme-d3\w*", "D3"),
    (r"d2|dft-d|grimme-d2", "D2"),
    (r"tkatchenko\S*|ts-vdw|ts", "TS"),
    (r"mbd\S*|many-body dispersion", "MBD"),
    (r"rvv10|vv10|nonlocal vdw|vdw-df\S*|rev-vdw-df2|optb88-vdw|optb86b-vdw|beef-vdw", "nonlocal"),
    (r"xdm", "XDM"),
)
_EDGE = r"(?<![a-z0-9])(?:{})(?![a-z0-9])"


@dataclass(frozen=True)
class Theory:
    """What the name of a level of theory says of its physics.

    Attributes:
        functional: its usual name; empty if the text names none that is known.
        hubbard: ``yes``, ``no``, or ``some``: with U for some elements only, as in the Materials Project.
        dispersions: the corrections that are named, such as D3.
    """

    functional: str
    hubbard: Literal["yes", "no", "some"]
    dispersions: tuple[str, ...]

    def words(self) -> str:
        """Such as ``PBE+U+D3``."""
        hubbard = {"yes": "+U", "no": "", "some": " or +U by element"}[self.hubbard]
        return f"{self.functional or 'unknown functional'}{hubbard}{''.join(f'+{each}' for each in self.dispersions)}"


@dataclass(frozen=True)
class Comparison:
    """Labels beside the level of theory that a model was trained on.

    Attributes:
        kind: ``equal``: one physics and one name; ``shifted``: one physics by another code, cutoff or potentials, and
            so another zero of energy; ``different``: another functional, U or dispersion; ``unknown``.
        words: one line for a person.
    """

    kind: Literal["equal", "shifted", "different", "unknown"]
    words: str


def theory_of(level: str) -> Theory:
    """Read a level of theory as labelers and model cards name it.

    >>> theory_of("pw.x PBE, ecutwfc 40 Ry, vdw_corr dft-d3").words()
    'PBE+D3'
    """
    text = level.lower()
    named = text.split(",")[0]  # what follows are cutoffs, basis sets and keys
    functional = next((name for pattern, name in _FUNCTIONALS if re.search(_EDGE.format(pattern), named)), "")
    functional += " hybrid" if functional and re.search(r"\bhybrid\b|\blhfcalc\b", text) else ""
    with_u = bool(re.search(r"\+u(?![a-z])|hubbard|lda_plus_u|\bu \d+(\.\d+)? ev|setup of \S+ \S*:[spdf],", text))
    hubbard: Literal["yes", "no", "some"] = "yes" if with_u else "no"
    if with_u and re.search(r"([a-z0-9]+)\s*/\s*\1\+u", text):
        hubbard = "some"
    found = dict.fromkeys(name for pattern, name in _DISPERSIONS if re.search(_EDGE.format(pattern), text))
    return Theory(functional, hubbard, tuple(found))


def compare_levels(model: str, labels: str) -> Comparison:
    """Compare a model's level of theory with that of labels it is to be trained on.

    Args:
        model: of the model's card; ``unknown`` if it does not say.
        labels: of the labeler.
    """
    if model == labels:
        return Comparison("equal", f"labels: {labels} / model: its own level too: only the material is to be learnt")
    mine, theirs = theory_of(model), theory_of(labels)
    named = [theory.words() if theory.functional else level for theory, level in ((theirs, labels), (mine, model))]
    head = f"labels: {named[0]} / model: {named[1]}"
    if not mine.functional or not theirs.functional:
        what = "the model does not say" if not mine.functional else "the labels do not say"
        words = f"{head}: {what} what functional it is. If it is another, fine-tuning must learn the difference as well"
        return Comparison("unknown", words)
    differ = []
    if mine.functional != theirs.functional:
        differ.append(f"{theirs.functional} for {mine.functional}")
    if mine.hubbard not in {theirs.hubbard, "some"}:
        differ.append("a Hubbard U" if theirs.hubbard == "yes" else "no Hubbard U")
    if mine.dispersions != theirs.dispersions:
        differ.append(" and ".join(theirs.dispersions) if theirs.dispersions else f"no {'+'.join(mine.dispersions)}")
    if differ:
        follows = "fine-tuning must learn the difference as well, which takes more labels"
        return Comparison("different", f"{head}: {', '.join(differ)}: {follows}")
    note = "; the model saw U for transition metals in oxides and fluorides only" if mine.hubbard == "some" else ""
    return Comparison(
        "shifted",
        f"{head}: one physics by other settings: energies differ by a shift for each element, which is fitted before "
        f"training{note}",
    )
