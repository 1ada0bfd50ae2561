"""The command that installs what is missing fits the way in which pfd itself came here."""

from __future__ import annotations

import json
from importlib.metadata import Distribution, PackageNotFoundError

import pytest

from pfd.models.environment import require_family
from pfd.models.training import make_family
from pfd.plugins import install_command, install_from

GIT = {"url": "https://host/pfd.git", "vcs_info": {"vcs": "git", "commit_id": "0" * 40}}


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (None, 'pip install "pfd-kit[x]"'),
        ({"url": "file:///my%20code/pfd", "dir_info": {"editable": True}}, 'pip install -e "/my code/pfd[x]"'),
        ({"url": "file:///code/pfd", "dir_info": {}}, 'pip install "pfd-kit[x] @ file:///code/pfd"'),
        ({"url": "https://host/pfd.whl", "archive_info": {}}, 'pip install "pfd-kit[x] @ https://host/pfd.whl"'),
        (GIT, 'pip install "pfd-kit[x] @ git+https://host/pfd.git"'),
        (
            GIT | {"vcs_info": GIT["vcs_info"] | {"requested_revision": "v2"}, "subdirectory": "kit"},
            'pip install "pfd-kit[x] @ git+https://host/pfd.git@v2#subdirectory=kit"',
        ),
    ],
)
def test_the_command_names_where_pfd_came_from(origin, command):
    assert install_from(origin, "x") == command


class Installed:
    requires = ()

    def read_text(self, _name):
        return json.dumps({"url": "file:///code/pfd", "dir_info": {"editable": True}})


@pytest.fixture
def _fresh():
    install_command.cache_clear()
    yield
    install_command.cache_clear()


@pytest.mark.usefixtures("_fresh")
def test_errors_of_missing_packages_print_it(monkeypatch):
    monkeypatch.setattr(Distribution, "from_name", lambda _name: Installed())
    family = make_family("chgnet")
    monkeypatch.setattr(type(family), "modules", ("no_such_package_at_all",))
    with pytest.raises(Exception, match="no_such_package_at_all") as raised:
        require_family(family)
    assert raised.value.hint.startswith('pip install -e "/code/pfd[chgnet]", or ')
    assert raised.value.hint.endswith(": pfd env create chgnet")


@pytest.mark.usefixtures("_fresh")
def test_a_source_that_is_not_installed_has_the_command_of_an_index(monkeypatch):
    def unknown(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(Distribution, "from_name", unknown)
    assert install_command("x") == 'pip install "pfd-kit[x]"'
