"""``rationale audit published``: the paper's tables, and a reader's own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rationale_cli.recipe import shipped_recipes
from rationale_cli.reporting.published import shipped_tables
from rationale_cli.stages.audit import AuditRequest, run

from .conftest import ENVIRONMENT

DATASETS = ("ImageNet-1K", "CalTech-101", "Stanford-Dogs", "CUB-200-2011")
METHODS = {"ZS": "ZS", "CoOp": "CoOp", "TA": "Tip-Adapter-F"}
FIGURES = {"acc": "accuracy", "PT": "PT", "IR": "IR"}


@pytest.fixture(scope="module")
def tables():
    return {table.name: table for table in run(AuditRequest()).tables}


def rows_of(table):
    return {(*row.setting.values(), row.method): row for row in table.rows}


# --- the paper ---------------------------------------------------------------------------------------------


def test_table_4_as_the_protocol_audits_it(tables):
    rows = rows_of(tables["paper-table-4"])
    assert len(rows) == 24
    assert {row.audit.status for row in rows.values()} == {"consistent"}
    lifts = {key: row.audit.lift.value for key, row in rows.items()}
    assert 1.005 <= min(lifts.values()) < 1.006
    assert 1.238 < max(lifts.values()) <= 1.24
    elsewhere = [lift for (dataset, *_), lift in lifts.items() if dataset != "CUB-200-2011"]
    assert len(elsewhere) == 18
    assert max(elsewhere) <= 1.05
    rates = [rows["ImageNet-1K", "CLIP-ViT-B/16", method].audit.V.value for method in METHODS.values()]
    assert [round(rate, 3) for rate in rates] == [0.831, 0.730, 0.650]


def test_rounding_cannot_move_what_the_protocol_says_of_table_4(tables):
    for row in tables["paper-table-4"].rows:
        assert row.audit.WW.low > 0
        assert row.audit.lift.low > 1.004
        assert row.audit.V.high - row.audit.V.low < 0.001


def test_ir_follows_accuracy_in_the_paper(tables):
    """25 comparisons: IR rises as accuracy does, to within 2.7 points in all but three, which are CUB's."""
    found = {
        (name, *key): row.contrast
        for name, table in tables.items()
        for key, row in rows_of(table).items()
        if row.contrast
    }
    assert len(found) == 25
    assert all(one.accuracy.low > 0 and one.IR.low > 0 and one.PT.high < 0 for one in found.values())
    assert all(one.V.high < 0 for one in found.values())
    apart = {key[1:] for key, one in found.items() if abs(one.IR.value - one.accuracy.value) > 0.027}
    assert apart == {
        ("CUB-200-2011", "CLIP-ViT-B/16", "CoOp"),
        ("CUB-200-2011", "CLIP-ViT-B/32", "CoOp"),
        ("CUB-200-2011", "CLIP-ViT-B/32", "Tip-Adapter-F"),
    }
    three = [one for key, one in found.items() if key[0] == "paper-table-3"]
    assert len(three) == 9
    assert not any(one.rise == "beyond" for one in three)


def test_valid_evidence_of_the_adamw_row(tables):
    rows = rows_of(tables["paper-table-3"])
    rates = [
        rows["ImageNet-1K", "CLIP-ViT-B/32", "AdamW", one].audit.V.value for one in ("ZS", "LP", "FLCP", "FT")
    ]
    assert [round(100 * rate, 1) for rate in rates] == [85.5, 81.2, 84.3, 83.5]


def test_the_printed_averages_are_those_of_the_rows(tables):
    averages = tables["paper-table-4"].averages
    assert len(averages) == 9
    assert all(one.agrees for one in averages)


def test_the_shipped_figures_are_those_of_the_paper(shared: Path):
    paper = yaml.safe_load((shared / "published.yaml").read_text(encoding="utf-8"))
    shipped = shipped_tables()
    four = rows_of(shipped["table-4"])
    for dataset in DATASETS:
        for model, methods in paper["table4"][dataset].items():
            for short, figures in methods.items():
                same_figures(four.pop((dataset, model, METHODS[short])).figures, figures)
    assert not four
    three = iter(shipped["table-3"].rows)
    for setup in paper["table3"]["setups"].values():
        for method in ("ZS", "LP", "FLCP", "FT"):
            row = next(three)
            assert row.method == method
            same_figures(row.figures, setup[method])
    assert next(three, None) is None
    averages = paper["table4"]["average_over_both_models_and_four_datasets"]
    for row, figures in zip(shipped["table-4"].averages, averages.values(), strict=True):
        same_figures(row.figures, figures)
    told = {(*row.setting.values(), row.method): row for row in shipped["text"].differences}
    for dataset, models in paper["table2"]["prose_deltas_vs_ZS"].items():
        for model, methods in models.items():
            for method, figures in methods.items():
                same_figures(told.pop((dataset, model, method)).figures, figures)
    assert not told
    cub = {row.setting["model"]: row for row in shipped["text"].rows if row.figures.PT is None}
    assert {model: row.figures.accuracy.value for model, row in cub.items()} == pytest.approx(
        {"ALBEF-ViT-B/16": 0.1243, "BLIP-ViT-B/16": 0.1688}
    )


