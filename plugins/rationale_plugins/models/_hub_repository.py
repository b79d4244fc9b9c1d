"""A repository of the Hugging Face hub as a folder: local, in the hub's cache, or fetched into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from huggingface_hub import snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError

from rationale_cli.contracts import Checkpoint
from rationale_cli.errors import InputError
from rationale_cli.toolkit.weights import fetched, locate

from ._alternatives import fetched_any, likeliest

OWN = "own"
"""Name of a repository's own weights."""
VOCABULARIES = ("tokenizer.json", "vocab.json", "spiece.model", "tokenizer.model")
"""Files that hold a vocabulary, each enough by itself (``vocab.json`` with ``merges.txt``)."""

_CONFIG = "config.json"
_PREPROCESSORS = ("preprocessor_config.json", "processor_config.json")
_TEXT = ("*.json", "*.jinja", "merges.txt", "spiece.model", "tokenizer.model")
"""What a model needs beside its weights."""
_INDEX = "model.safetensors.index.json"
_WEIGHTS = ("model.safetensors", _INDEX, "pytorch_model.bin")


def folder_of(repository: str, revision: str | None) -> Path:
    """The folder of a repository: ``repository`` itself, or its snapshot in the hub's cache.

    What is in the cache needs no network. Raises ``InputError`` for what is neither a folder nor a
    repository that can be reached.
    """
    local = Path(repository).expanduser()
    if local.is_dir():
        return local
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise InputError(
            f"Expected a folder or a repository as owner/name but got {repository!r}.",
            next_step="name it for example as hf:openai/clip-vit-base-patch16 or hf:FOLDER",
        )
    known = try_to_load_from_cache(repository, _CONFIG, revision=revision)
    if isinstance(known, str) and _is_complete(Path(known).parent):
        return Path(known).parent
    return _fetched_folder(repository, revision)


def published(repository: str, revision: str | None) -> dict[str, Checkpoint]:
    """The repository's own weights by name; nothing for a local folder. Needs no network."""
    if Path(repository).expanduser().is_dir() or repository.count("/") != 1:
        return {}
    return {OWN: likeliest(_alternatives(repository, revision))}


def weights_of(weights: str, repository: str, revision: str | None, note: str) -> tuple[Path, ...]:
    """The files that ``weights`` means; see ``rationale_cli.toolkit.weights.locate``.

    ``own`` is ``model.safetensors``, else its shards, else ``pytorch_model.bin``; ``note`` tells of them what
    the message of their absence should.
    """
    folder = Path(repository).expanduser()
    if weights == OWN and folder.is_dir():
        return locate(str(folder), {}, repository)
    if weights != OWN:
        return locate(weights, published(repository, revision), repository)
    path = fetched_any(_alternatives(repository, revision, note), f"the weights of {repository}")
    return _with_shards(path, repository, revision)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises ``InputError`` for a missing file and for anything else in it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"Expected a model's folder with {path.name} but there is none.", where=str(path.parent)
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"Expected JSON but could not read it: {error}", where=str(path)) from error
    if not isinstance(content, dict):
        raise InputError(f"Expected a JSON object but got {type(content).__name__}.", where=str(path))
    return cast(dict[str, Any], content)


def preprocessor_of(folder: Path) -> dict[str, Any]:
    """How its pictures are prepared. Raises ``InputError`` where the folder does not tell."""
    for name in _PREPROCESSORS:
        path = folder / name
        if path.is_file():
            found = read_json(path)
            found = found.get("image_processor", found)
            if "image_mean" in found:
                return cast(dict[str, Any], found)
    raise InputError(
        f"Expected {_PREPROCESSORS[0]} with the size, mean and standard deviation of the model's pictures "
        "but there is none.",
        where=str(folder),
        next_step="copy that file from the model's repository",
    )


def _is_complete(folder: Path) -> bool:
    """Whether a snapshot has all but the weights."""
    return any((folder / one).is_file() for one in _PREPROCESSORS) and any(
        (folder / one).is_file() for one in VOCABULARIES
    )


def _fetched_folder(repository: str, revision: str | None) -> Path:
    try:
        config = fetched(_checkpoint(repository, revision, _CONFIG), f"the files of {repository!r}")
        if _is_complete(config.parent):
            return config.parent
        return Path(snapshot_download(repository, revision=revision, allow_patterns=list(_TEXT)))
    except InputError as error:
        reason, where = error.what, error.where
    except (OSError, ValueError, HfHubHTTPError) as error:
        reason, where = f"{str(error).strip().splitlines()[0]}", f"https://huggingface.co/{repository}"
    raise InputError(
        reason,
        where=where,
        next_step="check the repository's name; without a network, fetch all of it elsewhere "
        f"(hf download {repository} --local-dir FOLDER) and name the folder: hf:FOLDER",
    )


def _with_shards(path: Path, repository: str, revision: str | None) -> tuple[Path, ...]:
    """The shards that an index names, fetched beside it; any other file as it is."""
    if path.name != _INDEX:
        return (path,)
    names = sorted(set(read_json(path).get("weight_map", {}).values()))
    what = f"the weights of {repository}"
    return tuple(fetched(_checkpoint(repository, revision, str(name)), what) for name in names)


def _alternatives(repository: str, revision: str | None, note: str = "") -> list[Checkpoint]:
    return [_checkpoint(repository, revision, name, note) for name in _WEIGHTS]


def _checkpoint(repository: str, revision: str | None, name: str, note: str = "") -> Checkpoint:
    at = f"@{revision}" if revision else ""
    return Checkpoint(f"hf://{repository}{at}/{name}", note=note)
