"""The words for classes: from their folders' names, or from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rationale_cli.errors import InputError


def words(folder: str) -> str:
    """A folder's name as one would say it: underscores are spaces."""
    return " ".join(folder.replace("_", " ").split())


def classes_from_folders(folders: Sequence[str], where: Path) -> dict[str, str]:
    """Folder → words, in the folders' order. Raises ``InputError`` where two have the same words."""
    return _distinct({folder: words(folder) for folder in folders}, where)


def classes_from_file(path: Path, folders: Sequence[str]) -> dict[str, str]:
    """Folder → words, in the file's order; folders that it does not name are left out.

    A line is a folder's name (or its words), and after a tab the words to use in prompts. Blank lines
    and lines that begin with "#" do not count. Raises ``InputError`` for a line without a folder.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"Expected a list of classes but could not read it: {error}.", where=str(path)
        ) from error
    by_words = {words(folder): folder for folder in folders}
    classes: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        name, _, said = (part.strip() for part in line.partition("\t"))
        if not name or name.startswith("#"):
            continue
        folder = name if name in folders else by_words.get(words(name))
        if folder is None or folder in classes:
            problem = "it was named before" if folder else "there is no such folder"
            raise InputError(
                f"Expected the name of another class folder but got {name!r}: {problem}.",
                where=f"{path}, line {number}",
                next_step=f"name folders: {', '.join(folders[:8])}{' …' if len(folders) > 8 else ''}",
            )
        classes[folder] = said or words(folder)
    return _distinct(classes, path)


def _distinct(classes: dict[str, str], where: Path) -> dict[str, str]:
    if len(classes) < 2:
        raise InputError(
            f"Expected at least two classes to tell apart but got {len(classes)}.", where=str(where)
        )
    said: dict[str, str] = {}
    for folder, name in classes.items():
        if name in said:
            raise InputError(
                f"Expected different words for every class but {said[name]!r} and {folder!r} "
                f"are both {name!r}.",
                where=str(where),
                next_step="rename one, or give words of its own after a tab in classes.txt",
            )
        said[name] = folder
    return classes
