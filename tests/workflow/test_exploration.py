"""What an iteration's errors must be known for."""

from __future__ import annotations

from types import SimpleNamespace

from pfd.workflow.exploration import Exploration


def asked(stages, some=None):
    """The conditions asked of planned stages: lists of (group, temperature_K)."""
    binding = SimpleNamespace(settings=SimpleNamespace(explore=[None] * len(stages)))
    explorer = Exploration(None, binding, None)
    for number, entries in enumerate(stages):
        explorer._plans[number] = [
            {"group": group, "temperature_K": temperature, "pressure_GPa": None} for group, temperature in entries
        ]
    return explorer.conditions(some)


def test_every_group_is_asked_for_with_its_stage():
    stages = [[(0, 300.0), (1, 300.0)], [(0, 600.0)]]
    assert asked(stages) == {
        "temperature_K": [300.0, 600.0],
        "pressure_GPa": [],
        "group": ["s0-g0", "s0-g1", "s1-g0"],
    }
    assert asked(stages, some=[0])["group"] == ["s0-g0", "s0-g1"]


def test_a_single_group_is_not_asked_for():
    stages = [[(0, 300.0), (0, 600.0)], [(0, 600.0)]]
    assert asked(stages, some=[1]) == {"temperature_K": [600.0], "pressure_GPa": [], "group": []}
