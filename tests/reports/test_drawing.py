"""Tables at any width: every name and every number is whole."""

import pytest
from rich.console import Console

from reidaug.reports.drawing import DrawnTable, Words

NAME = "a-set-with-a-name-of-" + "sixty" * 8  # 61 characters
HEADER = ["augmentation", "p", "mAP trapezoid", "seen", "cameras"]
CAMERAS = "  ".join(f"{camera}: {1000 * camera + 1:,}" for camera in range(1, 21))
ROWS = [[NAME, "0.40", "58.8 ± 1.2", "12,345 of 12,936", CAMERAS], ["none", "0.40", "42.3 ± 0.7", "-", "1: 7"]]


def drawn_at(width: int, table: DrawnTable | Words) -> list[str]:
    console = Console(width=width, soft_wrap=True, highlight=False)
    with console.capture() as shown:
        console.print(table)
    return shown.get().splitlines()


@pytest.mark.parametrize("width", [20, 40, 60, 80, 160, 1000])
def test_every_cell_is_whole_and_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = drawn_at(width, DrawnTable("a title of several words, and 12,345,678 images", HEADER, ROWS))
    text = "\n".join(lines)
    assert "…" not in text and "12,345,678" in text
    for cell in (NAME, "58.8 ± 1.2", "42.3 ± 0.7", "12,345 of 12,936", *CAMERAS.split("  ")):
        assert any(cell in line for line in lines), cell
    assert all(len(line) <= max(width, len("  mAP trapezoid 58.8 ± 1.2,")) for line in lines if NAME not in line)
    assert ("┃" in text) == (width == 1000)


def table(rows: int = 2) -> DrawnTable:
    header = ["set", "mAP trapezoid", "mAP plain", "seen", "verdict"]
    lines = [["gap recovered by none-matched", "58.8 ± 1.2", "59.1", "12,345 of 12,936", "within the spread of seeds"]]
    return DrawnTable("t", header, lines * rows, folded=["verdict"], lesser=["seen", "mAP plain"])


@pytest.mark.parametrize(("width", "gone"), [(110, ""), (80, ""), (50, "seen"), (36, "seen, mAP plain"), (30, None)])
def test_headers_take_lines_then_the_lesser_columns_go_and_a_line_says_which(width: int, gone: str | None) -> None:
    lines = drawn_at(width, table())
    text = "\n".join(lines)
    assert gone is None or all(len(line) <= width for line in lines)
    assert "…" not in text and text.count("58.8 ± 1.2") == 2
    said = [line for line in lines if line.startswith("no room for ")]
    assert bool(said) == bool(gone) and (not gone or f"no room for {gone}:" in " ".join(text.split()))
    assert ("12,345 of 12,936" in text) == (gone in ("", None)) and ("59.1" in text) == (gone != "seen, mAP plain")
    words = ["within", "the", "spread", "of", "seeds"]
    assert all(text.count(word) >= 2 for word in words)


def test_a_paragraph_leaves_out_empty_cells() -> None:
    assert drawn_at(9, DrawnTable("t", ["set", "long", "b"], [["gap", "1", ""]])) == ["t", "gap:", "  long 1"]


def test_a_paragraph_ends_its_lines_between_words_and_leaves_long_ones_whole() -> None:
    path = "/a/path/" + "long" * 20
    assert drawn_at(30, Words(f"plan written: {path} and 9,126 images")) == [
        "plan written:",
        f"  {path}",
        "  and 9,126 images",
    ]
    assert drawn_at(30, Words("")) == [""]
