"""reidaug report: one file that needs nothing else, what it says of a study that lacks something, and hostile names."""

import json
import re
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from reid_baseline.model import build_model, save_model
from reid_baseline.recipe import QUICK
from reidaug.cli.app import app
from reidaug.datasets.layouts import open_dataset
from reidaug.evaluation.query_scores import write_query_scores
from reidaug.evaluation.results import append_result, read_results
from reidaug.reports import html
from reidaug.study.folder import Study
from tests.cli import commands
from tests.cli.commands import runner, values_of
from tests.factories import make_result, write_checkpoint
from tests.reports.test_ranks import add_result

report, error_of = partial(values_of, "report"), partial(commands.error_of, "report")
HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'&amp;{{ 7 * 7 }}"


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text outside script and style."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text, self._inside = "", ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        self.text += "" if self._inside in ("script", "style") else data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def full_study(study: Study, tiny_root: Path, small_network: None) -> Study:
    """A study with a generated set, results, networks, ranked lists, and the log of a generator."""
    write_checkpoint(Path("pona.pt"), seed=0)
    Path("pona.pt.jsonl").write_text(
        '{"iteration": 1, "losses": {"l1": 0.3}}\n{"iteration": 2, "losses": {"l1": 0.2}}\n'
    )
    assert runner.invoke(app, ["synthesize", "--ckpt", "pona.pt"]).exit_code == 0
    for seed, (name, portion) in enumerate((("none", 0.4), ("pona", 0.4), ("full", 1.0))):
        features = add_result(study, tiny_root, name, portion, seed)
        scores = torch.rand(len(features.query_images), generator=torch.Generator().manual_seed(seed)).numpy()
        write_query_scores(study.queries_path / f"{name}-{seed}.csv", features.query_images, scores, scores)
        append_result(study.results_path, replace(read_results(study.results_path)[-1], seed=0))
    study.model_path("full-2").parent.mkdir()
    torch.manual_seed(0)
    model = build_model("resnet18", 3, embedding=QUICK.embedding)
    save_model(study.model_path("full-2"), model, QUICK, [1, 2, 3])
    return study


def test_a_whole_study(full_study: Study) -> None:
    values = report("--images", "8")
    assert values["missing"] == [] and values["out"] == "report.html" and values["bytes"] < 5_000_000
    assert values["images"] == 8 and values["queries"] == 3
    page = Page(Path("report.html"))
    assert "p\u00a0=\u00a00.40, pona is" in page.text and "no claim yet (one seed)" in page.text
    for text in (
        "3 baselines, the newest of now",
        "differences in mAP",
        "Notes (",
        "Each baseline (3)",
        "largest gain",
        "trained on full, p = 1.00",
    ):
        assert text in page.text
    photos = page.all("img")
    assert len(photos) == 4 * values["images"] + 21 * values["queries"]
    assert all(photo["src"].startswith("data:image/webp;base64,") and photo["alt"] for photo in photos)
    charts = [svg for svg in page.all("svg") if svg.get("role") == "img"]
    assert len(charts) == 2 and all(svg["aria-label"] for svg in charts)  # mAP, and the losses of the generator
    assert all("open" not in part for part in page.all("details"))
    fingerprint = open_dataset(full_study.data_of(0.4).root).fingerprint("query", "gallery")
    assert fingerprint in page.text and "reidaug evaluate" in page.text
    again = Path("report.html").read_bytes()
    report("--images", "8")
    assert Path("report.html").read_bytes() == again


def test_the_file_needs_nothing_else(full_study: Study) -> None:
    report("--images", "8")
    page = Page(Path("report.html"))
    links = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert links and all(link.startswith(("data:", "#")) for link in links)
    assert all(f'id="{link[1:]}"' in Path("report.html").read_text() for link in links if link.startswith("#"))
    assert not {"iframe", "object", "embed", "base"} & {tag for tag, _ in page.tags}
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'; img-src data:;" in policy and "unsafe" not in policy
    assert not any("style" in attributes or "onclick" in attributes for _, attributes in page.tags)


def test_without_photos_no_image_is_in_the_file(full_study: Study) -> None:
    values = report("--no-photos", "--images", "8")
    assert (values["images"], values["queries"]) == (8, 3)
    text = Path("report.html").read_text()
    assert "<img" not in text and "data:image" not in text and values["bytes"] < 100_000
    assert "shows no image of the data" in text and "✓" in text


def test_what_is_missing_is_named_with_the_command_that_makes_it(study: Study) -> None:
    missing = {lack["section"]: lack["command"] for lack in report()["missing"]}
    assert missing == {
        "results": "reidaug evaluate --study study",
        "examples": "reidaug synthesize --ckpt shipped --study study",
        "lists": "reidaug evaluate --save-models --study study",
        "training": "reidaug train --portion 0.4 --out pona.pt --study study",
    }
    text = Page(Path("report.html")).text
    assert all(command in text for command in missing.values()) and "No verdict yet" in text


