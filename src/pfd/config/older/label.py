"""Labels of an older input: VASP, or a model or calculator through ASE."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from pfd.config.older.models import ANALYTIC, FAMILIES, OldModels
from pfd.config.older.old_section import OldSection

MODEL_FILES = ("model", "model_path", "potential")
"""Keys of model_args that name the file of a model."""


def translate_label(fp: OldSection, models: OldModels) -> dict[str, Any]:
    """The section ``label`` of fine-tuning."""
    kind = fp.text("type")
    fp.ignore("of the programs' files what a label is judged by stays; keep: all keeps them all", "extra_output_files")
    if kind == "vasp":
        return _vasp(fp.section("inputs_config"), fp.section("run_config"))
    if kind == "ase":
        fp.ignore("a model's labels need no input files", "inputs_config")
        return _model(fp.section("run_config"), models)
    fp.refuse("type", "missing: vasp or ase" if kind is None else f"{kind!r} is neither vasp nor ase")
    return {"method": "vasp"}


def refuse_label(fp: OldSection) -> None:
    """What stands in ``fp`` of a distillation, whose labels are the teacher's."""
    if fp.text("type") not in {None, "ase"}:
        fp.refuse(
            "type", "the teacher labels in a distillation, so it must be ase; for first principles write finetune"
        )
    fp.ignore("the teacher labels", "inputs_config", "extra_output_files")
    run = fp.section("run_config")
    run.seen("model_style", "style", "model")
    arguments = run.section("model_args")
    arguments.seen("head", "device")
    arguments.ignore("inputs.base_model_path names the teacher", *MODEL_FILES)
    if arguments.flag("no_pbc"):
        arguments.refuse("no_pbc", "the structure file says along which directions it is periodic")


def _vasp(inputs: OldSection, run: OldSection) -> dict[str, Any]:
    """Settings of VASP."""
    label: dict[str, Any] = {"method": "vasp", "command": _command(run), "incar_file": inputs.text("incar")}
    if label["incar_file"] is None:
        inputs.refuse("incar", "missing: the INCAR file")
    spacing = inputs.positive("kspacing")
    if spacing is None:
        inputs.refuse("kspacing", "missing: the distance of k-points in 1/Å")
    if inputs.flag("kgamma") is False:
        inputs.refuse("kgamma", "meshes are centred at Gamma here; write a KPOINTS file as finetune.label.kpoints_file")
    run.ignore("the labeler names its files", "log", "out")
    return label | {"kspacing_per_A": spacing, **_potcars(inputs)}


def _command(run: OldSection) -> str:
    """How VASP is started; no shell is involved, so what needs one is refused."""
    command = run.text("command")
    if command is None:
        return "vasp_std"
    try:
        words = shlex.split(command)
    except ValueError as error:
        run.refuse("command", f"not readable: {error}")
        return "vasp_std"
    words, shell = _without_output(words)
    if shell or not words:
        run.refuse("command", f"{command!r} needs a shell: put it into a script, and name that")
        return "vasp_std"
    return shlex.join(words)


def _without_output(words: list[str]) -> tuple[list[str], list[str]]:
    """A command without the files that its output went to, and what in it needs a shell."""
    kept: list[str] = []
    waiting = iter(words)
    for word in waiting:
        if word in {">", "1>", "2>", ">>", "&>"}:
            next(waiting, None)
        elif word != "2>&1":
            kept.append(word)
    return kept, [word for word in kept if any(sign in word for sign in ";|&<>$`")]


def _potcars(inputs: OldSection) -> dict[str, Any]:
    """The POTCAR of each element, which must lie in one folder here."""
    files = inputs.section("pp_files")
    told = {element: files.text(element) for element in files.names()}
    paths = {element: Path(path) for element, path in told.items() if path is not None}
    if not paths:
        inputs.refuse("pp_files", "missing: the POTCAR of each element, such as {Si: POTCAR.Si}")
    folders = {path.parent for path in paths.values()}
    if len(folders) > 1:
        folder = Path(*_common([path.parts[:-1] for path in paths.values()]))
        potcars = {element: path.relative_to(folder).as_posix() for element, path in paths.items()}
    else:
        folder = next(iter(folders), Path())
        potcars = {element: path.name for element, path in paths.items()}
    inputs.say("finetune.label.potcar_dir", "pp_files; relative paths start at this file's folder")
    return {"potcar_dir": folder.as_posix(), "potcars": potcars}


def _common(parts: list[tuple[str, ...]]) -> list[str]:
    """The folders that all paths begin with."""
    shared = []
    for names in zip(*parts, strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return shared


def _model(run: OldSection, models: OldModels) -> dict[str, Any]:
    """A model, or one of ASE's own calculators, that labels in the place of first principles."""
    style = run.text("model_style", "style", "model")
    arguments = run.section("model_args")
    if style in ANALYTIC:
        own = {name: arguments.raw(name) for name in arguments.names()}
        run.say("finetune.label.calculator", "model_style, with model_args as parameters")
        return (
            {"method": "ase", "calculator": style, "parameters": own} if own else {"method": "ase", "calculator": style}
        )
    if style not in FAMILIES:
        run.refuse("model_style", f"{style!r} is none of {', '.join([*FAMILIES, *ANALYTIC])}")
        return {"method": "family"}
    file, head = arguments.text(*MODEL_FILES), arguments.text("head")
    arguments.seen("device")
    if file is None:
        run.say("finetune.label.model", "no other model is named, so the pre-trained one labels what it is trained on")
    label = {"method": "family", "family": FAMILIES[style], "model": file or models.teacher["model"]}
    return label | ({"head": head} if head else {})
