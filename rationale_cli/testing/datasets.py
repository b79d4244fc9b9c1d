"""The contract suite of datasets."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from PIL import Image

from ..contracts import Boxes, Dataset, Evidence, Mask, MaskRules, Sample, Split, Task
from ..errors import InputError
from .demands import demand
from .options import check_plugin

_ORIENTATION = 0x0112
_SAME_SHAPE = 0.02


def check_dataset(dataset: Dataset, samples: int = 4) -> None:
    """Check a dataset: task, names of splits, and ``samples`` pictures of each split.

    Identifiers are unique and known without opening a picture, and so are ``labels`` and ``contexts`` where a
    split has them; splits survive pickling; pictures are RGB and upright, the same at every reading; masks
    have the picture's proportions.
    """
    check_plugin("dataset", type(dataset))
    _check_mask_rules(dataset)
    _check_task(dataset.task)
    _check_names(dataset)
    _check_factors(dataset)
    for name in dataset.splits:
        with _no_picture_opened(name):
            split = dataset.split(name)
            ids, length = list(split.ids), len(split)
            labels, contexts = (getattr(split, key, None) for key in ("labels", "contexts"))
        _check_ids(name, ids, length)
        _check_labels(name, labels, split)
        _check_contexts(name, contexts, labels)
        again = pickle.loads(pickle.dumps(split))  # noqa: S301 (our own bytes of a moment ago)
        demand(list(again.ids) == ids, f"split {name!r} must have the same ids after pickling")
        step = max(length // samples, 1)
        for index in range(0, length, step):
            _check_sample(split, again, index, len(dataset.task.classnames))


def _check_mask_rules(dataset: Dataset) -> None:
    rules: MaskRules = getattr(dataset, "mask_rules", {})
    schema = dataset.Options
    for place, (name, changes) in enumerate(rules.items()):
        fields = {key: schema.model_fields.get(key) for key in changes}
        unknown = [key for key, field in fields.items() if field is None]
        demand(not unknown, f"mask rule {name!r} sets {unknown}, which are no options")
        usual = all(field is not None and field.default == changes[key] for key, field in fields.items())
        demand(usual or place > 0, f"mask rule {name!r} comes first and so must be the default")


def _check_task(task: Task) -> None:
    demand(isinstance(task, Task), f"task must be a Task but is {type(task).__name__}")
    names = task.classnames
    demand(len(names) >= 2, f"a task tells at least two classes apart but has {len(names)}")
    demand(len(set(names)) == len(names), "class names must differ from each other: zero-shot reads them")
    demand(bool(task.templates), "a task needs at least one template")
    for template in task.templates:
        demand(template.count("{}") == 1, f"template {template!r} must hold one {{}} for the class name")


def _check_names(dataset: Dataset) -> None:
    splits, evaluation = dataset.splits, dataset.evaluation
    demand(bool(splits) and len(set(splits)) == len(splits), f"splits must be distinct names, not {splits!r}")
    demand(
        bool(evaluation) and set(evaluation) <= set(splits),
        f"evaluation must name some of the splits {splits!r} but is {evaluation!r}",
    )
    demand(
        isinstance(dataset.fingerprint, str) and bool(dataset.fingerprint),
        "fingerprint must be a text that is not empty",
    )
    demand(dataset.fingerprint == dataset.fingerprint, "fingerprint must be the same at every reading")
    try:
        dataset.split("no-such-split")
    except InputError as error:
        demand(splits[0] in str(error), "the error for an unknown split must tell the known ones")
    else:
        demand(False, "split() must raise InputError for an unknown name")


def _check_factors(dataset: Dataset) -> None:
    declared = getattr(dataset, "factors", None)
    if declared is None:
        return
    found = {name: dict(declared(name)) for name in dataset.splits}
    for name, factors in found.items():
        texts = [text for pair in factors.items() for text in pair]
        demand(
            bool(factors) and all(isinstance(one, str) and one for one in texts),
            f"factors of split {name!r} must be names with levels, all of them texts that are not empty",
        )
        demand(
            not any(sign in factor for factor in factors for sign in "+="),
            f"factors of split {name!r} must have names without + and =, which join and define them",
        )
    demand(
        len({frozenset(factors) for factors in found.values()}) == 1,
        "factors must be the same for every split, only their levels differ",
    )


@contextmanager
def _no_picture_opened(split: str) -> Iterator[None]:
    original = Image.open

    def refuse(*_: object, **__: object) -> Image.Image:
        raise AssertionError(f"ids and length of split {split!r} must be known without opening a picture")

    Image.open = refuse  # type: ignore[assignment]
    try:
        yield
    finally:
        Image.open = original


def _check_ids(name: str, ids: list[str], length: int) -> None:
    demand(length == len(ids), f"split {name!r} has {length} pictures but {len(ids)} ids")
    demand(length > 0, f"split {name!r} is empty: leave it out of splits")
    demand(all(isinstance(one, str) and one for one in ids), f"ids of split {name!r} must be texts")
    demand(len(set(ids)) == len(ids), f"ids of split {name!r} must be unique: runs are joined by them")


def _check_labels(name: str, labels: Sequence[int] | None, split: Split) -> None:
    if labels is None:
        return
    demand(len(labels) == len(split), f"split {name!r} has {len(split)} pictures but {len(labels)} labels")
    for index in {0, len(labels) // 2, len(labels) - 1}:
        own = split[index].label
        demand(
            labels[index] == own, f"labels[{index}] of split {name!r} is {labels[index]}, the sample's {own}"
        )


def _check_contexts(name: str, contexts: Sequence[str] | None, labels: Sequence[int] | None) -> None:
    if contexts is None:
        return
    demand(labels is not None, f"split {name!r} has contexts, which make groups with labels: it needs those")
    demand(
        len(contexts) == len(labels or ()) and all(isinstance(one, str) and one for one in contexts),
        f"split {name!r} must have a context, a text, for each picture",
    )


def _check_sample(split: Split, twin: Split, index: int, classes: int) -> None:
    sample, again, expected = split[index], twin[index], split.ids[index]
    where = f"picture {expected!r}"
    demand(isinstance(sample, Sample), f"{where} must be a Sample")
    demand(sample.id == expected, f"{where} calls itself {sample.id!r}")
    demand(type(sample.label) is int and 0 <= sample.label < classes, f"{where}: label {sample.label!r}")
    _check_picture(sample.image, where)
    same = sample.label == again.label and sample.image.tobytes() == again.image.tobytes()
    demand(same, f"{where} must be the same at every reading")
    demand(
        isinstance(sample.evidence, Mask | Boxes | None),
        f"{where}: evidence must be Mask, Boxes or None but is {type(sample.evidence).__name__}",
    )
    if sample.evidence is not None:
        _check_evidence(sample.evidence, sample.image.size, where)
    if sample.background is not None:
        _check_picture(sample.background, f"the background of {where}")
        demand(sample.background.size == sample.image.size, f"{where}: its background has another size")


def _check_picture(image: Image.Image, where: str) -> None:
    demand(isinstance(image, Image.Image), f"{where} must be a PIL image")
    demand(image.mode == "RGB", f"{where} must be RGB but is {image.mode}")
    turned = image.getexif().get(_ORIENTATION, 1) != 1
    demand(not turned, f"{where} must be upright: apply its EXIF orientation")


def _check_evidence(evidence: Evidence, size: tuple[int, int], where: str) -> None:
    if isinstance(evidence, Boxes):
        for left, top, right, bottom in evidence.xyxy:
            demand(left < right and top < bottom, f"{where}: box {(left, top, right, bottom)} is empty")
        return
    across, down = evidence.image.size[0] / size[0], evidence.image.size[1] / size[1]
    demand(len(evidence.image.getbands()) == 1, f"{where}: its mask must have one channel")
    demand(
        abs(across / down - 1) <= _SAME_SHAPE,
        f"{where}: its mask must have the picture's proportions {size} but is {evidence.image.size}",
    )
