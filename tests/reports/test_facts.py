"""The facts of a study: what is listed, in which order, and each command once."""

from reidaug.reports.facts import gather_facts
from reidaug.study.folder import Study
from reidaug.study.records import SynthesisRecord
from tests.factories import TABLE_VI, make_result


def test_portions_sets_and_baselines(study: Study) -> None:
    record = SynthesisRecord("pona.pt", "ab" * 32, "auto", 95, None, {"preset": "mini", "selected_on": None})
    results = [*TABLE_VI, make_result("none", 0.2, seed=1, configuration={"lr": 0.1}, command="reidaug sweep")]
    facts = gather_facts(study, results, {(0.4, "pona"): record})
    portions, sets, baselines = facts.grids
    assert portions.lines[0][:4] == ["0.40", "per-identity", "nearest", "0"]
    assert sets.lines == [["pona", "0.40", "pona.pt", "abababababababab", "unknown", "auto", "95", "preset mini"]]
    names = [line[:3] for line in baselines.lines]
    assert names == [
        ["none", "0.20", "0"], ["none", "0.20", "1"], ["pona", "0.20", "0"],
        ["none", "0.40", "0"], ["pona", "0.40", "0"], ["full", "1.00", "0"],
    ]  # fmt: skip
    assert facts.commands == ["reidaug evaluate", "reidaug sweep"]
    assert facts.configurations == ["{}", '{"lr": 0.1}']
    assert all(len(line) == len(grid.header) for grid in facts.grids for line in grid.lines)
