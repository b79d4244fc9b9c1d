"""What recipes show: from YAML to layouts."""

from __future__ import annotations

import pytest

from rationale_cli.errors import InputError
from rationale_cli.recipe import load_recipe
from rationale_cli.recipe.layouts import Column, CurveLayout, GalleryLayout, TableLayout, TradeoffLayout


@pytest.fixture
def shown(tmp_path):
    def loader(text):
        path = tmp_path / "mine.yaml"
        path.write_text(f"show:\n{text}")
        return load_recipe(path).layouts

    return loader


def test_every_kind_of_layout(shown):
    assert shown(
        "  - table: table-2\n    title: What is right\n    metrics: [PT, IR]\n    rows: [method]\n"
        "    columns: [dataset, model]\n    published: paper-text\n    averages: false\n"
        "  - {curves: figure-4, metrics: PT}\n"
        "  - {gallery: figure-3, title: Seen, pictures: 4}\n"
        "  - tradeoff: rivals\n    rows: [method]\n    against: {method: ft}\n"
        "    columns: [accuracy@test, PT@test/occlusion]\n    planes: [[accuracy@test, background@test]]\n"
    ) == (
        TableLayout(
            "table-2", "What is right", ("PT", "IR"), ("method",), ("dataset", "model"), "paper-text", False
        ),
        CurveLayout("figure-4", "figure-4", ("PT",)),
        GalleryLayout("figure-3", "Seen", 4),
        TradeoffLayout(
            "rivals",
            "rivals",
            (Column("accuracy", "test"), Column("PT", "test", "occlusion")),
            ("method",),
            {"method": "ft"},
            ((Column("accuracy", "test"), Column("background", "test")),),
        ),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("  - 3\n", "show, entry 1: Expected a name under one of table, curves, gallery, tradeoff"),
        ("  - {title: x}\n", "show, entry 1: Expected a name under one of"),
        ("  - {table: a, curves: a}\n", "show, entry 1: Expected a name under one of"),
        ("  - {gallery: Figure 3}\n", "gallery: Expected a name of lower case"),
        ("  - {gallery: a}\n  - {gallery: a}\n", "'a' stands twice"),
        (
            "  - {gallery: a, picture: 3}\n",
            "show, entry 1: picture: unknown option of gallery 'a'. Did you mean 'pictures'",
        ),
        ("  - {gallery: a, pictures: 0}\n", "show, entry 1: pictures: Expected greater than or equal to 1"),
        ("  - {curves: a}\n", "show, entry 1: metrics: curves 'a' needs a value"),
        ("  - {table: a, metrics: [PT], rows: [method]}\n", "columns: table 'a' needs a value"),
        (
            "  - {table: a, metrics: [PT], rows: [methd], columns: [model]}\n",
            "show, entry 1: rows: Expected axes (Did you mean 'method'?",
        ),
        (
            "  - {tradeoff: a, against: {method: ft}, columns: [PT]}\n",
            "columns: Expected METRIC@SPLIT or METRIC@SPLIT/ATTRIBUTION but got 'PT'",
        ),
        (
            "  - {tradeoff: a, against: {model: ft}, columns: [PT@test]}\n",
            "against: Expected axes of the rows (method, regularizer)",
        ),
        (
            "  - {table: a, metrics: [PT], rows: [method], columns: [method]}\n",
            "Expected each axis once but 'method' stands twice",
        ),
    ],
)
def test_what_is_wrong_names_file_entry_and_key(shown, text, told):
    with pytest.raises(InputError) as caught:
        shown(text)
    assert told in caught.value.what
    assert "mine.yaml" in str(caught.value.where)
