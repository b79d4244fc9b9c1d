"""Evidence on its way: one part a batch, merged into evidence sets when the last one is there."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from ..errors import WorkError
from .atomic import atomic_path, explained, write_text
from .evidence import ContextTable, EvidenceSpec, EvidenceTable, WitnessTable

Arrays = Mapping[str, npt.NDArray[Any]]
_BEHIND = 2
"""Parts that may wait to be written: each is held in memory."""
_SHARED = ("id", "label", "prediction", "confidence", "area")


@dataclass(frozen=True)
class Parts:
    """The parts of one pass in a folder of their own; a killed pass finds them again."""

    folder: Path
    total: int

    def missing(self) -> list[int]:
        """Numbers of the parts that are still to be made."""
        return [number for number in range(self.total) if not self._path(number).is_file()]

    def write(self, number: int, columns: Arrays) -> None:
        """Write one part atomically."""
        with atomic_path(self._path(number)) as temporary, temporary.open("wb") as file:
            np.savez(file, **columns)  # type: ignore[arg-type]  # held against savez's own keyword, too

    @contextmanager
    def writing(self) -> Iterator[Callable[[int, Arrays], None]]:
        """Yield ``write`` that hands a part to a thread, which is a few parts behind at most.

        What it could not write is raised by a later call, or on leaving. All that was handed over is written
        before that, also where the work in between fails: another pass then has less to do.
        """
        pending: deque[Future[None]] = deque()

        def write(number: int, columns: Arrays) -> None:
            pending.append(thread.submit(self.write, number, columns))
            while len(pending) > _BEHIND:
                pending.popleft().result()

        with ThreadPoolExecutor(max_workers=1) as thread:
            yield write
        for one in pending:
            one.result()

    def read(self) -> dict[str, npt.NDArray[Any]]:
        """All parts side by side, in order. Raises ``WorkError`` where one cannot be read."""
        loaded = [self._read(number) for number in range(self.total)]
        full = [part for part in loaded if "id" in part]
        names = full[0].keys() if full else ()
        columns = {name: np.concatenate([part[name] for part in full]) for name in names if name != "skipped"}
        columns["skipped"] = np.concatenate([part["skipped"] for part in loaded])
        return columns

    def remove(self) -> None:
        """Forget the parts, and those of abandoned passes beside them."""
        for folder in self.folder.parent.glob(".parts-*"):
            shutil.rmtree(folder)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.npz"

    def _read(self, number: int) -> dict[str, npt.NDArray[Any]]:
        path = self._path(number)
        try:
            with np.load(path, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise WorkError(
                f"Could not read a part of the evidence: {error}",
                where=str(path),
                next_step="delete that file and run the same command again: only it is computed again",
            ) from error


def write_set(folder: Path, spec: EvidenceSpec, columns: Arrays) -> None:
    """Write one evidence set from merged columns; it appears whole or not at all."""
    name = spec.name
    table = EvidenceTable(
        **{key: columns[key] for key in _SHARED},
        rma=columns[f"{name}/rma"],
        rma_raw=columns[f"{name}/rma_raw"],
        status=columns[f"{name}/status"],
    )
    with whole_folder(folder / name) as staging:
        pq.write_table(table.to_arrow(), staging / "table.parquet")
        np.save(staging / "heatmaps.npy", columns[f"{name}/heatmap"], allow_pickle=False)
        write_text(staging / "spec.yaml", spec.to_yaml())


def write_witness(folder: Path, columns: Arrays) -> None:
    """Write the witness table from merged columns."""
    kinds = [field.name for field in fields(WitnessTable) if field.name not in {"id", "label"}]
    altered = {kind: columns[f"witness/{kind}"] for kind in kinds}
    table = WitnessTable(id=columns["id"], label=columns["label"], **altered)
    with whole_folder(folder / "witness") as staging:
        pq.write_table(table.to_arrow(), staging / "table.parquet")


def write_contexts(folder: Path, ids: Sequence[str], contexts: Sequence[str]) -> None:
    """Write the table of what objects stand on, of all pictures of a split."""
    table = ContextTable(np.array(ids, dtype=object), np.array(contexts, dtype=object))
    with whole_folder(folder / "contexts") as staging:
        pq.write_table(table.to_arrow(), staging / "table.parquet")


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a staging folder that becomes ``path`` on success; an older ``path`` is replaced."""
    staging = path.with_name(f".staging-{path.name}")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir(parents=True)
        yield staging
        if path.exists():
            shutil.rmtree(path)
        staging.replace(path)
    except OSError as error:
        raise explained(error, path) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def spread(
    ids: Sequence[str], groups: npt.NDArray[np.integer], total: int, key: Callable[[str], int]
) -> list[int]:
    """Rows of a sample of about ``total``, as even over the groups as can be, chosen by ``key`` alone.

    The same ids are chosen whatever else the table holds, so that runs on the same pictures share them.
    """
    order = sorted(range(len(ids)), key=lambda row: key(ids[row]))
    rank: dict[int, int] = {}
    placed = []
    for row in order:
        group = int(groups[row])
        rank[group] = rank.get(group, 0) + 1
        placed.append((rank[group], row))
    return sorted(row for _, row in sorted(placed, key=lambda item: item[0])[:total])
