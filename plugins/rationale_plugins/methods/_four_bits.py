"""Linear layers whose resting weights take four bits (Dettmers et al. 2023, "QLoRA")."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from rationale_cli.errors import InputError


def in_four_bits(module: nn.Module, names: Sequence[str]) -> None:
    """Replace these linear layers by such of bitsandbytes: NF4, quantised when they reach their device.

    Raises ``InputError`` where bitsandbytes is not installed or does not run here.
    """
    try:
        from bitsandbytes.nn import Linear4bit, Params4bit
    except (ImportError, OSError) as error:
        raise InputError(
            f"Expected bitsandbytes for weights of four bits but it cannot be imported: {error}",
            where="method.quantise",
            next_step="pip install 'rationale[qlora]', on a machine with a GPU if it is to be fast, or leave "
            "quantise out",
        ) from error
    for name in names:
        plain = module.get_submodule(name)
        assert isinstance(plain, nn.Linear)
        packed = Linear4bit(
            plain.in_features,
            plain.out_features,
            bias=plain.bias is not None,
            compute_dtype=torch.bfloat16,
            quant_type="nf4",
        )
        packed.weight = Params4bit(plain.weight.detach(), requires_grad=False, quant_type="nf4")
        packed.bias = plain.bias
        module.set_submodule(name, packed)
