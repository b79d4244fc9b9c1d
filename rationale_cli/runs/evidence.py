"""Evidence sets: what one estimator said of every picture of one split.

Layout below a run folder::

    evidence/<split>/<name>/spec.yaml       what was measured, and how (``EvidenceSpec``)
                            table.parquet   one row a picture (``EvidenceTable``)
                            heatmaps.npy    n×h×w float16 on the patch grid, in the table's order
                            rules/<rule>.parquet  the heatmaps held against other masks (``RuleTable``)
    evidence/<split>/witness/table.parquet  predictions on altered pictures (``WitnessTable``)
    evidence/<split>/contexts/table.parquet  what objects stand on (``ContextTable``)
    evidence/<split>/prediction/            probabilities, see ``runs.predictions``
    evidence/<split>/gallery/index.json     thumbnails and mask outlines of a sample

``<split>`` also tells how the pictures were shown (``test+fog-3``, ``imagenet-c@fog-3``; see
``engine.conditions``). ``<name>`` is ``attribution-layers-scalar``, or the attribution alone where those do
not apply, and ends in ``@prediction`` where the predicted class was explained and in ``@bf16`` or ``@fp16``
where that was done in mixed precision. Witness and predictions are those of the first explanation.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self, get_args, get_type_hints
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from ..errors import InputError
from .atomic import atomic_path
from .plain_yaml import read_yaml, yaml_text

OK, NO_ANNOTATION, EMPTY_MASK, NO_EVIDENCE = 0, 1, 2, 3
STATUS_NAMES = ("ok", "no annotation", "empty mask", "no evidence")
"""Status of a picture: usable; no mask or box; mask empty after the crop; heatmap constant or zero.

``no annotation`` and ``empty mask`` are left out of PT, IR and V; ``no evidence`` counts as invalid.
"""

WITNESSES = ("object", "background", "box", "exact")
"""Altered pictures: object alone (background filled); background alone (mask filled, its shape leaks);
background with the object's box filled; the exact background without the object, where it is known."""


@dataclass(frozen=True)
class EvidenceSpec:
    """What two evidence sets must share to be compared, and how they came about."""

    name: str
    split: str
    """With how its pictures were shown: the folder's name."""
    attribution: str
    """Qualified plugin name, ``distribution:name``."""
    options: dict[str, Any]
    layers: str | None
    """As asked for, None where it does not apply."""
    blocks: tuple[int, int] | None
    """First and last explained block, counted from 1."""
    scalar: str | None
    target: str
    """``label`` (the annotated class) or ``prediction``."""
    dataset: str
    """Qualified plugin name."""
    fingerprint: str
    """``Dataset.fingerprint``."""
    classnames: tuple[str, ...]
    preprocessing: dict[str, Any]
    grid: tuple[int, int]
    image_size: int
    precision: str
    control: bool
    """Whether this is a control (``uniform``, ``center``, ``random`` …) and not an explanation."""
    no_evidence: str = "invalid"
    """What a heatmap without contrast counted as."""
    shown: dict[str, Any] = field(default_factory=dict)
    """``split``, ``further`` (whether of another dataset than the tuning's), ``corruption`` (a name or None),
    ``severity`` (0 for none) and ``view`` (options), of which the name in ``split`` is made."""
    skipped: tuple[str, ...] = ()
    """Identifiers of unreadable pictures that the user asked to skip."""

    def estimator(self) -> tuple[str, str | None, str | None, str]:
        """What names the estimator: attribution, layers, scalar, target."""
        return self.attribution, self.layers, self.scalar, self.target

    def to_yaml(self) -> str:
        """As the text of ``spec.yaml``."""
        return yaml_text(_plain(asdict(self)))

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """From the text of ``spec.yaml``. Raises ``TypeError`` for missing or unknown keys."""
        data = read_yaml(text)
        for key in ("blocks", "grid", "classnames", "skipped"):
            if data.get(key) is not None:
                data[key] = tuple(data[key])
        return cls(**data)


@dataclass(frozen=True)
class _Columns:
    """A table of equally long columns, stored as Parquet in the types that its fields are declared with."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def to_arrow(self) -> pa.Table:
        """As an Arrow table."""
        return pa.table({field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def from_arrow(cls, table: pa.Table) -> Self:
        """From an Arrow table. Raises ``KeyError`` where a column is missing."""

        def column(name: str, dtype: type[np.generic]) -> npt.NDArray[Any]:
            values = table.column(name).combine_chunks()
            return _texts(values) if dtype is np.object_ else _numbers(values).astype(dtype, copy=False)

        return cls(**{name: column(name, dtype) for name, dtype in _dtypes(cls).items()})

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises ``InputError`` where the file is missing, damaged or of another layout."""
        try:
            # Not by ``read_table``: what it imports takes longer than fifty thousand rows.
            with pq.ParquetFile(path) as file:
                return cls.from_arrow(file.read())
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            raise InputError(
                f"Expected a table of evidence but could not read it: {error}",
                where=str(path),
                next_step="run `rationale explain` on this run again",
            ) from error


