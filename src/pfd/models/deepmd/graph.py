"""A student's frozen graph (``.pb`` of the TensorFlow backend): what it says of itself, and its energy shift."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

from pfd.errors import ModelError
from pfd.lammps.silence import silent_libraries
from pfd.models.deepmd.package import set_variables

GRAPH = "deepmd.pb"
"""The file in a model folder; what ``pair_style deepmd`` reads."""
SHIFTS = "fitting_attr/t_bias_atom_e"
"""The node that holds the energy of each type, eV, of shape (types,) in float64."""
OPERATIONS = """
AddN AddV2 BatchMatMulV2 BiasAdd BroadcastGradientArgs Cast ConcatOffset ConcatV2 Const ExpandDims Fill FloorMod
GatherV2 GreaterEqual Identity LessEqual MatMul Maximum Minimum Mul Neg OneHot Pack Pad Placeholder ProdEnvMatA
ProdEnvMatAMix ProdForceSeA ProdVirialSeA Rank RealDiv Reshape Select SelectV2 Shape ShapeN Slice StridedSlice Sub Sum
TabulateFusionSeA TabulateFusionSeAGrad TabulateFusionSeAtten TabulateFusionSeAttenGrad Tanh TanhGrad Tile ZerosLike
"""
"""What our students are made of: arithmetic on tensors; none reads or writes files or calls Python."""
ATTRIBUTES = ("model_attr", "descrpt_attr", "fitting_attr", "train_attr")
TYPES, CUTOFF, KIND = "model_attr/tmap", "descrpt_attr/rcut", "model_attr/model_type"


class GraphFacts(NamedTuple):
    """What a graph says of itself: its types, in LAMMPS' order, and its cutoff in Å."""

    type_map: tuple[str, ...]
    cutoff_A: float


def read_graph(path: Path) -> Any:
    """The graph as TensorFlow's ``GraphDef``; nothing of it is run.

    Raises:
        ModelError: if the file is no graph of a DeePMD model of energies.
    """
    if not path.is_file():
        raise ModelError("no such file", where=str(path), hint="name a frozen model (.pb)")
    graph = _tensorflow().compat.v1.GraphDef()
    from google.protobuf.message import DecodeError

    try:
        graph.ParseFromString(path.read_bytes())
        kind = _value(graph, KIND).decode()
        _value(graph, SHIFTS)
    except (DecodeError, KeyError, ValueError, AttributeError) as error:
        raise ModelError(f"not a frozen DeePMD model of energies ({error})", where=str(path)) from error
    if kind != "ener":
        raise ModelError(f"a model of {kind}, not of energies", where=str(path))
    return graph


def write_graph(graph: Any, path: Path) -> None:
    """Write a graph; the same graph gives the same bytes."""
    path.write_bytes(graph.SerializeToString(deterministic=True))


def foreign_operations(graph: Any) -> list[str]:
    """Operations of a graph that no student of ours has, in the order of the alphabet."""
    return sorted({node.op for node in graph.node} - {*OPERATIONS.split()})


def facts_of(graph: Any) -> GraphFacts:
    """See ``GraphFacts``."""
    return GraphFacts(tuple(_value(graph, TYPES).decode().split()), float(_value(graph, CUTOFF)))


def parameters_of(graph: Any) -> int:
    """How many numbers of a graph that is not compressed were fitted."""
    weights = ("matrix", "bias", "idt")
    nodes = [node for node in graph.node if node.op == "Const" and node.name.split("/")[-1].startswith(weights)]
    return sum(
        math.prod(size.size for size in node.attr["value"].tensor.tensor_shape.dim)
        for node in nodes
        if node.name.split("/")[0] not in ATTRIBUTES
    )


def shift_graph(graph: Any, shift_eV: dict[str, float]) -> None:
    """Add a constant energy to each atom of an element, eV, in place.

    Raises:
        ModelError: if an element is none of the graph's types.
    """
    types = facts_of(graph).type_map
    unknown = sorted({*shift_eV} - {*types})
    if unknown:
        raise ModelError(f"the model holds no energy of its own for {', '.join(unknown)}", where=GRAPH)
    energies = _value(graph, SHIFTS).copy()
    for symbol, energy in shift_eV.items():
        energies[types.index(symbol)] += energy
    tensorflow = _tensorflow()
    proto = tensorflow.make_tensor_proto(energies, dtype=tensorflow.float64, shape=energies.shape)
    _node(graph, SHIFTS).attr["value"].tensor.CopyFrom(proto)


def _node(graph: Any, name: str) -> Any:
    for node in graph.node:
        if node.name == name:
            return node
    raise KeyError(name)


def _value(graph: Any, name: str) -> Any:
    value = _tensorflow().make_ndarray(_node(graph, name).attr["value"].tensor)
    return value if value.ndim else value.item()


def _tensorflow() -> Any:
    set_variables()
    with silent_libraries():
        import tensorflow as tf
    return tf
