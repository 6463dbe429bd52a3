"""The page of the report: its template, style and script, and how they become one file."""

import base64
import hashlib
import io
import re
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from reidaug import __version__

if TYPE_CHECKING:
    from reidaug.reports.grids import Grid
    from reidaug.reports.html import Report

TALLEST = 192  # pixels of an image


def render(report: "Report", quality: int) -> bytes:
    """The page as UTF-8; `quality` is that of its images in WebP, 0 to 100.

    All text is escaped, and the page itself forbids every script but its own and every fetch.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    folder = resources.files("reidaug.reports.page")
    page, style, script = (
        (folder / name).read_text(encoding="utf-8") for name in ("report.html", "report.css", "report.js")
    )
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["picture"] = lambda image: _data_uri(image, quality)
    environment.filters["text_columns"] = _text_columns
    environment.filters["unbroken"] = lambda text: text.replace("p = ", "p\u00a0=\u00a0").replace(" %", "\u00a0%")
    text = environment.from_string(page).render(
        report=report,
        style=Markup(style),
        script=Markup(script),
        hashes={"style": _hash(style), "script": _hash(script)},
        version=__version__,
    )
    return text.encode(errors="backslashreplace")  # a byte of a path that is no text


def _text_columns(grid: "Grid") -> list[bool]:
    """For each column, whether it holds words rather than numbers."""
    return [any(cell and not re.match(r"[-+±\d]", cell) for cell in column) for column in zip(*grid.lines, strict=True)]


def _hash(text: str) -> str:
    """By which a page's own policy recognises a script or a style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _data_uri(image: np.ndarray, quality: int) -> str:
    picture, content = Image.fromarray(image), io.BytesIO()
    picture.thumbnail((TALLEST, TALLEST))
    picture.save(content, "WEBP", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode()
