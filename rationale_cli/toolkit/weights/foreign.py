"""Checkpoints of somebody else's training: read whole, and put under the names of a model here."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ...contracts import Classifier, ForeignCheckpoint, Part
from ...errors import InputError
from .files import read_tensors
from .locate import locate

_NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size")
"""Numbers that OpenAI's checkpoints carry among their tensors."""
_ADAPTER = ("adapter_model.safetensors", "adapter_model.bin")
_ADAPTER_SETTINGS = "adapter_config.json"
_SHOWN = 6


def read_foreign(path: Path) -> ForeignCheckpoint:
    """Read a file, a folder of transformers or an adapter's folder of peft; raises as ``read_tensors``."""
    if (path / _ADAPTER_SETTINGS).is_file():
        return _adapter(path)
    if not path.exists():
        raise InputError("Expected a checkpoint but there is no such file or folder.", where=str(path))
    files = locate(str(path), {}, str(path))
    return ForeignCheckpoint(path, files, read_tensors(files, ignore=_NOT_WEIGHTS))


def _adapter(folder: Path) -> ForeignCheckpoint:
    settings = folder / _ADAPTER_SETTINGS
    files = [folder / name for name in _ADAPTER if (folder / name).is_file()]
    if not files:
        raise InputError(
            f"Expected an adapter's weights ({' or '.join(_ADAPTER)}) beside its settings.", where=str(folder)
        )
    try:
        told = json.loads(settings.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(
            f"Expected an adapter's settings but could not read them: {error}", where=str(settings)
        ) from error
    if not isinstance(told, dict):
        raise InputError("Expected a mapping of settings.", where=str(settings))
    return ForeignCheckpoint(folder, (files[0], settings), read_tensors(files[0]), told)


def model_tensors(model: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of a checkpoint that belong to a model, under its own names.

    Names that another library gave are the model's affair: its ``translated``, if it has one. Whatever
    stands before the names on either side (``image_encoder.model.`` there, ``clip.`` here) is found by which
    pair of prefixes makes most names and shapes agree, so that a tower alone is found too.
    """
    translated = getattr(model, "translated", None)
    given = translated(tensors) if translated is not None else tensors
    own = model.state_dict()
    hits = _hits(given, own)
    if not hits:
        return {}
    # Of prefixes that agree equally often the shorter ones, which are the same but for a common part.
    there, here = max(hits, key=lambda pair: (hits[pair], -len(pair[0]) - len(pair[1])))
    found = {here + name.removeprefix(there): one for name, one in given.items() if name.startswith(there)}
    return {
        name: one.reshape(own[name].shape) if one.numel() == own[name].numel() == 1 else one
        for name, one in found.items()
        if name in own
    }


def _hits(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Counter[tuple[str, str]]:
    """Pairs of prefixes, there and here → how many tensors they make agree in name and shape."""
    ends = defaultdict(list)
    for name in own:
        for prefix, end in _splits(name):
            ends[end].append(prefix)
    hits: Counter[tuple[str, str]] = Counter()
    for name, tensor in given.items():
        for there, end in _splits(name):
            for here in ends.get(end, ()):
                if own[here + end].shape == tensor.shape:
                    hits[there, here] += 1
    return hits


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """``a.b.c`` → ``("", "a.b.c")``, ``("a.", "b.c")``, ``("a.b.", "c")``."""
    yield "", name
    for place, letter in enumerate(name):
        if letter == ".":
            yield name[: place + 1], name[place + 1 :]


def tuned_weights(
    classifier: Classifier, tensors: Mapping[str, Tensor], parts: Sequence[Part]
) -> dict[str, Tensor]:
    """The delta's share of a checkpoint that holds these parts of the model.

    Raises ``InputError`` where one of their parameters is missing, and where the checkpoint differs from the
    model in what is no part of the delta (statistics of batch normalisation, say).
    """
    model = cast(nn.Module, classifier.model)
    given, own = model_tensors(model, tensors), dict(model.named_parameters())
    wanted = {id(one) for part in parts for one in classifier.model.parameters_of(part)}
    needed = [name for name, one in own.items() if id(one) in wanted]
    _check_complete(needed, given, tensors)
    delta = names_in_delta(classifier)
    fixed = [name for name in needed if name not in delta] + [
        name for name, _ in model.named_buffers() if name in given
    ]
    _check_fixed(fixed, given, model.state_dict())
    return {delta[name]: given[name] for name in needed if name in delta}


def names_in_delta(classifier: Classifier) -> dict[str, str]:
    """Parameters of the model that train: their names in the model → in the classifier's delta."""
    named = cast(nn.Module, classifier).named_parameters()
    delta = {id(one): name for name, one in named if one.requires_grad}
    own = cast(nn.Module, classifier.model).named_parameters()
    return {name: delta[id(one)] for name, one in own if id(one) in delta}


def _check_complete(
    needed: Sequence[str], given: Mapping[str, Tensor], tensors: Mapping[str, Tensor]
) -> None:
    missing = [name for name in needed if name not in given]
    if missing:
        raise InputError(
            f"Expected all {len(needed)} tensors of the model's towers but {len(missing)} are not in the "
            f"checkpoint: {_some(missing)}. It holds {_some([described(*one) for one in tensors.items()])}.",
            next_step="choose the model that was tuned (--model), or name the layout with --format",
        )


def _check_fixed(names: Sequence[str], given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    other = [
        name
        for name in names
        if own[name].is_floating_point()
        and not (
            own[name].shape == given[name].shape
            and torch.allclose(own[name].cpu().float(), given[name].float(), rtol=1e-3, atol=1e-5)
        )
    ]
    if other:
        raise InputError(
            f"Expected {_some(other)} as the model has them, for no method tunes them, but the checkpoint's "
            "are others.",
            next_step="if the file holds the whole model, give it as the model's own weights: "
            "rationale finetune --method zs --weights FILE",
        )


def described(name: str, tensor: Any) -> str:
    """``visual.proj 768×512``."""
    return f"{name} {'×'.join(map(str, tensor.shape)) or 'scalar'}"


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
