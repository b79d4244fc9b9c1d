"""How fast data sets open and are read: ``python benchmarks/datasets.py [NAME …] [--rounds 7] [--json]``.

Each loader reads a miniature in its official layout, made of 500×375 JPEG pictures; beside images a
second stands the time as a ratio to Pillow decoding the same files to RGB, taken within a round. Then
validation sets of the sizes of ImageNet's (50,000 names, empty files, real numbers of boxes) and COCO's
(5,000 names, 36,781 polygons of 36 corners) are opened: the first time, and again, when they are known.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image
from rationale_plugins.datasets._imagenet_names import classes
from rationale_plugins.datasets._official import Official
from rationale_plugins.datasets.caltech101 import Caltech101
from rationale_plugins.datasets.coco import Coco
from rationale_plugins.datasets.cub import Cub
from rationale_plugins.datasets.imagenet import ImageNet
from rationale_plugins.datasets.imagenet_c import ImageNetC
from rationale_plugins.datasets.imagenet_s import ImageNetS
from rationale_plugins.datasets.oxford_pets import OxfordPets
from rationale_plugins.datasets.stanford_dogs import StanfordDogs
from rationale_plugins.datasets.voc import Voc
from rationale_plugins.datasets.waterbirds import Waterbirds
from scipy.io import savemat

PICTURES = 64
SIZE = (500, 375)
BOX = (85, 1, 370, 272)
SYNSETS = tuple(one.synset for one in classes())


@dataclass(frozen=True)
class Reading:
    """One loader; ``ratio`` is its time by Pillow's."""

    name: str
    images_per_second: float
    ratio: float


def photograph(path: Path, seed: int, size: tuple[int, int] = SIZE) -> None:
    """Coarse noise, enlarged: about as costly to decode as a photograph."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (size[1] // 6, size[0] // 6, 3), dtype=np.uint8)
    Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(path, "JPEG", quality=90)


def grey(path: Path, inside: int, outside: int) -> None:
    """A mask of one box."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.full(SIZE[::-1], outside, np.uint8)
    values[BOX[1] : BOX[3], BOX[0] : BOX[2]] = inside
    Image.fromarray(values).save(path)


def xml(path: Path, name: str) -> None:
    """An annotation of one box."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sides = "".join(
        f"<{side}>{at}</{side}>" for side, at in zip(("xmin", "ymin", "xmax", "ymax"), BOX, strict=True)
    )
    path.write_text(
        f"<annotation><size><width>{SIZE[0]}</width><height>{SIZE[1]}</height></size>"
        f"<object><name>{name}</name><bndbox>{sides}</bndbox></object></annotation>"
    )


def table(root: Path, names: dict[str, str]) -> None:
    """``LOC_val_solution.csv``; every fourth picture has two boxes."""
    box = " ".join(map(str, BOX))
    rows = [
        f"{name}," + f"{synset} {box} " * (1 + (number % 4 == 0))
        for number, (name, synset) in enumerate(names.items())
    ]
    (root / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *rows]) + "\n")


def validation(count: int) -> dict[str, str]:
    """Name → synset, spread over all classes."""
    return {f"ILSVRC2012_val_{number:08}": SYNSETS[number * 7 % 1000] for number in range(1, count + 1)}


def imagenet(root: Path) -> None:
    """Kaggle's layout with the table."""
    for number, name in enumerate(validation(PICTURES)):
        photograph(root / "ILSVRC/Data/CLS-LOC/val" / f"{name}.JPEG", number)
    table(root, validation(PICTURES))


def imagenet_xml(root: Path) -> None:
    """torchvision's layout with the XML files."""
    for number, (name, synset) in enumerate(validation(PICTURES).items()):
        photograph(root / "val" / synset / f"{name}.JPEG", number)
        xml(root / "Annotations/val" / f"{name}.xml", synset)


def imagenet_c(root: Path) -> None:
    """One corruption at one severity, with a table of sizes."""
    for number, (name, synset) in enumerate(validation(PICTURES).items()):
        photograph(root / "fog/3" / synset / f"{name}.JPEG", number, (224, 224))
    table(root, validation(PICTURES))
    sizes = [f"{name},{SIZE[0]},{SIZE[1]}" for name in validation(PICTURES)]
    (root / "sizes.csv").write_text("\n".join(["id,width,height", *sizes]) + "\n")


def imagenet_s(root: Path) -> None:
    """Fifty classes."""
    for number in range(PICTURES):
        place = f"{SYNSETS[number % 50]}/ILSVRC2012_val_{number:08}"
        photograph(root / "validation" / f"{place}.JPEG", number)
        path = root / "validation-segmentation" / f"{place}.png"
        grey(path, number % 50 + 1, 0)
        Image.merge("RGB", [Image.open(path), *[Image.new("L", SIZE)] * 2]).save(path)


