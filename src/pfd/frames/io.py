"""Read and write sets of frames as extended XYZ, exactly: numbers and texts come back as the ones written."""

from __future__ import annotations

import json
import string
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import numpy as np

from pfd.errors import DataError
from pfd.frames.ase_reader import read_with_ase
from pfd.frames.frame import frame_id
from pfd.frames.labels import labels_of, with_labels
from pfd.frames.taken_labels import as_labels, take_labels

if TYPE_CHECKING:
    from ase import Atoms

_MATRICES = ("Lattice", "stress", "virial")
"""Keys that ASE's reader takes for 3 x 3 matrices, column by column, whatever they are."""
_TRUTH = ("t", "f", "true", "false")
_SAFE = string.punctuation.replace("%", "")


def write_frames(path: Path, frames: Iterable[Atoms]) -> None:
    """Write frames with everything they carry: labels, constraints, moments, charges, origin and conditions.

    Numbers are written with the digits that make them unique; texts that a reader would take for something else (``T``,
    ``12``, line breaks, letters beyond ASCII) as JSON. Momenta are not kept.

    Raises:
        DataError: if a frame carries something that the format cannot hold, such as a constraint that is neither of
            fixed atoms nor of fixed components, or an object in ``info``.
    """
    with path.open("w", encoding="utf-8") as stream:
        for frame in frames:
            stream.write(_block(frame))


def read_frames(path: Path, keys: dict[str, str] | None = None) -> list[Atoms]:
    """Read extended XYZ; labels are taken from ``keys``, else from ``energy/forces/stress``, else from ``REF_*``.

    A virial (eV) becomes the stress where no stress is given, as in sets made for GAP, NEP and MACE.

    Args:
        path: the file; an empty file is an empty list.
        keys: label name -> the key or column that holds it, for files that use other names.

    Raises:
        DataError: if the file is missing, cannot be parsed, or lacks a key that ``keys`` names.
    """
    if not path.is_file():
        raise DataError("no such file", where=str(path), hint="check the path")
    if path.stat().st_size == 0:
        return []
    _require_counts(path)
    frames = read_with_ase(path, "extxyz")
    _require_all_read(path, frames)
    return [normalised(frame, keys or {}, where=f"{path}, frame {index}") for index, frame in enumerate(frames)]


def _require_counts(path: Path) -> None:
    """ASE's reader looks for as many lines as a frame's count says, however few there are."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip().isdigit() and len(line) > len(str(size)) and int(line[:5000]) > size:
                what = f"line {number} counts {line.strip().decode()[:20]} atoms, and the file has {size} bytes"
                raise DataError(what, where=str(path), hint="is the file complete?")


def _require_all_read(path: Path, frames: Sequence[Atoms]) -> None:
    """ASE's reader takes a blank line where a frame should begin for the end of the file."""
    expected, last = sum(len(frame) + 2 for frame in frames), 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            last = number if line.strip() else last
            expected += line.lstrip().startswith(b"VEC")
    if last > expected or not all(len(frame) for frame in frames):
        what = f"{len(frames)} frames end at line {expected}, and the file goes on" if last > expected else "no atoms"
        raise DataError(what, where=str(path), hint="remove blank lines and empty frames from the file")


def normalised(frame: Atoms, keys: dict[str, str], where: str) -> Atoms:
    """The frame with its labels where ``labels_of`` finds them, and with an id.

    Raises:
        DataError: if a key that the input names is not there, or a number is not finite.
    """
    found = take_labels(frame, keys, where)
    level = str(frame.info.get("level_of_theory", ""))
    if not (np.isfinite(frame.positions).all() and np.isfinite(frame.cell.array).all()):
        raise DataError("positions or cell are not finite numbers", where=where)
    if any(value is not None for value in found.values()):
        frame = with_labels(frame, as_labels(frame, found, level, where))
    for name, array in frame.arrays.items():
        if _is_text(array):
            frame.arrays[name] = np.array([unquote(word) for word in array.flat]).reshape(array.shape)
    frame.constraints = _kept_constraints(frame)
    frame.info["id"] = frame_id(frame)
    return frame


def _kept_constraints(frame: Atoms) -> list[Any]:
    """One FixAtoms, and one FixCartesian per partly fixed atom, instead of ASE's one object per atom."""
    from ase.constraints import FixAtoms, FixCartesian

    if not frame.constraints:
        return []
    fixed = ~_movable(frame)
    rows = fixed if fixed.ndim == 2 else np.repeat(fixed[:, None], 3, axis=1)
    whole = np.flatnonzero(rows.all(axis=1))
    partly = np.flatnonzero(rows.any(axis=1) & ~rows.all(axis=1))
    kept = [FixAtoms(indices=whole)] if len(whole) else []
    return [*kept, *(FixCartesian(int(index), mask=rows[index]) for index in partly)]


def _block(frame: Atoms) -> str:
    """One frame as extended XYZ: number of atoms, header, one line per atom."""
    columns = _columns(frame)
    text = " ".join(f"{key}={_quoted(value)}" for key, value in _header(frame, columns).items())
    lines = [str(len(frame)), text]
    tables = [(kind, array.reshape(len(frame), -1).tolist()) for _, kind, array in columns]
    for index, symbol in enumerate(frame.get_chemical_symbols()):
        words = [symbol]
        for kind, table in tables:
            words += [_word(kind, value) for value in table[index]]
        lines.append(" ".join(words))
    return "\n".join(lines) + "\n"


