"""Whether torch.compile can work on this machine: it needs a compiler, which torch does not bring."""

import importlib.util
import os
import shutil
import sysconfig
from pathlib import Path


def why_not_compile(device: str) -> str | None:
    """What torch.compile lacks on "cpu" or "cuda", in a few words; None if nothing."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        return f"no C++ compiler ({compiler})"
    if not Path(sysconfig.get_paths()["include"], "Python.h").is_file():
        return "no headers of Python (Python.h)"
    if device == "cuda" and importlib.util.find_spec("triton") is None:
        return "no triton"
    return None
