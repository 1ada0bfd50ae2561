"""Training of an older input: by DeePMD-kit, or of MatterSim."""

from __future__ import annotations

from typing import Any

from pfd.config.older.old_section import OldSection

OWN_ENVIRONMENT = "the family's environment says it: pfd env create"


def translate_train(train: OldSection, family: str, *, distils: bool) -> dict[str, Any]:
    """Keys of ``finetune.train``, or of ``distill.student`` besides its family.

    Args:
        train: the section ``train``.
        family: of the model that is trained.
        distils: whether it is a student, trained from scratch.
    """
    config = train.section("config")
    train.ignore("tell of the files in the settings file", "optional_files")
    train.ignore("one model is trained; select.committee asks several", "numb_models")
    if family == "mattersim":
        if distils:
            train.refuse("type", "MatterSim is no student: dp is, and so are pod, nep, ace, snap, mace and sevennet")
        train.ignore("the settings stand in train.config", "template_script")
        return _mattersim(config)
    if family != "deepmd":
        train.refuse("type", f"{family} was not trained by the older tool")
    return _deepmd(train, config, distils=distils)


def _deepmd(train: OldSection, config: OldSection, *, distils: bool) -> dict[str, Any]:
    """DeePMD-kit, whose own input file goes on being used."""
    backend = config.text("impl", "backend")
    if backend not in {None, "tensorflow", "pytorch"}:
        config.refuse("impl", f"{backend!r} is neither tensorflow nor pytorch")
    if backend == "tensorflow" and not distils:
        config.refuse("impl", "pre-trained models are trained further by pytorch (dp --pt)")
    if backend == "pytorch" and distils:
        config.ignore("a student is frozen as a graph of TensorFlow, which LAMMPS runs fastest", "impl", "backend")
    config.ignore(OWN_ENVIRONMENT, *(["command"] if config.raw("command") != "dp" else []))
    config.seen("command", "head")
    config.ignore("which options dp is given follows from the settings", "finetune_args", "train_args")
    config.ignore("frames are written as the family needs them", "mixed_type")
    script = train.raw("template_script")
    if isinstance(script, list) and len(script) == 1:
        script = script[0]
    if script is None or script == {}:
        return {}
    if not isinstance(script, str | dict) or script == "":
        train.refuse("template_script", "the path of one input file of dp, or its content, is needed")
        return {}
    key = "distill.student" if distils else "finetune.train"
    train.say(f"{key}.settings_file", "template_script; frames, seeds and names of files are the run's")
    return {"settings_file": script}


def _mattersim(config: OldSection) -> dict[str, Any]:
    """MatterSim, with the older tool's defaults where they are not today's."""
    train: dict[str, Any] = {
        "epochs": config.whole("epochs", least=1) or 10,
        "batch_size": config.whole("batch_size", least=1) or 8,
        "learning_rate": config.positive("lr") or 2e-4,
        "patience": config.whole("early_stop_patience", least=1) or 10,
    }
    for name, on, ratio, usual in (
        ("force_weight", "include_forces", "force_loss_ratio", 1.0),
        ("stress_weight", "include_stresses", "stress_loss_ratio", 0.1),
    ):
        value, included = config.number(ratio, least=0.0), config.flag(on)
        weight = 0.0 if included is False else usual if value is None else value
        if weight != usual:
            train[name] = weight
            config.say(f"finetune.train.{name}", f"{on} and {ratio}; the units of the loss differ")
    config.ignore("the checkpoint has its own", "cutoff", "threebody_cutoff")
    config.ignore("labels are shifted element by element before every training", "re_normalize")
    config.ignore(OWN_ENVIRONMENT, "device")
    config.say("finetune.train.epochs", "as the older tool did where nothing was written; left out, 40")
    return train
