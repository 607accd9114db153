"""Pictures that lie, break or say too much: decoded whole to the header's shape, or refused with `ImageError`."""

from __future__ import annotations

import ast
import io
import re
import struct
import zlib
from pathlib import Path

import hostile
import numpy as np
import pytest
from faultkit import Sandbox, holds_the_promise, tree
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import occluded_datasets
from occluded_datasets.errors import ImageError, LayoutError
from occluded_datasets.images import EXTENSIONS, MAX_PIXELS, decode, encode

PIXELS = np.random.default_rng(1).integers(0, 256, (40, 24, 3), np.uint8)
JPEG, PNG = encode(PIXELS, ".jpg"), encode(PIXELS, ".png")
FIRST = next(iter(tree()))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """Return a PNG as its header says, whatever Pillow would write."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)), (b"IDAT", zlib.compress(rows)),
              (b"IEND", b"")]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def damaged_cmyk() -> bytes:
    """Return a CMYK JPEG without some of its middle: Pillow alone reads it without a word."""
    data = saved(Image.fromarray(PIXELS).convert("CMYK"), "JPEG")
    return data[: len(data) * 2 // 3] + data[-100:]


def oriented(kind: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(Image.fromarray(PIXELS), kind, exif=exif)


REFUSED = {
    "zero_byte_image": b"",
    "jpeg_truncated": JPEG[: len(JPEG) // 2],
    "jpeg_truncated_by_one": JPEG[:-1],
    "jpeg_truncated_end_put_back": JPEG[: len(JPEG) // 2] + b"\xff\xd9",
    "jpeg_trailing_garbage": JPEG + b"garbage",
    "jpeg_trailing_garbage_that_ends_well": JPEG + b"PK\x03\x04\xff\xd9",
    "jpeg_trailing_jpeg": JPEG + JPEG,
    "jpeg_cmyk_damaged": damaged_cmyk(),
    "jpeg_header_alone": JPEG[:20] + b"\xff\xd9",
    "png_truncated_by_one": PNG[:-1],
    "png_truncated_end_chunk": PNG[:-12],
    "png_trailing_garbage": PNG + b"garbage",
    "png_bomb_pixels": png(40_000, 40_000, 1, 0, bytes(1000)),
    "png_bomb_just_over": png(MAX_PIXELS // 1024 + 1, 1024, 1, 0, bytes(1000)),
    "png_bomb_wide": png(2**31 - 1, 1, 1, 0, bytes(1000)),
    "sixteen_bit_grey": png(2, 2, 16, 0, b"\0" + bytes(4) + b"\0" + bytes(4)),
    "sixteen_bit_rgb": png(2, 2, 16, 2, b"\0" + bytes(12) + b"\0" + bytes(12)),
    "alpha": saved(Image.new("RGBA", (4, 4)), "PNG"),
    "alpha_grey": saved(Image.new("LA", (4, 4)), "PNG"),
    "alpha_palette": saved(Image.new("P", (4, 4)), "PNG", transparency=0),
    "frames": saved(Image.new("L", (4, 4)), "TIFF", save_all=True, append_images=[Image.new("L", (4, 4))]),
    "float": saved(Image.new("F", (4, 4)), "TIFF"),
    "other_format": saved(Image.new("L", (4, 4)), "GIF"),
    "npy_pickle": b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    "pickle_checkpoint": b"\x80\x04\x95\x20\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system\x94\x93\x94.",
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_picture_that_is_not_whole_and_plain_is_refused(case: str) -> None:
    """The error names the file; no pixel comes out."""
    with pytest.raises(ImageError, match=r"^017_003\.jpg: "):
        decode(REFUSED[case], "017_003.jpg")


@pytest.mark.parametrize(
    "case", ["zero_byte_image", "jpeg_truncated", "jpeg_trailing_garbage", "png_bomb_pixels", "alpha"]
)
def test_such_a_picture_stops_the_build(box: Sandbox, case: str) -> None:
    """It is named, nothing is published, and the good archive builds."""
    data = hostile.zipped(files=hostile.replaced(FIRST, REFUSED[case]))
    holds_the_promise(box, lambda: box.raw.write_bytes(data), ImageError, FIRST)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotated(kind: str, orientation: int) -> None:
    """The stored orientation is kept: the pixels are those without the tag."""
    assert np.array_equal(decode(oriented(kind, orientation)), decode(saved(Image.fromarray(PIXELS), kind)))


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate"])
def test_exif_rotated_tiff_compressed(compression: str) -> None:
    """The same through libtiff."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(Image.fromarray(PIXELS), "TIFF", exif=exif, compression=compression)
    assert np.array_equal(decode(data), PIXELS)


CONVERTED = {
    "cmyk_palette_16bit-cmyk": ("CMYK", "JPEG"),
    "cmyk_palette_16bit-cmyk_tiff": ("CMYK", "TIFF"),
    "cmyk_palette_16bit-palette": ("P", "PNG"),
    "cmyk_palette_16bit-grey": ("L", "PNG"),
    "cmyk_palette_16bit-one_bit": ("1", "PNG"),
}


