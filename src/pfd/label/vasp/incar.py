"""The keys of an INCAR: read from text or from the input, compared, sorted into physics and the way there, written."""

from __future__ import annotations

import difflib
import itertools
import re
import textwrap
from collections.abc import Collection, Iterable, Mapping
from typing import Any

Value = bool | int | float | str | tuple[bool | int | float | str, ...]

ENFORCED: dict[str, Value] = {"NSW": 0, "IBRION": -1, "ISTART": 0, "ICHARG": 2}
"""One static, self-consistent calculation that starts from atoms; other values are refused."""
DEFAULTS: dict[str, Value] = {
    "PREC": "Accurate",
    "EDIFF": 1e-6,
    "NELM": 100,
    "ISIF": 2,
    "LWAVE": False,
    "LCHARG": False,
}
"""Written where neither preset, file nor input names the key: tight enough for forces, and no large files."""
SMEARING: dict[str, Value] = {"ISMEAR": 0, "SIGMA": 0.05}
"""The same, if neither is named: narrow Gaussian smearing suits metals and insulators, VASP's own 0.2 eV does not."""
REFUSED = {
    "MAGMOM": "moments belong to atoms: give the frames initial moments, or write finetune.label.magmoms: {Fe: 5}",
    "LDAU": "write finetune.label.hubbard: {Fe: {orbital: d, U_eV: 5.3}}",
    "LDAUL": "write finetune.label.hubbard: {Fe: {orbital: d, U_eV: 5.3}}",
    "LDAUU": "write finetune.label.hubbard: {Fe: {orbital: d, U_eV: 5.3}}",
    "LDAUJ": "write finetune.label.hubbard: {Fe: {orbital: d, U_eV: 5.3, J_eV: 1}}",
    "NELECT": "the charge is that of the frame (info charge), and VASP counts the electrons",
    "PSTRESS": "it would stand in the energy; labels hold none",
    "ML_LMLFF": "its labels would be those of a force field",
    "IMAGES": "one calculation is one frame",
    "KGAMMA": "meshes are centred at Gamma; for others write finetune.label.kpoints_file",
}
"""Keys that may not be set, except to what VASP does without them (``OWN``), and what to do instead."""
AIDS = frozenset(
    {
        *("ALGO", "IALGO", "NELM", "NELMIN", "NELMDL", "EDIFF", "TIME", "LSUBROT", "LDIAG", "NSIM", "WEIMIN", "EBREAK"),
        *("AMIX", "BMIX", "AMIN", "AMIX_MAG", "BMIX_MAG", "IMIX", "INIMIX", "MIXPRE", "MREMOVE", "MAXMIX", "WC"),
        *(
            "LMAXMIX",
            "LMIXTAU",
            "INIWAV",
            "ISYM",
            "SYMPREC",
            "NCORE",
            "NPAR",
            "KPAR",
            "LPLANE",
            "LSCALU",
            "LSCALAPACK",
            "LASYNC",
        ),
        *("SYSTEM", "NWRITE", "LWAVE", "LCHARG", "LAECHG", "LELF", "LVTOT", "LVHAR", "LORBIT", "NEDOS", "EMIN", "EMAX"),
        *("NSW", "IBRION", "ISTART", "ICHARG", "ISIF", "EDIFFG", "POTIM", "LDAUPRINT", "LH5", "MAXMEM"),
    }
)
"""Keys that say how to get to the ground state, what to write, and how to share the work: no level of theory."""
OWN: dict[str, Value] = {
    "ISPIN": 1,
    "NUPDOWN": -1,
    "LSORBIT": False,
    "LNONCOLLINEAR": False,
    "LREAL": False,
    "ADDGRID": False,
    "LASPH": False,
    "GGA_COMPAT": True,
    "LHFCALC": False,
    "LUSE_VDW": False,
    "IVDW": 0,
    "LDAU": False,
    "LDIPOL": False,
    "IDIPOL": 0,
    "PSTRESS": 0,
    "ML_LMLFF": False,
    "IMAGES": 0,
    "KGAMMA": True,
}
"""What VASP does without a key (its manual): written out, it makes no other level of theory."""

_LOGICAL = {".TRUE.": True, ".T.": True, "TRUE": True, ".FALSE.": False, ".F.": False, "FALSE": False}
_REPEATED = re.compile(r"^(\d+)\*(\S+)$")


def incar_value(key: str, raw: Any) -> Value:
    """A value in the one form in which values are compared: ``520``, ``520.0`` and ``"520"`` are the same.

    Args:
        key: upper case; whether ``T`` is a truth value depends on it (``ALGO = T`` is none).
        raw: from YAML or from an INCAR.

    >>> incar_value("LASPH", ".true."), incar_value("EDIFF", "1E-6"), incar_value("ROPT", "2*-5E-4 1")
    (True, 1e-06, (-0.0005, -0.0005, 1))
    """
    if isinstance(raw, list | tuple):
        parts = tuple(_single(key, part) for part in raw)
        return parts[0] if len(parts) == 1 else parts
    if not isinstance(raw, str) or key == "SYSTEM":
        return _single(key, raw)
    words: list[str] = []
    for word in raw.split():
        repeated = _REPEATED.match(word)
        words += [repeated[2]] * int(repeated[1]) if repeated else [word]
    return incar_value(key, words) if len(words) > 1 else _single(key, words[0] if words else "")


