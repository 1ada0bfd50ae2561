"""The section ``argo``: secrets are refused by name and never repeated, pods ask for what their tasks need."""

from __future__ import annotations

import pytest

from pfd.config.argo import ArgoSettings
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
