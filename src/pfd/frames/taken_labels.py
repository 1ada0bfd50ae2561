"""The labels of a frame as a file holds them: under which keys, and what stands beside those that are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pfd.errors import DataError
from pfd.frames.labels import FREE_KEY, LOCAL_MOMENTS_KEY, SIGMA0_KEY, TOTAL_MOMENT_KEY, Labels
from pfd.frames.virial import is_virial, stress_of_virial, virial_key

if TYPE_CHECKING:
    from ase import Atoms

LABEL_KEYS = {
    "energy": ("free_energy", "energy", "REF_energy"),
    "forces": ("forces", "REF_forces"),
    "stress": ("stress", "REF_stress"),
}
"""Where labels are looked for, in this order, if the input names no keys; ``free_energy`` is what ASE calls the energy
whose gradient the forces are, where that differs from the one extrapolated to zero smearing. Without a stress, a virial
is looked for (see ``virial``)."""

_BOTH_ENERGIES = ("free_energy", "energy")


def take_labels(frame: Atoms, keys: dict[str, str], where: str) -> dict[str, Any]:
    """Name -> what the frame holds under one of its keys; those keys are removed, also where several hold the label."""
    found = {name: _find_label(frame, name, keys.get(name), where) for name in LABEL_KEYS}
    if is_virial(keys.get("stress", "")):
        found["stress"] = stress_of_virial(frame, found["stress"], where)
    elif found["stress"] is None and (key := virial_key(frame)):
        found["stress"] = stress_of_virial(frame, frame.info[key], where)
    _keep_other_energy(frame, keys)
    _keep_moments(frame)
    for name, usual in LABEL_KEYS.items():
        for alias in {*usual, keys.get(name, name)}:
            frame.info.pop(alias, None)
            frame.arrays.pop(alias, None)
    while key := virial_key(frame):
        del frame.info[key]
    return found


def _keep_other_energy(frame: Atoms, keys: dict[str, str]) -> None:
    """Of a frame with a free energy and another one, note the one that is not taken.

    A free energy beside an energy with a key of its own is noted too, unless the forces have such a key as well: then
    it is of whatever else labelled the frame.
    """
    results = frame.calc.results if frame.calc is not None else {}
    held = {name: value for store in (frame.info, results) for name, value in store.items() if name in _BOTH_ENERGIES}
    taken = keys.get("energy")
    if taken in {None, *_BOTH_ENERGIES}:
        other, note = ("free_energy", FREE_KEY) if taken == "energy" else ("energy", SIGMA0_KEY)
        told = len(held) == len(_BOTH_ENERGIES)
    else:
        other, note = "free_energy", FREE_KEY
        told = other in held and keys.get("forces", "forces") == "forces"
    if told and np.size(held[other]) == 1:
        frame.info[note] = float(np.ravel(held[other])[0])


def _keep_moments(frame: Atoms) -> None:
    """Note the total and the local magnetic moments (Bohr magnetons) of a calculation, as our own labelers do."""
    results = frame.calc.results if frame.calc is not None else {}
    total, local = (np.asarray(results.get(name, ())) for name in ("magmom", "magmoms"))
    if total.size == 1 and total.dtype.kind in "fi" and np.isfinite(total).all():
        frame.info[TOTAL_MOMENT_KEY] = float(total.ravel()[0])
    if local.shape == (len(frame),) and local.dtype.kind in "fi" and np.isfinite(local).all():
        frame.set_array(LOCAL_MOMENTS_KEY, local.astype(float))


def as_labels(frame: Atoms, found: dict[str, Any], level: str, where: str) -> Labels:
    """What was found as numbers of the right shapes.

    Raises:
        DataError: naming the label that is none, or not finite.
    """
    values: dict[str, Any] = {}
    for name, sizes in (("energy", (1,)), ("forces", (3 * len(frame),)), ("stress", (6, 9))):
        if found[name] is None:
            values[name] = None
            continue
        try:
            values[name] = np.asarray(found[name], dtype=float)
        except (ValueError, TypeError) as error:
            raise DataError(f"the {name} is no number ({error})", where=where, hint="name another key") from error
        if values[name].size not in sizes:
            what = f"the {name} is of shape {values[name].shape} for {len(frame)} atoms"
            raise DataError(what, where=where, hint="name another key, e.g. labels: {energy: REF_energy}")
        if not np.isfinite(values[name]).all():
            raise DataError(f"the {name} is not finite", where=where, hint="remove this frame")
    energy = None if values["energy"] is None else float(values["energy"].ravel()[0])
    forces = None if values["forces"] is None else values["forces"].reshape(len(frame), 3)
    return Labels(energy, forces, values["stress"], level)


def _find_label(frame: Atoms, name: str, key: str | None, where: str) -> Any:
    results = frame.calc.results if frame.calc is not None else {}
    for candidate in (key,) if key else LABEL_KEYS[name]:
        for store in (results, frame.info, frame.arrays):
            if candidate in store:
                return store[candidate]
    if key:
        have = sorted({*results, *frame.info, *frame.arrays} - {"numbers", "positions"})
        raise DataError(f"no {name} under the key {key!r}", where=where, hint=f"the frame has: {', '.join(have)}")
    return None
