"""Shares of words over pictures: the class's name is one place."""

from __future__ import annotations

import pytest

from rationale_cli.measures.words import CLASS_NAME, Told, WordShares, word_shares


def shares(*found: Told) -> WordShares:
    return word_shares("zs", "test", "data", found)


def told(name: str, *words: tuple[str, float], without: tuple[float, ...] | None = None) -> Told:
    return Told(name, words, without, 0.25)


def values(found: WordShares) -> dict[str, float | None]:
    return {f"{place} {one.word}": one.share.value for place, one in enumerate(found.words)}


def test_names_of_any_length_stand_in_one_place() -> None:
    zebra = told("zebra", ("a", 0.1), ("photo", 0.1), ("of", 0.2), ("a", 0.2), ("zebra.", 0.4))
    star = told(
        "striped star", ("a", 0.3), ("photo", 0.1), ("of", 0.2), ("a", 0.0), ("striped", 0.3), ("star.", 0.1)
    )
    found = shares(zebra, star)
    assert values(found) == {
        "0 a": pytest.approx(0.2),
        "1 photo": pytest.approx(0.1),
        "2 of": pytest.approx(0.2),
        "3 a": pytest.approx(0.1),
        f"4 {CLASS_NAME}": pytest.approx(0.4),
    }
    assert (found.n, found.elsewhere.value) == (2, 0.25)
    assert all(one.without is None for one in found.words)


def test_a_word_that_some_texts_lack_is_a_mean_over_the_others() -> None:
    found = shares(told("cat", ("cat", 0.8), ("fluffy", 0.2)), told("dog", ("dog", 1.0)))
    assert values(found) == {f"0 {CLASS_NAME}": pytest.approx(0.9), "1 fluffy": pytest.approx(0.2)}
    assert [one.share.n for one in found.words] == [2, 1]


def test_what_a_name_of_two_words_is_worth_is_the_sum() -> None:
    """Of leaving out each, as far as logits add up."""
    (one,) = shares(told("red car", ("red", 0.5), ("car", 0.5), without=(-1.0, -2.0))).words
    assert one.without is not None
    assert one.without.value == pytest.approx(-3)


def test_learned_words_keep_their_place() -> None:
    found = shares(told("cat", ("[V1]", 0.5), ("[V2]", 0.25), ("cat", 0.25)))
    assert [one.word for one in found.words] == ["[V1]", "[V2]", CLASS_NAME]
