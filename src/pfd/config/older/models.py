"""Which models an older input is about: it names one in up to four places, which become one teacher and one student."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pfd.config.older.old_section import OldSection

FAMILIES = {"dp": "deepmd", "deepmd": "deepmd", "mattersim": "mattersim", "mace": "mace"}
"""Names of calculators, evaluators and trainers of the older tool -> families."""
ANALYTIC = ("emt", "lj")
"""Its calculators that are no models: they can label, and nothing can be fine-tuned of them."""
NAMES = ("base_model_path", "teacher_model_path", "pretrain_model_path", "teacher_models_paths")


@dataclass(frozen=True)
class OldModels:
    """The models.

    Attributes:
        teacher: the section ``teacher`` of today's input.
        trained: family of the model that is trained: the teacher's, or the student's.
    """

    teacher: dict[str, Any]
    trained: str


def translate_models(whole: OldSection, *, distils: bool) -> OldModels:
    """Teacher and trained family, from all places that name them."""
    inputs, train, evaluate = whole.section("inputs"), whole.section("train"), whole.section("evaluate")
    explores = whole.section("exploration", "explore").section("config")
    labels = whole.section("fp").section("run_config")
    arguments = labels.section("model_args")
    calculator = _family(explores, "calculator", "calc")
    trained = _family(train, "type")
    evaluated = _family(evaluate, "model")
    style = _family(labels, "model_style", "style", "model") if distils else None
    if trained is None and train.raw("type") is None:
        train.refuse("type", "missing: dp or mattersim")
    if trained and evaluated not in {None, trained}:
        evaluate.refuse("model", f"{evaluated} is evaluated and {trained} trained: these are one model here")
    family = calculator or style or (None if distils else trained)
    for section, name, other in ((train, "type", None if distils else trained), (labels, "model_style", style)):
        if family and other not in {None, family}:
            section.refuse(name, f"{other} does not go with exploration by {family}: the teacher is one model")
    heads = [(explores, explores.text("head"))]
    heads += [(arguments, arguments.text("head"))] if distils else []
    own = train.section("config")
    heads += [] if distils else [(evaluate, evaluate.text("head")), (own, own.text("head"))]
    if distils:
        for section in (evaluate, own):
            section.ignore("a head of the teacher; a student has none", "head")
    head = next((value for _, value in heads if value), None)
    for section, value in heads:
        if value not in {None, head}:
            section.refuse("head", f"{value!r} and {head!r} are two heads; the teacher is used with one")
    teacher = {"family": family or "deepmd", "model": _file(inputs)} | ({"head": head} if head else {})
    told = "the names of the calculator, the training, the evaluation and the labels become one"
    inputs.say("teacher", f"{told}: the {'teacher' if distils else 'pre-trained model'}")
    return OldModels(teacher, trained or "deepmd")


def _file(inputs: OldSection) -> str:
    """The checkpoint, which has four names."""
    found = inputs.listed(str, *NAMES)
    name = inputs.given(*NAMES)
    if inputs.given("base_model_uri", "teacher_model_uri", "pretrain_model_uri") and not found:
        inputs.refuse("base_model_uri", "download the model, and name its file as base_model_path")
    elif name is None:
        inputs.refuse(NAMES[0], "missing: the checkpoint to begin with")
    elif len(set(found)) > 1:
        inputs.refuse(name, f"{len(found)} models are named, and one is the teacher; leave one")
    inputs.ignore("the file of the model counts", "base_model_uri", "teacher_model_uri", "pretrain_model_uri")
    return str(found[0]) if found else "model.pt"


def _family(section: OldSection, *names: str) -> str | None:
    """The family that a key names; names that are no model's are refused."""
    value = section.text(*names)
    name = section.given(*names) or names[0]
    if value is None or value in FAMILIES:
        return None if value is None else FAMILIES[value]
    if value in ANALYTIC:
        section.refuse(name, f"{value} is no trained model: there is nothing to fine-tune or to distil")
    else:
        section.refuse(name, f"{value!r} is no model that is known here: {', '.join(FAMILIES)}")
    return None
