"""The charts of the report: which lines they have, from results and from the log of a training."""

import json
import os
from pathlib import Path

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.reports.curves import colours_of_sets, map_chart, training_charts
from tests.factories import TABLE_VI, make_result, seeds_of, train_tiny


def test_map_over_the_portion() -> None:
    results = [*TABLE_VI, make_result("duplicate", 0.2, 0.45)]
    chart = map_chart(results, colours_of_sets(results))
    assert [(line.name, line.dotted) for line in chart.lines] == [
        ("none", False), ("duplicate", True), ("pona", False), ("full", False),
    ]  # fmt: skip
    assert [text for _, text in chart.x_ticks] == ["0.20", "0.40"]
    assert "none 42.3 at 0.20, 58.9 at 0.40" in chart.label and "full 71.8" in chart.label
    heights = {line.name: line.dots[0][1] for line in chart.lines if line.dots}
    assert heights["none"] > heights["duplicate"] > heights["pona"]
    assert not any(line.bars for line in chart.lines)


def test_seeds_give_bars_and_the_full_set_alone_is_drawn() -> None:
    (line,) = map_chart(seeds_of("none", 0.4, 0.3, 0.4), {}).lines
    assert len(line.bars) == 1
    (full,) = map_chart([make_result("full", 1.0, 0.7)], {}).lines
    assert full.name == "full" and full.path


def test_a_set_has_one_colour_in_all_tables() -> None:
    short = [make_result("none", 0.4, epochs=1), make_result("pona", 0.4, epochs=1)]
    long = [make_result(name, 0.4) for name in ("none", "duplicate", "flip", "pona", "patn", "full")]
    colours = colours_of_sets([*short, *long])
    charts = [{line.name: line.colour for line in map_chart(results, colours).lines} for results in (short, long)]
    assert charts[0] == {"none": 0, "pona": charts[1]["pona"]} and len(set(charts[1].values())) == 6
    many = colours_of_sets([make_result(f"set{number}", 0.4) for number in range(20)])
    assert {*many.values()} == set(range(8)) and many["none"] == 0


def test_the_log_that_a_training_writes(tmp_path: Path) -> None:
    train_tiny(tmp_path / "pona.pt")
    (losses,) = training_charts(tmp_path / "pona.pt.jsonl")
    assert {"l1", "gan"} <= {line.name for line in losses.lines} and losses.x_label == "iteration"


def test_unseen_people_beside_the_guesses(tmp_path: Path) -> None:
    log = tmp_path / "pona.pt.jsonl"
    validation = {"l1": 0.12, "l1_copy": 0.18, "l1_mean": 0.15, "ssim": 0.3, "mask_ssim": None}
    lines = [
        {"iteration": n, "losses": {"l1": 1 / n, "discriminator_pose": 0.5, "odd": float("nan")},
         "validation": validation if n % 2 == 0 else None}
        for n in range(1, 9)
    ]  # fmt: skip
    log.write_text("\n".join(map(json.dumps, lines)) + '\n{"iteration": 9, "los')  # cut by a crash
    unseen, losses = training_charts(log)
    assert [(line.name, line.dotted) for line in unseen.lines] == [
        ("generated", False), ("condition image", True), ("mean image", True),
    ]  # fmt: skip
    assert [len(line.dots) for line in unseen.lines] == [4, 4, 4] and "generated 12.00" in unseen.label
    assert [line.name for line in losses.lines] == ["l1", "discriminator pose"]


@pytest.mark.parametrize(
    "content", ["", "no log\n", '{"iteration": "x", "losses": {"l1": 1}}\n', "[1]\n[[[", '{"iteration": 1}\n']
)
def test_what_is_no_log_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "log.jsonl").write_text(content)
    with pytest.raises(ReidAugError, match="is no log of a training"):
        training_charts(tmp_path / "log.jsonl")


def test_broken_lines_of_a_log_are_passed_over(tmp_path: Path) -> None:
    log = tmp_path / "pona.pt.jsonl"
    good = b'{"iteration": 1, "losses": {"l1": 0.5}}\n{"iteration": 2, "losses": {"l1": 0.4}}\n'
    bad = [
        b"\x00\xff\xfe" * 50,
        b"[" * 100_000,
        b'{"iteration": 1' + b"0" * 400 + b', "losses": {"l1": 1}}',  # no float holds it
        b'{"iteration": 1' + b"0" * 5000 + b', "losses": {"l1": 1}}',  # Python reads no such number
        b'{"iteration": 3, "losses": {"l1": 1' + b"0" * 400 + b"}}",
        b'{"iteration": NaN, "losses": {"l1": 1}}',
        b'{"iteration": 3, "losses": {"l1": Infinity}}',
        b'{"iteration": 3, "losses": [1], "validation": 7}',
        b'{"iteration": true, "losses": {"l1": 1}}',
    ]
    log.write_bytes(good + b"\n".join(bad))
    (chart,) = training_charts(log)
    assert "l1 0.400" in chart.label and [line.name for line in chart.lines] == ["l1"]
    log.write_bytes(b"\n".join(bad))
    with pytest.raises(ReidAugError, match=r"pona\.pt\.jsonl is no log"):
        training_charts(log)


def test_a_pipe_is_no_log(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pona.pt.jsonl")
    with pytest.raises(ReidAugError, match="is a pipe"):
        training_charts(tmp_path / "pona.pt.jsonl")
