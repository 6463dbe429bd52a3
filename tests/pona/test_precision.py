"""The precision that is fast on a device."""

import pytest
import torch

from pona.precision import resolve_precision


@pytest.mark.parametrize("taken", [False, True])
def test_bfloat16_is_chosen_where_the_processor_has_it_and_onednn_takes_it(monkeypatch, taken):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: taken)
    assert resolve_precision(torch.device("cpu"), "auto") == ("bf16" if taken else "fp32")
