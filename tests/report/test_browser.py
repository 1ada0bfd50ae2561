"""The page in a real browser: no errors, every figure, a viewer that turns, points that answer, the right numbers."""

from __future__ import annotations

import json

import pytest

from pfd.report.table import grouped, number, percent, with_interval

pytestmark = pytest.mark.chromium
LABELS = 'Array.from(document.querySelectorAll("main svg"), s => s.getAttribute("aria-label"))'
VIEW = 'document.getElementById("viewer").viewer.getView()'


@pytest.fixture(scope="module")
def page(browser, toy_run):
    opened = browser.open((toy_run.path / "report.html").as_uri())
    yield opened
    opened.close()


def test_it_opens_without_a_complaint_and_every_figure_is_there(page):
    assert page.problems == []
    found = page.js(LABELS)
    models = ("pre-trained", "fine-tuned", "student", "student from scratch")
    units = ("energy, meV/atom", "force component, eV/Å", "stress component, GPa")
    expected = {f"Parity plot of {model}: {unit}" for model in models for unit in units}
    for loop in ("Fine-tuning", "Distillation"):
        kinds = ("Force error by number of labels", "Learning curves", "Entropy gain per pick")
        expected |= {f"{kind}, {loop}" for kind in kinds}
    expected |= {"Force error by temperature, K", "Force error by element", "Seconds by step"}
    assert set(found) == expected
    assert len(found) == len(expected)
    assert page.js('Array.from(document.querySelectorAll("main svg")).every(s => s.clientWidth > 200)')
    assert page.js('Array.from(document.querySelectorAll("main svg image")).every(i => i.getBBox().width > 0)')


def test_the_numbers_of_the_table_are_those_of_the_summary(page, toy_run):
    rows = page.js(
        'Array.from(document.querySelector("main section table").rows, r => Array.from(r.cells, c => c.textContent))'
    )
    headings, *models = rows
    summary = json.loads((toy_run.path / "summary.json").read_text())["models"]
    names = {"pretrained": "pre-trained", "finetuned": "fine-tuned", "student": "student", "scratch": "student from"}
    assert len(models) == len(summary) == 4
    teacher_us = summary["finetuned"]["us_per_atom_step"]
    for key, shown in zip(names, models, strict=True):
        cells = dict(zip(headings, shown, strict=True))
        assert cells.pop("model").startswith(names[key])
        test, speed_us = summary[key]["test"], summary[key]["us_per_atom_step"]
        assert cells == {
            "parameters": grouped(summary[key]["parameters"]),
            "force RMSE meV/Å [95 %]": with_interval(test["force_rmse_meV_per_A"], test["force_rmse_interval"]),
            "of RMS force": percent(test["force_rmse_relative"]),
            "slope": f"{test['force_slope']:.3f}",
            "energy RMSE meV/atom": number(test["energy_rmse_meV_per_atom"]),
            "stress RMSE GPa": number(test["stress_rmse_GPa"]),
            "µs/atom and step": number(speed_us),
            "speed-up": f"{number(teacher_us / speed_us)} ×",
        }


def test_the_viewer_turns_and_shows_each_frame(page, toy_run):
    page.js('document.getElementById("viewer").scrollIntoView({block: "center"})')
    assert page.js('document.getElementById("viewer").viewer.selectedAtoms({}).length') == 32
    x, y = page.js(
        '(b => [b.left + b.width / 2, b.top + b.height / 2])(document.getElementById("viewer").getBoundingClientRect())'
    )
    before = page.js(VIEW)
    page.mouse("mousePressed", x, y, pressed=True)
    page.mouse("mouseMoved", x + 80, y + 30, pressed=True)
    page.mouse("mouseReleased", x + 80, y + 30)
    after = page.js(VIEW)
    assert after[:4] == pytest.approx(before[:4])  # neither moved nor zoomed
    assert max(abs(a - b) for a, b in zip(after[4:], before[4:], strict=True)) > 0.05
    names = page.js('Array.from(document.getElementById("frame").options, o => o.text.split(": ").pop())')
    captions = [page.js('document.getElementById("caption").textContent')]
    for button in ("next", "previous", "previous"):
        page.js(f'document.getElementById("{button}").click()')
        captions.append(page.js('document.getElementById("caption").textContent'))
    assert [caption.split(":")[0] for caption in captions] == [names[0], names[1], names[0], names[-1]]
    chosen = toy_run.path.glob("*/iter-*/select/*/outputs/frames/*.extxyz")
    assert {path.stem for path in chosen} <= set(names)
    assert "Cu32, 400 K" in captions[0]


