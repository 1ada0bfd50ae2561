"""``nep.txt``, the file of a neuroevolution potential as GPUMD reads it: its header, and the network that it holds."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from pfd.errors import ModelError
from pfd.settings import Settings

MODEL_FILE = "nep.txt"
KINDS = ("nep4", "nep4_zbl")
"""What can be read: potentials of the fourth version, with or without nuclear repulsion at short range."""
SATURATED = 20.0
"""Argument at which tanh is 1 in double precision: a neuron with this bias and without inputs is a constant."""
ZBL_NUMBERS = 10
"""Numbers per pair of elements in a table of repulsions: where it begins to vanish and ends, four exponentials."""


class NEPHeader(Settings):
    """What the first lines of ``nep.txt`` say; lengths in Å."""

    kind: str
    """The first word of the file."""
    elements: tuple[str, ...]
    """Chemical symbols, in the order of GPUMD's atom types."""
    zbl: tuple[float, ...] = ()
    """Numbers of the line ``zbl``; two zeros if a table by pair of elements ends the file."""
    cutoffs_A: tuple[float, ...]
    """Radial and angular cutoff, or those of each element in turn."""
    neighbours: tuple[int, int]
    """The most radial and angular neighbours in the training frames: GPUMD makes room for a quarter more."""
    n_max: tuple[int, int]
    """Radial functions of the radial and of the angular descriptors, less one."""
    basis_size: tuple[int, int]
    """Chebyshev polynomials that they are made of, less one."""
    l_max: tuple[int, ...]
    """Largest angular momentum, then which many-body terms there are."""
    neurons: int
    """Of the hidden layer of each element."""

    @property
    def table(self) -> bool:
        """Whether a table of repulsions by pair of elements ends the file."""
        return self.zbl[:2] == (0.0, 0.0)

    @property
    def pairs(self) -> int:
        """Unordered pairs of elements."""
        return len(self.elements) * (len(self.elements) + 1) // 2

    @property
    def numbers(self) -> int:
        """How many numbers follow the header: networks, bias, radial coefficients, scales, and the table if any."""
        kinds, angular = len(self.elements), self.l_max[0] + sum(flag > 0 for flag in self.l_max[1:])
        descriptors = self.n_max[0] + 1 + angular * (self.n_max[1] + 1)
        radial = (self.n_max[0] + 1) * (self.basis_size[0] + 1)
        radial += (self.n_max[1] + 1) * (self.basis_size[1] + 1) if self.l_max[0] else 0
        whole = kinds * self.neurons * (descriptors + 2) + 1 + kinds**2 * radial + descriptors
        return whole + (ZBL_NUMBERS * self.pairs if self.table else 0)

    @property
    def network(self) -> dict[str, Any]:
        """What torchnep builds its module from."""
        apart = len(self.cutoffs_A) > 2
        settings: dict[str, Any] = {
            "num_types": len(self.elements),
            "type_names": list(self.elements),
            "cutoff_radial": max(self.cutoffs_A[0::2]),
            "cutoff_angular": max(self.cutoffs_A[1::2]),
            "cutoff_radial_per_type": list(self.cutoffs_A[0::2]) if apart else None,
            "cutoff_angular_per_type": list(self.cutoffs_A[1::2]) if apart else None,
            "n_max_radial": self.n_max[0],
            "n_max_angular": self.n_max[1],
            "basis_size_radial": self.basis_size[0],
            "basis_size_angular": self.basis_size[1],
            "l_max": list(self.l_max),
            "neuron": self.neurons,
        }
        if self.zbl and not self.table:
            settings["zbl"] = self.zbl[1]
            settings["typewise_cutoff_zbl_factor"] = self.zbl[2] if len(self.zbl) > 2 else None
        return settings


def read_header(path: Path) -> tuple[NEPHeader, np.ndarray]:
    """The header of a ``nep.txt``, and the numbers below it.

    Raises:
        ModelError: if the file is missing, of another kind, or damaged.
    """
    if not path.is_file():
        raise ModelError("no such file", where=str(path), hint=f"name a {MODEL_FILE} as GPUMD reads it")
    try:
        words = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        kind = words[0][0]
        if kind.startswith("nep") and kind not in KINDS:
            hint = f"this version reads {', '.join(KINDS)}"
            raise ModelError(f"a model of the kind {kind!r} cannot be used", where=str(path), hint=hint)
        lines = {line[0]: line[1:] for line in words[:7] if line[0].isidentifier()}
        cutoffs = [float(word) for word in lines["cutoff"]]
        header = NEPHeader(
            kind=kind,
            elements=tuple(words[0][2 : 2 + int(words[0][1])]),
            zbl=tuple(float(word) for word in lines.get("zbl", ())),
            cutoffs_A=tuple(cutoffs[:-2]),
            neighbours=(int(cutoffs[-2]), int(cutoffs[-1])),
            n_max=_two(lines["n_max"]),
            basis_size=_two(lines["basis_size"]),
            l_max=tuple(int(word) for word in lines["l_max"]),
            neurons=int(lines["ANN"][0]),
        )
        numbers = np.array([float(line[0]) for line in words[len(lines) :]])
    except (IndexError, KeyError, ValueError, UnicodeDecodeError) as error:
        raise ModelError("not a NEP model as GPUMD reads it", where=str(path), hint=f"name a {MODEL_FILE}") from error
    if len(header.cutoffs_A) not in (2, 2 * len(header.elements)) or ("zbl" in kind) != bool(header.zbl):
        raise ModelError("the header of the NEP model contradicts itself", where=str(path))
    return header, numbers


