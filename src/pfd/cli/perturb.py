"""``pfd perturb``: strained and displaced copies of structures, written beside where one stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

from pydantic import ValidationError
from rich.console import Console

from pfd.cli.hints import hints
from pfd.cli.out_file import require_extended_xyz, require_new, require_writable
from pfd.digests import derive_seed
from pfd.errors import SettingError
from pfd.frames import write_frames
from pfd.frames.neighbours import closest_contact
from pfd.frames.perturb import Style, perturb
from pfd.frames.structures import PerturbSettings, read_starting
from pfd.wording import counted

if TYPE_CHECKING:
    from ase import Atoms

TOO_CLOSE = 0.6
"""Atoms closer than this part of the sum of their covalent radii are told of: few models or codes hold there."""
HINTS = {
    "input file": "check the path",
    "`format:`": "is it complete? ASE tells the format by the name (POSCAR, x.cif, x.extxyz ...); `ase convert` helps",
    "give three numbers": "give --repeat three numbers of at least 1, and 1 along every direction without periodicity",
}


def perturb_files(
    files: list[Path],
    count: int,
    strain: float,
    displacement_A: float,
    style: str,
    fraction: float,
    repeat: tuple[int, int, int],
    seed: int,
    out: Path | None = None,
    *,
    force: bool = False,
) -> None:
    """Write ``pert_<stem>.extxyz`` for each file into the working folder, or ``out`` for a single one.

    Raises:
        SettingError: if the style is unknown, two files would be written to one name, or one is there already or
            cannot be written.
        DataError: if a file cannot be read.
    """
    if style not in get_args(Style):
        raise SettingError(f"unknown style {style!r}", where="--style", hint=f"one of {', '.join(get_args(Style))}")
    try:
        given = {"displacement_A": displacement_A, "strain": strain, "fraction": fraction}
        PerturbSettings.model_validate({"count": count} | given if count else {})
    except ValidationError as error:
        wrong = error.errors()[0]
        if not wrong["loc"]:  # of several options together
            what = str(wrong["msg"]).removeprefix("Value error, ")
            raise SettingError(what, where="pfd perturb", hint="see pfd perturb --help") from error
        option = "--" + "-".join(map(str, wrong["loc"])).replace("_", "-")
        what = f"{str(wrong['msg']).removeprefix('Input ')} (found {wrong['input']})"
        raise SettingError(what, where=option, hint="see pfd perturb --help") from error
    if out is not None and len(files) > 1:
        raise SettingError(
            f"one output for {len(files)} files", where=f"--out {out}", hint="perturb them one at a time"
        )
    targets = [out] if out is not None else [Path(f"pert_{file.stem}.extxyz") for file in files]
    if len(set(targets)) < len(targets):
        raise SettingError("two files have the same stem", where="FILES", hint="perturb them one at a time")
    for target in targets:
        where = "--out" if out is not None else "FILES"
        require_writable(target, files, where)
        require_extended_xyz(target, where)
        if not force:
            require_new(target, where, "--force writes over it; or name another file with --out")
    for file, target in zip(files, targets, strict=True):
        with hints(HINTS):
            frames = [
                copy
                for index, frame in enumerate(read_starting(file))
                for copy in perturb(
                    frame,
                    count=count,
                    displacement_A=displacement_A,
                    strain=strain,
                    style=style,  # type: ignore[arg-type] # checked above
                    fraction=fraction,
                    supercell=repeat,
                    seed=derive_seed(seed, file.name, index),
                )
            ]
        replaced = " (replaced)" if target.exists() else ""
        write_frames(target, frames)
        console = Console(highlight=False, soft_wrap=True)
        console.print(f"{target}: {counted(len(frames), 'frame')} of {_sizes(frames)}{replaced}", markup=False)
        _warn_of_contacts(target, frames, displacement_A, strain)


def _sizes(frames: list[Atoms]) -> str:
    fewest, most = min(map(len, frames)), max(map(len, frames))
    return counted(most, "atom") if fewest == most else f"{fewest} to {most} atoms"


def _warn_of_contacts(target: Path, frames: list[Atoms], displacement_A: float, strain: float) -> None:
    contacts = [closest_contact(frame, TOO_CLOSE) for frame in frames]
    close = [contact for contact in contacts if contact < TOO_CLOSE]
    if not close:
        return
    given = {"--displacement-A": displacement_A, "--strain": strain}
    lower = " or ".join(f"{option} ({value:g})" for option, value in given.items() if value > 0)
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"warning: {target}: {len(close)} of {counted(len(frames), 'frame')} with atoms closer than {TOO_CLOSE:g} of "
        f"the sum of their covalent radii (the closest at {min(close):.2f})\n"
        f"  Try: {f'lower {lower}' if lower else 'look at the structure: it was not changed'}",
        markup=False,
    )
