"""How the values of images become the figure of a set."""

import numpy as np

from reidaug.scoring.metrics.metric import means


def test_means_leave_out_what_is_not_finite() -> None:
    nan, infinite = float("nan"), float("inf")
    values = {"all": [1, 2, 6], "psnr": [infinite, 10, 20], "mask_ssim": [nan, 0.5, nan]}
    figures = means({name: np.array(column) for name, column in values.items()}, {})
    assert figures == {"all": 3, "psnr": 15, "mask_ssim": 0.5}


def test_where_no_value_is_finite_it_is_the_figure() -> None:
    figures = means({"psnr": np.full(2, np.inf), "mask_ssim": np.full(2, np.nan)}, {})
    assert np.isposinf(figures["psnr"]) and np.isnan(figures["mask_ssim"])
