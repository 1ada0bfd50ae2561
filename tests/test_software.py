"""Versions and licences of packages, as they tell them."""

from __future__ import annotations

from email.message import Message

import pytest

from pfd import software


def described(**fields):
    message = Message()
    for name, values in fields.items():
        for value in values if isinstance(values, list) else [values]:
            message[name.replace("_", "-")] = value
    return message


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ({"License_Expression": "LGPL-3.0-or-later", "License": "other"}, "LGPL-3.0-or-later"),
        ({"License": "Modified BSD"}, "Modified BSD"),
        ({"License": "UNKNOWN", "Classifier": "License :: OSI Approved :: MIT License"}, "MIT License"),
        (
            {
                "License": "A text\nof many lines",
                "Classifier": ["Topic :: Physics", "License :: OSI Approved :: BSD License"],
            },
            "BSD License",
        ),
        ({"Classifier": "License :: OSI Approved"}, None),
        ({}, None),
    ],
)
def test_the_licence_is_what_the_package_names(monkeypatch, fields, licence):
    monkeypatch.setattr(software, "metadata", lambda package: described(**fields))
    software._licence_of.cache_clear()
    found = software.licences_of(["some"]).get("some")
    software._licence_of.cache_clear()
    assert found == licence


def test_what_is_not_there_has_no_licence_and_says_so():
    assert software.licences_of(["no-such-package"]) == {}
    assert software.version_of("no-such-package") == software.ABSENT
    assert software.version_of(software.PYTHON).count(".") == 2


def test_importable_names_lead_to_their_packages():
    assert software.packages_of(("yaml", "numpy", "nothing_of_that_name")) == ["PyYAML", "numpy"]
    assert software.packages_of(()) == []
