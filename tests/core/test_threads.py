"""Work on many items in a few threads."""

from reidaug.core.threads import in_threads


def test_threads_keep_the_order_and_report_progress() -> None:
    reports: list[tuple[int, int]] = []
    squares = in_threads(lambda n: n * n, range(1000), lambda *report: reports.append(report))
    assert squares == [n * n for n in range(1000)]
    assert reports[-1] == (1000, 1000) and reports == sorted(reports)
    assert in_threads(str, []) == []
