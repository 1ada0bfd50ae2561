"""Pages of the site beyond docs/*.md: what these link to elsewhere in the repository, and the docstrings of the API.

A hook of mkdocs. On GitHub the same links lead to the files themselves.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
DOCS, FILES = "docs", "files"
LINK = re.compile(r"\[([^\[\]]*)\]\(([^)#\s]+)((?:#[^)\s]*)?)\)")
"""Text, target, anchor."""
LANGUAGES = {".yaml": "yaml", ".py": "python", ".toml": "toml", ".json": "json"}
API_PAGE = "python.md"
ITEM, ROW = re.compile(r" *([-*]|\d+\.) "), re.compile(r" *\|")


def on_config(config: Any) -> Any:
    """Draw formulas as MathML, which browsers know by themselves: no script, no fonts."""
    fence = {"name": "math", "class": "math", "format": _formula}
    config.mdx_configs.setdefault("pymdownx.superfences", {})["custom_fences"] = [fence]
    return config


def _formula(source: str, *_: Any, **__: Any) -> str:
    from latex2mathml.converter import convert

    return f"<div>{convert(source, display='block')}</div>"


def on_files(files: Files, config: Any) -> Files:
    """Add a page for every file outside of docs/ that a page links to, and for what those link to in turn."""
    waiting = [_source(file.src_uri) for file in files.documentation_pages()]
    while waiting:
        source = waiting.pop()
        if not source.endswith(".md"):
            continue
        for target in _targets(source):
            uri = _uri(target)
            if files.get_file_from_path(uri) is None and not target.startswith(f"{DOCS}/"):
                files.append(File.generated(config, uri, content=_page_of(target)))
                waiting.append(target)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Have links that leave docs/ lead to those pages, and put the docstrings below the page of the API.

    A link whose text is the name of a page's file reads as the page's title.
    """
    source = _source(page.file.src_uri)
    if not source.endswith(".md"):
        return markdown
    here = posixpath.dirname(source)
    base = posixpath.dirname(page.file.src_uri) or "."
    titles = dict(_titles(config.nav))

    def relinked(match: re.Match[str]) -> str:
        if "://" in match[2]:
            return match[0]
        target = posixpath.normpath(posixpath.join(here, match[2]))
        text = titles.get(match[1], match[1]) if match[1] == match[2] else match[1]
        return f"[{text}]({posixpath.relpath(_uri(target), base)}{match[3]})"

    text = _set_apart(LINK.sub(relinked, markdown))
    return f"{text}\n{_docstrings()}" if page.file.src_uri == API_PAGE else text


def _set_apart(text: str) -> str:
    """Empty lines about lists, tables and code that touch a paragraph: GitHub needs none, this Markdown does."""
    lines: list[str] = []
    fenced = begun = False
    for line in text.split("\n"):
        fence = line.lstrip().startswith("```")
        begins = not fenced and bool(ITEM.match(line) or ROW.match(line))
        if (begins and not begun) or (fence and not fenced):
            lines.append("")
        lines.append(line)
        if fence and fenced:
            lines.append("")
        begun = not fence and (begins or (begun and bool(line.strip())))
        fenced ^= fence
    return "\n".join(lines)


def _titles(nav: list[Any]) -> Iterator[tuple[str, str]]:
    """File and title of each page of the navigation."""
    for entry in nav:
        for title, below in entry.items():
            if isinstance(below, str):
                yield below, title
            else:
                yield from _titles(below)


def _source(uri: str) -> str:
    """The file in the repository that a page shows."""
    return uri.removeprefix(f"{FILES}/").removesuffix(".page.md") if uri.startswith(f"{FILES}/") else f"{DOCS}/{uri}"


def _uri(source: str) -> str:
    """The page that shows a file of the repository; pictures and the like in docs/ are themselves."""
    if source == "README.md":
        return "index.md"
    return source.removeprefix(f"{DOCS}/") if source.startswith(f"{DOCS}/") else f"{FILES}/{source}.page.md"


def _targets(source: str) -> list[str]:
    """Files of the repository that a page links to."""
    text = (ROOT / source).read_text(encoding="utf-8")
    found = [match[2] for match in LINK.finditer(text) if "://" not in match[2]]
    return [posixpath.normpath(posixpath.join(posixpath.dirname(source), link)) for link in found]


def _page_of(source: str) -> str:
    """Markdown that shows a file, a folder's files, or a module with its docstrings and source."""
    path = ROOT / source
    if path.is_dir():
        parts = [each for each in sorted(path.iterdir()) if each.is_file()]
        return "\n".join([f"# {source}", *(f"## {each.name}\n\n{_fenced(each)}" for each in parts)])
    if source.startswith("src/pfd/") and path.suffix == ".py":
        module = source.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        return f"::: {module}\n    options: {{heading_level: 1}}\n"
    return path.read_text(encoding="utf-8") if path.suffix == ".md" else f"# {source}\n\n{_fenced(path)}"


def _fenced(path: Path) -> str:
    return f"~~~~ {LANGUAGES.get(path.suffix, 'text')}\n{path.read_text(encoding='utf-8').rstrip()}\n~~~~\n"


def _docstrings() -> str:
    """A directive of mkdocstrings for each public name."""
    sys.path.insert(0, str(ROOT / "src"))
    import pfd

    sys.path.pop(0)
    return "\n".join(f"::: {module}.{name}\n" for name, module in pfd._PUBLIC.items())  # noqa: SLF001
