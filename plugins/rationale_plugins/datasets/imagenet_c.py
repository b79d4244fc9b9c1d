"""ImageNet-C: the validation pictures of ImageNet under 19 corruptions, with their boxes carried along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

from PIL import Image

from rationale_cli.contracts import Boxes, MaskRules, Nominal, Protocols
from rationale_cli.errors import InputError

from ._imagenet_boxes import CROPPED, Carrying, through_crop
from ._imagenet_layout import PICTURES, stem
from ._imagenet_names import ImageNetOptions, classnames, labels
from ._imagenet_originals import Originals, find_originals, missing_sizes, resolve
from ._index import listed
from ._official import Official, Record, required

PAGE = "https://zenodo.org/records/2235448 (blur.tar, digital.tar, extra.tar, noise.tar, weather.tar)"
LAYOUT = """\
  DIR/gaussian_noise/1/n01440764/ILSVRC2012_val_00000293.JPEG
  DIR/noise/gaussian_noise/1/…                   the archives' group folders may stay
  DIR/LOC_val_solution.csv                       boxes (from Kaggle), and the original sizes from one of
  DIR/sizes.csv                                  id,width,height
  DIR/Annotations/val/*.xml                      their size element
  DIR/val/…                                      the original pictures
The last four may lie in ImageNet's own folder instead: --set dataset.imagenet=FOLDER"""

Corruption = Literal[
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur",
    "zoom_blur", "snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate",
    "jpeg_compression", "speckle_noise", "gaussian_blur", "spatter", "saturate",
]  # fmt: skip
"""The benchmark's fifteen and the four extra ones."""


class ImageNetC(Official):
    """ImageNet-C (Hendrycks and Dietterich, 2019, https://github.com/hendrycks/robustness).

    A split is a corruption at a severity: ``gaussian_noise-3``. Identifiers are those of ``imagenet``'s
    ``val``. Its pictures were resized to 256 and cut to 224 before they were corrupted, so boxes are
    carried through both, which needs the size of each original picture.
    """

    protocols: ClassVar[Protocols] = {
        "reference": {
            "dataset.names": "reference",
            "dataset.duplicates": "keep",
            "dataset.mapping": "reference",
        }
    }
    mask_rules: ClassVar[MaskRules] = {"exact": {"mapping": "exact"}, "reference": {"mapping": "reference"}}

    class Options(ImageNetOptions):
        """What of it is read, and where boxes and original sizes come from."""

        corruptions: tuple[Corruption, ...] = ()
        """Those to read; by default all that are there (each severity lists 50,000 files)."""
        severities: tuple[Literal[1, 2, 3, 4, 5], ...] = ()
        """Those to read, of 1 to 5; by default all that are there."""
        evidence: Literal["boxes", "none"] = "boxes"
        """Whether boxes are read; without them accuracy alone can be measured."""
        imagenet: Path | None = None
        """Folder of ImageNet itself, for boxes and original sizes; by default the data's own folder."""
        mapping: Carrying = "exact"
        """How boxes are carried: as torchvision resizes and crops, or by the released code's arithmetic."""

    @classmethod
    def nominal(cls, options: Options) -> Nominal:
        """Counts of the published data."""
        splits = [
            f"{corruption}-{severity}"
            for corruption in options.corruptions or get_args(Corruption)
            for severity in options.severities or range(1, 6)
        ]
        return Nominal(dict.fromkeys(splits, 50_000), tuple(splits), 1000)

    def __init__(self, options: Options) -> None:
        """List the chosen splits. Raises ``InputError`` where boxes or original sizes are nowhere."""
        root = required(options.root, (), dataset="ImageNet-C", page=PAGE, layout=LAYOUT)
        folders = _splits(root, options)
        if not folders:
            required(root, [_wanted(options)], dataset="ImageNet-C", page=PAGE, layout=LAYOUT)
        originals = find_originals(root, options.imagenet) if options.evidence == "boxes" else None
        files = {name: listed(root, (place,), PICTURES).files for name, place in folders.items()}
        self._settle(
            root=root,
            classnames=classnames(options.names, options.duplicates),
            parts={name: _records(root, part, originals) for name, part in files.items()},
            read=CarriedBoxes(originals.root if originals else root, options.mapping),
            evaluation=tuple(folders),
            settings=repr(options.mapping),
            template=options.template,
            sizes={path: size for part in files.values() for path, size in part.items()},
        )


@dataclass(frozen=True)
class CarriedBoxes:
    """Reads a record's boxes on the corrupted picture; empty where the crop shows none of them."""

    originals: Path
    """Folder that holds XML files and original pictures."""
    mapping: Carrying

    def __call__(self, root: Path, record: Record, image: Image.Image) -> Boxes | None:
        """Raises ``InputError`` for a picture of another size than 224×224, or an unknown original."""
        if record.note is None:
            return None
        if image.size != (CROPPED, CROPPED):
            raise InputError(
                f"Expected a picture of {CROPPED}×{CROPPED} as ImageNet-C's are "
                f"but got {image.width}×{image.height}.",
                where=str(root / record.path),
                next_step="use the files as published, or --set dataset.evidence=none",
            )
        boxes, size = resolve(self.originals, record.note)
        return Boxes(through_crop(boxes, size, self.mapping))


def _splits(root: Path, options: ImageNetC.Options) -> dict[str, str]:
    """Split → its folder below the root, in the benchmark's order; group folders may stand above."""
    groups = ("", *sorted(f"{entry.name}/" for entry in root.iterdir() if entry.is_dir()))
    found = {}
    for corruption in options.corruptions or get_args(Corruption):
        for severity in options.severities or range(1, 6):
            places = (f"{group}{corruption}/{severity}" for group in groups)
            place = next((place for place in places if (root / place).is_dir()), None)
            if place:
                found[f"{corruption}-{severity}"] = place
    return found


def _wanted(options: ImageNetC.Options) -> str:
    corruption = (*options.corruptions, "gaussian_noise")[0]
    return f"{corruption}/{(*options.severities, 1)[0]}"


def _records(root: Path, files: Mapping[str, int], originals: Originals | None) -> list[Record]:
    """One split, sorted by class and name."""
    records, unknown = [], []
    for path in files:
        synset, name = path.split("/")[-2], stem(path)
        if synset not in labels():
            raise InputError(
                f"Expected one folder for each synset of ImageNet but {synset!r} is none of the 1,000.",
                where=str(root / path),
            )
        try:
            note = originals.note(name) if originals else None
        except KeyError:
            unknown.append(name)
            continue
        records.append(Record(f"{synset}/{name}", path, labels()[synset], note))
    if originals and unknown:
        raise missing_sizes(unknown, len(files), originals)
    return sorted(records, key=lambda record: record.id)
