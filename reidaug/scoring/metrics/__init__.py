"""The metrics of `reidaug score`: a file for each, which holds a METRIC, and an entry in METRICS."""

from reidaug.scoring.metrics import identity, inception, lpips, pckh, pixel
from reidaug.scoring.metrics.metric import Column, Metric

METRICS: tuple[Metric, ...] = (pixel.METRIC, inception.METRIC, lpips.METRIC, identity.METRIC, pckh.METRIC)

_FIRST = (
    *("ssim", "is", "mask_ssim", "mask_is", "psnr", "pckh"),  # as in the paper's Table I
    *("l1", "lpips", "fid", "identity", "ssim_win51", "psnr_wrapped"),
)


def columns() -> list[Column]:
    """The columns of the printed table: those of the paper first, those of a new metric last."""
    columns = [column for metric in METRICS for column in metric.columns]
    return sorted(columns, key=lambda column: _FIRST.index(column.name) if column.name in _FIRST else len(_FIRST))
