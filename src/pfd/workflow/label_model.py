"""The model that labels in the place of first principles (``label: {method: family, ...}``), as a folder of the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pfd.config.reading import ResolvedInput, source_path
from pfd.label.family import FamilyLabelerSettings
from pfd.models.family import MODEL_FILE, read_model
from pfd.models.training import check_elements, make_family
from pfd.tasks.folder import Artifact, TaskSpec
from pfd.workflow.bindings import resources_of
from pfd.workflow.run_folder import RunFolder

if TYPE_CHECKING:
    from ase import Atoms


def adopt_label_model(run: RunFolder, resolved: ResolvedInput, structures: Sequence[Atoms]) -> Artifact | None:
    """Adopt the model that the input's ``label`` section names; None if another labeler is named.

    Raises:
        ModelError: if it does not know an element of the structures.
    """
    settings = resolved.labeler
    if not isinstance(settings, FamilyLabelerSettings):
        return None
    assert settings.family is not None
    assert settings.model is not None
    key = "finetune.label.model"
    parameters: dict[str, Any] = {"family": settings.family, "source": settings.model, "head": settings.head}
    if settings.trust_file:
        parameters["trust_file"] = True
    resources = resources_of(resolved, "other")
    if settings.model in make_family(settings.family).shipped:
        model = run.one("start/labeler/adopt", TaskSpec("adopt", parameters, {}, resources)).output("model")
    else:
        source = source_path(resolved, settings.model, key)
        kept = run.keep_input(source)
        if (source / MODEL_FILE).is_file():
            model = kept
        else:
            spec = TaskSpec("adopt", parameters | {"source": source.name}, {"checkpoint": kept}, resources)
            model = run.one("start/labeler/adopt", spec).output("model")
    check_elements(read_model(model.path).card, structures, where=f"{resolved.file}: {key}")
    return model
