"""What the page on right reasons says of the drawn scenes is what the kept results of its recipes say.

After ``rationale run`` of any of ``RECIPES``, ``python tests/docs/test_evidence_aware.py runs`` keeps the new
results and writes the tables anew; so it does with what ``rationale faithfulness`` told of runs in there.
What ``rationale run evidence-aware --set train.epochs=6`` writes is kept by the name of ``LONGER``: rename
its folder.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import pytest
from kept_tables import ROOT, check, keep, rows_of, table, write

PAGE = ROOT / "docs" / "how-to" / "right-for-the-right-reasons.md"
KEPT = ROOT / "docs" / "explanation" / "measured"
RIVALS, WEIGHTS = "rivals.csv", "weights.csv"
LONGER = "evidence-aware-six-epochs"
RECIPES = {
    "evidence-aware": RIVALS,
    LONGER: RIVALS,
    "evidence-aware-weights": WEIGHTS,
    "photographs": RIVALS,
}
"""Recipe → the file of its table."""
HEATMAPS = "heatmaps.csv"
"""Beside the rivals: means over seeds of what ``rationale faithfulness`` told of some of them."""
UNSEEN = ("grad-cam-last-dot", "input-x-gradient-dot")
"""Attributions that no term was trained on."""
GAA = "gaa-last-dot"
BY_GAA = ("gaa-mass", "evidence-anchor", "text-guided")
"""Terms that are trained on GAA."""

Row = Mapping[str, str]


class Rival(NamedTuple):
    """A way of tuning."""

    method: str
    regularizer: str = "none"
    train: str = "train"
    setup: str = ""

    def __str__(self) -> str:
        terms = "" if self.regularizer == "none" else f" + {self.regularizer}"
        without = " without the shortcut" if self.train == "train-clean" else ""
        return f"`{self.method}{terms}`{without}" + (f", {self.setup}" if self.setup else "")


FT, CLEAN, ZS = Rival("ft"), Rival("ft", train="train-clean"), Rival("zs")


def _of(row: Row) -> Rival:
    return Rival(row["method"], row["regularizer"], row["train"], row["setup"])


class Measure(NamedTuple):
    """A column of the recipe's table."""

    metric: str
    split: str = "test"
    attribution: str = ""


def rivals_of(recipe: str, model: str) -> dict[Rival, dict[Measure, Row]]:
    """What a recipe's table tells of each way of tuning this model."""
    found: dict[Rival, dict[Measure, Row]] = {}
    for row in rows_of(KEPT / recipe / RECIPES[recipe]):
        if row["model"] == model:
            rival = _of(row)
            measure = Measure(row["metric"], row["split"], row["specification"])
            found.setdefault(rival, {})[measure] = row
    return found


def points(row: Row | None, digits: int = 1) -> str:
    """In points, with a star where it differs from plain fine-tuning."""
    if row is None or not row["value"]:
        return "–"
    value = f"{100 * float(row['value']):.{digits}f}".replace("-", "−")
    return value + ("*" if row["verdict"] == "significant" else "")


def number(row: Row | None) -> str:
    return "–" if row is None or not row["value"] else f"{float(row['value']):.1f}"


def rivals(recipe: str, model: str) -> str:
    """Each way of tuning by what no heatmap enters."""
    columns = {
        "accuracy": Measure("accuracy"),
        "swapped": Measure("accuracy", "swapped"),
        "worst background": Measure("worst_group", "swapped"),
        "background alone": Measure("background"),
        "object's share": Measure("object_share"),
        "ECE": Measure("ECE"),
    }
    found = rivals_of(recipe, model)
    known = {name: one for name, one in columns.items() if any(own.get(one) for own in found.values())}
    lines = [
        [str(rival), *(points(own.get(one)) for one in known.values()), number(own.get(Measure("cost")))]
        for rival, own in found.items()
    ]
    return table([f"`{model}`", *known, "cost"], lines)


