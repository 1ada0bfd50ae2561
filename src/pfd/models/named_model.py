"""A model named in one word, ``FAMILY:WEIGHTS`` or a model folder, and what it says of frames, wherever it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pfd.environments.launch import HERE, EnvironmentSettings, Launch
from pfd.errors import MissingError, ModelError, SettingError
from pfd.frames import Labels
from pfd.frames.state import refuse_unhonoured_state
from pfd.models.device import cuda_is_there
from pfd.models.environment import NONE_TOLD, card_elsewhere, launch_for, torch_sees_cuda
from pfd.models.family import MODEL_FILE, Family, Progress, no_progress, read_model
from pfd.models.training import adopt_model, check_elements, make_family

if TYPE_CHECKING:
    from ase import Atoms

NO_TRUST = "leave --trust-file out"
"""What to do about a word of trust that nothing needs."""


@contextmanager
def named_model(named: str, head: str | None = None, trust_file: bool = False, where: str = "") -> Iterator[Path]:
    """The folder of a model; weights are adopted into a temporary one that ends with the context.

    Args:
        named: a model folder such as ``RUN/models/finetuned``; or ``chgnet:0.3.0``, ``mace:path/to/checkpoint``.
        head: of a multi-head checkpoint.
        trust_file: see ``Family.adopt``.
        where: how messages name what asked for the model.

    Raises:
        ModelError: if there is no such folder, weights, file or head.
        SettingError: if there is no such family.
        MissingError: if the family's packages are nowhere.
    """
    if (Path(named) / MODEL_FILE).is_file():
        if head is not None:
            raise ModelError("a model folder has its head already", where=where, hint="leave the head out")
        if trust_file:
            raise ModelError("a model folder is never read in a way that could run code", where=where, hint=NO_TRUST)
        yield Path(named)
        return
    name, colon, source = named.partition(":")
    if not colon or not source:
        raise ModelError(
            f"{named!r} is neither a model folder nor FAMILY:WEIGHTS",
            where=where,
            hint="write e.g. chgnet:0.3.0, mace:path/to/checkpoint, or RUN/models/finetuned",
        )
    family = make_family(name, where)
    if trust_file and not family.pickles:
        what = f"checkpoints of {family.name!r} are never read in a way that could run code"
        raise ModelError(what, where=where, hint=NO_TRUST)
    launch = launch_for(family, where=where)
    source = source if source in family.shipped else str(Path(source).expanduser())
    with TemporaryDirectory(prefix="pfd-") as scratch:
        folder = Path(scratch)
        if launch == HERE:
            adopt_model(family, source, head, folder, trust_file)
        else:
            card_elsewhere(launch, family, source, head, trust_file, folder)
        yield folder


def _require_cuda(family: Family, launch: Launch) -> None:
    """Refuse cuda where the family, or the machine, has none.

    Raises:
        SettingError, MissingError
    """
    if "cuda" not in family.devices:
        raise SettingError(f"models of {family.name!r} cannot use cuda", where="device", hint="leave it out")
    if not (cuda_is_there() if launch == HERE else torch_sees_cuda(launch)):
        what = f"cuda is asked for, and torch sees no such device where models of {family.name!r} run"
        raise MissingError(what, where="device", hint="install a CUDA build of torch and its driver, or leave it out")


def predictions(
    folder: Path,
    frames: Sequence[Atoms],
    progress: Progress = no_progress,
    device: str = "cpu",
    told: Mapping[str, EnvironmentSettings] = NONE_TOLD,
) -> list[Labels]:
    """What the model in a folder says of each frame, computed here or in the environment of its family.

    Raises:
        ModelError: if it does not know an element.
        InputError: if a frame asks for an electronic state that the family cannot tell apart.
        MissingError: if the family's packages are nowhere.
    """
    card = read_model(folder).card
    family = make_family(card.family)
    check_elements(card, frames)
    refuse_unhonoured_state(frames, family.honours, f"the family {family.name!r}", card.name)
    launch = launch_for(family, told)
    if device == "cuda":
        _require_cuda(family, launch)
    if launch == HERE:
        return family.predict(folder, frames, progress, device)
    from pfd.models.remote_calculator import RemoteCalculator

    calculator = RemoteCalculator(launch, folder, device)
    found = []
    for index, frame in enumerate(frames):
        found.append(calculator.labels(frame))
        progress((index + 1) / len(frames), f"predicted {index + 1} of {len(frames)} frames")
    return found
