"""Where a run computes: device, precision and processes, chosen or given, through Lightning Fabric."""

import os
from typing import Literal, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from seekcam.localization.errors import UserError
from seekcam.training.recipe import HardwareTable


class HardwareError(UserError):
    """The device or precision that was asked for is not on this machine."""

    code = "no-such-hardware"


def build_fabric(table: HardwareTable) -> Fabric:
    """The Fabric of this process, launched; started by torchrun it joins the other processes.

    Raises:
        HardwareError: the device is not there, or cannot compute in that precision.
    """
    device = _device(table.device)
    if device == "cpu" and table.precision == "16-mixed":
        raise HardwareError("A CPU does not train in 16-mixed: choose hardware.precision 32-true or bf16-mixed.")
    fabric = Fabric(
        accelerator=device,
        devices=local_processes(),
        num_nodes=int(os.environ.get("GROUP_WORLD_SIZE", "1")),
        precision=_precision(device) if table.precision == "auto" else table.precision,
    )
    fabric.launch()
    if device == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
    return fabric


def local_processes() -> int:
    """How many processes torchrun started on this machine; 1 without it."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def describe(fabric: Fabric) -> str:
    """What computes, for a person: `CUDA (NVIDIA H200), bf16-mixed, 2 processes`."""
    device = fabric.device.type.upper()
    if fabric.device.type == "cuda":
        device += f" ({torch.cuda.get_device_name(fabric.device)})"
    if fabric.device.type == "cpu":
        device += f" ({torch.get_num_threads()} threads)"
    return f"{device}, {fabric.strategy.precision.precision}" + (
        f", {fabric.world_size} processes" if fabric.world_size > 1 else ""
    )


def summed(fabric: Fabric, value: Tensor) -> float:
    """A number of each process, added up."""
    if fabric.world_size == 1:
        return value.item()
    return cast(Tensor, fabric.all_reduce(value.clone(), reduce_op="sum")).item()


def agreed(fabric: Fabric, *values: int) -> list[int]:
    """The greatest of each value over all processes, so that all of them do the same."""
    if fabric.world_size == 1:
        return list(values)
    found = cast(Tensor, fabric.all_reduce(torch.tensor(values, device=fabric.device), reduce_op="max"))
    return [int(value) for value in found.tolist()]


def _device(wanted: str) -> Literal["cpu", "cuda", "mps"]:
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if wanted == "cuda" or (wanted == "auto" and cuda):
        if not cuda:
            raise HardwareError("There is no CUDA device here: use --device cpu or auto, or install a driver.")
        return "cuda"
    if wanted == "mps" or (wanted == "auto" and mps):
        if not mps:
            raise HardwareError("There is no Apple GPU here: use --device cpu or auto.")
        return "mps"
    return "cpu"


def _precision(device: str) -> Literal["32-true", "bf16-mixed", "16-mixed"]:
    if device != "cuda":
        return "32-true"
    # Emulated, as on GPUs before Ampere, bf16 is slower than fp32.
    return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
