"""The commands of docs/how-to/use-your-own-pictures.md work as typed."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

RNG = np.random.default_rng(0)


@pytest.fixture
def photographs(tmp_path):
    rows = ["path,xmin,ymin,xmax,ymax"]
    for label, name in enumerate(("cat", "dining_table")):
        for kind in ("images", "masks"):
            (tmp_path / "photographs" / kind / name).mkdir(parents=True)
        for number in range(10):
            picture = RNG.integers(0, 100, (60, 80, 3), dtype=np.uint8)
            picture[10:40, 20:60, label] = 250
            mask = np.zeros((60, 80), np.uint8)
            mask[10:40, 20:60] = 255
            Image.fromarray(picture).save(tmp_path / "photographs" / "images" / name / f"{number}.jpg")
            Image.fromarray(mask).save(tmp_path / "photographs" / "masks" / name / f"{number}.png")
            rows.append(f"images/{name}/{number}.jpg,20,10,60,40")
    (tmp_path / "photographs" / "boxes.csv").write_text("\n".join(rows))
    return tmp_path


@pytest.mark.slow
def test_every_command_of_the_page(repo, typed, photographs):
    page = (repo / "docs" / "how-to" / "use-your-own-pictures.md").read_text(encoding="utf-8")
    commands = [line for block in re.findall(r"```sh\n(.*?)```", page, re.S) for line in block.splitlines()]
    assert len(commands) >= 6
    for command in commands:
        typed(command, photographs)
    assert (photographs / "mine.html").is_file()
