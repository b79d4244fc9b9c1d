"""Files are whole or not there."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from rationale_cli.errors import InputError, WorkError
from rationale_cli.runs.atomic import atomic_path, write_bytes, write_text
from rationale_cli.runs.parts import whole_folder


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.txt"
    write_text(target, "old")
    write_bytes(target, b"new")
    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    write_text(target, "old")
    with pytest.raises(ZeroDivisionError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("number", "kind", "told"),
    [
        (errno.ENOSPC, WorkError, "disk is full"),
        (errno.EROFS, InputError, "read-only"),
        (errno.EIO, WorkError, "Could not write"),
    ],
)
def test_failures_are_told_in_plain_words(
    tmp_path: Path, number: int, kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind, match=told), atomic_path(tmp_path / "file"):
        raise OSError(number, "trouble")
    with pytest.raises(kind, match=told), whole_folder(tmp_path / "folder"):
        raise OSError(number, "trouble")
    assert not list(tmp_path.iterdir())


def test_a_writer_that_tells_a_full_disk_in_words_only(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="disk is full"), atomic_path(tmp_path / "file"):
        raise RuntimeError("write(): fd 3 failed with No space left on device")
    with pytest.raises(RuntimeError, match="something else"), atomic_path(tmp_path / "file"):
        raise RuntimeError("something else")


def test_a_folder_appears_whole_and_replaces_an_older_one(tmp_path: Path) -> None:
    for text in ("old", "new"):
        with whole_folder(tmp_path / "set") as staging:
            (staging / "file").write_text(text)
            assert not (tmp_path / "set" / "file").exists() or text == "new"
    assert (tmp_path / "set" / "file").read_text() == "new"
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "set") as staging:
        (staging / "file").write_text("half")
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert (tmp_path / "set" / "file").read_text() == "new"