@pytest.mark.parametrize("case", CONVERTED)
def test_what_has_one_reading_is_converted(case: str) -> None:
    """CMYK, palette, grey and one bit read as Pillow converts them; 16 bits and alpha are refused above."""
    mode, kind = CONVERTED[case]
    data = saved(Image.fromarray(PIXELS).convert(mode), kind)
    assert np.array_equal(decode(data), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


def test_no_module_can_unpickle() -> None:
    """No pickle reader exists: no pickle-like import, no `allow_pickle`, no `torch.load` without `weights_only`."""
    banned = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
    modules = sorted(Path(occluded_datasets.__file__).parent.rglob("*.py"))
    assert len(modules) > 20
    for path in modules:
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                found = {alias.name for alias in node.names} | {getattr(node, "module", None) or ""}
                assert not banned & {name.split(".")[0] for name in found}, path
            if isinstance(node, ast.Call):
                options = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
                assert not options.get("allow_pickle"), path
                called = ast.unparse(node.func)
                assert called not in {"pd.read_pickle", "pandas.read_pickle", "eval", "exec"}, path
                assert called != "torch.load" or options.get("weights_only") is True, path


def test_no_switch_turns_a_guard_off() -> None:
    """The product reads six variables of the environment, three of them ``torchrun``'s, and none is about a check."""
    package = Path(occluded_datasets.__file__).parent
    code = [path for folder in (package, package.parent / "cli") for path in folder.rglob("*.py")]
    lines = [
        line for path in code for line in path.read_text("utf-8").splitlines() if re.search(r"environ|getenv", line)
    ]
    names = set(re.findall(r"[A-Z][A-Z_]{3,}", " ".join(lines)))
    assert names == {"OCCREID_ROOT", "PASSWORD_VARIABLE", "COLUMNS", "RANK", "WORLD_SIZE", "LOCAL_RANK"}


LAYOUTS = {
    "two_encodings_one_stem": (FIRST.replace(".jpg", ".png"), "two encodings of one picture"),
    "two_encodings_double_extension": (FIRST.replace(".jpg", ".jpg.jpg"), "two encodings of one picture"),
    "two_trees": ("Copy/whole_body_images/001_001.jpg", "two copies of the set"),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_a_picture_that_would_count_twice_is_refused(box: Sandbox, case: str) -> None:
    """Two files of one picture, or two trees, are named, never chosen between."""
    name, says = LAYOUTS[case]
    data = hostile.zipped((name, PNG))
    holds_the_promise(box, lambda: box.raw.write_bytes(data), LayoutError, says)


def test_pid_dir_disagrees(tmp_path: Path) -> None:
    """A picture of one identity in the folder of another is refused by name."""
    for pid in ("001", "002"):
        folder = tmp_path / "Occluded_REID" / "occluded_body_images" / pid
        folder.mkdir(parents=True)
        (folder / "001_01.tif").write_bytes(encode(PIXELS, ".tif"))
    with pytest.raises(LayoutError, match="says identity 1 and lies in the folder of identity 2"):
        occluded_datasets.build("occluded-reid", tmp_path / "Occluded_REID", tmp_path / "root")
    assert not (tmp_path / "root").exists()


WHOLE = {extension: encode(PIXELS, extension) for extension in EXTENSIONS}
WHOLE["cmyk"] = saved(Image.fromarray(PIXELS).convert("CMYK"), "JPEG")
WHOLE["palette"] = saved(Image.fromarray(PIXELS).quantize(16), "PNG")
WHOLE["lzw"] = saved(Image.fromarray(PIXELS), "TIFF", compression="tiff_lzw")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_flipped_bits_decode_to_the_headers_shape_or_raise(data: st.DataObject) -> None:
    """Whatever bits flip or bytes go, `decode` returns (H, W, 3) uint8 or raises `ImageError`, nothing else."""
    whole = WHOLE[data.draw(st.sampled_from(sorted(WHOLE)))]
    bad = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.one_of(st.integers(0, min(200, len(bad) - 1)), st.integers(0, len(bad) - 1)))
        bad[at] ^= 1 << data.draw(st.integers(0, 7))
    bad = bad[: data.draw(st.one_of(st.just(len(bad)), st.integers(0, len(bad))))]
    try:
        pixels = decode(bytes(bad))
    except ImageError:
        return
    assert pixels.dtype == np.uint8
    with Image.open(io.BytesIO(bad)) as picture:
        assert sorted(pixels.shape) == sorted((*picture.size, 3))


@pytest.mark.parametrize("kind", [".jpg", "cmyk", ".png", "palette"])
def test_a_flipped_bit_in_the_pixels_of_a_png_is_found(kind: str) -> None:
    """Damage to a compressed stream that has a checksum never passes; a JPEG has none, and may."""
    whole = WHOLE[kind]
    for at in range(len(whole) // 3, len(whole) - 60, 97):
        try:
            pixels = decode(hostile.flipped(whole, at))
        except ImageError:
            continue
        assert pixels.shape == PIXELS.shape
        assert kind in (".jpg", "cmyk")
