"""What a group of exploration can be: one entry of the input's ``explore`` for each method."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import Field

from pfd.explore.anneal import AnnealSettings
from pfd.explore.batch_md import BatchSettings
from pfd.explore.calypso import CalypsoSettings
from pfd.explore.random_search import RandomSettings
from pfd.explore.rattle import RattleSettings
from pfd.explore.relax import RelaxSettings
from pfd.explore.settings import MDSettings, PoolSettings
from pfd.explore.swap import SwapSettings

ExplorerSettings = Annotated[
    MDSettings
    | RattleSettings
    | RelaxSettings
    | AnnealSettings
    | SwapSettings
    | RandomSettings
    | CalypsoSettings
    | BatchSettings,
    Field(discriminator="method"),
]
"""The groups that follow a model."""
METHODS = tuple(
    method
    for group in (*get_args(get_args(ExplorerSettings)[0]), PoolSettings)
    for method in get_args(group.model_fields["method"].annotation)
)
"""The values of ``method``."""
GroupSettings = Annotated[ExplorerSettings | PoolSettings, Field(discriminator="method")]
"""One group of a stage."""
