"""Adapters of low rank as peft saves them, merged into the weights (Hu et al. 2022, "LoRA")."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from rationale_cli.contracts import Fitted, ForeignCheckpoint, Restored, Task
from rationale_cli.errors import InputError
from rationale_cli.toolkit.weights import described, model_tensors, names_in_delta

_DOWN, _UP = ".lora_A.weight", ".lora_B.weight"
_WRAPPED = "base_model.model."


class PeftFormat:
    """A folder of peft with a LoRA of CLIP: W + α/r·B·A, with α/√r where it says so."""

    expects: ClassVar[str] = "a folder of peft (adapter_config.json; ….lora_A.weight, ….lora_B.weight)"
    methods: ClassVar[tuple[str, ...]] = ("rationale:flcp",)

    def knows(self, names: Collection[str]) -> bool:
        """Pairs of low-rank factors."""
        return any(name.endswith(_DOWN) for name in names) and any(name.endswith(_UP) for name in names)

    def options(self, checkpoint: ForeignCheckpoint, method: str) -> Mapping[str, Any]:
        """None: the scale stays the model's."""
        return {}

    def restore(self, checkpoint: ForeignCheckpoint, fitted: Fitted, task: Task) -> Restored:
        """The model's weights with the updates.

        Raises ``InputError`` for an adapter that is not a plain LoRA, or of another model.
        """
        _check_plain(checkpoint)
        model = cast(nn.Module, fitted.classifier.model)
        updates = {
            f"{base}.weight": _update(checkpoint, base) for base in map(_base, checkpoint.tensors) if base
        }
        given = model_tensors(model, _completed(updates))
        own, delta = model.state_dict(), names_in_delta(fitted.classifier)
        _check_placed(checkpoint, model, given, _completed(updates), own)
        tensors = {delta[name]: own[name].cpu() + one for name, one in given.items()}
        base = checkpoint.settings.get("base_model_name_or_path") or "an unnamed model"
        note = f"The adapter was trained on {base}: its updates are added to the weights of --model."
        return Restored(tensors, (note,))


def _base(name: str) -> str:
    """The module that a factor A belongs to; "" for other tensors."""
    return name.removesuffix(_DOWN) if name.endswith(_DOWN) else ""


def _update(checkpoint: ForeignCheckpoint, base: str) -> Tensor:
    """out×in."""
    down, up = (checkpoint.tensors[f"{base}{end}"].float() for end in (_DOWN, _UP))
    settings = checkpoint.settings
    module = base.removeprefix(_WRAPPED)
    patterns: Mapping[str, float] = settings.get("alpha_pattern") or {}
    own = (value for key, value in patterns.items() if re.fullmatch(rf"(.*\.)?{key}", module))
    alpha, rank = float(next(own, settings["lora_alpha"])), len(down)
    return alpha / (math.sqrt(rank) if settings.get("use_rslora") else rank) * (up @ down)


def _check_plain(checkpoint: ForeignCheckpoint) -> None:
    settings = checkpoint.settings
    if settings.get("peft_type") != "LORA" or "lora_alpha" not in settings:
        raise InputError(
            "Expected the folder of a LoRA, whose adapter_config.json tells peft_type LORA and lora_alpha, "
            f"but got {settings.get('peft_type')!r}.",
            where=str(checkpoint.path),
            next_step="give the folder that peft's save_pretrained wrote, or merge the adapter there "
            "(merge_and_unload) and import the whole model",
        )
    odd = [key for key in ("use_dora", "fan_in_fan_out", "lora_bias") if settings.get(key)]
    tensors = checkpoint.tensors
    factors = {name for base in map(_base, tensors) if base for name in (f"{base}{_DOWN}", f"{base}{_UP}")}
    odd += [described(name, one) for name, one in tensors.items() if name not in factors or one.ndim != 2]
    odd += sorted(factors - tensors.keys())
    if odd:
        raise InputError(
            "Expected a plain LoRA of linear layers but this adapter has more or less: "
            f"{', '.join(odd[:6])}.",
            where=str(checkpoint.path),
            next_step="merge it where it was trained (merge_and_unload) and import the whole model",
        )


def _completed(updates: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """With zeros for queries, keys and values that were not tuned, which some models pack into one weight."""
    found = dict(updates)
    for name, one in updates.items():
        for letter in "qkv":
            sibling = re.sub(r"\.[qkv]_proj\.weight$", f".{letter}_proj.weight", name)
            found.setdefault(sibling, torch.zeros_like(one))
    return found


def _check_placed(
    checkpoint: ForeignCheckpoint,
    model: nn.Module,
    given: Mapping[str, Tensor],
    updates: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
) -> None:
    translated = getattr(model, "translated", None)
    wanted = translated(updates) if translated is not None else updates
    wrong = [described(name, one) for name, one in given.items() if one.shape != own[name].shape]
    if len(given) != len(wanted) or wrong:
        told = wrong or [described(name, one) for name, one in updates.items()]
        raise InputError(
            f"Expected updates of the model's weights but {len(wanted) - len(given)} of {len(wanted)} belong "
            f"to none of them, {len(wrong)} are of another shape: {', '.join(told[:6])}.",
            where=str(checkpoint.path),
            next_step="choose the model that the adapter was trained on (--model)",
        )
