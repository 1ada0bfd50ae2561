"""What to cite for a run: each model, labeler and method names its own source, and here they are gathered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pfd.config.properties import properties_of
from pfd.config.reading import ResolvedInput
from pfd.explore.settings import Explorer
from pfd.label.labeler import make_labeler

IDEA = "Phys. Rev. Mater. 9, 113802 (2025), doi:10.1103/sbz6-btz8"
ASE = "A. H. Larsen et al., J. Phys.: Condens. Matter 29, 273002 (2017), doi:10.1088/1361-648X/aa680e"
LAMMPS = "A. P. Thompson et al., Comput. Phys. Commun. 271, 108171 (2022), doi:10.1016/j.cpc.2021.108171"
Citation = dict[str, str]
"""``used_for`` and ``text``."""


def citations_of(
    resolved: ResolvedInput, cards: Mapping[str, Mapping[str, Any]], packages: Iterable[str]
) -> list[Citation]:
    """Every source once, with all that it was used for, in the order of use.

    Args:
        resolved: the input.
        cards: what each model says of itself, by the model's name.
        packages: names of the packages that computed, of which LAMMPS is cited.
    """
    uses: dict[str, list[str]] = {IDEA: ["the method"]}

    def used(purpose: str, texts: Iterable[str]) -> None:
        for text in texts:
            names = uses.setdefault(text, [])
            if purpose not in names:
                names.append(purpose)

    for purpose, texts in _purposes(resolved, cards):
        used(purpose, texts)
    used("structures and molecular dynamics", [ASE])
    used("molecular dynamics", [LAMMPS] if "lammps" in set(packages) else [])
    return [{"used_for": ", ".join(names), "text": text} for text, names in uses.items()]


def _purposes(resolved: ResolvedInput, cards: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Iterable[str]]]:
    """What was used for what, in the order of use."""
    for family, source in {card["family"]: card["source"] for card in cards.values() if card["source"]}.items():
        yield f"model {family}", [source]
    for entry in resolved.input.structures:
        yield "starting structures", entry.citations()
    for section in (resolved.input.finetune, resolved.input.distill):
        if section is not None:
            for group in (group for stage in section.explore for group in stage if isinstance(group, Explorer)):
                yield f"exploration by {group.method}", group.citations()
            yield f"selection by {section.select.method}", section.select.citations()
    if resolved.labeler is not None:
        yield f"labels by {resolved.labeler.method}", make_labeler(resolved.labeler.model_dump(mode="json")).citations()
    for _, settings in properties_of(resolved):
        yield f"property {settings.kind}", settings.citations
