"""Pictures and masks as they come."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rationale_cli.errors import InputError
from rationale_cli.toolkit.pictures import open_picture, read_mask, read_picture

ORIENTATION = 0x0112
RNG = np.random.default_rng(3)
COLOURS = RNG.integers(0, 256, (12, 16, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (12, 16), dtype=np.uint8)


def pixels(path: Path) -> np.ndarray:
    image = read_picture(path)
    assert image.mode == "RGB"
    return np.asarray(image)


def saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


def test_plain_colours(tmp_path):
    for name in ("a.png", "a.bmp", "a.tif", "a.ppm"):
        assert (pixels(saved(tmp_path / name, Image.fromarray(COLOURS))) == COLOURS).all()


def test_grey_becomes_three_equal_channels(tmp_path):
    read = pixels(saved(tmp_path / "a.png", Image.fromarray(GREY)))
    assert (read == GREY[..., None]).all()


def test_one_bit(tmp_path):
    bits = GREY > 127
    read = pixels(saved(tmp_path / "a.png", Image.fromarray(bits)))
    assert (read == np.where(bits, 255, 0)[..., None]).all()


def test_palette_shows_its_colours(tmp_path):
    image = Image.fromarray(COLOURS).quantize(16)
    read = pixels(saved(tmp_path / "a.png", image))
    assert (read == np.asarray(image.convert("RGB"))).all()


def test_transparency_is_laid_on_white(tmp_path):
    alpha = np.zeros((12, 16), np.uint8)
    alpha[:, :8], alpha[:, 8:12] = 255, 128
    read = pixels(saved(tmp_path / "a.png", Image.fromarray(np.dstack([COLOURS, alpha]))))
    assert (read[:, :8] == COLOURS[:, :8]).all()
    assert (read[:, 12:] == 255).all()
    half = COLOURS[:, 8:12] * (128 / 255) + 255 * (127 / 255)
    assert np.abs(read[:, 8:12] - half).max() <= 1


def test_transparent_grey(tmp_path):
    clear = Image.new("LA", (4, 4), (10, 0))
    for name in ("a.png", "a.tif"):
        assert (pixels(saved(tmp_path / name, clear)) == 255).all()


def test_a_transparent_palette_entry_and_grey_value(tmp_path):
    image = Image.new("P", (4, 4), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((0, 0), 0)
    read = pixels(saved(tmp_path / "a.png", image, transparency=1))
    assert read[0, 0].tolist() == [255, 0, 0]
    assert (read[1:] == 255).all()
    read = pixels(saved(tmp_path / "b.png", Image.fromarray(np.full((4, 4), 7, np.uint8)), transparency=7))
    assert (read == 255).all()


def test_cmyk_jpeg_keeps_its_colours(tmp_path):
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    for name in ("a.jpg", "a.tif"):
        assert np.abs(pixels(saved(tmp_path / name, red)).astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_become_eight(tmp_path, name):
    deep = GREY.astype(np.uint16) * 257
    assert cv2.imwrite(str(tmp_path / name), deep)
    assert (pixels(tmp_path / name) == GREY[..., None]).all()
    assert cv2.imwrite(str(tmp_path / name), COLOURS.astype(np.uint16)[..., ::-1] * 257)
    assert (pixels(tmp_path / name) == COLOURS).all()


def test_floating_point_and_wide_integers(tmp_path):
    fractions = GREY.astype(np.float32) / 255
    assert (pixels(saved(tmp_path / "a.tif", Image.fromarray(fractions)))[..., 0] == GREY).all()
    assert (pixels(saved(tmp_path / "b.tif", Image.fromarray(GREY.astype(np.float32))))[..., 0] == GREY).all()
    wide = Image.fromarray(GREY.astype(np.int32) * 256)
    assert (pixels(saved(tmp_path / "c.tif", wide))[..., 0] == GREY).all()


@pytest.mark.parametrize("values", [np.full((4, 4), 70000, np.int32), np.full((4, 4), np.nan, np.float32)])
def test_grey_values_beyond_sixteen_bits_are_refused(tmp_path, values):
    path = saved(tmp_path / "a.tif", Image.fromarray(values))
    with pytest.raises(InputError, match="Expected grey values from 0 to") as caught:
        read_picture(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_undone(tmp_path, suffix, orientation):
    scene = np.zeros((32, 64, 3), np.uint8)
    scene[:16, :32], scene[16:, 32:] = (250, 20, 20), (20, 20, 250)
    inverse = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[orientation]
    turns = dict(zip(range(2, 9), (0, 3, 1, 5, 4, 6, 2), strict=True))  # EXIF → Image.Transpose
    stored = Image.fromarray(scene)
    if inverse != 1:
        stored = stored.transpose(Image.Transpose(turns[inverse]))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = saved(tmp_path / f"a.{suffix}", stored, exif=exif)
    image, remembered = open_picture(path)
    assert image.size == (64, 32)
    assert remembered == orientation
    assert image.getexif().get(ORIENTATION, 1) == 1
    assert np.abs(np.asarray(image)[4, 4].astype(int) - [250, 20, 20]).max() < 40
    assert np.abs(np.asarray(image)[28, 60].astype(int) - [20, 20, 250]).max() < 40


def test_senseless_orientation_is_upright(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 99
    assert open_picture(saved(tmp_path / "a.png", Image.fromarray(COLOURS), exif=exif)).orientation == 1


def test_first_frame_of_several(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    path = saved(tmp_path / "a.tif", frames[0], save_all=True, append_images=frames[1:])
    assert pixels(path)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp", "a.gif"])
def test_truncated_files_are_named(tmp_path, name):
    noise = Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    path = saved(tmp_path / name, noise)
    content = path.read_bytes()
    for kept in (0, 10, len(content) // 2):
        path.write_bytes(content[:kept])
        with pytest.raises(InputError, match="Expected a picture but could not read it") as caught:
            read_picture(path)
        assert caught.value.where == str(path)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), suffix=st.sampled_from(["png", "jpg", "tif", "gif", "bmp", "webp"]))
def test_damage_gives_a_picture_or_an_input_error(tmp_path_factory, data, suffix):
    path = tmp_path_factory.mktemp("damage") / f"a.{suffix}"
    Image.fromarray(COLOURS).save(path)
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    try:
        image = read_picture(path)
    except InputError as error:
        assert error.where == str(path)
    else:
        assert image.mode == "RGB"


def test_a_decompression_bomb_is_not_decoded(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.png", Image.new("1", (4000, 4000)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    with pytest.raises(InputError, match="exceeds limit"):
        read_picture(path)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(InputError, match="could not read"):
        read_picture(tmp_path)


INSIDE = np.zeros((12, 16), bool)
INSIDE[3:9, 2:7] = True


def masked(path: Path, **options) -> np.ndarray:
    mask = read_mask(path, (16, 12), **options)
    assert mask.mode == "L"
    assert set(np.unique(np.asarray(mask))) <= {0, 255}
    return np.asarray(mask) > 0


@pytest.mark.parametrize("value", [1, 255])
@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_grey_masks(tmp_path, value, suffix):
    path = saved(tmp_path / f"m.{suffix}", Image.fromarray((INSIDE * value).astype(np.uint8)))
    assert (masked(path) == INSIDE).all()


def test_one_bit_sixteen_bit_and_colour_masks(tmp_path):
    assert (masked(saved(tmp_path / "a.png", Image.fromarray(INSIDE))) == INSIDE).all()
    assert cv2.imwrite(str(tmp_path / "b.png"), INSIDE.astype(np.uint16))
    assert (masked(tmp_path / "b.png") == INSIDE).all()
    red = np.zeros((12, 16, 3), np.uint8)
    red[INSIDE, 0] = 128
    assert (masked(saved(tmp_path / "c.png", Image.fromarray(red))) == INSIDE).all()


@pytest.mark.parametrize("white_first", [True, False])
def test_palette_masks_go_by_colour_not_by_index(tmp_path, white_first):
    index = np.where(INSIDE, 0, 1) if white_first else np.where(INSIDE, 1, 0)
    image = Image.fromarray(index.astype(np.uint8), "P")
    image.putpalette([255, 255, 255, 0, 0, 0] if white_first else [0, 0, 0, 200, 0, 0])
    assert (masked(saved(tmp_path / "m.png", image)) == INSIDE).all()


def test_a_cut_out_is_a_mask(tmp_path):
    cut_out = np.dstack([np.zeros((12, 16, 3), np.uint8), INSIDE * np.uint8(255)])
    assert (masked(saved(tmp_path / "a.png", Image.fromarray(cut_out))) == INSIDE).all()
    opaque = np.dstack([np.repeat(INSIDE[..., None] * np.uint8(255), 3, 2), np.full((12, 16), 255, np.uint8)])
    assert (masked(saved(tmp_path / "b.png", Image.fromarray(opaque))) == INSIDE).all()


def test_noise_of_compression_is_no_object(tmp_path):
    large = np.kron(INSIDE, np.ones((7, 7), bool))
    path = saved(tmp_path / "m.jpg", Image.fromarray(large * np.uint8(255)), quality=60)
    assert ((np.asarray(Image.open(path)) > 0) != large).mean() > 0.01
    read = np.asarray(read_mask(path, (112, 84))) > 0
    assert (read != large).mean() < 0.01


def test_chosen_values_of_a_label_map(tmp_path):
    trimap = np.where(INSIDE, 1, 2).astype(np.uint8)
    trimap[0] = 3
    path = saved(tmp_path / "m.png", Image.fromarray(trimap))
    expected = INSIDE.copy()
    assert (masked(path, values=(1,)) == expected).all()
    expected[0] = True
    assert (masked(path, values=(1, 3)) == expected).all()
    colour = saved(tmp_path / "c.png", Image.fromarray(COLOURS))
    with pytest.raises(InputError, match="one channel"):
        read_mask(colour, (16, 12), values=(1,))


def test_mask_of_another_scale_keeps_its_size(tmp_path):
    path = saved(tmp_path / "m.png", Image.fromarray(INSIDE))
    assert read_mask(path, (160, 120)).size == (16, 12)
    assert read_mask(path, (8, 6)).size == (16, 12)


def test_mask_of_other_proportions_is_refused(tmp_path):
    path = saved(tmp_path / "m.png", Image.fromarray(INSIDE))
    with pytest.raises(InputError, match="proportions 12×16 but got 16×12") as caught:
        read_mask(path, (12, 16))
    assert caught.value.where == str(path)


def test_mask_drawn_on_the_picture_as_stored_is_turned_with_it(tmp_path):
    upright = saved(tmp_path / "a.png", Image.fromarray(np.rot90(INSIDE, -1).copy()))
    stored = saved(tmp_path / "b.png", Image.fromarray(INSIDE))
    for path in (upright, stored):  # orientation 6: turned clockwise by a quarter to stand upright
        read = np.asarray(read_mask(path, (12, 16), orientation=6)) > 0
        assert (read == np.rot90(INSIDE, -1)).all()


def test_sides_of_a_nearly_square_picture_decide_by_exact_size(tmp_path):
    inside = np.zeros((100, 101), bool)
    inside[:20] = True
    path = saved(tmp_path / "m.png", Image.fromarray(inside))
    turned = np.asarray(read_mask(path, (100, 101), orientation=6)) > 0
    assert (turned == np.rot90(inside, -1)).all()
    kept = np.asarray(read_mask(path, (101, 100), orientation=6)) > 0
    assert (kept == inside).all()


def test_a_damaged_mask_is_named_as_a_mask(tmp_path):
    (tmp_path / "m.png").write_bytes(b"not a picture")
    with pytest.raises(InputError, match="Expected a mask but could not read it"):
        read_mask(tmp_path / "m.png", (4, 4))


def test_reading_needs_no_torch():
    import subprocess
    import sys

    script = "import sys, rationale_cli.toolkit.pictures; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