def oxford_pets(root: Path) -> None:
    """Two breeds."""
    lines = []
    for number in range(PICTURES):
        name = f"{('Bengal', 'beagle')[number % 2]}_{number}"
        photograph(root / "images" / f"{name}.jpg", number)
        grey(root / "annotations/trimaps" / f"{name}.png", 1, 2)
        lines.append(f"{name} {number % 2 + 1} 1 1")
    for split in ("trainval", "test"):
        (root / f"annotations/{split}.txt").write_text("\n".join(lines) + "\n")


def waterbirds(root: Path) -> None:
    """Outlines in the data's own folder."""
    rows = ["img_id,img_filename,y,split,place,place_filename"]
    for number in range(PICTURES):
        name = f"001.Black_footed_Albatross/Black_Footed_Albatross_{number:04}"
        photograph(root / f"{name}.jpg", number)
        grey(root / "segmentations" / f"{name}.png", 255, 0)
        rows.append(f"{number},{name}.jpg,{number % 2},2,0,x.jpg")
    (root / "metadata.csv").write_text("\n".join(rows) + "\n")


def caltech101(root: Path) -> None:
    """Two classes with a contour of 40 corners each."""
    angles = np.linspace(0, 2 * np.pi, 40)
    contour = np.stack([100 + 90 * np.cos(angles), 80 + 70 * np.sin(angles)])
    for number in range(PICTURES):
        folder, name = ("accordion", "yin_yang")[number % 2], f"{number + 1:04}"
        photograph(root / "101_ObjectCategories" / folder / f"image_{name}.jpg", number)
        path = root / "Annotations" / folder / f"annotation_{name}.mat"
        path.parent.mkdir(parents=True, exist_ok=True)
        savemat(path, {"obj_contour": contour, "box_coord": np.array([[5.0, 175.0, 60.0, 260.0]])})


def cub(root: Path) -> None:
    """Two birds."""
    folders = ("001.Black_footed_Albatross", "002.Laysan_Albatross")
    images, birds, split = [], [], []
    for number in range(1, PICTURES + 1):
        name = f"{folders[number % 2]}/Albatross_{number:04}"
        photograph(root / "CUB_200_2011/images" / f"{name}.jpg", number)
        grey(root / "segmentations" / f"{name}.png", 255, 0)
        images.append(f"{number} {name}.jpg")
        birds.append(f"{number} {number % 2 + 1}")
        split.append(f"{number} {number % 4 // 2}")
    kinds = [f"{number} {folder}" for number, folder in enumerate(folders, start=1)]
    lists = {"images": images, "image_class_labels": birds, "train_test_split": split, "classes": kinds}
    for name, lines in lists.items():
        (root / "CUB_200_2011" / f"{name}.txt").write_text("\n".join(lines) + "\n")


def stanford_dogs(root: Path) -> None:
    """Two breeds."""
    names: dict[str, list[str]] = {"train": [], "test": []}
    for number in range(PICTURES):
        synset, breed = (("n02085620", "Chihuahua"), ("n02086240", "Shih-Tzu"))[number % 2]
        name = f"{synset}-{breed}/{synset}_{number}"
        photograph(root / "Images" / f"{name}.jpg", number)
        xml(root / "Annotation" / name, breed)
        names["train" if number % 4 < 2 else "test"].append(f"{name}.jpg")
    for split, rows in names.items():
        cells = np.empty((len(rows), 1), object)
        cells[:, 0] = rows
        savemat(root / f"{split}_list.mat", {"file_list": cells})


def voc(root: Path) -> None:
    """Two kinds of object, one a picture."""
    for number in range(PICTURES):
        name, token, value = f"2008_{number:06}", *(("aeroplane", 1), ("bicycle", 2))[number % 2]
        photograph(root / "JPEGImages" / f"{name}.jpg", number)
        xml(root / "Annotations" / f"{name}.xml", token)
        grey(root / "SegmentationClass" / f"{name}.png", value, 0)
        grey(root / "SegmentationObject" / f"{name}.png", 1, 0)
    names = "".join(f"2008_{number:06}\n" for number in range(PICTURES))
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    (root / "ImageSets/Segmentation/val.txt").write_text(names)


def instances(root: Path, pictures: int, annotations: int, corners: int) -> None:
    """COCO's annotations: polygons around boxes, spread over pictures and eighty classes."""
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    drawn = np.random.default_rng(0).uniform((90, 90, 5), (400, 280, 80), (annotations, 3))
    told = [
        {
            "segmentation": [((x, y) + around * radius).round(2).ravel().tolist()],
            "area": round(radius**2 * 3.1, 4),
            "iscrowd": 0,
            "image_id": place % pictures + 1,
            "bbox": np.round([x - radius, y - radius, 2 * radius, 2 * radius], 2).tolist(),
            "category_id": place % 80 + 1,
            "id": place + 1,
        }
        for place, (x, y, radius) in enumerate(drawn.tolist())
    ]
    images = [
        {"id": number, "file_name": f"{number:012}.jpg", "width": SIZE[0], "height": SIZE[1]}
        for number in range(1, pictures + 1)
    ]
    kinds = [{"id": number, "name": f"class {number}"} for number in range(1, 81)]
    path = root / "annotations/instances_val2017.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": told, "categories": kinds}))


