"""Run folders: what a run left behind, readable without torch."""
