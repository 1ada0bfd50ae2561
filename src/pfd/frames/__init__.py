"""Frames: read, write, validate, de-duplicate, perturb, build, split without leakage."""

from pfd.frames.energy_shift import EnergyShift, fit_energy_shift
from pfd.frames.frame import EXPLORED_WITH_KEY, MODEL_ENERGY_KEY, MODEL_FORCE_KEY, frame_id, is_bulk, with_origin
from pfd.frames.io import read_frames, write_frames
from pfd.frames.labels import (
    Labels,
    count_labels,
    labels_of,
    require_labels,
    require_level,
    trainable_stress,
    with_labels,
    without_labels,
)

__all__ = [
    "EXPLORED_WITH_KEY",
    "MODEL_ENERGY_KEY",
    "MODEL_FORCE_KEY",
    "EnergyShift",
    "Labels",
    "count_labels",
    "fit_energy_shift",
    "frame_id",
    "is_bulk",
    "labels_of",
    "read_frames",
    "require_labels",
    "require_level",
    "trainable_stress",
    "with_labels",
    "with_origin",
    "without_labels",
    "write_frames",
]
