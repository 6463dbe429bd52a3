"""Commands of the main job: what they print for several portions."""

from pathlib import Path

from reidaug.cli.app import app
from tests.cli.commands import error_of, runner, values_of
from tests.factories import write_checkpoint


def test_synthesize_prints_each_portion_or_one_object(own_folder: Path, tiny_root: Path) -> None:
    for portion in ("0.4", "0.2"):
        values_of("shrink", "--portion", portion, "--data", str(tiny_root))
    command = ["synthesize", "--ckpt", str(write_checkpoint(own_folder / "tiny.pt", 0)), "--device", "cpu"]
    shown = runner.invoke(app, command)
    assert shown.exit_code == 0, shown.output
    assert [line.split("  ")[0] for line in shown.stdout.splitlines() if "kept" in line] == ["p = 0.20", "p = 0.40"]
    sets = values_of(*command)["sets"]
    assert [(report["portion"], report["painted_now"]) for report in sets] == [(0.2, 0), (0.4, 0)]
    assert [report["portion"] for report in values_of(*command, "--portion", "0.4")["sets"]] == [0.4]
    assert "no portion 0.30" in error_of(*command, "--portion", "0.3")


def test_augment_prints_each_portion_and_a_whole_data_set(own_folder: Path, tiny_root: Path) -> None:
    command = ["augment", "--ckpt", str(write_checkpoint(own_folder / "tiny.pt", 0)), "--device", "cpu"]
    assert "no --out, and no study at study" in error_of(*command, "--factor", "2")
    for portion in ("0.4", "0.2"):
        values_of("shrink", "--portion", portion, "--data", str(tiny_root))
    shown = runner.invoke(app, [*command, "--factor", "2"])
    assert shown.exit_code == 0, shown.output
    first, second, third, fourth = shown.stdout.splitlines()
    assert first.startswith("p = 0.20  augmented: 6 people, 7 real images and ") and second.endswith("15.09.15")
    assert third.startswith("p = 0.40  augmented: 6 people, 14 real images and ") and "p0.40/augmented" in fourth
    whole = runner.invoke(app, [*command, "--per-person", "8", "--data", str(tiny_root), "--out", "out"])
    assert whole.stdout.splitlines() == [
        "6 people, 36 real images and 12 generated (12 by this run)",
        f"  {own_folder / 'out'}",
    ]