@dataclass(frozen=True)
class EvidenceTable(_Columns):
    """One row a picture; all arrays of length n."""

    id: npt.NDArray[np.object_]
    label: npt.NDArray[np.int32]
    prediction: npt.NDArray[np.int32]
    confidence: npt.NDArray[np.float32]
    """Softmax probability of the prediction."""
    rma: npt.NDArray[np.float64]
    """Of the upsampled, min–max normalised map; NaN unless status is ok."""
    rma_raw: npt.NDArray[np.float64]
    """Of the upsampled map as it is; NaN unless status is ok."""
    area: npt.NDArray[np.float64]
    """|M|/N after the crop; NaN without annotation."""
    status: npt.NDArray[np.int8]


@dataclass(frozen=True)
class RuleTable(_Columns):
    """The same heatmaps against masks by another rule; one row a picture, in the order of the set's table."""

    rma: npt.NDArray[np.float64]
    """Of the heatmaps as stored, in half precision; NaN unless status is ok."""
    rma_raw: npt.NDArray[np.float64]
    area: npt.NDArray[np.float64]
    status: npt.NDArray[np.int8]


@dataclass(frozen=True)
class WitnessTable(_Columns):
    """Predictions on altered pictures, −1 where there is no such picture, and what exchanges do."""

    id: npt.NDArray[np.object_]
    label: npt.NDArray[np.int32]
    object: npt.NDArray[np.int32]
    background: npt.NDArray[np.int32]
    box: npt.NDArray[np.int32]
    exact: npt.NDArray[np.int32]
    object_effect: npt.NDArray[np.float64]
    """How far the label's logit falls where an object of another class stands on the picture's background;
    NaN where the background is not known."""
    background_effect: npt.NDArray[np.float64]
    """How far it falls where the picture's object stands on the background of another class."""


@dataclass(frozen=True)
class ContextTable(_Columns):
    """What the objects of a split stand on, of all its pictures, where the data know (``Split.contexts``)."""

    id: npt.NDArray[np.object_]
    context: npt.NDArray[np.object_]


@dataclass(frozen=True)
class PredictionTable(_Columns):
    """One row a picture; all arrays of length n. Computed in double precision from the logits."""

    id: npt.NDArray[np.object_]
    label: npt.NDArray[np.int32]
    prediction: npt.NDArray[np.int32]
    """Class of the largest logit."""
    confidence: npt.NDArray[np.float64]
    """Softmax probability of the prediction."""
    log_true: npt.NDArray[np.float64]
    """Natural logarithm of the label's probability; NaN where only the prediction has a probability."""
    brier: npt.NDArray[np.float64]
    """Σ_c (p_c − y_c)²; NaN where only the prediction has a probability."""


@dataclass(frozen=True)
class EvidenceSet:
    """One evidence set on disk; heatmaps are memory-mapped on demand."""

    path: Path
    spec: EvidenceSpec
    table: EvidenceTable

    @classmethod
    def open(cls, path: Path) -> Self:
        """Raises ``InputError`` where the set is missing or damaged."""
        spec_file = path / "spec.yaml"
        try:
            spec = EvidenceSpec.from_yaml(spec_file.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError, TypeError, AttributeError) as error:
            raise InputError(
                f"Expected an evidence set but could not read its description: {error}",
                where=str(spec_file),
                next_step="run `rationale explain` on this run again",
            ) from error
        return cls(path, spec, EvidenceTable.read(path / "table.parquet"))

    def heatmaps(self) -> npt.NDArray[np.float16]:
        """n×h×w, memory-mapped, in the table's order."""
        loaded: npt.NDArray[np.float16] = np.load(
            self.path / "heatmaps.npy", mmap_mode="r", allow_pickle=False
        )
        return loaded

    def by_rule(self, rule: str) -> RuleTable | None:
        """What ``write_rule`` left, if anything. Raises ``InputError`` where it is damaged."""
        path = self._rule(rule)
        return RuleTable.read(path) if path.is_file() else None

    def write_rule(self, rule: str, table: RuleTable) -> None:
        """Keep what the heatmaps score against masks by a rule; it goes when the set is made anew."""
        with atomic_path(self._rule(rule)) as temporary:
            pq.write_table(table.to_arrow(), temporary)

    def _rule(self, rule: str) -> Path:
        return self.path / "rules" / f"{rule}.parquet"


def _numbers(column: pa.Array) -> npt.NDArray[Any]:
    """Without a copy; NaN for null."""
    if column.null_count:
        return np.asarray(column.to_numpy(zero_copy_only=False))
    return np.from_dlpack(column)


_known_texts: WeakValueDictionary[bytes, npt.NDArray[np.object_]] = WeakValueDictionary()


def _texts(column: pa.Array) -> npt.NDArray[np.object_]:
    """One array for all columns of the same texts: the tables of a split name the same pictures.

    It is read-only, since whoever holds another of these tables holds it too.
    """
    digest = hashlib.blake2b(repr((len(column), column.type, column.offset)).encode())
    for buffer in column.buffers():
        digest.update(buffer or b"")
    key = digest.digest()
    found = _known_texts.get(key)
    if found is None:
        found = np.array(column.to_pylist(), dtype=object)
        found.flags.writeable = False
        _known_texts[key] = found
    return found


def _dtypes(table: type[_Columns]) -> dict[str, type[np.generic]]:
    """Of each column by name, from its annotation ``NDArray[dtype]``."""
    hints = get_type_hints(table)
    return {field.name: get_args(get_args(hints[field.name])[1])[0] for field in fields(table)}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
