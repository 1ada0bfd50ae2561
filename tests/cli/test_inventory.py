"""``pfd doctor`` and ``pfd models`` where something is missing."""

from __future__ import annotations

import pytest

from pfd.cli import inventory
from pfd.models.chgnet import CHGNet
from pfd.plugins import install_command


@pytest.mark.parametrize("show", [inventory.show_doctor, inventory.show_models])
def test_the_command_stands_on_one_line(monkeypatch, capsys, show):
    monkeypatch.setattr(CHGNet, "modules", ("no_such_package_at_all",))
    monkeypatch.setenv("COLUMNS", "60")
    show(as_json=False)
    said = capsys.readouterr().out
    assert f"for chgnet: {install_command('chgnet')}\n" in said