def same_figures(triple, figures):
    for key, name in FIGURES.items():
        one = getattr(triple, name)
        assert (None if one is None else one.value) == (
            pytest.approx(figures[key] / 100) if key in figures else None
        )


def test_digits_tell_the_rounding():
    (row,) = [
        one
        for one in shipped_tables()["text"].differences
        if one.figures.PT and one.figures.PT.value == -0.172
    ]
    assert row.figures.PT.half == pytest.approx(0.0005)
    assert shipped_tables()["table-4"].rows[0].figures.PT.half == pytest.approx(0.00005)


def test_published_figures_are_no_recipes():
    assert not [path for path in shipped_recipes().values() if path.parent.name == "published"]


# --- the command -------------------------------------------------------------------------------------------


def test_the_papers_tables_are_printed(rationale):
    text = rationale("audit", "published").stdout
    assert "12 of 12 triples are consistent." in text
    assert "24 of 24 triples are consistent." in text
    assert "Lift IR/Acc: 1.005–1.239" in text
    assert "9 of 9 printed averages are those of the rows." in text
    sentences = " ".join(text.split())
    assert "accuracy alone makes in 6 of 9, by less in 3, by more in 0." in sentences
    assert "accuracy alone makes in 4 of 16, by less in 2, by more in 10." in sentences
    assert "+12.62 points; median left over beside accuracy: +0.11 to +0.77." in sentences
    (coop,) = [line for line in text.splitlines() if line.split()[:3] == ["CoOp", "76.06", "75.35"]]
    assert coop.split()[3:5] == ["78.50", "73.0"]


@pytest.mark.parametrize("columns", ["80", "100", "200"])
def test_numbers_are_whole_at_any_width(rationale, columns):
    text = rationale("audit", "published", COLUMNS=columns).stdout
    assert max(map(len, text.splitlines())) <= int(columns)
    assert [
        line for line in text.splitlines() if line.split()[:5] == ["ZS", "63.30", "87.05", "66.33", "83.1"]
    ]
    assert ("RR" in next(line for line in text.splitlines() if "Acc" in line)) == (columns != "80")


def test_json_is_one_document(rationale):
    result = json.loads(rationale("audit", "published", "--json").stdout)
    assert result["schema"] == 1
    assert [len(table["rows"]) for table in result["tables"]] == [12, 24]
    row = result["tables"][1]["rows"][1]
    assert row["setting"] == {"dataset": "ImageNet-1K", "model": "CLIP-ViT-B/16"}
    assert row["audit"]["V"]["value"] == pytest.approx(0.7606 * 0.7535 / 0.7850)
    assert row["contrast"]["rise"] == "explained"


MINE = """Method;Data set;Accuracy (%);PT;IR
zero-shot;a;50.0;60.0;60.0

FT [x];a;90.0;90.0;50.0
LP;a;60;–;75.5
"""


def test_a_table_of_ones_own(rationale, tmp_path):
    (tmp_path / "mine.csv").write_bytes(b"\xef\xbb\xbf" + MINE.replace("\n", "\r\n").encode())
    text = " ".join(rationale("audit", "published", "mine.csv").stdout.split())
    assert "1 of 2 triples are consistent." in text
    assert "Impossible under any rounding: a · FT [x] (line 4)." in text
    assert "Not all three figures: a · LP (line 5)." in text
    result = json.loads(rationale("audit", "published", "mine.csv", "--json").stdout)
    shot, _, probe = result["tables"][0]["rows"]
    assert shot["contrast"] is None
    assert shot["published"]["PT"]["half"] == pytest.approx(0.0005)
    assert probe["published"]["accuracy"] == {"value": 0.6, "half": pytest.approx(0.005)}
    assert probe["published"]["PT"] is None
    assert probe["baseline"] == "line 2"
    assert probe["contrast"]["rise"] == "beyond"


def test_yaml_fractions_and_another_baseline(rationale, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "- {method: LP, acc: 0.5, PT: 0.60, IR: 0.60}\n- {method: FT, acc: 0.75, PT: 0.4, IR: 9.0e-1}\n"
    )
    words = ("audit", "published", "mine.yaml", "--json", "--baseline", "lp")
    (table,) = json.loads(rationale(*words).stdout)["tables"]
    assert table["rows"][1]["contrast"]["accuracy"]["value"] == pytest.approx(0.25)
    assert table["rows"][1]["published"]["IR"] == {"value": 0.9, "half": pytest.approx(0.005)}
    words = ("audit", "published", "mine.yaml", "--json", "--unit", "percent")
    (table,) = json.loads(rationale(*words).stdout)["tables"]
    assert table["rows"][0]["published"]["accuracy"]["value"] == pytest.approx(0.005)


