"""Published triples, taken apart."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rationale_cli.measures.consistency import audit

DATASETS = ("ImageNet-1K", "CalTech-101", "Stanford-Dogs", "CUB-200-2011")


def test_every_triple_of_table_4_is_consistent(shared: Path) -> None:
    published = yaml.safe_load((shared / "published.yaml").read_text(encoding="utf-8"))["table4"]
    triples = {
        (dataset, model, method): audit(*(row[key] / 100 for key in ("acc", "PT", "IR")))
        for dataset in DATASETS
        for model, methods in published[dataset].items()
        for method, row in methods.items()
    }
    assert len(triples) == 24
    assert all(triple.consistent for triple in triples.values())
    lifts = [triple.lift for triple in triples.values()]
    assert min(lifts) >= 1.005
    assert max(lifts) <= 1.24
    elsewhere = [triple.lift for (dataset, *_), triple in triples.items() if dataset != "CUB-200-2011"]
    assert max(elsewhere) <= 1.05
    rates = [triples["ImageNet-1K", "CLIP-ViT-B/16", method].V for method in ("ZS", "CoOp", "TA")]
    assert [round(rate, 3) for rate in rates] == [0.831, 0.730, 0.650]


@given(st.tuples(*[st.integers(1, 500)] * 4))
def test_quadrants_come_back(cells: tuple[int, int, int, int]) -> None:
    rr, rw, wr, ww = (cell / sum(cells) for cell in cells)
    triple = audit(rr + rw, rr / (rr + rw), rr / (rr + wr))
    assert triple.consistent
    assert pytest.approx((rr, rw, wr, ww)) == (triple.RR, triple.RW, triple.WR, triple.WW)


@given(st.tuples(*[st.integers(1, 9999)] * 4))
def test_rounding_to_two_decimals_is_forgiven(cells: tuple[int, int, int, int]) -> None:
    rr, rw, wr, _ = (cell / sum(cells) for cell in cells)
    rounded = [round(value, 4) for value in (rr + rw, rr / (rr + rw), rr / (rr + wr))]
    if min(rounded) > 1e-3:
        assert audit(*rounded).consistent


def test_more_wrong_and_valid_than_wrong_is_impossible() -> None:
    assert not audit(0.9, 0.9, 0.5).consistent


@pytest.mark.parametrize("triple", [(0.0, 0.5, 0.5), (0.5, 0.5, 0.0), (1.2, 0.5, 0.5), (0.5, -0.1, 0.5)])
def test_what_cannot_be_taken_apart_is_refused(triple: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="Expected"):
        audit(*triple)