def evidence(recipe: str, model: str) -> str:
    """Each way of tuning by PT, V and lift of three attributions."""
    named = {"GAA": GAA, "Grad-CAM": UNSEEN[0], "input × gradient": UNSEEN[1]}
    columns = [(metric, name, one) for name, one in named.items() for metric in ("PT", "V", "lift")]
    return table(
        [f"`{model}`", *(f"{metric}, {name}" for metric, name, _ in columns)],
        [
            [
                str(rival),
                *(
                    (number if metric == "lift" else points)(own.get(Measure(metric, "test", one)))
                    for metric, _, one in columns
                ),
            ]
            for rival, own in rivals_of(recipe, model).items()
        ],
    )


def weights(recipe: str) -> str:
    """Each way of tuning with each weight, on val."""
    columns = {
        "accuracy": Measure("accuracy", "val"),
        "background alone": Measure("background", "val"),
        "object's share": Measure("object_share", "val"),
        "PT, GAA": Measure("PT", "val", GAA),
        "PT, Grad-CAM": Measure("PT", "val", UNSEEN[0]),
    }
    lines = [
        [str(rival), *(points(own.get(one)).rstrip("*") for one in columns.values())]
        for rival, own in sorted(rivals_of(recipe, "tiny-clip").items(), key=lambda one: one[0][:2])
    ]
    return table(["", *columns], lines)


def pointing(recipe: str, model: str) -> str:
    """Some ways of tuning by where their heatmaps point and by what taking patches away does."""
    named = {"GAA": GAA, "Grad-CAM": UNSEEN[0], "input × gradient": UNSEEN[1]}
    titles = {"pointing": "pointing", "deletion/blur": "deletion"}
    columns = [(measure, name, one) for name, one in named.items() for measure in titles]
    found: dict[Rival, dict[tuple[str, str], float]] = {}
    for row in rows_of(KEPT / recipe / HEATMAPS):
        if row["model"] == model:
            rival = _of(row)
            found.setdefault(rival, {})[row["measure"], row["specification"]] = float(row["value"])
    return table(
        [f"`{model}`", *(f"{titles[measure]}, {name}" for measure, name, _ in columns)],
        [
            [str(rival), *(f"{100 * own[measure, one]:.1f}" for measure, _, one in columns)]
            for rival, own in found.items()
        ],
    )


def aim(recipe: str, model: str, *tuned: str) -> str:
    """Whether ways of tuning (METHOD[+TERM][/SETUP], _ for a blank) reach what the page asks of them."""
    found = rivals_of(recipe, model)
    chosen = [_named(one) for one in tuned]
    lines = [[name, *(told(found, rival) for rival in chosen)] for name, told in CRITERIA.items()]
    return table(["", *map(str, chosen)], lines)


def _named(text: str) -> Rival:
    ways, _, setup = text.partition("/")
    method, _, regularizer = ways.partition("+")
    return Rival(method, regularizer or "none", setup=setup.replace("_", " "))


Found = Mapping[Rival, Mapping[Measure, Row]]


def value(found: Found, rival: Rival, measure: Measure) -> float:
    return float(found[rival][measure]["value"])


def within_a_point(found: Found, rival: Rival) -> str:
    measure = Measure("accuracy")
    own, plain = value(found, rival, measure), value(found, FT, measure)
    return _told(own >= plain - 0.01, f"{100 * own:.1f} of {100 * plain:.1f}")


def quarter(found: Found, rival: Rival) -> str:
    measure = Measure("background")
    own, plain = value(found, rival, measure), value(found, FT, measure)
    return _told(own <= plain / 4, f"{100 * own:.1f} of {100 * plain:.1f}".replace("-", "−"))


def half_way(found: Found, rival: Rival) -> str:
    measure = Measure("accuracy", "swapped")
    own, plain, clean = (value(found, one, measure) for one in (rival, FT, CLEAN))
    return _told(own >= (plain + clean) / 2, f"{100 * own:.1f}; half-way is {50 * (plain + clean):.1f}")