HEAD = "method,acc,PT,IR\n"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", HEAD + "ZS,60,50,60\nFT,70,5O,60\n", ("got '5O'", "a.csv, line 3, column PT")),
        ("a.csv", HEAD + "ZS,60,50,160\n", ("between 0 and 100 %", "a.csv, line 2, column IR")),
        ("a.csv", HEAD + "ZS,60,50,nan\n", ("got 'nan'", "line 2, column IR")),
        ("a.csv", HEAD + "ZS,63,30,87,05,66,33\n", ("Expected 4 cells", "got 7", "a.csv, line 2")),
        ("a.csv", HEAD + 'ZS,60,50,60\n"FT\nx",70,50,60\nLP,1,x,2\n', ("a.csv, line 5, column PT",)),
        ("a.csv", HEAD + "ZS,60,50,60\nZS,60,50,60\n", ("'ZS' stands on line 2 and line 3",)),
        ("a.csv", "method,acc,PT\nZS,60,50\n", ("IR is missing", "Found: method, acc, PT")),
        (
            "a.csv",
            "method,acc,Accuracy,PT,IR\nZS,60,60,50,60\n",
            ("one column acc but got acc and Accuracy",),
        ),
        ("a.csv", "method,acc,acc,PT,IR\nZS,60,60,50,60\n", ("'acc' twice",)),
        ("a.csv", HEAD, ("Expected rows of figures", "a.csv")),
        ("a.csv", "", ("Expected rows of figures",)),
        ("a.csv", HEAD + 'ZS,60,"50,60\n', ("Expected CSV", "a.csv, line 2")),
        ("a.xlsx", HEAD, (".csv, .tsv, .yaml or .yml", "a.xlsx")),
        ("a.yaml", "rows:\n- {method: ZS, acc: 60, PT: x, IR: 60}\n", ("got 'x'", "row 1, column PT")),
        (
            "a.yaml",
            "rows:\n- {method: ZS, acc: [1], PT: 1, IR: 60}\n",
            ("acc: Expected a single value", "row 1"),
        ),
        ("a.yaml", "rows:\n- 3\n", ("Expected columns and values but got '3'", "row 1")),
        ("a.yaml", "row:\n- {method: ZS}\n", ("row: unknown key", "Did you mean 'rows'")),
        (
            "a.yaml",
            "unit: points\nrows:\n- {acc: 1, PT: 1, IR: 1}\n",
            ("percent or fraction but got 'points'",),
        ),
        ("a.yaml", "rows: [\n", ("Expected YAML", "a.yaml")),
        ("a.yaml", "", ("Expected a list of rows", "a.yaml")),
    ],
)
def test_bad_tables_name_file_row_and_column(rationale, tmp_path, name, content, told):
    (tmp_path / name).write_text(content)
    done = rationale("audit", "published", name, code=2)
    assert not done.stdout
    for words in told:
        assert words in done.stderr


def test_bad_requests(rationale, tmp_path):
    assert "none.csv" in rationale("audit", "published", "none.csv", code=2).stderr
    assert "Expected a file" in rationale("audit", "published", "--baseline", "LP", code=2).stderr
    (tmp_path / "a.csv").write_text(HEAD + "ZS,60,50,60\n")
    assert "Known: ZS" in rationale("audit", "published", "a.csv", "--baseline", "LP", code=2).stderr
    (tmp_path / "b.csv").write_bytes(b"method,acc\xff\n")
    assert "could not read" in rationale("audit", "published", "b.csv", code=2).stderr


def test_the_tables_of_the_how_to_page(rationale, tmp_path, repo):
    page = (repo / "docs/how-to/audit-published-figures.md").read_text(encoding="utf-8")
    found = {}
    for kind in ("csv", "yaml"):
        (body,) = re.findall(rf"^```{kind}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
        (tmp_path / f"my-table.{kind}").write_text(body)
        words = ("audit", "published", f"my-table.{kind}", "--baseline", "ZS", "--json")
        (found[kind],) = json.loads(rationale(*words).stdout)["tables"]
    assert [row["audit"] for row in found["csv"]["rows"]] == [row["audit"] for row in found["yaml"]["rows"]]
    assert [one["agrees"] for one in found["yaml"]["averages"]] == [True] * 3


def test_no_torch_is_loaded():
    probe = (
        "import sys; sys.argv = ['rationale', 'audit', 'published', '--json']\n"
        "from rationale_cli.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert not {'torch', 'matplotlib', 'pyarrow', 'scipy'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", probe], env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
