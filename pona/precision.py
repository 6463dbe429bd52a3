"""The precision of convolutions and matrix products: fp32, bf16 or fp16."""

import torch

DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}  # of convolutions and matrix products
PRECISIONS = ("auto", *DTYPES)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The autocast context of a precision, as in `generate_images`."""
    dtype = DTYPES[resolve_precision(device, precision)]
    return torch.autocast(device.type, dtype, enabled=dtype is not None)


def resolve_precision(device: torch.device, precision: str) -> str:
    """Resolves "auto" for a device; other precisions stay as they are."""
    if precision != "auto":
        return precision
    return "bf16" if prefers_bf16(device) else "fp32"


def prefers_bf16(device: torch.device) -> bool:
    """Whether bf16 is faster than fp32: on GPUs that support it, and on CPUs with AMX or AVX-512 BF16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")  # not in every version of torch
    has = device.type == "cpu" and any(getattr(torch.cpu, name, lambda: False)() for name in checks)
    # oneDNN takes less than the processor has if ONEDNN_MAX_CPU_ISA says so: without it, bfloat16 is emulated.
    return has and getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)()
