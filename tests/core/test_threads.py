"""Work on many items in a few threads."""

from reidaug.core.threads import in_threads


def test_threads_keep_the_order_and_tell_how_far() -> None:
    told: list[tuple[int, int]] = []
    assert in_threads(lambda n: n * n, range(1000), lambda done, of: told.append((done, of))) == [
        n * n for n in range(1000)
    ]
    assert told[-1] == (1000, 1000) and told == sorted(told)
    assert in_threads(str, []) == []
