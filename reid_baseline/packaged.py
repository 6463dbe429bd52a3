"""Files that another Python package holds, found without running its code."""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from reid_baseline.errors import ReIDError


@dataclass(frozen=True)
class PackagedFile:
    """A file of weights in an installed package."""

    package: str  # as one imports it
    place: str  # of the file, below the package's folder
    sha256: str  # of the file
    install: str  # what to type to get the package

    def find(self) -> Path:
        """Returns where the file is.

        Raises:
            ReIDError: the package is not installed, or holds another file.
        """
        spec = importlib.util.find_spec(self.package)  # of a package that is in no other: imports nothing
        folders = (spec.submodule_search_locations if spec else None) or []
        path = next((path for folder in folders if (path := Path(folder) / self.place).is_file()), None)
        if path is None:
            state = "holds no" if spec else "is not installed: expected its"
            raise ReIDError(f"package {self.package} {state} {self.place}; {self.install}")
        if hashlib.sha256(path.read_bytes()).hexdigest() != self.sha256:
            raise ReIDError(f"{path} is not the expected file (its SHA-256 is not {self.sha256}); {self.install}")
        return path
