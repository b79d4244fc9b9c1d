"""The dataset `folder` on a table of pictures instead of class folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rationale_plugins.datasets.folder import Folder

from rationale_cli.errors import InputError
from rationale_cli.testing import check_dataset


def picture(path: Path, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3) if mode == "RGB" else (8, 8), len(path.stem) * 20, np.uint8)).save(path)


def opened(root: Path, **options) -> Folder:
    return Folder(Folder.Options(root=root, **options))


@pytest.fixture
def towers(tmp_path: Path) -> Path:
    """Photographs in one folder, with a table; of one there is a mask."""
    for name in ("a", "bb", "ccc", "dddd"):
        picture(tmp_path / "photos" / f"{name}.png")
    picture(tmp_path / "outlines" / "b.png", "L")
    write(tmp_path, "image,label,mask", "a,stands", "bb,falls,outlines/b.png", "ccc,stands", "dddd,falls")
    return tmp_path


def write(root: Path, header: str, *rows: str, name: str = "answers.csv") -> None:
    lines = [f"photos/{row.replace(',', '.png,', 1)}" for row in rows]
    (root / name).write_text("\n".join([header, *lines]) + "\n")


def test_any_table_of_images_and_labels_is_read(towers: Path) -> None:
    folder = opened(towers, table=Path("answers.csv"), test_fraction=0.5)
    check_dataset(folder)
    assert folder.task.classnames == ("falls", "stands")
    samples = {one.id: one for name in ("train", "test") for one in folder.split(name)}
    assert {name: one.label for name, one in samples.items()} == {
        "photos/a": 1,
        "photos/bb": 0,
        "photos/ccc": 1,
        "photos/dddd": 0,
    }
    assert {name for name, one in samples.items() if one.evidence} == {"photos/bb"}


def test_splits_and_names_come_from_their_columns(towers: Path) -> None:
    write(
        towers, "Image,Label,Split,ID", "a,s,test,one", "bb,f,test,two", "ccc,s,train,one", "dddd,f,train,2"
    )
    folder = opened(towers, table=towers / "answers.csv")
    assert {name: list(folder.split(name).ids) for name in folder.splits} == {
        "train": ["2", "one"],
        "test": ["one", "two"],
    }


def test_classes_have_words_of_their_own(towers: Path) -> None:
    write(towers, "image,label", "a,0", "bb,1", "ccc,0", "dddd,1")
    (towers / "classes.txt").write_text("0\tstable\n1\tunstable\n")
    assert opened(towers, table=Path("answers.csv")).task.classnames == ("stable", "unstable")


def test_the_usual_name_needs_no_option(towers: Path) -> None:
    (towers / "answers.csv").rename(towers / "stimuli.csv")
    assert opened(towers).task.classnames == ("falls", "stands")


def test_masks_of_the_same_names_are_found_without_a_column(towers: Path) -> None:
    write(towers, "image,label", "a,s", "bb,f", "ccc,s", "dddd,f")
    picture(towers / "masks" / "photos" / "a.png", "L")
    folder = opened(towers, table=Path("answers.csv"))
    assert {one.id for name in folder.splits for one in folder.split(name) if one.evidence} == {"photos/a"}


@pytest.mark.parametrize(
    ("header", "row", "told"),
    [
        ("image,truth", "a,stands", "label is missing"),
        ("image,label", "z,stands", "no file 'photos/z.png'"),
        ("image,label,mask", "a,stands,none.png", "Expected a mask but there is no file"),
        ("image,label", "a,", "a value of label"),
        ("image,label,split", "a,stands,", "a value of split"),
    ],
)
def test_what_is_missing_is_told(towers: Path, header: str, row: str, told: str) -> None:
    write(towers, header, row)
    with pytest.raises(InputError, match=told):
        opened(towers, table=Path("answers.csv"))


def test_a_picture_is_named_once(towers: Path) -> None:
    write(towers, "image,label", "a,stands", "a,falls")
    with pytest.raises(InputError, match=r"once but 'photos/a' was named before"):
        opened(towers, table=Path("answers.csv"))


def test_a_table_that_is_none_is_refused(towers: Path) -> None:
    (towers / "answers.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="could not read it"):
        opened(towers, table=Path("answers.csv"))
    (towers / "answers.csv").write_text("image,label\n")
    with pytest.raises(InputError, match="a row for each picture"):
        opened(towers, table=Path("answers.csv"))
    with pytest.raises(InputError, match="there is no such file"):
        opened(towers, table=Path("other.csv"))
