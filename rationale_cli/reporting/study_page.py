"""The questionnaire of a study: one HTML file that asks people, keeps their answers and hands them over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ..measures.study_results import Show
from .page import environment


@dataclass(frozen=True)
class Question:
    """One picture and what is shown on it."""

    id: str
    """Opaque."""
    classname: str
    image: str
    """JPEG as base64."""
    overlay: str
    """PNG of one pixel a patch as base64; see ``reporting.overlays``."""


def study_page(study: str, questions: Sequence[Question], show: Show) -> str:
    """The questionnaire as HTML, in the order given; the page shuffles it for each person."""
    data = {
        "study": study,
        "items": [{**asdict(one), "classname": one.classname.replace("_", " ")} for one in questions],
    }
    return environment().get_template("study.html.j2").render(show=show, total=len(questions), data=data)
