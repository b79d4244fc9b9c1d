"""Samples of a split."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rationale_cli.engine.batches import limited


def test_a_share_is_spread_over_the_split():
    assert limited(1000, None, 0.01) == [0, 111, 222, 333, 444, 555, 666, 777, 888, 999]


def test_a_small_share_is_a_batch_at_least():
    assert len(limited(1000, None, 0.01, least=64)) == 64
    assert len(limited(40, None, 0.01, least=64)) == 40
    assert len(limited(1000, 20, 0.01, least=64)) == 20


@given(
    total=st.integers(1, 2000),
    limit=st.none() | st.integers(1, 3000),
    share=st.floats(1e-4, 1),
    least=st.integers(1, 200),
)
def test_a_sample_is_in_order_and_of_the_size_asked_for(total, limit, share, least):
    found = limited(total, limit, share, least)
    assert found == sorted(set(found))
    assert set(found) <= set(range(total))
    assert len(found) <= (limit or total)
    assert len(found) >= min(total, limit or total, least)
