"""The page: whole from full data, honest from partial data, self-contained, and safe against what a run may hold."""

from __future__ import annotations

import base64
import copy
import hashlib
import html
import json
import re
from html.parser import HTMLParser

import pytest
import yaml

from pfd.errors import RunError
from pfd.report import ReportData, results_tables, write_report
from pfd.report.scripts import data_element
from pfd.tasks.folder import TaskFolder, TaskSpec
from pfd.workflow.decisions import decide

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Reader(HTMLParser):
    """Checks that tags are balanced, and gathers texts and everything that a browser would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.scripts: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        found = [value or "" for name, value in attributes if name in ("src", "href", "xlink:href", "srcset", "data")]
        if tag == "a":  # followed by a person only
            self.links += found
        else:
            self.loads += found
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.loads += [
            value or "" for name, value in attributes if name in ("src", "href", "xlink:href", "srcset", "data")
        ]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif not self.open or self.open[-1] != "style":
            self.text += data


def read(run_folder) -> tuple[str, Reader]:
    page = write_report(run_folder).read_text(encoding="utf-8")
    return page, parsed(page)


def parsed(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def write(run_folder, data) -> None:
    (run_folder / "report-data.json").write_text(json.dumps(data), encoding="utf-8")


def test_full_page_is_well_formed_small_and_loads_nothing(full_page):
    page, reader = full_page, parsed(full_page)
    assert len(page.encode()) < 3_000_000
    assert reader.loads  # the rasterised points are there, as data
    assert [load for load in reader.loads if not load.startswith(("data:", "#"))] == []
    assert set(re.findall(r"url\((.)", page)) <= {"#"}
    assert "@import" not in page
    assert [link for link in reader.links if not link.startswith(("https://doi.org/10.", "#"))] == []
    assert "https://doi.org/10.1038/s42256-023-00716-3" in reader.links
    assert page.count("<svg") >= 12 + 3 + 4


def test_only_our_scripts_may_run(full_page):
    page, reader = full_page, parsed(full_page)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    allowed = re.findall(r"sha256-([\w+/=]+)", policy)
    assert "default-src &#39;none&#39;" in policy
    assert "connect-src" not in policy
    assert "unsafe-eval" not in policy
    runs = [text for text in reader.scripts if not text.startswith(("{", "["))]
    assert [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in runs] == allowed
    assert len(allowed) == 3
    assert "Redistribution and use in source and binary forms" in runs[1]  # 3Dmol.js asks for its licence in each copy
    (points,) = (json.loads(text) for text in reader.scripts if text.startswith("{"))
    assert len(points["plots"]) == 12
    assert len(points["frames"]) == 24


def test_full_page_says_what_the_data_say(full_page, full_data):
    reader = parsed(full_page)
    errors = full_data["models"]["student"]["errors"]
    low, high = errors["force_rmse_interval"]
    assert f"{errors['force_rmse_meV_per_A']:.1f} [{low:.1f}, {high:.1f}]" in reader.text
    assert f"{full_data['models']['finetuned']['errors']['force_slope']:.3f}" in reader.text
    for text in (
        "Converged",
        "SCF did not converge in 250 steps",
        "2 × net force of …",
        "1.32 Å",
        "modified BSD",
        "doi:10.1038",
        "5 of 6 finished",
        "Stillinger-Weber",
        "torch 2.13.0",
        "task done",
    ):
        assert text in reader.text
    assert "yet" not in reader.text


@pytest.mark.parametrize("status", ["converged", "not_converged", "failed", "running", "unheard of"])
def test_the_ending_stands_at_the_top(tmp_path, status):
    write(tmp_path, {"name": "x", "status": status})
    _, reader = read(tmp_path)
    expected = {"converged": "Converged:", "not_converged": "Finished without converging", "failed": "Failed:"}
    assert expected.get(status, "Running" if status == "running" else status) in reader.text
    assert ("every limit is met" in reader.text) == (status == "converged")


def test_a_failed_run_says_why_at_its_top(tmp_path):
    write(tmp_path, {"name": "x", "status": "failed"})
    said = {"event": "end", "status": "failed", "error": "no licence\n  Try: ask for one", "time": 2.0}
    events = [{"event": "submit", "time": 1.0, "version": "1"}, said]
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    page, _ = read(tmp_path)
    top = re.search(r'<p class="ending failed">([^<]*)</p>', page)[1]
    assert top.startswith("Failed:")
    assert top.endswith("no licence\n  Try: ask for one")


def test_an_empty_run_folder_has_a_page_that_says_so(tmp_path):
    _, reader = read(tmp_path)
    for text in ("Running", "No model has been tested yet", "No iteration has ended yet", "No citations yet"):
        assert text in reader.text


@pytest.mark.parametrize(
    "key", ["models", "iterations", "student_vs_teacher", "seconds", "rejected", "trajectories", "versions", "seed"]
)
def test_any_part_may_be_missing(tmp_path, full_data, key):
    models = {"student": {**full_data["models"]["student"], "parity": None}}
    short = full_data | {"models": models, "iterations": full_data["iterations"][:1]}
    write(tmp_path, {name: value for name, value in short.items() if name != key})
    _, reader = read(tmp_path)
    assert "silicon" in reader.text


def test_flagged_labels_are_named_where_there_are_any(tmp_path, full_data):
    write(tmp_path, full_data)
    assert "Flagged labels" not in read(tmp_path)[1].text
    write(tmp_path, full_data | {"flagged": [{"id": "f0123", "reason": "1 atom lost the moment that was asked for"}]})
    text = read(tmp_path)[1].text
    assert "1 label in another magnetic state" in text
    assert "f0123" in text
    assert "1 atom lost the moment" in text


def test_parts_of_models_and_iterations_may_be_missing(full_run, full_data):
    models = {
        "pretrained": {"errors": full_data["models"]["pretrained"]["errors"]},
        "finetuned": {"card": full_data["models"]["finetuned"]["card"], "errors": None, "parity": None},
        "student": {"us_per_atom_step": 20.0},
    }
    turns = [{"loop": "finetune", "iteration": 0}, {"loop": "distill", "iteration": 0, "labels": {"accepted": 3}}]
    write(full_run, {"models": models, "iterations": turns, "seconds": {"wall": 3.0}})
    _, reader = read(full_run)
    assert "not decided yet" in reader.text
    assert "The student has not been compared with its teacher yet" in reader.text


def test_a_model_that_gave_nan_is_shown_as_one(full_run, full_data):
    broken = dict(full_data["models"]["student"]["errors"], bad_forces=3, force_rmse_meV_per_A=None)
    write(full_run, {"models": {"student": {"errors": broken}}})
    _, reader = read(full_run)
    assert "3 of 24 not finite" in reader.text


def test_errors_of_zero_are_drawn_too(full_run, full_data):
    zero = {"frames": 2, "force_rmse_meV_per_A": 0.0, "force_rmse_interval": [0.0, 0.0]}
    groups = {"temperature_K": {"300": zero, "600": dict(zero, force_rmse_meV_per_A=7.0)}}
    curve = [{"step": step, "loss": 0.0, "valid_force_rmse_eV_per_A": 0.0} for step in (0, 1)]
    turn = {"loop": "finetune", "iteration": 0, "labels": {"accepted": 2}, "test": zero, "curve": curve}
    write(full_run, {"models": {"student": {"errors": dict(zero, by_group=groups)}}, "iterations": [turn]})
    page, _ = read(full_run)
    for plot in ("Force error by temperature, K", "Force error by number of labels", "Learning curves"):
        assert f'aria-label="{plot}' in page


def test_frames_that_were_struck_out_are_told_as_the_journal_has_them(tmp_path):
    write(tmp_path, {"name": "x"})
    assert "Frames struck out" not in read(tmp_path)[1].text
    write(tmp_path, {"struck": [{"id": "f0123", "loop": "distill", "by": "somebody", "when": 0.0}]})
    page, reader = read(tmp_path)
    assert "1 chosen frame that a person looked at and left out" in reader.text
    row = "<tr><td><code>f0123</code></td><td>Distillation</td><td>somebody</td><td>1970-01-01 00:00:00</td></tr>"
    assert row in page
    decide(tmp_path, "finetune", ["f0123"], ["f4567"], "<b>else</b>")  # since the data was written
    page, _ = read(tmp_path)
    assert "<code>f4567</code></td><td>Fine-tuning</td><td>&lt;b&gt;else&lt;/b&gt;</td>" in page
    assert "f0123" not in page


def test_the_way_from_candidates_to_labels_counts_what_was_struck_out(tmp_path):
    turn = {"loop": "finetune", "iteration": 0, "candidates": 90, "passed": 80, "selected": 10}
    for struck in (0, 3):
        write(tmp_path, {"iterations": [turn | {"struck": struck}]})
        page, _ = read(tmp_path)
        cells = re.findall(r'data-h="struck out">(.*?)</td>', page)
        assert cells == ([str(struck)] if struck else [])
        assert f'data-h="chosen">{10 + struck}</td>' in page  # what is left to label is in `selected`


def test_texts_from_the_run_cannot_become_markup(tmp_path):
    evil = "<script>alert('x')</script> $\\frac{1}{2}$"
    errors = {
        "frames": 1,
        "force_rmse_meV_per_A": 5.0,
        "by_group": {
            "group": {evil: {"frames": 1, "force_rmse_meV_per_A": 5.0}, "b": {"frames": 1, "force_rmse_meV_per_A": 6.0}}
        },
    }
    write(
        tmp_path, {"name": evil, "models": {"student": {"errors": errors}}, "rejected": [{"id": evil, "reason": evil}]}
    )
    asked = {"teacher": {"family": evil, "model": evil}}
    (tmp_path / "resolved-001.yaml").write_text(yaml.safe_dump(asked), encoding="utf-8")
    _, reader = read(tmp_path)
    assert "script" not in reader.tags
    assert reader.text.count("alert") >= 6
    assert data_element("x", {evil: evil}).count("<") == 2  # its own


def test_same_files_same_bytes_and_no_path_of_this_machine(full_run):
    first = write_report(full_run).read_bytes()
    assert write_report(full_run).read_bytes() == first
    assert str(full_run).encode() not in first
    there = ["finetune", "journal.jsonl", "report-data.json", "report.html"]
    assert sorted(path.name for path in full_run.iterdir()) == there


def test_the_summary_has_the_last_word_on_the_status(tmp_path):
    write(tmp_path, {"name": "x", "status": "running"})
    (tmp_path / "summary.json").write_text('{"status": "not_converged", "seed": 41, "labels": {}}')
    _, reader = read(tmp_path)
    assert "Finished without converging" in reader.text
    assert "41" in reader.text


def test_the_loop_that_failed_is_told_first_and_in_words(full_run, full_data):
    gave_up = dict(full_data["iterations"][1], decision="give_up", reason="max_iterations (2) reached")
    gave_up["verdicts"] = full_data["iterations"][0]["verdicts"] * 2
    turns = [full_data["iterations"][0], gave_up, full_data["iterations"][2]]
    write(full_run, full_data | {"status": "not_converged", "iterations": turns})
    _, reader = read(full_run)
    head = reader.text[: reader.text.index("The models on the fixed test set")]
    assert head.index("Fine-tuning, after iteration 1: given up, max_iterations (2) reached; force RMSE on new") < (
        head.index("Distillation, after iteration 0: converged, all met")
    )
    assert "give_up" not in reader.text
    for heading in ("Fine-tuning, on the new frames", "Fine-tuning, on the fixed test set"):
        assert heading in reader.text
    assert "at 1500 K" in reader.text


def test_the_journal_has_dates_and_words(full_run):
    events = [
        {"time": 0.5, "event": "decision", "action": "next_stage"},
        {"time": 86400, "event": "end", "superseded": [1]},
    ]
    (full_run / "journal.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    page, _ = read(full_run)
    assert "<tr><td>1970-01-01 00:00:00</td><td>decision</td><td>action: on to the next stage</td></tr>" in page
    assert "<tr><td>1970-01-02 00:00:00</td><td>end</td><td>superseded: 1</td></tr>" in page


def test_intervals_of_few_trajectories_are_told_of_at_the_table(full_run, full_data):
    errors = full_data["models"]["student"]["errors"] | {"trajectories": 4, "interval_note": ""}
    write(full_run, full_data | {"models": {"student": {"errors": errors}}})
    assert "intervals are too narrow" not in read(full_run)[1].text
    errors |= {"trajectories": 1, "interval_note": "of one trajectory"}
    write(full_run, full_data | {"models": {"student": {"errors": errors, "user_errors": errors}}})
    page, _ = read(full_run)
    told = '<p class="warning">The 95 % intervals are too narrow: the frames are of 1 trajectory; below 4,'
    assert page.count(told) == 2


def test_speeds_that_nobody_measured_have_no_columns(full_run, full_data):
    assert "speed-up" in read(full_run)[1].text
    models = {"student": full_data["models"]["student"] | {"us_per_atom_step": None}}
    write(full_run, full_data | {"models": models, "anchor": None})
    text = read(full_run)[1].text
    assert "No model was timed (evaluate.speed_atoms)." in text
    assert "speed" not in text.lower().replace("evaluate.speed_atoms", "", 1)


def test_lines_of_the_journal_that_a_kill_cut_short_are_left_out(tmp_path):
    whole = '{"event": "begun", "time": 1.0}\n{"event": "task do\n{"event": "submit", "time": 2.0}\n{"event": "t'
    (tmp_path / "journal.jsonl").write_text(whole)
    _, reader = read(tmp_path)
    assert "The last 2 of 2 entries" in reader.text


def test_failed_tasks_are_shown_with_the_command_that_does_them_anew(tmp_path):
    folder = TaskFolder.create(tmp_path / "finetune/iter-000/explore", 3, TaskSpec("explore", {"n": 1}))
    attempt = folder.claim()
    (attempt / "log.txt").write_text("<last> words\n")
    folder.end_attempt(attempt, "killed", counted=True)
    folder.give_up("1 attempt, the last: killed by signal 9")
    event = {"event": "tasks", "time": 1.0, "place": "finetune/iter-000/explore", "step": "explore", "total": 1}
    name = str(folder.path.relative_to(tmp_path))
    lines = [{"event": "submit", "time": 1.0}, event | {"pending": [name]}]
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page, reader = read(tmp_path)
    assert "killed by signal 9 (the run went on without it)" in reader.text
    assert f"pfd resubmit {tmp_path.name} --redo {name}" in reader.text
    assert "&lt;last&gt; words" in page


def test_what_is_not_a_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="no such run folder"):
        write_report(tmp_path / "nowhere")
    (tmp_path / "report-data.json").write_text("{")
    with pytest.raises(RunError, match="JSON"):
        write_report(tmp_path)
    (tmp_path / "report-data.json").write_text("[]")
    with pytest.raises(RunError, match="no JSON object"):
        write_report(tmp_path)
    write(tmp_path, {"models": {"student": {"eror": None}}})
    with pytest.raises(RunError, match=r"models\.student\.eror"):
        write_report(tmp_path)


def test_thousands_of_everything_stay_a_page(tmp_path, full_data):
    many = [{"id": f"f{n:012d}", "reason": "SCF did not converge"} for n in range(3000)]
    runs = [{"name": f"t{n}", "finished": n % 2 == 0, "steps": 1} for n in range(3000)]
    errors = dict(full_data["models"]["student"]["errors"])
    one = {"frames": 1, "force_frames": 1, "force_rmse_meV_per_A": 5.0}
    groups = {str(n): one | {"force_rmse_meV_per_A": 5.0 + n} for n in range(1000)}
    models = {"student": {"errors": errors | {"by_group": {"structure": groups}}}}
    write(tmp_path, {"models": models, "rejected": many, "flagged": many, "trajectories": runs})
    page, reader = read(tmp_path)
    assert len(page) < 400_000
    assert reader.text.count("The first 200 of 3000") == 3
    assert "stopped early (the first 200 of 1500)" in reader.text
    assert "the first 200 of 1002" in reader.text
    assert "3000 × SCF did not converge" in reader.text
    assert "1500 of 3000 finished" in reader.text
    assert "starting structure (30 of 1000, the largest errors)" in reader.text
    assert ">999<" in page  # the worst one is among them


@pytest.mark.parametrize(
    ("fine_tuned", "words"), [(True, "its error against its teacher"), (False, "its error in this table")]
)
def test_an_error_on_the_frames_that_the_student_was_chosen_on_is_said_to_be_optimistic(
    tmp_path, full_data, fine_tuned, words
):
    trial = {"name": "pod S", "family": "pod", "force_rmse_meV_per_A": 80.0, "us_per_atom_step": 20.0, "passed": True}
    lost = {"name": "nep", "family": "nep", "failed": "no such luck"}
    content = copy.deepcopy(full_data)
    if not fine_tuned:
        del content["models"]["finetuned"]
    for trials, told in (([trial, lost], False), ([trial | {"chosen": True}, trial | {"name": "pod M"}, lost], True)):
        (tmp_path / "report-data.json").write_text(json.dumps(content | {"students": trials}))
        page = html.unescape(write_report(tmp_path).read_text(encoding="utf-8"))
        assert (f"chosen among 2 by its error on distillation's test set: {words}" in page) is told
        assert page.count("a little optimistic") == told
        table = results_tables(ReportData.model_validate(content | {"students": trials}))[0]
        assert ("a little optimistic" in str(table.caption)) is (told and not fine_tuned)


def test_physical_properties_and_compared_students_have_tables_and_plots(tmp_path, full_data):
    curve = {"x": "volume per atom, Å³", "y": "energy per atom, eV", "points": [[19.0, 0.1], [20.0, 0.0], [21.0, 0.12]]}
    elastic = {
        "title": "elastic of Si8",
        "kind": "elastic",
        "source": "a paper",
        "reference": {"values": {"C11_GPa": 153.0}, "curves": {"energy": curve | {"line": False}}},
        "headline": ["C11_GPa"],
        "models": {
            "finetuned": {"values": {"C11_GPa": 150.0}, "curves": {"energy": curve}},
            "student": {"failed": "the atoms flew apart at step 12"},
        },
    }
    trial = {"name": "pod S", "family": "pod", "force_rmse_meV_per_A": 80.0, "us_per_atom_step": 20.0, "passed": True}
    trials = [trial | {"chosen": True}, trial | {"name": "snap M", "family": "snap", "us_per_atom_step": 60.0}]
    deep = {
        "0 to 2": {"atoms": 8, "force_rmse_meV_per_A": 120.0},
        "10 to 12": {"atoms": 8, "force_rmse_meV_per_A": 60.0},
    }
    full_data = copy.deepcopy(full_data)  # other tests read it too
    full_data["models"]["student"]["errors"]["by_depth"] = deep | {"2 to 4": {"atoms": 8, "force_rmse_meV_per_A": 70.0}}
    (tmp_path / "report-data.json").write_text(json.dumps(full_data | {"properties": [elastic], "students": trials}))
    page = html.unescape(write_report(tmp_path).read_text(encoding="utf-8"))
    assert "elastic of Si8" in page
    assert "150 (-2.0 %)" in page
    assert "the atoms flew apart at step 12" in page
    assert "elastic of Si8: energy" in page  # the curve's plot
    assert "<strong>pod S</strong>" in page
    assert "Error of students against their time" in page
    assert page.index("0 to 2 Å below a surface") < page.index("2 to 4 Å below") < page.index("10 to 12 Å below")
    assert "Force error by depth below a surface" in page