def coco(root: Path) -> None:
    """One polygon of 36 corners a picture."""
    for number in range(1, PICTURES + 1):
        photograph(root / "val2017" / f"{number:012}.jpg", number)
    instances(root, PICTURES, PICTURES, 36)


MINIATURES: dict[str, tuple[Callable[[Path], None], Callable[[Path], Official]]] = {
    "caltech101": (caltech101, lambda root: Caltech101(Caltech101.Options(root=root))),
    "cub": (cub, lambda root: Cub(Cub.Options(root=root))),
    "stanford-dogs": (stanford_dogs, lambda root: StanfordDogs(StanfordDogs.Options(root=root))),
    "imagenet": (imagenet, lambda root: ImageNet(ImageNet.Options(root=root))),
    "imagenet (xml)": (imagenet_xml, lambda root: ImageNet(ImageNet.Options(root=root))),
    "imagenet-c": (imagenet_c, lambda root: ImageNetC(ImageNetC.Options(root=root))),
    "imagenet-s": (imagenet_s, lambda root: ImageNetS(ImageNetS.Options(root=root))),
    "oxford-pets": (oxford_pets, lambda root: OxfordPets(OxfordPets.Options(root=root))),
    "waterbirds": (waterbirds, lambda root: Waterbirds(Waterbirds.Options(root=root))),
    "voc": (voc, lambda root: Voc(Voc.Options(root=root))),
    "voc (each)": (voc, lambda root: Voc(Voc.Options(root=root, objects="each"))),
    "coco": (coco, lambda root: Coco(Coco.Options(root=root))),
    "coco (each)": (coco, lambda root: Coco(Coco.Options(root=root, objects="each"))),
}
"""Name → what writes the miniature, and what opens it."""


def seconds(work: Callable[[], object]) -> float:
    """Of one run by the clock."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def reading(name: str, root: Path, rounds: int) -> Reading:
    """Time the loader and Pillow in turn."""
    write, opens = MINIATURES[name]
    write(root)
    splits = [opens(root).split(part) for part in opens(root).splits]
    paths = [str(split.root / item.path) for split in splits for item in split.items]

    def load() -> None:
        for split in splits:
            for sample in split:
                if sample.evidence is None:
                    raise SystemExit(f"{name}: {sample.id} has no evidence")

    def decode() -> None:
        for path in paths:
            with Image.open(path) as image:
                image.convert("RGB")

    load()
    times = [(seconds(load), seconds(decode)) for _ in range(rounds)]
    ours = median(one for one, _ in times)
    return Reading(name, round(len(paths) / ours, 1), round(median(one / other for one, other in times), 2))


def opening(root: Path, layout: str) -> dict[str, float]:
    """Seconds to open 50,000 pictures and take their fingerprint, the first time and again."""
    names = validation(50_000)
    for name, synset in names.items():
        if layout == "kaggle":
            places = ["ILSVRC/Data/CLS-LOC/val/{}.JPEG", "ILSVRC/Annotations/CLS-LOC/val/{}.xml"]
        else:
            places = [f"val/{synset}/{{}}.JPEG"]
        for place in places:
            path = root / place.format(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    table(root, names)
    return first_and_again(lambda: ImageNet(ImageNet.Options(root=root)), 50_000)


def opening_coco(root: Path) -> dict[str, float]:
    """Seconds to open every object of 5,000 pictures and take the fingerprint, the first time and again."""
    (root / "val2017").mkdir(parents=True)
    for number in range(1, 5001):
        (root / "val2017" / f"{number:012}.jpg").touch()
    instances(root, 5000, 36_781, 36)
    return first_and_again(lambda: Coco(Coco.Options(root=root, objects="each")), 36_781)


def first_and_again(opens: Callable[[], Official], samples: int) -> dict[str, float]:
    """Of opening and taking the fingerprint, where ``val`` has so many samples."""
    time.sleep(0.2)  # what has just changed is not remembered

    def open_it() -> None:
        dataset = opens()
        if (len(dataset.split("val")), bool(dataset.fingerprint)) != (samples, True):
            raise SystemExit("not all samples were found")

    first = seconds(open_it)
    return {"first": round(first, 2), "again": round(median(seconds(open_it) for _ in range(5)), 2)}


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MINIATURES)}")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RATIONALE_CACHE"] = f"{folder}/cache"
        names = arguments.names or list(MINIATURES)
        read = [reading(name, Path(folder) / name, arguments.rounds) for name in names]
        opened = {
            f"50,000 pictures, {layout}": opening(Path(folder) / layout, layout)
            for layout in ("kaggle", "torchvision")
        }
        opened["36,781 objects of COCO"] = opening_coco(Path(folder) / "coco-val")
    if arguments.json:
        print(json.dumps({"reading": [asdict(one) for one in read], "opening": opened}))
        return
    for one in read:
        print(f"{one.name:16} {one.images_per_second:7.1f} images/s   {one.ratio:.2f} × Pillow")
    for name, taken in opened.items():
        print(f"{name:28} first {taken['first']:.2f} s, again {taken['again']:.2f} s")


if __name__ == "__main__":
    main()
