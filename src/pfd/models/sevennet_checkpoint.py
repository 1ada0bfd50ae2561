"""SevenNet's checkpoints: those in the wheel, and ours, which hold plain values only."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from pfd.models.checkpoint import packaged_file, reading_checkpoint

CHECKPOINT = "sevennet.pth"
HEAD_KEY = "pfd_head"
"""Where our checkpoint says which modal is used; the package ignores keys that it does not know."""
SHIPPED_FILES = {
    "7net-0": "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
    "7net-0_22May2024": "SevenNet_0__22May2024/checkpoint_sevennet_0.pth",
    "7net-mf-0": "SevenNet_MF_0/checkpoint_sevennet_mf_0.pth",
    "7net-l3i5": "SevenNet_l3i5/checkpoint_l3i5.pth",
}
"""Weights inside the wheel, below ``sevenn/pretrained_potentials``."""
RUN_KEYS = ("continue", "csv_log", "device", "error_record", "load_dataset_path", "load_validset_path", "local_rank")
"""What a checkpoint's config tells of the run that made it: paths and devices of another machine."""


def load_checkpoint(path: Path, *, trusted: bool = False) -> tuple[Any, dict[str, Any]]:
    """The package's module and the config of a checkpoint; no code in the file is run unless it came with the package.

    Raises:
        ModelError: if the file is missing, unsafe, or no SevenNet checkpoint.
    """
    import torch

    with reading_checkpoint("SevenNet", path, hint=f"or use one of: {', '.join(SHIPPED_FILES)}"):
        if not trusted:
            with torch.serialization.safe_globals(_numpy_globals()):
                torch.load(path, map_location="cpu", weights_only=True)["model_state_dict"]
        with silence():
            from sevenn.checkpoint import SevenNetCheckpoint

            checkpoint = SevenNetCheckpoint(path)
            module, config = checkpoint.build_model(), checkpoint.config
    return module, config


def save_checkpoint(module: Any, config: dict[str, Any], folder: Path) -> None:
    """Write the checkpoint into a model folder, in the package's own format, with plain values only."""
    import torch

    kept = {key: _plain(value) for key, value in config.items() if key not in RUN_KEYS}
    # Of the layout of the weights: older layouts were converted when they were read.
    kept["version"] = version("sevenn")
    kept["shift"] = module.rescale_atomic_energy.shift.tolist()
    content = {"config": kept, "model_state_dict": module.state_dict(), "epoch": 0}
    torch.save(content | {"optimizer_state_dict": {}, "scheduler_state_dict": {}}, folder / CHECKPOINT)


def _plain(value: Any) -> Any:
    """Lists, dictionaries and numbers instead of arrays and tensors, so that ``weights_only`` can read them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _numpy_globals() -> list[Any]:
    """What checkpoints of older releases hold besides tensors: plain arrays of numbers."""
    reconstruct: Any = np.zeros(0).__reduce__()[0]
    dtypes = [type(np.dtype(name)) for name in ("float32", "float64", "int32", "int64")]
    return [(reconstruct, "numpy.core.multiarray._reconstruct"), reconstruct, np.ndarray, np.dtype, *dtypes]


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep the package's advice on accelerators and its prints off the user's screen."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def shipped_path(source: str) -> Path:
    """The file of shipped weights, or the path given."""
    shipped = SHIPPED_FILES.get(source)
    return Path(source) if shipped is None else packaged_file("sevenn", f"pretrained_potentials/{shipped}")
