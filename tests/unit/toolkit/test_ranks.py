import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from rationale_cli.toolkit.ranks import correlation, rank_correlation, ranks

FEW_VALUES = arrays.arrays(np.float64, (2, 7), elements=st.integers(0, 4).map(float))


@given(FEW_VALUES)
def test_ranks_are_scipys(rows: np.ndarray) -> None:
    assert ranks(torch.from_numpy(rows)).tolist() == (stats.rankdata(rows, axis=1) - 1).tolist()


@given(FEW_VALUES)
def test_rank_correlation_is_scipys(rows: np.ndarray) -> None:
    one, other = torch.from_numpy(rows[:1]), torch.from_numpy(rows[1:])
    found = float(rank_correlation(one, other))
    if any(len(set(row)) == 1 for row in rows):
        assert np.isnan(found)
    else:
        assert found == pytest.approx(stats.spearmanr(*rows).statistic)


def test_correlation_is_pearsons() -> None:
    one, other = torch.rand(2, 5, 9, generator=torch.Generator().manual_seed(0)).double()
    expected = [float(torch.corrcoef(torch.stack(pair))[0, 1]) for pair in zip(one, other, strict=True)]
    assert correlation(one, other).tolist() == pytest.approx(expected)
