"""This same pfd, and the plug-ins that stand beside it, on the path of another interpreter.

``python -m pfd.environments.source`` prints the folder.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
from importlib.metadata import Distribution, distribution, entry_points
from pathlib import Path

from pfd.digests import json_digest
from pfd.environments.environment import SOURCE_PREFIX, environments_home
from pfd.plugins import FAMILIES, LABELERS, PACKAGE


def source_folder() -> Path:
    """A folder of links to pfd, to the packages of its plug-ins, and to what says that they are installed.

    Put on PYTHONPATH it gives another interpreter exactly this pfd, whatever is installed there, and nothing else of
    this environment. It is made once for each set of links.
    """
    links = _links()
    folder = environments_home() / f"{SOURCE_PREFIX}{json_digest(sorted(map(list, links.items())))[:12]}"
    if not _whole(folder, links):
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=".source-", dir=folder.parent))
        for name, target in links.items():
            (new / name).symlink_to(target)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            new.rename(folder)
        except OSError:  # another process was faster
            shutil.rmtree(new, ignore_errors=True)
    return folder


def _whole(folder: Path, links: dict[str, str]) -> bool:
    return all(
        (folder / name).is_symlink() and (folder / name).readlink() == Path(target) for name, target in links.items()
    )


def _links() -> dict[str, str]:
    """Name in the folder -> what it points to."""
    links = {}
    packages = {"pfd": distribution(PACKAGE)}
    for group in (FAMILIES, LABELERS):
        for point in entry_points(group=group):
            if point.dist is not None:
                packages[point.module.partition(".")[0]] = point.dist
    for package, dist in packages.items():
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            origin = Path(spec.origin).resolve()
            target = origin.parent if origin.name == "__init__.py" else origin
            links[target.name] = str(target)
        told = _metadata_folder(dist)
        if told is not None:
            links[told.name] = str(told)
    return links


def _metadata_folder(dist: Distribution) -> Path | None:
    """The folder that says that a distribution is installed."""
    for file in dist.files or ():
        if file.name == "METADATA" and file.parent.suffix == ".dist-info":
            return Path(str(dist.locate_file(file.parent))).resolve()
    return None


if __name__ == "__main__":
    sys.stdout.write(f"{source_folder()}\n")
