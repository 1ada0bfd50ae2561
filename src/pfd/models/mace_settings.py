"""Settings of the MACE family: how a pre-trained model is trained further, and what a student looks like."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import Field, model_validator

from pfd.models.torch_training import FineTuneSettings

Part = Literal["embedding", "interactions", "products", "readouts"]
SHARED_KEYS = {"epochs": "max_num_epochs", "batch_size": "batch_size", "learning_rate": "lr"}
"""Our settings that hold for the package's own training too, and its names for them."""
RESERVED_KEYS = frozenset(
    {"config", "name", "seed", "device", "default_dtype", "distributed", "dry_run", "restart_latest", "save_cpu"}
    | {"model", "foundation_model", "foundation_head", "foundation_model_elements", "foundation_filter_elements", "E0s"}
    | {"train_file", "valid_file", "valid_fraction", "test_file", "test_dir", "heads", "head_key", "atomic_numbers"}
    | {"energy_key", "forces_key", "stress_key", "plot", "wandb", "work_dir", "log_dir", "model_dir", "results_dir"}
    | {"checkpoints_dir", "downloads_dir"}
)
"""Keys of the package's training that PFD-kit sets: data, model, seed, device and places."""


class MACEFineTuneSettings(FineTuneSettings):
    """Fine-tuning of MACE: everything (naive) by default; frozen parts, LoRA and replay can be combined."""

    learning_rate: float = Field(default=1e-3, gt=0)
    """Largest learning rate of Adam."""
    trained_parts: tuple[Part, ...] = get_args(Part)
    """Which parts of the network are trained; the others keep their weights to the bit. ``embedding``: of elements and
    distances; ``interactions``: the messages between neighbours; ``products``: the many-body functions of each atom;
    ``readouts``: from features to energies. Default all; ``[products, readouts]`` changes least of what was learnt."""
    lora_rank: int = Field(default=0, ge=0)
    """Rank of the low-rank updates (LoRA, arXiv:2106.09685) that are trained in the place of the linear layers' own
    weights in ``trained_parts`` and merged into them at the end; default 0: the weights themselves are trained."""
    lora_alpha: float = Field(default=1.0, gt=0)
    """The updates are multiplied by this over the rank; the package's default."""
    replay_file: str | None = None
    """Frames of what the model knew (extxyz), which it shall not forget: a second head is added for the new data, the
    old one stays on these frames in the loss of every step, and both share all layers but the last. Default none."""
    replay_labels: Literal["model", "file"] = "model"
    """Whose labels the replayed frames have. ``model``: the pre-trained model's, which needs no labels in the file and
    cannot mix levels of theory; ``file``: those in the file, less a constant energy per element."""
    replay_weight: float = Field(default=1.0, gt=0)
    """Weight of the loss on replayed frames beside that on the new ones."""
    replay_frames: int = Field(default=500, gt=0)
    """Most frames that are taken from the file, drawn by the seed: each step sees as many old frames as new ones, so
    that a few thousand steps see each of 500 several times."""
    settings_file: dict[str, Any] | None = None
    """A native file of ``mace_run_train`` (YAML): then the package's own training runs. Data, model, seed, device and
    folders are PFD-kit's and must not be in it; ``max_num_epochs``, ``batch_size`` and ``lr`` are taken from it or else
    from ``epochs``, ``batch_size`` and ``learning_rate`` here; no other setting can be combined with it."""

    @model_validator(mode="after")
    def _every_key_counts(self) -> MACEFineTuneSettings:
        if not self.trained_parts:
            raise ValueError(f"trained_parts names nothing; there are: {', '.join(get_args(Part))}")
        for key, needed in (("lora_alpha", "lora_rank"), *((f"replay_{key}", "replay_file") for key in REPLAY_KEYS)):
            if self.moved(key) and not getattr(self, needed):
                raise ValueError(f"{key} has no effect without {needed}")
        if self.settings_file is not None:
            self._check_native(self.settings_file)
        return self

    def _check_native(self, native: dict[str, Any]) -> None:
        ours = sorted(set(native) & set(RESERVED_KEYS))
        if ours:
            raise ValueError(f"settings_file: {', '.join(ours)} is set by PFD-kit; remove it from the file")
        if native.get("multiheads_finetuning") and "pt_train_file" not in native:
            raise ValueError("settings_file: multiheads_finetuning is nothing without pt_train_file; add it")
        for key in self.moved():
            if SHARED_KEYS.get(key) in native:
                raise ValueError(f"{key} here and {SHARED_KEYS[key]} in settings_file say the same; remove one of them")
            if key not in SHARED_KEYS and key != "settings_file":
                raise ValueError(f"{key} has no effect on the training of settings_file; remove it, or say it there")


REPLAY_KEYS = ("labels", "weight", "frames")


class MACEFitSettings(FineTuneSettings):
    """A small MACE from scratch."""

    size: Literal["S", "M", "L"] = "S"
    """S: 16 invariant channels, correlation order 2; M: 32 channels, order 3; L: 64 channels with vectors, order 3.
    Default S: a student is to be fast."""
    cutoff_A: float = Field(default=5.0, gt=0)
    """Largest distance of neighbours in each of the two layers, Å."""
    epochs: int = Field(default=100, gt=0)
    """How often every training frame is seen: from scratch there is more to learn than in fine-tuning."""
    learning_rate: float = Field(default=1e-2, gt=0)
    """Largest learning rate of Adam; the package's own default for models from scratch."""