def test_results_without_networks_or_full_set(study: Study, tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "elsewhere.pt", seed=0)
    assert runner.invoke(app, ["synthesize", "--ckpt", str(checkpoint)]).exit_code == 0
    checkpoint.rename(tmp_path / "moved.pt")
    append_result(study.results_path, make_result("none", 0.4))
    values = report()
    missing = {lack["section"]: lack for lack in values["missing"]}
    again = "reidaug evaluate --recipe paper --arch resnet50 --weights imagenet --epochs 60 --save-models --study study"
    assert missing["examples"]["command"] == missing["lists"]["command"] == again
    assert "full set has not been evaluated" in missing["results"]["what"]
    assert "elsewhere.pt" in missing["training"]["what"] and "report --ckpt" in missing["training"]["command"]
    assert values["images"] > 0
    found = {lack["section"]: lack for lack in report("--ckpt", "moved.pt")["missing"]}
    assert "moved.pt has no log beside it" in found["training"]["what"]
    (tmp_path / "other.pt").write_bytes(b"another generator")
    found = [lack["what"] for lack in report("--ckpt", "other.pt")["missing"]]
    assert any("other.pt generated none of the sets" in what for what in found)


def test_adapted_generators_are_found_with_their_logs(study: Study) -> None:
    assert runner.invoke(app, ["shrink", "--portion", "0.2"]).exit_code == 0
    for seed, portion in enumerate((0.2, 0.4)):
        adapted = study.adapted_path(portion)
        adapted.parent.mkdir()
        write_checkpoint(adapted, seed=seed)
        adapted.with_name("adapted.pt.jsonl").write_text('{"iteration": 1, "losses": {"l1": 0.3}}\n')
        command = ["synthesize", "--portion", str(portion), "--ckpt", "adapted", "--name", "adapted"]
        assert runner.invoke(app, command).exit_code == 0
    assert "training" not in [lack["section"] for lack in report()["missing"]]
    text = Page(Path("report.html")).text
    assert "adapted.pt, p = 0.20" in text and "adapted.pt, p = 0.40" in text


def test_an_unfinished_set_and_a_data_set_that_is_gone(full_study: Study, tiny_root: Path) -> None:
    (full_study.set_root(0.4, "pona") / "manifest.csv").rename("manifest.csv")
    assert any("pona at p = 0.40 is not complete" in lack["what"] for lack in report()["missing"])
    Path("manifest.csv").rename(full_study.set_root(0.4, "pona") / "manifest.csv")
    moved = tiny_root.rename(tiny_root.parent / "moved")
    sections = {lack["section"]: lack["what"] for lack in report()["missing"]}
    assert "give --data FOLDER" in sections["examples"] and "give --data FOLDER" in sections["lists"]
    assert report("--data", str(moved))["missing"] == []


def test_a_network_that_cannot_be_read(full_study: Study) -> None:
    network = full_study.model_path("full-2")
    Path("good.pt").write_bytes(network.read_bytes())
    network.write_bytes(b"no network")
    (lack,) = report()["missing"]
    assert lack["section"] == "examples" and "full-2.pt" in lack["what"] and "--save-models" in lack["command"]
    assert report("--reid", "good.pt")["missing"] == [] and "network good.pt" in Page(Path("report.html")).text
    assert "full-2.pt" in error_of("--reid", str(network))


def test_text_from_files_is_only_text(full_study: Study) -> None:
    results = [make_result("pona", 0.4), make_result("none", 0.4), make_result("full", 1.0)]
    for result in results:
        more = {"command": HOSTILE, "versions": {HOSTILE: HOSTILE}, "processor": HOSTILE, "arch": HOSTILE}
        append_result(full_study.results_path, replace(result, configuration={HOSTILE: HOSTILE}, **more))
    record = full_study.set_root(0.4, "pona").parent / "synthesis.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "training": {HOSTILE: HOSTILE}}))
    log = Path("pona.pt.jsonl")
    log.write_text(log.read_text().replace('"l1"', json.dumps(HOSTILE)))
    full_study.path.rename("<b>study & co")
    assert report("--study", "<b>study & co", "--images", "8")["missing"] == []
    page = Page(Path("report.html"))
    assert HOSTILE in page.text and "<b>study & co" in page.text
    assert len(page.all("script")) == 1 and not any("onerror" in attributes for _, attributes in page.tags)
    assert all(photo["src"].startswith("data:") for photo in page.all("img"))
    assert any(HOSTILE in svg.get("aria-label", "") for svg in page.all("svg"))  # whole, in an attribute


def test_the_file_is_written_whole_or_not_at_all(full_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("report.html").write_text("earlier")
    assert "report.html is a file, expected a folder" in error_of("--out", "report.html/report.html")
    assert "no study at elsewhere" in error_of("--study", "elsewhere")
    monkeypatch.setattr(html, "LARGEST", 1000)
    assert "show fewer images (--images)" in error_of()
    (full_study.path / "results.jsonl").write_text("{}\n")
    assert "results.jsonl line 1" in error_of()
    assert Path("report.html").read_text() == "earlier" and not list(Path().glob(".*partial"))


def test_a_large_report_gets_smaller_images(full_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = report()["bytes"]
    monkeypatch.setattr(html, "LARGEST", usual - 1)
    assert report()["bytes"] < usual
    assert runner.invoke(app, ["report", "--images", "201"]).exit_code == 2


def test_the_study_can_be_named_without_a_flag(study: Study) -> None:
    report("study")
    usual = Path("report.html").read_bytes()
    study.path.rename("moved")
    assert report("moved")["out"] == report("--study", "moved")["out"] == "report.html"
    assert Path("report.html").read_text().replace("moved", "study") == usual.decode()
    (Path("moved") / "study.toml").write_text('folder = "elsewhere"\n')
    assert "study.toml holds folder" in error_of("moved")


def test_the_script_and_the_style_are_those_of_the_policy(study: Study) -> None:
    report()
    text = Path("report.html").read_text()
    assert len(re.findall(r"<script>|<style>", text)) == 2 and text.count("'sha256-") == 2
