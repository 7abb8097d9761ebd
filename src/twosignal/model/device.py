"""Where and in which precision to compute: takes the words of the run file, gives torch's device and type."""

import platform

import torch

from twosignal.errors import ConfigError


def pick_device(name: str = "auto") -> torch.device:
    """Return the device of that name; auto takes CUDA where there is one, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()):
        raise ConfigError("unknown device", where="train.device", found=name, expected="cpu, cuda, or auto")
    if kind == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "there is no CUDA device on this machine",
            where="train.device",
            found=name,
            remedy='Write "auto" to take the CPU where there is no other.',
        )
    return torch.device(name)


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """Return the lower precision of the forward and backward pass, None for float32.

    precision: "float32", "bfloat16", or "auto", which takes bfloat16 where the device computes in it.
    """
    if precision == "float32":
        return None
    if precision == "bfloat16" or _computes_in_bfloat16(device):
        return torch.bfloat16
    return None


def _computes_in_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if platform.machine() in ("x86_64", "AMD64"):
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    # oneDNN has bfloat16 kernels for arm64 servers, not for macOS.
    is_arm_server = platform.system() == "Linux" and platform.machine() == "aarch64"
    return is_arm_server and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
