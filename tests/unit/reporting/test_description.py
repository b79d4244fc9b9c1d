"""A dataset's description in words."""

from __future__ import annotations

import doctest

import numpy as np

from rationale_cli.measures.describing import Surveyed, describe, unread
from rationale_cli.reporting import description


def surveyed(**changed) -> Surveyed:
    facts = {
        "ids": tuple(f"picture/{index}" for index in range(10)),
        "label": np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 3]),
        "boxes": np.zeros(10, dtype=int),
        "annotated": np.ones(10, dtype=bool),
        "blank": np.zeros(10, dtype=bool),
        "area": np.linspace(0.1, 1.0, 10),
        "mass": {
            ("center", (7, 7)): np.linspace(0.1, 1.0, 10),
            ("center", (14, 14)): np.linspace(0.2, 1.0, 10),
        },
        "unreadable": {},
    }
    return Surveyed(**{**facts, **changed})


def told(seen: Surveyed, pictures: int = 10, threshold: float = 0.5) -> str:
    split = describe("test", pictures, seen, ("ant", "bee", "cat", "dog"), threshold)
    return "\n".join(description.lines((split,), threshold))


def test_examples_hold() -> None:
    assert doctest.testmod(description).failed == 0


def test_classes_are_told_from_both_ends() -> None:
    text = told(surveyed())
    assert "classes: 3 of 1 to 6 pictures" in text
    assert "most:   ant 6, bee 3, dog 1" in text
    assert "fewest: dog 1, bee 3, ant 6" in text
    assert "without a picture here: 1 (cat)" in text


def test_one_picture_is_no_plural() -> None:
    each = surveyed(
        ids=("a", "b"),
        label=np.array([0, 1]),
        boxes=np.zeros(2, dtype=int),
        annotated=np.zeros(2, dtype=bool),
        blank=np.zeros(2, dtype=bool),
        area=np.full(2, np.nan),
        mass={},
    )
    assert "classes: 2 of 1 picture each" in told(each)
    assert "annotated: none" in told(each)


def test_a_class_without_annotations_is_named() -> None:
    label = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 3])
    area = np.where(label == 1, np.nan, 0.4)
    text = told(surveyed(annotated=label != 1, area=area))
    assert "annotated: 7 (7 by masks)" in text
    assert "without an annotation: 1 (bee)" in text


def test_patch_grids_that_agree_share_a_line() -> None:
    alike = surveyed(mass={("center", (7, 7)): np.ones(10), ("center", (14, 14)): np.ones(10)})
    assert told(alike).splitlines()[-1] == "    center at 7×7 and 14×14 patches  100.0 %, 10 of 10"
    apart = surveyed(mass={("center", (7, 7)): np.ones(10), ("center", (14, 14)): np.zeros(10)})
    assert told(apart).splitlines()[-2:] == [
        "    center at 7×7 patches    100.0 %, 10 of 10",
        "    center at 14×14 patches    0.0 %, 0 of 10",
    ]


def test_a_sample_has_intervals_and_the_whole_has_none() -> None:
    assert "[" not in told(surveyed())
    text = told(surveyed(), pictures=3000)
    assert "3,000 pictures (a sample of 10)" in text
    assert "60.0 % [31.3, 83.2], 6 of 10" in text


def test_many_problems_are_shortened() -> None:
    text = told(surveyed(area=np.zeros(10)))
    assert (
        "nothing of the object is left by the crop: 10 "
        "(picture/0, picture/1, picture/2, picture/3, picture/4, …)" in text
    )
    assert "heatmaps" not in text


def test_what_was_not_read_is_told_apart_from_what_is_empty() -> None:
    lines = description.lines((unread("train", 5), unread("test", 0)), 0.5)
    assert lines == [
        "train: 5 pictures (not read: --split train)",
        "",
        "test: 0 pictures (empty)",
    ]
