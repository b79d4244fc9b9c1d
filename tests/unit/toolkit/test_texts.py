"""Texts that are too long are refused and shown."""

from __future__ import annotations

import pytest

from rationale_cli.errors import InputError
from rationale_cli.toolkit.texts import refuse_longer


def test_the_longest_text_passes():
    refuse_longer(["a", "b"], [7, 8], 8)


def test_the_first_that_is_too_long_is_shown_by_its_beginning():
    with pytest.raises(InputError, match=r"at most 8 tokens.* but got 9: 'x{80}…'") as caught:
        refuse_longer(["fine", "x" * 500], [3, 9], 8)
    assert caught.value.next_step == "shorten the class name or the template"
