"""Settings of the selection: the sanity gate, the method and its budget."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from pfd.settings import Settings


class GateSettings(Settings):
    """What a candidate must be before anything is spent on it; no selection method can tell sense from novelty."""

    min_distance: float = Field(default=0.6, ge=0, le=1)
    """Shortest distance as a fraction of the sum of the two covalent radii: hot and compressed solids stay above
    0.7, exploded trajectories do not."""
    min_cell_angle_deg: float = Field(default=20.0, ge=0, le=60)
    """Smallest angle between two cell vectors (or one and another's opposite): below it shear has ruined a cell."""
    max_cell_aspect: float = Field(default=20.0, ge=1)
    """Longest cell vector over shortest height of a cell periodic in all directions; 20 leaves room for slabs."""
    max_force_eV_per_A: float | None = Field(default=50.0, gt=0)
    """Largest force of the exploring model on any atom, where known: the cap that labels have. None is no cap."""
    energy_window_eV_per_atom: float | None = Field(default=5.0, gt=0)
    """How far the exploring model's energy, where known, may lie from the median of the candidates of the same
    composition: far above is no matter, far below is a hole in the model. Liquids and surfaces lie within 1 eV/atom
    of the crystal, isolated atoms within the cohesive energy of most elements. None is no window."""
    near_duplicate: float = Field(default=1e-3, ge=0)
    """Frames whose fingerprints differ by less are the same geometry: one label will do; 0 compares ids only."""


class CommitteeSettings(Settings):
    """Ask several models first: only frames in dispute are candidates, and the method chooses among them."""

    models: int = Field(default=3, ge=2, le=10)
    """Models: the loop's own, and others trained on four fifths of the data each, with seeds of their own. Each costs a
    training per iteration; from the second iteration on, when there is something to train on."""
    trust_eV_per_A: tuple[float, float] | None = None
    """Deviations of the force between which a frame is a candidate (DP-GEN's trust levels), eV/Å: below, the models
    know it; above, it is no physical frame. None takes the more disputed half, whatever its deviations are: levels
    mean little before the report has shown how deviation and error go together (``committee`` of an iteration)."""

    @field_validator("trust_eV_per_A")
    @classmethod
    def _levels(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0 <= value[0] < value[1]:
            raise ValueError("trust_eV_per_A is two levels, 0 <= low < high")
        return value


class SelectSettings(Settings):
    """Which frames of the candidates are labelled."""

    method: Literal["entropy", "random", "farthest", "msc", "mixed"] = "entropy"
    """entropy: most surprising environments first; random: what the pool holds most of; farthest: most different
    frames first; msc: minimum set cover, the frame with the single most surprising environment first; mixed: half at
    random, half by entropy. docs/selection.md shows which of them trains better on what."""
    score: Literal["mean", "top", "per_cost"] = "mean"
    """What entropy compares frames by. mean: mean surprise of the environments; it trained best on 20 frames. top: mean
    of the most surprising 5 %, because the mean over 200 atoms hides one vacancy: of 6 rare defects it found 4 with 6
    picks, the mean 2; take it where such frames matter. per_cost: sum of the surprise by the square of the number of
    atoms, for pools of many sizes."""
    max_frames: int = Field(default=24, ge=1)
    """Never more frames than this per iteration: labels are what costs. In ``distill`` 120 if not given: the teacher's
    cost as much as a step of its dynamics, and a student knows nothing beforehand."""
    min_per_condition: int = Field(default=4, ge=0)
    """Frames of each temperature and pressure, and of each ``group`` that the file of a pool names (twelve at most),
    that are taken before the rest is chosen freely: the criteria are judged at every condition on frames chosen here,
    and entropy alone takes hot ones only. docs/selection.md shows what 2 and 4 left with 20 labels. 0 leaves all to the
    method."""
    k: int = Field(default=32, ge=2)
    """Neighbours that the descriptor of an environment sees; 32 is what the bandwidth was calibrated with."""
    cutoff_A: float = Field(default=5.0, gt=0)
    """Radius of an environment, Å; the value of the paper."""
    bandwidth_per_A: float = Field(default=0.015, gt=0)
    """Width of the Gaussian kernel, 1/Å: environments closer than this count as the same; the value of the paper."""
    min_gain_nats: float | None = None
    """Stop picking when the gain of the best frame, which is its mean surprise or that of its most surprising
    environments (see ``score``), is less than this (nats). None uses the whole budget; 0 stops where such an
    environment is as near to the data as one kernel reaches."""
    memory_GB: float = Field(default=4.0, gt=0)
    """Most memory that descriptors may take, GB; a pool that needs more is refused with a message that says how much. A
    million environments of one element take 0.8."""
    gate: GateSettings = GateSettings()
    """The sanity gate."""
    committee: CommitteeSettings | None = None
    """A committee that narrows the candidates down. None asks none: each member is one more training per iteration."""

    def citations(self) -> list[str]:
        """What to cite for the method, and for a committee."""
        entropy = ["D. Schwalbe-Koda et al., arXiv:2404.12367"] if self.method in {"entropy", "msc", "mixed"} else []
        asked = ["L. Zhang et al., Phys. Rev. Materials 3, 023804 (2019), doi:10.1103/PhysRevMaterials.3.023804"]
        return entropy + (asked if self.committee is not None else [])

    @model_validator(mode="after")
    def _of_the_method(self) -> SelectSettings:
        unused = {
            "farthest": ("score", "bandwidth_per_A", "min_gain_nats"),
            "msc": ("score",),
            "random": ("score", "k", "cutoff_A", "bandwidth_per_A", "min_gain_nats"),
        }.get(self.method, ())
        if unused and (idle := self.moved(*unused)):
            raise ValueError(f"{' and '.join(idle)} are without effect in method {self.method}; remove them")
        return self
