"""Initial velocities: Maxwell-Boltzmann, no net momentum, and as hot as the structure is relaxed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pfd.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from ase import Atoms

RELAXED_FORCE = 0.05
"""Largest force, eV/Å, up to which a structure counts as relaxed."""
_PROBE_A = 0.01


def stored_temperature(frame: Atoms, degrees: int) -> float | None:
    """The potential energy above the nearest minimum, as the temperature that it would become, K.

    One extra force evaluation, ``_PROBE_A`` along the forces F, gives the curvature c along them; in a harmonic well
    the energy above the minimum is then about |F|^2 / (2 c), exact if all modes are equally stiff and a little low
    if not. The temperature T has degrees/2 k T equal to it.

    Args:
        frame: with a calculator; constraints are applied.
        degrees: degrees of freedom of the motion.

    Returns:
        0 for a relaxed structure; None where the forces are not finite, or the curvature is not positive (a saddle,
        a liquid).
    """
    forces = frame.get_forces()
    longest = float(np.linalg.norm(forces, axis=1).max())
    if longest <= RELAXED_FORCE:
        return 0.0
    if not np.isfinite(longest):
        return None
    moved = frame.copy()
    moved.calc = frame.calc
    step = _PROBE_A / longest
    moved.set_positions(frame.positions + step * forces, apply_constraint=False)
    drop = float(((forces - moved.get_forces()) * forces).sum())
    squared = float((forces**2).sum())
    curvature = drop / (step * squared)
    if not curvature > 0.0:
        return None
    return squared / curvature / (degrees * BOLTZMANN_EV_PER_K)


def start_temperature(target_K: float, stored_K: float | None) -> float:
    """How hot to start so that the run settles at the target, K.

    By equipartition a crystal gives half of its kinetic energy to the potential: a relaxed one starts at twice the
    target, a displaced one at that less what its displacements already store, but at no less than a tenth of the
    target; where nothing is known of what is stored, at the target.
    """
    if stored_K is None:
        return target_K
    return max(2.0 * target_K - stored_K, 0.1 * target_K)


def set_velocities(frame: Atoms, temperature_K: float, degrees: int, generator: np.random.Generator) -> None:
    """Draw momenta (constraints applied) and scale them to the temperature exactly.

    The net momentum is removed unless some atoms are fixed (then it is not conserved anyway).
    """
    masses = frame.get_masses()[:, None]
    momenta = generator.standard_normal((len(frame), 3)) * np.sqrt(masses)
    if not frame.constraints:
        momenta -= masses * momenta.sum(axis=0) / masses.sum()
    frame.set_momenta(momenta)
    kinetic = frame.get_kinetic_energy()
    if kinetic > 0.0:
        wanted = 0.5 * degrees * BOLTZMANN_EV_PER_K * temperature_K
        frame.set_momenta(frame.get_momenta() * np.sqrt(wanted / kinetic))
