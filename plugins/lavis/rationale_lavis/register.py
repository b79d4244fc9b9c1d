"""What this distribution adds. LAVIS itself is imported when one of its models is built."""

from __future__ import annotations

from rationale_cli.hooks import Entry, hookimpl


@hookimpl
def rationale_models() -> list[Entry]:
    """Vision-language models.

    They require LAVIS, which ``requires`` cannot say: it is to be installed with --no-deps.
    """
    return [
        Entry("lavis-albef", "rationale_lavis.models:LavisAlbef", "ALBEF ViT-B/16 of salesforce-lavis 1.0.2"),
        Entry("lavis-blip", "rationale_lavis.models:LavisBlip", "BLIP ViT-B/16 of salesforce-lavis 1.0.2"),
    ]
