"""What the pages of the docs hold besides prose: blocks of code, lines of shell, and commands named in a sentence."""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
PROGRAMS = ("$(pfd", "apt", "ase", "cd", "cp", "export", "lmp", "make", "pfd", "pip", "python", "python3", "source")
"""First words by which a line of an indented block is known as one of shell."""
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`(pfd [^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block: the page's name, the line it begins at, its language, its text without its indentation."""

    page: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        """What a test calls it."""
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Line:
    """A line of shell as the page has it, without prompt and comment."""

    page: str
    line: int
    text: str


def name_of(path: Path) -> str:
    """A page, relative to the repository."""
    return path.relative_to(ROOT).as_posix()


def fenced_blocks(*languages: str) -> list[Block]:
    """All fenced blocks in these languages."""
    found = []
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            if match[2] in languages:
                line = text[: match.start()].count("\n") + 1
                found.append(Block(name_of(path), line, match[2], textwrap.dedent(match[3])))
    return found


def shell_lines() -> list[Line]:
    """All lines of shell: in indented blocks, and in fenced ones of no language."""
    return [line for path in PAGES for line in _lines_of(name_of(path), path.read_text(encoding="utf-8"))]


def _lines_of(page: str, text: str) -> Iterator[Line]:
    prose = _FENCE.sub(lambda match: match[0] if not match[2] else "\n" * match[0].count("\n"), text)
    prose = re.sub(r"^ *```$", "", prose, flags=re.MULTILINE)
    numbered = enumerate(prose.splitlines(), start=1)
    for indented, block in itertools.groupby(numbered, lambda line: line[1].startswith("    ")):
        lines = [(number, line.strip()) for number, line in block] if indented else []
        prompted = any(line.startswith("$ ") for _, line in lines)  # then the others are what it prints
        for number, line in lines:
            if line.startswith("$ ") or not prompted:
                yield from _commands_of(page, number, line.removeprefix("$ "))


def _commands_of(page: str, number: int, line: str) -> Iterator[Line]:
    for each in re.sub(r"\s+#.*", "", line).split("; "):
        if each.split(" ")[0] in PROGRAMS:
            yield Line(page, number, each.strip())


def printed_after(command: str) -> list[str]:
    """What the pages say that a command prints: lines that stand between it and the next prompt."""
    found: list[str] = []
    for path in PAGES:
        for block in re.findall(r"(?:^    .*\n)+", path.read_text(encoding="utf-8"), re.MULTILINE):
            for part in re.split(r"^    \$ ", block, flags=re.MULTILINE)[1:]:
                first, *printed = part.splitlines()
                if re.sub(r"\s+#.*", "", first) == command:
                    found += [line.strip() for line in printed]
    return found


def named_commands() -> list[Line]:
    """All commands of pfd that stand within a sentence."""
    return [line for path in PAGES for line in _named_in(name_of(path), path.read_text(encoding="utf-8"))]


def _named_in(page: str, text: str) -> Iterator[Line]:
    prose = _FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)
    for match in _SPAN.finditer(prose):
        yield Line(page, prose[: match.start()].count("\n") + 1, match[1])
