"""The log of a training run: one line of JSON per report."""

import json
import math
from dataclasses import asdict
from pathlib import Path

from pona.errors import PoNAError
from pona.progress import TrainProgress
from pona.torch_file import cannot_write, write_whole


class Log:
    """A file that grows by one line per report; its folder must exist."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self) -> None:
        """Empties the file.

        Raises:
            PoNAError: for a folder or a pipe in its place.
        """
        self._check()
        write_whole(self.path, lambda file: None)

    def add(self, report: TrainProgress, seconds: float) -> None:
        """Appends a report without its images, with the seconds of training so far."""
        line = asdict(report) | {"seconds": round(seconds, 1)}
        del line["samples"]
        try:
            with self.path.open("a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
        except OSError as error:
            raise cannot_write(self.path, error) from None

    def cut(self, iteration: int) -> None:
        """Removes the lines after `iteration`, which a killed run logged after its last state, and broken ones.

        Raises:
            PoNAError: for a folder or a pipe in its place.
        """
        self._check()
        lines = self.path.read_text(encoding="utf-8-sig", errors="replace").splitlines() if self.path.exists() else []
        kept = "".join(f"{line}\n" for line in lines if _logged_at(line) <= iteration)
        write_whole(self.path, lambda file: file.write(kept.encode()))

    def _check(self) -> None:
        if self.path.exists() and not self.path.is_file():
            raise PoNAError(f"{self.path} is no file, and the log of the training would be written there: move it away")


def _logged_at(line: str) -> float:
    """The iteration of a line; infinite for a broken one."""
    try:
        iteration = json.loads(line)["iteration"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return math.inf
    return iteration if type(iteration) is int and iteration >= 0 else math.inf