def _single(key: str, raw: Any) -> bool | int | float | str:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, int | float):
        return int(raw) if float(raw).is_integer() else float(raw)
    text = str(raw).strip()
    if text.upper() in _LOGICAL:
        return _LOGICAL[text.upper()]
    if text.upper() in {"T", "F"} and (key.startswith("L") or key in {"ADDGRID", "KGAMMA"}):
        return text.upper() == "T"
    try:
        return _single(key, float(re.sub(r"(?i)(?<=\d)d(?=[-+]?\d+$)", "e", text)))  # Fortran's 1d-6
    except ValueError:
        return text


def read_incar(text: str) -> dict[str, Value]:
    """The keys of an INCAR, upper case, in its order.

    Comments begin with ``#`` or ``!``; ``;`` separates keys; a backslash at the end of a line continues it. Texts of
    several lines in quotation marks and groups in braces are not understood: no static calculation needs them.

    Raises:
        ValueError: at a line that is neither, or a key that stands twice with different values.

    Source: https://vasp.at/wiki/INCAR.
    """
    found: dict[str, Value] = {}
    plain = "\n".join(re.split(r"[#!]", line, maxsplit=1)[0] for line in text.splitlines())
    plain = re.sub(r"\\[ \t]*\n", " ", plain)
    for statement in re.split(r"[;\n]", plain):
        if not statement.strip():
            continue
        key, equals, value = statement.partition("=")
        name = key.strip().upper()
        if not equals or not re.fullmatch(r"[A-Z][A-Z0-9_/]*", name) or not value.strip():
            raise ValueError(f"not KEY = value: {statement.strip()[:80]!r}")
        parsed = incar_value(name, value.strip())
        if found.setdefault(name, parsed) != parsed:
            raise ValueError(f"{name} stands twice, with different values")
    return found


def incar_text(keys: Mapping[str, Value]) -> str:
    """The text of an INCAR, one key a line, long ones continued with a backslash.

    >>> print(incar_text({"ENCUT": 520, "LASPH": True, "LDAUU": (5.3, 0)}), end="")
    ENCUT = 520
    LASPH = .TRUE.
    LDAUU = 5.3 0
    """
    lines = (textwrap.wrap(f"{key} = {_written(value)}", 120, break_long_words=False) for key, value in keys.items())
    return "".join(" \\\n  ".join(each) + "\n" for each in lines)


def _written(value: Value) -> str:
    if isinstance(value, tuple):
        runs = ((_written(part), len(list(same))) for part, same in itertools.groupby(value))
        return " ".join(part if count == 1 else f"{count}*{part}" for part, count in runs)
    if isinstance(value, bool):
        return ".TRUE." if value else ".FALSE."
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def mistake_in(key: str, value: Value) -> str:
    """Why a key of the user may not be set to this value, and what to do instead; nothing if it may."""
    if key in ENFORCED and value != ENFORCED[key]:
        return f"labels are static calculations, with {key} = {ENFORCED[key]}: remove it"
    if key == "ISIF" and not (isinstance(value, int) and value >= 2):
        return "VASP computes no stress below ISIF = 2: remove it"
    if key == "NELM" and not (isinstance(value, int) and value >= 1):
        return "write a whole number of electronic steps"
    if key in REFUSED and (key not in OWN or value != OWN[key]):
        return REFUSED[key]
    return ""


def unknown_key(key: str, also: Collection[str]) -> str:
    """Why a key is refused that nobody knows; VASP itself passes over a misspelt key without a word.

    Args:
        key: upper case.
        also: keys that the user's VASP knows.
    """
    from ase.calculators.vasp import create_input

    lists = [name for name in vars(create_input) if name.endswith("_keys")]
    known = {str(name).upper() for each in lists for name in getattr(create_input, each)} | {
        *AIDS,
        *DEFAULTS,
        *map(str.upper, also),
    }
    if key in known or key.startswith("ML_"):
        return ""
    near = difflib.get_close_matches(key, known, n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    return f"unknown key; {guess}if your VASP knows it, add it to finetune.label.incar_also_known"


def physics_of(keys: Mapping[str, Value]) -> dict[str, Value]:
    """Those keys that change the physics, sorted; none that only writes out what VASP does anyway."""
    return {key: keys[key] for key in sorted(keys) if key not in AIDS and not (key in OWN and keys[key] == OWN[key])}


def shown(keys: Mapping[str, Value]) -> list[str]:
    """Keys with their values, as the level of theory names them: ``ENCUT 520``, ``LASPH T``."""
    return [f"{key} {_short(value)}" for key, value in keys.items()]


def _short(value: Value) -> str:
    if isinstance(value, tuple):
        return " ".join(_short(part) for part in value)
    if isinstance(value, bool):
        return "T" if value else "F"
    return value.upper() if isinstance(value, str) else f"{value:g}"


def differing(asked: Mapping[str, Value], done: Mapping[str, Value], keys: Iterable[str]) -> str:
    """The first of these keys whose number or truth value differs between what was asked and what was done, or nothing.

    Numbers may differ by a millionth, since VASP writes eight decimals; texts are not compared, since it shortens them.
    """
    for key in keys:
        if key not in asked or key not in done:
            continue
        pairs = [(value if isinstance(value, tuple) else (value,)) for value in (asked[key], done[key])]
        if any(isinstance(part, str) for pair in pairs for part in pair):
            continue
        same = len(pairs[0]) == len(pairs[1]) and all(
            abs(float(one) - float(other)) <= 1e-6 * (1.0 + abs(float(one))) for one, other in zip(*pairs, strict=True)
        )
        if not same:
            return f"{key} is {_short(done[key])} in its output, and {_short(asked[key])} was asked"
    return ""
