"""What a GPAW is: run by its path, in an interpreter that has GPAW (not pfd).

``python describe_gpaw.py XC`` prints a line of JSON: GPAW's version, the set of atomic setups for a functional, the
names of those there are, and a digest of their content.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any


def describe(xc: str) -> dict[str, Any]:
    """The setups of the folders that GPAW looks into, the first of each name."""
    import gpaw
    from gpaw.xc import XC

    kind = XC(xc).get_setup_name()
    files: dict[str, Path] = {}
    for folder in gpaw.setup_paths:
        for path in sorted(Path(folder).glob(f"*.{kind}*")):
            if path.name.removesuffix(".gz").endswith("." + kind):
                files.setdefault(path.name.removesuffix(".gz").removesuffix("." + kind), path)
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + hashlib.sha256(files[name].read_bytes()).digest())
    return {"version": gpaw.__version__, "kind": kind, "setups": sorted(files), "digest": digest.hexdigest()}


if __name__ == "__main__":
    sys.path.pop(0)
    sys.stdout.write(json.dumps(describe(sys.argv[1])) + "\n")
