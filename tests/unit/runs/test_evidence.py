"""Tables of evidence: read as they were written, without what takes longer than reading them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rationale_cli.errors import InputError
from rationale_cli.runs.evidence import EvidenceTable

IDS = ("été/1.jpg", "2", "", "a" * 300)


def table(ids: tuple[str, ...] = IDS) -> EvidenceTable:
    n = len(ids)
    columns = {field.name: np.arange(n) / 8 for field in fields(EvidenceTable)}
    columns["rma"] = np.where(np.arange(n) == 1, np.nan, columns["rma"])
    whole = {name: np.arange(n, dtype=np.int32) for name in ("label", "prediction")}
    status = {"id": np.array(ids, dtype=object), "status": np.zeros(n, np.int8)}
    return EvidenceTable(**{**columns, **whole, **status})


def written(path: Path, one: EvidenceTable) -> Path:
    pq.write_table(one.to_arrow(), path)
    return path


@pytest.mark.parametrize("ids", [IDS, ()])
def test_a_table_is_read_as_it_was_written(tmp_path: Path, ids: tuple[str, ...]) -> None:
    one = table(ids)
    read = EvidenceTable.read(written(tmp_path / "table.parquet", one))
    assert read.id.tolist() == list(ids)
    for field in fields(EvidenceTable):
        np.testing.assert_array_equal(getattr(read, field.name), getattr(one, field.name))
    assert (read.label.dtype, read.rma.dtype, read.status.dtype) == (np.int32, np.float64, np.int8)


def test_a_missing_number_is_not_a_number(tmp_path: Path) -> None:
    whole = table().to_arrow()
    area = pa.array([0.1, None, 0.3, None], pa.float64())
    pq.write_table(whole.set_column(whole.column_names.index("area"), "area", area), tmp_path / "t.parquet")
    assert np.isnan(EvidenceTable.read(tmp_path / "t.parquet").area).tolist() == [False, True, False, True]


def test_tables_of_the_same_pictures_share_their_identifiers(tmp_path: Path) -> None:
    first, second, other = (
        EvidenceTable.read(written(tmp_path / name, one))
        for name, one in (("1", table()), ("2", table()), ("3", table((*IDS[:3], "b" * 300))))
    )
    assert first.id is second.id
    assert other.id.tolist() != first.id.tolist()
    with pytest.raises(ValueError, match="read-only"):
        first.id[0] = "changed"


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1, or so")
    with pytest.raises(InputError, match="could not read it") as error:
        EvidenceTable.read(tmp_path / "t.parquet")
    assert error.value.where == str(tmp_path / "t.parquet")


def test_reading_imports_no_pandas(tmp_path: Path) -> None:
    path = written(tmp_path / "table.parquet", table())
    code = (
        "import sys; from pathlib import Path; from rationale_cli.runs.evidence import EvidenceTable; "
        "EvidenceTable.read(Path(sys.argv[1])); sys.exit('pandas' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
