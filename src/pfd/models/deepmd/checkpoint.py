"""A DeePMD checkpoint of the PyTorch backend: read without running code, one head chosen, written the same way."""

from __future__ import annotations

import copy
import json
import pickle
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pfd.errors import ModelError
from pfd.models.deepmd.package import load_backend

CHECKPOINT = "deepmd.pt"
"""The file in a model folder; a checkpoint that ``dp --pt`` reads."""
PREFIX = "model.Default."
"""Before the names of the weights of a model with one head."""
EXTRA = "_extra_state"
"""Beside the weights: what network they belong to."""

UNREADABLE = (
    pickle.UnpicklingError,
    *(RuntimeError, OSError, EOFError, KeyError, TypeError, ValueError, AttributeError),
)
"""What PyTorch and we meet in files that are torn, or of another kind."""


@dataclass(frozen=True)
class Checkpoint:
    """One head of a DeePMD model.

    Attributes:
        parameters: the ``model`` section of the input that made it.
        weights: tensors by their names in the package's module.
        head: the head that this was, None if the model has one only.
        heads: all heads of the model that it was taken from.
    """

    parameters: dict[str, Any]
    weights: dict[str, Any]
    head: str | None = None
    heads: tuple[str, ...] = ()

    def module(self, device: str = "cpu") -> Any:
        """The package's module with these weights, ready to predict.

        Raises:
            ModelError: if the package cannot build it.
        """
        package = load_backend(device)
        try:
            module = package.get_model(copy.deepcopy(self.parameters))
            lacking, unknown = module.load_state_dict(self.weights, strict=False)
        except (KeyError, ValueError, TypeError, RuntimeError, NotImplementedError, AssertionError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(f"deepmd-kit cannot build this model ({reason})", where=CHECKPOINT) from error
        # Buffers came to the package release by release; what they begin with is what older ones did.
        wrong = [*({*lacking} & {name for name, _ in module.named_parameters()}), *unknown]
        if wrong:
            raise ModelError(f"weights and network do not fit each other ({min(wrong)})", where=CHECKPOINT)
        return module.to(device).eval()

    def save(self, folder: Path) -> None:
        """Write it into a model folder; the same weights give the same bytes."""
        import torch

        state: dict[str, Any] = {PREFIX + name: weight.detach().cpu().clone() for name, weight in self.weights.items()}
        extra = {"model_params": self.parameters, "train_infos": {"lr": 0, "step": 0}}
        state[EXTRA] = json.loads(json.dumps(extra))  # no strings shared in memory: they would change the bytes
        torch.save({"model": state, "optimizer": {}}, folder / CHECKPOINT)


def read_checkpoint(path: Path, head: str | None = None) -> Checkpoint:
    """One head of a checkpoint of ``dp --pt train``; no code in the file is run.

    Raises:
        ModelError: if the file is missing, unsafe or of another kind, or has no such head.
    """
    import torch

    if not path.is_file():
        raise ModelError("no such checkpoint", where=str(path), hint="name a .pt file of dp --pt train")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        state = content.get("model", content)
        parameters = state[EXTRA]["model_params"]
        several = "model_dict" in parameters
        heads = tuple(parameters["model_dict"]) if several else ()
        names = {name for name in state if name != EXTRA}
    except UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"not a DeePMD checkpoint ({reason})", where=str(path)) from error
    chosen = _chosen(parameters, heads, head, str(path))
    prefix = f"model.{chosen or 'Default'}."
    weights = {name.removeprefix(prefix): state[name] for name in names if name.startswith(prefix)}
    return Checkpoint(parameters["model_dict"][chosen] if several else parameters, _sorted(weights), chosen, heads)


def read_frozen(path: Path) -> Checkpoint:
    """The weights of a frozen model (``.pth``) and the network they belong to.

    The file is a TorchScript program: reading it can run code.

    Raises:
        ModelError: if it is no such file, or needs compiled operators that are not there.
    """
    import torch

    load_backend()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch advises another format
            module = torch.jit.load(path, map_location="cpu")
        parameters = json.loads(module.get_model_def_script())
        return Checkpoint(parameters, _sorted(module.state_dict()))
    except UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"not a frozen DeePMD model that can be read here ({reason})",
            where=str(path),
            hint="give the checkpoint (.pt) that it was frozen from",
        ) from error


def _sorted(weights: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(weights.items()))


def _chosen(parameters: dict[str, Any], heads: tuple[str, ...], head: str | None, where: str) -> str | None:
    """The name of the head asked for, which may be one of its aliases."""
    if not heads:
        if head is not None:
            raise ModelError(f"the model has no head {head!r}", where=where, hint="leave head out: it has one only")
        return None
    if head is None:
        raise ModelError("the model has several heads", where=where, hint=f"name one of: {', '.join(heads)}")
    names = {name: name for name in heads}
    for name in heads:
        names |= dict.fromkeys(parameters["model_dict"][name].get("model_branch_alias", []), name)
    if head not in names:
        raise ModelError(f"the model has no head {head!r}", where=where, hint=f"there are: {', '.join(heads)}")
    return names[head]
