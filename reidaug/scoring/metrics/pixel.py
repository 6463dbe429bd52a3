"""SSIM, PSNR and L1, by the functions of `pona.metrics`: they compare pixels and need no network."""

import numpy as np

from reidaug.datasets.images import in_threads
from reidaug.scoring.metrics.metric import Batch, Column, Meter, Metric, Values

COLUMNS = (
    Column("ssim", "SSIM ↑", 3),
    Column("mask_ssim", "mask-SSIM ↑", 3),
    Column("ssim_win51", "SSIM win 51 ↑", 3),
    Column("psnr", "PSNR ↑", 2),
    Column("psnr_wrapped", "PSNR wrapped", 2),
    Column("l1", "L1 % ↓", 2, factor=100),
)
NAMES = tuple(column.name for column in COLUMNS)


def pixel_meter(border: int) -> Meter:
    """Measures with a white border, as for the field's tables.

    - ``ssim``: -1..1, higher is better (Wang et al., IEEE TIP 2004, doi:10.1109/TIP.2003.819861), as in PATN.
    - ``mask_ssim``: the same for the person alone (Ma et al., NeurIPS 2017, doi:10.48550/arXiv.1705.09368); NaN for a
      pose without joints.
    - ``ssim_win51``: SSIM as in GFLA (Ren et al., CVPR 2020, doi:10.48550/arXiv.2003.00696); NaN below 51 pixels.
    - ``psnr``: dB, higher is better, infinite for equal images.
    - ``psnr_wrapped``: dB, with arithmetic that wraps at 256; no measure of quality.
    - ``l1``: mean absolute difference, 0..1 of full scale, lower is better.

    Args:
        border: white columns on both sides for SSIM, mask-SSIM and PSNR: 40 for DeepFashion, as in PATN.
    """
    import torch

    from pona import metrics

    def tensor(image: np.ndarray, columns: int = 0) -> torch.Tensor:
        wide = np.pad(image, ((0, 0), (columns, columns), (0, 0)), constant_values=255)
        return torch.from_numpy(wide).permute(2, 0, 1)[None]

    def measure(batch: Batch) -> Values:
        large = min(batch.images.shape[1:3]) >= metrics.WIDE_WINDOW
        poses = torch.from_numpy(batch.keypoints + np.array([border, 0], dtype=np.float32))

        def measure_image(row: int) -> list[float]:
            plain = tensor(batch.images[row]), tensor(batch.targets[row])
            wide = tensor(batch.images[row], border), tensor(batch.targets[row], border)
            values = [
                metrics.ssim(*wide),
                metrics.mask_ssim(*wide, poses[row : row + 1]),
                metrics.ssim_win51(*plain) if large else torch.tensor(float("nan")),
                metrics.psnr(*wide),
                metrics.psnr_wrapped(*wide),
                metrics.l1(*plain),
            ]
            return [value.item() for value in values]

        table = np.array(in_threads(measure_image, range(len(batch.images))))
        return dict(zip(NAMES, table.T, strict=True))

    return Meter(measure)


METRIC = Metric(COLUMNS, NAMES, lambda job: pixel_meter(job.source.border))
