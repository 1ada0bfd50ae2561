"""Whether an input is one of the older tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pfd.config.sections import Input

SIGNS = ("task", "inputs", "select_confs", "exploration", "fp", "step_configs", "bohrium_config", "dflow_config")
"""Sections of an older input that today's does not have."""
TODAY = ("teacher", "finetune", "distill", "structures")


def is_older(content: Mapping[str, Any]) -> bool:
    """Whether this is an input of the older tool: two of its sections, and none of today's.

    >>> is_older({"task": {"type": "dist"}, "inputs": {}}), is_older({"task": {}, "inputs": {}, "teacher": {}})
    (True, False)
    """
    return sum(sign in content for sign in SIGNS) >= 2 and not any(key in content for key in TODAY)


def older_name(content: Mapping[str, Any]) -> Any:
    """What an older input names its run; its default is pfd."""
    return content.get("name") or "pfd"


assert not set(SIGNS) & set(Input.model_fields), "a section of today's input would make it an older one"
