"""Many runs from one command line: several inputs, or one input with several materials."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from pfd.cli.run_argument import input_and_run
from pfd.errors import RunError, SettingError
from pfd.small_file import small_text

COLUMNS = {"name", "file"}


@dataclass(frozen=True)
class Material:
    """One of many runs.

    Attributes:
        name: of the run.
        run: its folder.
        arguments: what ``pfd submit`` is given for it.
        content: the input, if it is made from another; with ``origin``, what paths in it start from.
    """

    name: str
    run: Path
    arguments: tuple[str, ...]
    content: dict[str, Any] | None = None
    origin: Path = Path()

    def prepare(self, take_over: bool = False) -> None:
        """Put an input that stands nowhere else into the run folder, from where it is submitted.

        Args:
            take_over: the user says that the driver on another host which the lock names has ended.

        Raises:
            RunError: if the folder holds something else, or a driver works on it.
        """
        import yaml

        from pfd.kept import ORIGIN
        from pfd.workflow.driver_lock import driver_lock
        from pfd.workflow.run_folder import take_folder

        if self.content is None:
            return
        take_folder(self.run, self.name)
        text = yaml.safe_dump(self.content, sort_keys=False, allow_unicode=True)
        with nullcontext() if take_over else driver_lock(self.run):
            (self.run / ORIGIN).write_text(f"{self.origin}\n", encoding="utf-8")
            (self.run / "input.yaml").write_text(text, encoding="utf-8")


def materials_of_inputs(inputs: Sequence[Path]) -> list[Material]:
    """One run for each input file or run folder.

    Raises:
        InputError: the mistakes of the first input that has some.
        RunError: if two mean the same run folder.
    """
    from pfd.api import run_folder_of
    from pfd.config.reading import read_input

    materials = []
    for given in inputs:
        input_file, run = input_and_run(given, None)
        name = read_input(input_file).input.name
        run = run or run_folder_of(input_file, name)
        materials.append(Material(name, run, (str(input_file), str(run))))
    return _different(materials)


def materials_of_structures(inputs: Sequence[Path], structures: Sequence[Path]) -> list[Material]:
    """One run of the one input for each material, whose file takes the place of the input's structure.

    Raises:
        SettingError: if there is more than one input, or more than one structure in it; or a mistake in a table.
        InputError: if the input has mistakes.
        RunError: if two materials have the same name.
    """
    from pfd.config.reading import resolve
    from pfd.config.yaml_file import parse

    if len(inputs) != 1:
        raise SettingError(f"materials for {len(inputs)} inputs", where="--structures", hint="name one input")
    base, _ = input_and_run(inputs[0], None)
    content = parse(base)
    entries = content.get("structures") or [{}]
    if not isinstance(entries, list) or len(entries) != 1 or not isinstance(entries[0], dict):
        hint = "leave one entry under structures: its supercell and perturb are used for each material"
        raise SettingError("the input has several structures", where=f"{base}: structures", hint=hint)
    materials = []
    for label, file in (pair for path in structures for pair in _pairs(path)):
        name = f"{content.get('name', '')}-{label}"
        own = content | {"name": name, "structures": [entries[0] | {"file": str(file.resolve())}]}
        origin = base.resolve().parent
        resolve(own, origin, f"{base} with {file}")
        if not file.is_file():
            raise SettingError(
                f"no such file: {file}", where="--structures", hint="paths in a table start from its folder"
            )
        materials.append(Material(name, Path(name), (name,), own, origin))
    return _different(materials)


def _pairs(path: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of each material of a table, or of a structure file."""
    if path.suffix.lower() != ".csv":
        yield path.stem, path
        return
    try:
        reader = csv.DictReader(StringIO(small_text(path), newline=""))
        columns, rows = set(reader.fieldnames or ()), list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise SettingError(f"cannot read the table: {error}", where=str(path), hint="name a .csv file") from error
    if columns != COLUMNS:
        found = ", ".join(sorted(columns)) or "nothing"
        raise SettingError(f"a table with {found}", where=str(path), hint="write the columns name, file, and no others")
    if not rows:
        raise SettingError("the table has no materials", where=str(path), hint="write a line name,file for each")
    for number, row in enumerate(rows, start=2):
        if not row["name"] or not row["file"] or None in row:
            raise SettingError("a line that is not name,file", where=f"{path}:{number}", hint="write both, and no more")
        yield row["name"].strip(), path.parent / row["file"].strip()


def _different(materials: list[Material]) -> list[Material]:
    for folder, count in Counter(material.run.resolve() for material in materials).items():
        if count > 1:
            what = f"{count} of these runs would stand in one folder"
            raise RunError(what, where=str(folder), hint="give the inputs, or the materials, different names")
    return materials