def as_zero_shot(found: Found, rival: Rival) -> str:
    names = UNSEEN if rival.regularizer in BY_GAA else (GAA, *UNSEEN)
    kept = {
        name: [
            (
                value(found, rival, Measure(metric, "test", name)),
                value(found, ZS, Measure(metric, "test", name)),
            )
            for metric in ("PT", "V")
        ]
        for name in names
    }
    figures = "; ".join(
        f"{name.removesuffix('-dot').removesuffix('-last')} "
        + ", ".join(f"{100 * own:.0f} of {100 * zero:.0f}" for own, zero in pairs)
        for name, pairs in kept.items()
    )
    reached = [name for name, pairs in kept.items() if all(own >= zero for own, zero in pairs)]
    return _told(len(reached) >= 2, figures)


def _told(reached: bool, figures: str) -> str:
    return f"{'**yes**' if reached else 'no'} ({figures})"


CRITERIA = {
    "accuracy within a point of plain `ft`": within_a_point,
    "background alone at most a quarter of plain `ft`'s": quarter,
    "accuracy on `swapped` at least half-way to tuning without the shortcut": half_way,
    "PT and V not below zero-shot's, by two attributions that it was not trained on": as_zero_shot,
}

TABLES = {"rivals": rivals, "evidence": evidence, "weights": weights, "pointing": pointing, "aim": aim}


def test_the_page_says_what_the_kept_results_say() -> None:
    check(PAGE, TABLES, __file__)


@pytest.mark.parametrize("recipe", ["evidence-aware", LONGER])
def test_every_way_of_tuning_has_three_seeds(recipe: str) -> None:
    for row in rows_of(KEPT / recipe / RIVALS):
        if row["method"] != "zs" and row["metric"] == "accuracy":
            assert len(row["runs"].split()) == 3, row


def test_what_heatmaps_were_asked_is_of_all_seeds() -> None:
    runs = {(row["model"], _of(row)): row["runs"] for row in rows_of(KEPT / "evidence-aware" / RIVALS)}
    for row in rows_of(KEPT / "evidence-aware" / HEATMAPS):
        assert row["runs"] == runs[row["model"], _of(row)]


def _kept(runs: Sequence[str]) -> None:
    for folder in runs:
        for recipe, file in RECIPES.items():
            if (Path(folder) / recipe / file).is_file():
                keep(Path(folder) / recipe / file, KEPT / recipe / file)
                told = list(_told_of_heatmaps(Path(folder), KEPT / recipe / file))
                if told:
                    _write_rows(KEPT / recipe / HEATMAPS, told)


def _told_of_heatmaps(folder: Path, rivals: Path) -> Iterator[Row]:
    """Means over the seeds of each rival all of whose runs were asked."""
    names = ("model", "method", "regularizer", "train", "setup", "runs")
    every = {tuple(row[name] for name in names) for row in rows_of(rivals) if row["metric"] == "accuracy"}
    for rival in sorted(every):
        files = [folder / run / "faithfulness" / "test.json" for run in rival[-1].split()]
        if not all(file.is_file() for file in files):
            continue
        sets = [
            {one["name"]: one["measures"] for one in json.loads(file.read_text(encoding="utf-8"))["sets"]}
            for file in files
        ]
        for specification in (GAA, *UNSEEN):
            for measure in ("pointing", "deletion/blur"):
                value = mean(one[specification][measure]["value"] for one in sets)
                own = {"specification": specification, "measure": measure, "value": f"{value:.4f}"}
                yield {**dict(zip(names, rival, strict=True)), **own}


def _write_rows(kept: Path, rows: Sequence[Row]) -> None:
    with kept.open("w", encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    _kept(sys.argv[1:])
    write([PAGE], TABLES)