def _columns(frame: Atoms) -> list[tuple[str, str, np.ndarray]]:
    """Name, kind and content of the columns behind the species."""
    labels = labels_of(frame)
    columns: list[tuple[str, str, np.ndarray]] = [("pos", "R", frame.positions)]
    if labels.forces is not None:
        columns.append(("forces", "R", labels.forces))
    for name, array in sorted(frame.arrays.items()):
        if name not in {"numbers", "positions", "momenta"}:
            kind = "S" if _is_text(array) else {"f": "R", "i": "I", "u": "I", "b": "L"}.get(array.dtype.kind)
            if kind is None or array.ndim > 2:
                raise _cannot_keep(frame, f"the array {name!r} of {array.dtype} and shape {array.shape}")
            columns.append((name, kind, array))
    if frame.constraints:
        columns.append(("move_mask", "L", _movable(frame)))
    return columns


def _header(frame: Atoms, columns: list[tuple[str, str, np.ndarray]]) -> dict[str, str]:
    """Key -> text of the second line."""
    labels = labels_of(frame)
    properties = "species:S:1" + "".join(
        f":{name}:{kind}:{1 if array.ndim == 1 else array.shape[1]}" for name, kind, array in columns
    )
    header = {"Lattice": _numbers(frame.cell.array)} if frame.cell.rank else {}
    header |= {"Properties": properties, "pbc": " ".join("T" if flag else "F" for flag in frame.pbc)}
    if labels.energy is not None:
        header["energy"] = repr(labels.energy)
    if labels.stress is not None:
        header["stress"] = _numbers(labels.stress[[0, 5, 4, 5, 1, 3, 4, 3, 2]])
    for key, value in sorted(frame.info.items(), key=lambda item: str(item[0])):
        if not isinstance(key, str) or not key.isprintable():
            raise _cannot_keep(frame, f"the name {key!r} in its info")
        if key in _MATRICES:
            if np.shape(value) != (3, 3):
                raise _cannot_keep(frame, f"{key!r} in its info, which is no 3 x 3 matrix")
            header.setdefault(key, _numbers(np.asarray(value).T))
        else:
            header.setdefault(_quoted(key), _info_text(frame, key, value))
    return header


def _cannot_keep(frame: Atoms, what: str) -> DataError:
    hint = "remove it, or keep a number, a text or a list of numbers instead"
    return DataError(f"extended XYZ cannot keep {what}", where=f"frame {frame.info.get('id', '')}", hint=hint)


def _movable(frame: Atoms) -> np.ndarray:
    """Per atom, or per atom and Cartesian component, whether it may move."""
    from ase.constraints import FixAtoms, FixCartesian

    mask = np.ones((len(frame), 3), dtype=bool)
    for constraint in frame.constraints:
        if isinstance(constraint, FixAtoms):
            mask[constraint.index] = False
        elif isinstance(constraint, FixCartesian):
            mask[constraint.index] &= ~np.asarray(constraint.mask, dtype=bool)
        else:
            raise DataError(
                f"the constraint {type(constraint).__name__} cannot be kept in extended XYZ",
                where=f"frame {frame.info.get('id', '')}",
                hint="use FixAtoms or FixCartesian",
            )
    return mask[:, 0] if (mask == mask[:, :1]).all() else mask


def _is_text(array: np.ndarray) -> bool:
    return array.dtype.kind == "U" or (array.dtype.kind == "O" and all(isinstance(word, str) for word in array.flat))


def _word(kind: str, value: Any) -> str:
    if kind == "L":
        return "T" if value else "F"
    if kind == "S":
        return quote(value, safe=_SAFE) or "%00"  # numpy drops zero characters at the end of a text
    return repr(float(value)) if kind == "R" else str(value)


def _numbers(array: np.ndarray | Sequence[float]) -> str:
    return " ".join(repr(float(value)) for value in np.ravel(array))


def _info_text(frame: Atoms, key: str, value: Any) -> str:
    """A value as ASE's reader takes it back: a bare word or number, or ``_JSON`` and the value as JSON."""
    if isinstance(value, str) and _reads_as_text(value):
        return value
    if isinstance(value, bool | np.bool_):
        return "T" if value else "F"
    if isinstance(value, int | np.integer) and abs(int(value)) < 2**63:
        return str(int(value))
    if isinstance(value, float | np.floating):
        return repr(float(value))
    try:
        text = json.dumps(value, sort_keys=True, default=_plain)
        if isinstance(value, list | tuple):
            np.array(json.loads(text))  # as the reader will
    except (TypeError, ValueError) as error:
        raise _cannot_keep(frame, f"{key!r} in its info ({error})") from error
    return "_JSON " + text


def _reads_as_text(text: str) -> bool:
    """Whether a reader takes the words for what they are, and not for numbers, truth values or JSON."""
    words = text.replace(",", " ").split()
    if not words or not text.isascii() or not text.isprintable() or text.startswith("_JSON "):
        return False
    return not all(_is_number(word) for word in words) and not all(word.lower() in _TRUTH for word in words)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _plain(value: Any) -> Any:
    """Arrays and numbers of numpy as JSON knows them."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is neither number, text nor list")


def _quoted(text: str) -> str:
    plain = text and not any(character in text for character in " \"'=\t\\{}[](),")
    return text if plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
