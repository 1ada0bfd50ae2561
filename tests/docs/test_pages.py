"""What the pages say of errors, commands and sources is what the code says; the site is whole, and stays at home."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess

import pytest
import yaml
from tests.docs.blocks import PAGES, ROOT, name_of

import pfd
from pfd import errors
from pfd.cli.reference import command_reference

TROUBLES = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", TROUBLES, re.DOTALL | re.MULTILINE))
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "src" / "pfd").rglob("*.py")))
MESSAGES = [message for part in SECTIONS.values() for message in re.findall(r"^\| `([^`]+)` \|", part, re.MULTILINE)]


@pytest.mark.parametrize(
    "name", [name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, errors.PFDError)]
)
def test_each_class_of_error_has_its_section(name):
    assert name in SECTIONS, f"docs/troubleshooting.md has no section {name}"
    assert len(SECTIONS[name].split()) > 15


@pytest.mark.parametrize("message", MESSAGES)
def test_messages_that_are_explained_are_messages_of_ours(message):
    joined = re.sub(r'"\s*\n\s*f?"', "", SOURCE)  # texts that go on in the next line
    for part in message.split("..."):
        assert part.strip() in joined, f"no message says {part.strip()!r}"


def test_the_page_of_the_commands_is_up_to_date():
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert page == command_reference(), "run: pfd schema --commands > docs/commands.md"


def test_each_section_of_the_report_is_explained():
    text = (ROOT / "docs" / "how-report.md").read_text(encoding="utf-8")
    named = "; ".join(
        "".join(each) for each in re.findall(r"^## (.*)$|\*([A-Z][^*]+)\*|\*(on [^*]+)\*", text, re.MULTILINE)
    ).lower()
    templates = sorted((ROOT / "src" / "pfd" / "report" / "templates").glob("*.jinja"))
    sections = [each for path in templates for each in re.findall(r"<h[23]>([^<{]+)<", path.read_text("utf-8"))]
    assert len(sections) > 20
    assert [each for each in sections if each.lower().strip() not in named] == []


def test_each_page_of_the_docs_is_named_in_the_navigation_once():
    def pages(entries):
        for entry in entries:
            (below,) = entry.values()
            yield from [below] if isinstance(below, str) else pages(below)

    named = list(pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]))
    assert sorted(named) == sorted(path.name for path in PAGES if path.parent.name == "docs")


def test_links_to_a_heading_lead_to_one():
    for path in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#\s]*\.md)?#([^)\s]+)\)", path.read_text(encoding="utf-8")):
            text = (path.parent / target if target else path).read_text(encoding="utf-8")
            headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{name_of(path)}: {target}#{anchor}"


def test_targets_and_files_of_the_repository_that_are_named_are_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for path in PAGES:
        for span in re.findall(r"`([^`\n]+)`", path.read_text(encoding="utf-8")):
            target = re.match(r"make ([a-z-]+)", span)
            assert target is None or target[1] in targets or target[1].startswith("test-"), f"{name_of(path)}: {span}"
            for file in re.findall(r"(?:benchmarks|tests|examples|src)/[\w/.-]+\.\w+", span):
                assert (ROOT / file).exists(), f"{name_of(path)}: no {file}"


def test_sources_that_the_code_names_stand_on_the_page_of_sources():
    page = (ROOT / "docs" / "citing.md").read_text(encoding="utf-8")
    cited = set(re.findall(r"arXiv:(\d{4}\.\d{5})", SOURCE))
    assert cited <= set(re.findall(r"arXiv:(\d{4}\.\d{5})", page))
    papers = set(re.findall(r"(\d+, \w+ \(\d{4}\)), doi:", SOURCE))  # volume, page and year
    assert len(papers) > 20
    assert {paper for paper in papers if paper not in page.replace("*", "")} == set()


def test_the_paper_is_cited_alike_everywhere():
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["preferred-citation"]
    for name in ("README.md", "docs/citing.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert f"doi:{cff['doi']}" in text
        assert str(cff["start"]) in text
        assert str(cff["year"]) in text
    page = (ROOT / "docs" / "citing.md").read_text(encoding="utf-8")
    assert cff["title"] in page
    assert all(f"{author['family-names']}, {author['given-names']}" in page for author in cff["authors"])


@pytest.mark.docs
def test_the_citation_is_valid():
    done = subprocess.run(["cffconvert", "--validate"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.docs
def test_the_site_is_built_without_a_warning_and_asks_nobody(tmp_path):
    site = tmp_path / "site"
    # A copy: a build may write beside its sources, and caches of the repository are none of its business.
    for name in ("docs", "examples", "src", "tests"):
        shutil.copytree(ROOT / name, tmp_path / "repo" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("mkdocs.yml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / "repo")
    command = ["mkdocs", "build", "--strict", "--site-dir", str(site)]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=tmp_path / "repo", capture_output=True, text=True, check=False, env=quiet)
    assert done.returncode == 0, done.stdout + done.stderr
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)[^>]*\ssrc=\"?(\S+?)[\">\s]", text)
        loaded += re.findall(r"<link[^>]*\shref=\"?([^\s\">]+)", text)
        outside = [each for each in loaded if re.match(r"(https?:)?//", each)]
        assert not outside, f"{page.name} loads {outside}"
        paragraphs = re.findall(r"<(?:p|li)>(.*?)</(?:p|li)>", text, re.DOTALL)
        lost = [
            each
            for each in paragraphs
            if re.search(r"\n *(- |\||\d+\. )", re.sub(r"<pre.*?</pre>", "", each, flags=re.DOTALL))
        ]
        assert not lost, f"{page.name}: a list or table that is none: {lost[0]}"
    api = (site / "python.html").read_text(encoding="utf-8")
    assert all(f'id="{module}.{name}"' in api for name, module in pfd._PUBLIC.items())
    assert "<math" in (site / "idea.html").read_text(encoding="utf-8")
