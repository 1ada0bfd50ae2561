"""The same numbers again, on however many threads: torch's CPU kernels add in any order unless they are told not to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def same_bits(module: Any) -> Iterator[None]:
    """Within it, a module on a CPU computes the same bits each time, with the same number of threads.

    The gradient of indexing adds into shared rows; on more than one thread torch does so with atomic additions, whose
    order is chance. With two threads no two of 12 predictions of CHGNet agreed in all bits, and in the order of
    rounding errors fine-tunings of one seed drifted apart. The deterministic kernels were not slower (23 s for the 12
    predictions and their set-up, against 30 s, on a busy machine). On a GPU torch lacks some, and nothing is changed.

    MKL chooses its vector functions in the first call of one. Where two threads make that call at once, one of them may
    still compute by another kernel: beside six busy processes 5 of 60 had another tanh in its last bits, the first time
    only, and 0 of 160 that had called one before on one thread. So the first call is made here.

    Source: PyTorch's notes on reproducibility.

    Args:
        module: a ``torch.nn.Module``.
    """
    import torch

    if any(parameter.device.type != "cpu" for parameter in module.parameters()):
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.exp(torch.zeros(1))
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.utils.deterministic.fill_uninitialized_memory = filled
