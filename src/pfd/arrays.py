"""Shape-typed array aliases: the names of the axes stand in every signature, beartype checks them in the tests."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

Positions = Float[np.ndarray, "atoms 3"]
"""Cartesian positions, Å."""
Forces = Float[np.ndarray, "atoms 3"]
"""Forces, eV/Å."""
Stress = Float[np.ndarray, "6"]
"""Stress, eV/Å^3, Voigt order xx yy zz yz xz xy, ASE's sign (positive when the crystal is under tension)."""
Cell = Float[np.ndarray, "3 3"]
"""Cell vectors as rows, Å."""
Descriptors = Float[np.ndarray, "environments features"]
"""One row per atomic environment."""
PerFrame = Float[np.ndarray, "frames"]
FrameIndex = Int[np.ndarray, "environments"]
Mask = Bool[np.ndarray, "items"]
