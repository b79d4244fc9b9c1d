"""Questions about pictures: a table of image, question and answer, with boxes or masks of the evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from pydantic import Field

from rationale_cli.contracts import Evidence, Mask
from rationale_cli.errors import InputError, did_you_mean
from rationale_cli.toolkit.pictures import PICTURE_SUFFIXES, read_mask

from ._boxes import SIDES, Box, checked, number, place
from ._index import listed
from ._layout import Layout
from ._layout import Record as Listed
from ._official import Official, Record, RootOptions, required
from ._rows import table_rows
from ._splits import split_records
from ._tree import File

TABLE = "questions.csv"
LAYOUT = f"""\
  DIR/{TABLE}, a row a question: image, question, answer, and as far as known
    split (train, test, …), mask (a file), or xmin, ymin, xmax, ymax (pixels)
  DIR/… the pictures and masks, named in the table as seen from DIR"""
_COLUMNS = ("image", "question", "answer")
_SHOWN = 4


class Vqa(Official):
    """One question about many pictures; its answers are the classes.

    Of a table with several questions one is chosen: a classifier has one set of answers. Several rows of a
    picture with the same answer are several boxes. Captions are answers too: to "What does the child hold?",
    the word that a caption goes on with.
    """

    class Options(RootOptions):
        """Where the table is, and which of its questions counts."""

        question: str | None = None
        """The question, as written in the table; may be left out where there is only one."""
        test_fraction: float = Field(default=0.2, gt=0, lt=1)
        """Share of every answer that is held out where the table tells no splits."""
        seed: int = 0
        """Which pictures are held out."""

    def __init__(self, options: Options) -> None:
        """Read the table. Raises ``InputError`` where it or a file that it names is missing."""
        root = required(
            options.root,
            (TABLE,),
            dataset="a table of questions about pictures",
            page="wherever they come from",
            layout=LAYOUT,
        )
        table = root / TABLE
        rows = _of_question([_row(*found) for found in table_rows(table, _COLUMNS)], options.question, table)
        pictures = {one.image: one for one in _pictures(rows)}
        sizes = listed(root, _folders(rows), PICTURE_SUFFIXES).files
        _check_there(rows, sizes)
        answers = sorted({one.answer for one in pictures.values()})
        files = {
            split: tuple(
                Listed(one.image, one.answer, File(one.image, str(root / one.image), sizes[one.image]))
                for one in pictures.values()
                if one.split == split
            )
            for split in {one.split for one in pictures.values()}
        }
        parts = split_records(
            Layout(files, ()), dict.fromkeys(answers, ""), options.test_fraction, options.seed
        )
        self._settle(
            root=root,
            classnames=answers,
            parts={
                split: [_record(pictures[one.id], answers) for one in chosen]
                for split, chosen in sorted(parts.items(), key=lambda part: (not _trained(part[0]), part[0]))
            },
            read=_evidence,
            evaluation=[split for split in sorted(parts) if not _trained(split)],
            settings=rows[0].question,
            template=options.template,
            sizes=sizes,
        )
        self._task = replace(self._task, question=rows[0].question)


class _Row(NamedTuple):
    image: str
    question: str
    answer: str
    split: str
    mask: str
    box: Box | None
    where: str


class _Picture(NamedTuple):
    image: str
    answer: str
    split: str
    note: str | tuple[tuple[float, ...], ...] | None


def _row(where: str, row: Mapping[str, str]) -> _Row:
    image, question, answer = (row[column] for column in _COLUMNS)
    split, mask, *sides = (row.get(column, "") for column in ("split", "mask", *SIDES))
    if not (image and question and answer):
        raise InputError("Expected an image, a question and an answer but one of them is empty.", where=where)
    box = _box([number(side, where) for side in sides], where) if any(sides) else None
    if box is not None:
        checked(box)
    return _Row(image.replace("\\", "/").removeprefix("./"), question, answer, split, mask, box, where)


def _box(sides: Sequence[float], where: str) -> Box:
    left, top, right, bottom = sides
    return Box(left, top, right, bottom, where)


def _of_question(rows: Sequence[_Row], wanted: str | None, table: Path) -> list[_Row]:
    known = list(dict.fromkeys(one.question for one in rows))
    if not known:
        raise InputError("Expected a question but the table has none.", where=str(table))
    chosen = known[0] if wanted is None and len(known) == 1 else wanted
    if chosen not in known:
        listed_ = ", ".join(map(repr, known[:_SHOWN])) + (" …" if len(known) > _SHOWN else "")
        told = "no question was named" if wanted is None else f"got {wanted!r}"
        raise InputError(
            f"Expected one of the table's {len(known)} questions ({listed_}) but {told}. "
            + did_you_mean(wanted or "", known),
            where=str(table),
            next_step='choose it with --set dataset.question="…"; compare several in a grid',
        )
    return [one for one in rows if one.question == chosen]


def _pictures(rows: Sequence[_Row]) -> Iterator[_Picture]:
    """Rows of one picture put together."""
    by_image: dict[str, list[_Row]] = {}
    for row in rows:
        by_image.setdefault(row.image, []).append(row)
    for image, own in by_image.items():
        if len({(row.answer, row.split, row.mask) for row in own}) > 1:
            raise InputError(
                f"Expected one answer, split and mask of {image!r} but its rows have several.",
                where=own[-1].where,
                next_step="leave out pictures on whose answer people differ; several rows are several boxes",
            )
        boxes = tuple(row.box[:4] for row in own if row.box is not None)
        yield _Picture(image, own[0].answer, own[0].split, own[0].mask or boxes or None)


def _folders(rows: Sequence[_Row]) -> list[str]:
    """Those that hold the pictures and masks."""
    return sorted({Path(name).parent.as_posix() for row in rows for name in (row.image, row.mask) if name})


def _check_there(rows: Sequence[_Row], sizes: Mapping[str, int]) -> None:
    split = rows[0].split
    for row in rows:
        for name in (row.image, row.mask):
            if name and name not in sizes:
                raise InputError(f"Expected a picture {name!r} but there is none.", where=row.where)
        if bool(row.split) != bool(split):
            raise InputError(
                "Expected a split in every row or in none but this row differs.", where=row.where
            )


def _trained(split: str) -> bool:
    return split.startswith(("train", "val"))


def _record(picture: _Picture, answers: Sequence[str]) -> Record:
    return Record(picture.image, picture.image, answers.index(picture.answer), picture.note)


def _evidence(root: Path, record: Record, image: Image.Image) -> Evidence | None:
    note = record.note
    if note is None:
        return None
    if isinstance(note, str):
        return Mask(read_mask(root / note, image.size))
    return place([_box(sides, str(root / record.path)) for sides in note], image.size, 1)