def _two(words: list[str]) -> tuple[int, int]:
    first, second = words
    return int(first), int(second)


def read_network(path: Path) -> tuple[Any, np.ndarray, tuple[int, int]]:
    """The torchnep module of a ``nep.txt`` in double precision, the constant energy of each element, the neighbours.

    The constants, (elements,) in eV per atom, are taken out of the module: its common bias, and neurons without inputs.

    Raises:
        ModelError: see ``read_header``; or if there are too few numbers, or too many.
    """
    header, numbers = read_header(path)
    if len(numbers) != header.numbers or not np.isfinite(numbers).all():
        what = f"the NEP model has {len(numbers)} numbers where its header asks for {header.numbers}"
        raise ModelError(what, where=str(path), hint="the file is cut off or damaged")
    try:
        module = new_network(header, numbers[-ZBL_NUMBERS * header.pairs :] if header.table else None)
    except (ValueError, IndexError) as error:
        raise ModelError(f"torchnep refuses the NEP model ({error})", where=str(path)) from error
    module.load_weights_from_nep_txt(str(path))
    return module, _take_constants(module), header.neighbours


def new_network(header: NEPHeader, repulsions: np.ndarray | None = None) -> Any:
    """A torchnep module in double precision, its weights from torch's generator.

    Args:
        header: its architecture.
        repulsions: (pairs, 10), if the header says that there is a table.
    """
    from torchnep.model import NEPModel

    settings = header.network
    if repulsions is not None:
        table = np.asarray(repulsions, dtype=float).reshape(-1, ZBL_NUMBERS)
        settings |= {"zbl": float(table[:, 1].max(initial=0.0)), "zbl_flexible": table.tolist()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # its advice on a term that an existing model has
        return NEPModel(settings).double()


def write_network(module: Any, constants_eV: np.ndarray, neighbours: tuple[int, int], path: Path) -> None:
    """Write a module and the constant energy of each element (eV per atom) as ``nep.txt``; the module stays as it is.

    A constant that all elements share is the common bias. Where they differ, each element's network gets one more
    neuron that has no inputs: the format has no bias by element.
    """
    import torch
    from torch.nn import Parameter

    whole = copy.deepcopy(module).cpu().double()
    alike = bool((constants_eV == constants_eV[0]).all())
    whole.b1.data.fill_(-float(constants_eV[0]) if alike else 0.0)
    if not alike:
        for net, constant in zip(whole.fitting_nets, constants_eV, strict=True):
            one = net.w1.new_ones(1)
            net.w0 = Parameter(torch.cat([net.w0.detach(), net.w0.new_zeros(len(net.w0), 1)], dim=1))
            net.b0 = Parameter(torch.cat([net.b0.detach(), -SATURATED * one]))
            net.w1 = Parameter(torch.cat([net.w1.detach(), float(constant) * one]))
        whole.num_neurons += 1
    whole.save_nep_txt(str(path), *(max(count, 1) for count in neighbours))


def _take_constants(module: Any) -> np.ndarray:
    """Remove from a module what adds a constant to each atom's energy; the constants by element, eV."""
    import torch
    from torch.nn import Parameter

    constants = np.full(module.num_types, -float(module.b1.detach()))
    module.b1.data.zero_()
    dead = torch.stack([(net.w0 == 0).all(dim=0) for net in module.fitting_nets]).all(dim=0)
    for index, net in enumerate(module.fitting_nets):
        w0, b0, w1 = net.w0.detach(), net.b0.detach(), net.w1.detach()
        constants[index] += float((-b0[dead]).tanh() @ w1[dead])
        net.w0, net.b0, net.w1 = (Parameter(weight[..., ~dead].clone()) for weight in (w0, b0, w1))
    module.num_neurons -= int(dead.sum())
    return constants
