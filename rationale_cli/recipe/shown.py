"""What a recipe shows at its end, from its key ``show``: tables, curves, galleries, trade-offs, transfer.

::

    show:
      - table: table-2
        title: Prediction trustworthiness and inference reliability
        metrics: [PT, IR]
        rows: [method]
        columns: [dataset, model]
        published: paper-text
      - {curves: figure-4, metrics: [accuracy, PT, IR]}
      - {gallery: figure-3, pictures: 8, only: {model: [clip-vit-b-16]}}
      - tradeoff: rivals
        rows: [method, regularizer]
        against: {method: ft, regularizer: none}
        columns: [accuracy@test, accuracy@swapped, PT@test, PT@test/occlusion]
        planes: [[accuracy@test, PT@test]]
      - {transfer: sets, only: {seed: ["0", "1"]}}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator

from ..contracts.options import PluginOptions
from ..errors import InputError, did_you_mean
from .layouts import (
    AXES,
    Column,
    Compared,
    CurveLayout,
    GalleryLayout,
    Layout,
    TableLayout,
    TradeoffLayout,
    TransferLayout,
)
from .text import problems_of, validated

_COLUMN = re.compile(r"(?P<metric>\w+)@(?P<split>[^/\s]+)(?:/(?P<attribution>\S+))?")
_NAME = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*")


class _Shown(PluginOptions):
    """What all layouts have."""

    title: str = ""
    """Heading; by default the name."""
    only: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Axis → the values that are shown."""

    @field_validator("only")
    @classmethod
    def _known_axes(cls, only: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        _axes(tuple(only))
        return only


class _Measured(_Shown):
    """A layout of measures."""

    metrics: tuple[str, ...] = Field(min_length=1)
    """Measures, the first one on top."""


class _Table(_Measured):
    """A table."""

    rows: tuple[str, ...] = Field(min_length=1)
    columns: tuple[str, ...] = Field(min_length=1)
    published: str | None = None
    averages: bool = True
    compared: Compared = "zero-shot"

    @field_validator("rows", "columns")
    @classmethod
    def _known(cls, axes: tuple[str, ...]) -> tuple[str, ...]:
        return _axes(axes)

    @model_validator(mode="after")
    def _apart(self) -> _Table:
        axes = (*self.rows, *self.columns)
        twice = next((one for one in axes if axes.count(one) > 1), None)
        if twice:
            raise ValueError(f"Expected each axis once but {twice!r} stands twice")
        return self


class _Gallery(_Shown):
    """A gallery."""

    pictures: int = Field(default=8, ge=1)


class _Tradeoff(_Shown):
    """A trade-off."""

    columns: tuple[str, ...] = Field(min_length=1)
    rows: tuple[str, ...] = ("method", "regularizer")
    against: dict[str, str] = Field(min_length=1)
    planes: tuple[tuple[str, str], ...] = ()

    @field_validator("columns", "planes")
    @classmethod
    def _columns(cls, found: tuple[Any, ...]) -> tuple[Any, ...]:
        for one in found:
            for text in (one,) if isinstance(one, str) else one:
                column(text)
        return found

    @field_validator("rows")
    @classmethod
    def _known(cls, axes: tuple[str, ...]) -> tuple[str, ...]:
        return _axes(axes)

    @model_validator(mode="after")
    def _of_rows(self) -> _Tradeoff:
        for axis in self.against:
            if axis not in self.rows:
                raise ValueError(f"against: Expected axes of the rows ({', '.join(self.rows)})")
        return self


def column(text: str) -> Column:
    """``METRIC@SPLIT`` or ``METRIC@SPLIT/ATTRIBUTION``. Raises ``ValueError`` for anything else.

    >>> column("PT@test/occlusion")
    Column(metric='PT', split='test', attribution='occlusion')
    """
    found = _COLUMN.fullmatch(text)
    if found is None:
        raise ValueError(f"Expected METRIC@SPLIT or METRIC@SPLIT/ATTRIBUTION but got {text!r}")
    return Column(found["metric"], found["split"], found["attribution"] or "")


def _axes(axes: tuple[str, ...]) -> tuple[str, ...]:
    for one in axes:
        if one not in AXES:
            raise ValueError(f"Expected axes ({did_you_mean(one, AXES)})")
    return axes


_KINDS: Mapping[str, type[_Shown]] = {
    "table": _Table,
    "curves": _Measured,
    "gallery": _Gallery,
    "tradeoff": _Tradeoff,
    "transfer": _Shown,
}


def parsed_layouts(content: Any, path: Path) -> tuple[Layout, ...]:
    """The list under ``show``. Raises ``InputError`` naming file, entry and key."""
    if not isinstance(content, list):
        raise InputError(f"show: Expected a list but got {content!r}.", where=str(path))
    layouts = tuple(_layout(one, f"show, entry {number}", path) for number, one in enumerate(content, 1))
    _check_names((one.name for one in layouts), path)
    return layouts


def _layout(content: Any, place: str, path: Path) -> Layout:
    kinds = [kind for kind in _KINDS if isinstance(content, Mapping) and kind in content]
    if len(kinds) != 1:
        given = sorted(content) if isinstance(content, Mapping) else content
        raise InputError(
            f"{place}: Expected a name under one of {', '.join(_KINDS)} but got {given!r}.",
            where=str(path),
        )
    kind, schema = kinds[0], _KINDS[kinds[0]]
    name = content[kind]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"{place}: {kind}: Expected a name of lower case, digits and hyphens but got {name!r}.",
            where=str(path),
        )
    try:
        options = validated(schema, {str(key): value for key, value in content.items() if key != kind})
    except ValidationError as error:
        told = [f"{place}: {key}: {what}" for key, what in problems_of(error, schema, f"{kind} {name!r}")]
        raise InputError("\n".join(told), where=str(path)) from error
    return _made(kind, name, options)


def _made(kind: str, name: str, options: _Shown) -> Layout:
    title, only = options.title or name, options.only
    if isinstance(options, _Table):
        return TableLayout(
            name,
            title,
            options.metrics,
            options.rows,
            options.columns,
            options.published,
            options.averages,
            options.compared,
            only,
        )
    if isinstance(options, _Tradeoff):
        planes = tuple((column(one), column(other)) for one, other in options.planes)
        columns = tuple(column(one) for one in options.columns)
        return TradeoffLayout(name, title, columns, options.rows, options.against, planes, only)
    if isinstance(options, _Measured):
        return CurveLayout(name, title, options.metrics, only)
    if isinstance(options, _Gallery):
        return GalleryLayout(name, title, options.pictures, only)
    assert kind == "transfer", kind
    return TransferLayout(name, title, only)


def _check_names(names: Iterable[str], path: Path) -> None:
    """Files are called by them."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"show: Expected names that differ but {name!r} stands twice.", where=str(path))
        seen.add(name)
