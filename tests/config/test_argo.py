"""The section ``argo``: secrets are refused by name and never repeated, pods ask for what their tasks need."""

from __future__ import annotations

import pytest

from pfd.config.argo import SECRETS, ArgoSettings
from pfd.config.argo_older import argo_of_older
from pfd.config.reading import resolve
from pfd.errors import SettingError

TREE = {
    "name": "x",
    "teacher": {"family": "toy", "model": "soft-copper"},
    "structures": [{"file": "Cu.cif"}],
    "finetune": {
        "explore": {"method": "md", "temperatures_K": [300], "timestep_fs": 1.0, "steps": 10, "every": 5},
        "label": {"method": "toy"},
        "converge": {"force_rmse_relative": 0.1},
    },
}


def read(argo, tmp_path):
    return resolve(TREE | {"argo": argo}, tmp_path, "input.yaml").input.argo


@pytest.mark.parametrize(
    ("argo", "key", "variable"),
    [
        ({"token": "planted-word"}, "token", "DFLOW_TOKEN"),
        ({"s3": {"access_key": "planted-word"}}, "s3.access_key", "DFLOW_S3_ACCESS_KEY"),
        ({"s3": {"secret_key": "planted-word"}}, "s3.secret_key", "DFLOW_S3_SECRET_KEY"),
        ({"bohrium": {"username": "me", "password": "planted-word"}}, "bohrium.password", "BOHRIUM_PASSWORD"),
        ({"bohrium": {"ticket": "planted-word"}}, "bohrium.ticket", "BOHRIUM_TICKET"),
        ({"host": "https://me:planted-word@argo.example"}, "host", "DFLOW_TOKEN"),
        ({"s3": {"endpoint": "me:planted-word@s3.example:9000"}}, "s3.endpoint", "DFLOW_S3_SECRET_KEY"),
    ],
)
def test_a_secret_is_refused_with_its_variable_and_not_repeated(argo, key, variable, tmp_path):
    with pytest.raises(SettingError) as caught:
        read(argo, tmp_path)
    text = str(caught.value)
    assert key in text
    assert variable in text
    assert "planted-word" not in text


def test_a_misspelt_key_is_refused(tmp_path):
    with pytest.raises(SettingError, match="group_size"):
        read({"image": "x", "label": {"groupsize": 3}}, tmp_path)


def test_a_pool_larger_than_the_pod_is_refused(tmp_path):
    with pytest.raises(SettingError, match="pool_size 4 is more than the 2 tasks"):
        read({"label": {"group_size": 2, "pool_size": 4}}, tmp_path)


def test_images_fall_back_to_the_common_one(tmp_path):
    settings = read({"image": "a", "train": {"image": "b"}}, tmp_path)
    assert (settings.image_of("train"), settings.image_of("label"), settings.image_of("advance")) == ("b", "a", "a")
    assert settings.missing_images() == []
    assert ArgoSettings(train={"image": "b"}).missing_images() == [
        "advance",
        "explore",
        "label",
        "predict",
        "select",
        "other",
    ]


OLDER = {
    "dflow_config": {"host": "https://argo.example:2746", "namespace": "chem", "_note": "ours", "mode": "default"},
    "dflow_s3_config": {"endpoint": "s3.example:9000", "bucket_name": "pfd", "console": "http://s3.example"},
    "default_step_config": {"template_config": {"image": "registry.example/pfd:0.10"}},
    "step_configs": {
        "run_fp_config": {
            "template_config": {"image": "registry.example/vasp:6", "timeout": 7200},
            "template_slice_config": {"group_size": 8, "pool_size": 2},
            "continue_on_success_ratio": 0.8,
            "executor": None,
        },
        "prep_fp_config": {"template_config": {"image": "registry.example/pfd:0.10"}},
    },
    "parallelism": 50,
}


def test_an_older_input_is_honoured_and_what_is_ignored_is_named(tmp_path):
    section, ignored = argo_of_older(OLDER)
    settings = read(section, tmp_path)
    assert (settings.host, settings.namespace, settings.parallelism) == ("https://argo.example:2746", "chem", 50)
    assert (settings.s3.endpoint, settings.s3.bucket) == ("s3.example:9000", "pfd")
    assert settings.image_of("label") == "registry.example/vasp:6"
    assert settings.image_of("train") == "registry.example/pfd:0.10"
    assert (settings.label.group_size, settings.label.pool_size) == (8, 2)
    assert ignored == [
        "dflow_config.mode",
        "dflow_s3_config.console",
        "step_configs.run_fp_config.template_config.timeout",
        "step_configs.run_fp_config.continue_on_success_ratio",
        "step_configs.prep_fp_config",
    ]


def test_bohrium_of_an_older_input(tmp_path):
    section, ignored = argo_of_older(
        {"bohrium_config": {"username": "me", "project_id": 42, "repo_key": "oss-bohrium"}}
    )
    assert read(section, tmp_path).bohrium.project_id == 42
    assert ignored == ["bohrium_config.repo_key"]


def test_nothing_said_is_nothing():
    assert argo_of_older({"name": "x"}) == ({}, [])


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("bohrium_config", "password"),
        ("bohrium_config", "ticket"),
        ("dflow_s3_config", "secret_key"),
        ("dflow_config", "token"),
    ],
)
def test_secrets_of_an_older_input_are_refused_with_their_variable(section, key):
    with pytest.raises(SettingError) as caught:
        argo_of_older({section: {key: "planted-word"}})
    assert SECRETS[key] in str(caught.value)
    assert "planted-word" not in str(caught.value)