def test_a_point_tells_its_frame_and_shows_it(page):
    page.js('document.querySelectorAll("figure.pointed")[4].scrollIntoView({block: "center"})')
    point = page.js("""(() => {
        const data = JSON.parse(document.getElementById("points").textContent), plot = data.plots[4];
        const shown = JSON.parse(document.getElementById("frames-shown").textContent).map(each => each.id);
        const index = plot.x.findIndex((x, i) => shown.includes(data.frames[plot.frame[i]]));
        const b = document.querySelectorAll("figure.pointed")[4].querySelector("svg").getBoundingClientRect();
        const [left, top, width, height] = plot.box, [low, high] = plot.limits;
        return {x: b.left + b.width * (left + width * (plot.x[index] - low) / (high - low)),
                y: b.top + b.height * (top + height * (1 - (plot.y[index] - low) / (high - low))),
                unit: plot.unit, frame: data.frames[plot.frame[index]]};
    })()""")
    assert point["unit"] == "force component, eV/Å"
    page.mouse("mouseMoved", point["x"], point["y"])
    tip = page.js('document.querySelector(".tip").textContent')
    assert "atom " in tip
    assert "label " in tip
    assert "pre-trained " in tip or "fine-tuned " in tip
    frame = tip.split()[1]
    page.mouse("mousePressed", point["x"], point["y"], pressed=True)
    page.mouse("mouseReleased", point["x"], point["y"])
    shown = page.js('document.getElementById("frame").selectedOptions[0].text')
    assert frame in shown
    page.mouse("mouseMoved", 2, 2)
    assert page.js('document.querySelector(".tip")') is None


def test_the_picture_and_the_pointer_agree(page):
    """A dot is drawn where the script takes it to be: its picture (upside down in the SVG) has colour there."""
    assert page.js("""(async () => {
        const plot = JSON.parse(document.getElementById("points").textContent).plots[5];
        const svg = document.querySelectorAll("figure.pointed")[5].querySelector("svg");
        const image = svg.querySelector("image");
        const picture = new Image();
        picture.src = image.getAttribute("href") ?? image.getAttribute("xlink:href");
        await picture.decode();
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [picture.width, picture.height];
        const pen = canvas.getContext("2d");
        pen.drawImage(picture, 0, 0);
        const b = svg.getBoundingClientRect(), i = image.getBoundingClientRect();
        const [left, top, width, height] = plot.box, [low, high] = plot.limits;
        return plot.x.every((x, n) => {
            const px = b.left + b.width * (left + width * (x - low) / (high - low)) - i.left;
            const py = i.bottom - b.top - b.height * (top + height * (1 - (plot.y[n] - low) / (high - low)));
            const [column, row] = [px * picture.width / i.width, py * picture.height / i.height];
            const at = pen.getImageData(column - 1, row - 1, 3, 3).data;
            return at.some((value, k) => k % 4 === 3 && value > 0);
        });
    })()""")


def test_a_phone_the_dark_and_a_printer(browser, toy_run):
    phone = browser.open((toy_run.path / "report.html").as_uri(), width=390, height=800, dark=True)
    assert phone.js("document.documentElement.scrollWidth") <= 390
    colours = '["color", "backgroundColor"].map(k => getComputedStyle(document.body)[k].match(/\\d+/g).map(Number))'
    ink, paper = phone.js(colours)
    assert max(paper) < 60 < 180 < min(ink)
    assert phone.problems == []
    phone.call("Emulation.setEmulatedMedia", media="print", features=[])
    ink, paper = phone.js(colours)
    assert (max(ink), min(paper)) == (0, 255)
    assert phone.js('getComputedStyle(document.querySelector(".viewer")).display') == "none"
    pdf = phone.pdf()
    assert pdf.startswith(b"%PDF")
    assert 2 <= pdf.count(b"/Type /Page\n") <= 9
    phone.close()


def test_what_is_not_ours_does_not_run(browser, toy_run, tmp_path):
    path = tmp_path / "page.html"
    page = (toy_run.path / "report.html").read_text(encoding="utf-8")
    path.write_text(page.replace("</main>", "<script>window.evil = 1</script></main>"), encoding="utf-8")
    opened = browser.open(path.as_uri())
    assert opened.js("window.evil") is None
    assert len(opened.problems) == 1
    assert opened.js("fetch('data:,x').then(() => 'sent', () => 'refused')") == "refused"
    opened.close()
