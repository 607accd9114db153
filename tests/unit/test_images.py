"""Pictures: what is decoded, to which pixels, and what is refused."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from occluded_datasets.errors import ImageError
from occluded_datasets.hashing import pixel_digest
from occluded_datasets.images import EXTENSIONS, FORMATS, decode, decode_rgba, encode

Pixels = npt.NDArray[np.uint8]


def picture(height: int = 48, width: int = 31) -> Pixels:
    """Return a smooth picture with an edge and some noise, of odd width."""
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([128 + 90 * np.sin(x / 5 + c) + 30 * np.cos(y / 7 - c) for c in range(3)], axis=2)
    waves[height // 3 :, width // 2 :] = (220, 30, 60)
    noise = np.random.default_rng(3).integers(-12, 12, waves.shape)
    return np.clip(waves + noise, 0, 255).astype(np.uint8)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """Return the file that Pillow writes."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def test_the_formats_are_an_allow_list() -> None:
    """Only these are opened; a new one is a decision."""
    assert EXTENSIONS == (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")
    assert FORMATS == ("JPEG", "PNG", "TIFF", "BMP")


@pytest.mark.parametrize("extension", [".png", ".tif", ".tiff", ".bmp"])
def test_lossless_formats_give_the_same_pixels_back(extension: str) -> None:
    """Encoding and decoding changes nothing."""
    assert np.array_equal(decode(encode(picture(), extension)), picture())


@pytest.mark.parametrize("extension", [".jpg", ".jpeg"])
def test_a_jpeg_comes_back_nearly(extension: str) -> None:
    """A JPEG has the same size and nearly the same pixels."""
    found = decode(encode(picture(), extension, quality=98))
    assert found.shape == (48, 31, 3)
    assert np.abs(found.astype(int) - picture()).mean() < 8


@pytest.mark.parametrize("extension", [".gif", ".webp", "jpg", ""])
def test_other_extensions_are_not_written(extension: str) -> None:
    """An extension outside the allow-list is refused."""
    with pytest.raises(ValueError, match="expected one of"):
        encode(picture(), extension)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True, "quality": 40}], ids=str)
def test_pillow_opencv_and_we_see_the_same_jpeg(subsampling: int, options: dict[str, object]) -> None:
    """Whatever the sampling, every common decoder gives our pixels, so a fingerprint does not depend on it."""
    import cv2

    data = saved(Image.fromarray(picture()), "JPEG", subsampling=subsampling, **options)
    ours = decode(data)
    assert np.array_equal(ours, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    assert np.array_equal(ours, cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1])


def test_a_png_of_a_jpeg_keeps_its_digest() -> None:
    """Lossless re-encoding does not change what a picture is."""
    pixels = decode(encode(picture(), ".jpg"))
    for extension in (".png", ".tif", ".bmp"):
        assert pixel_digest(decode(encode(pixels, extension))) == pixel_digest(pixels)


GREY = Image.fromarray(picture()[:, :, 0])
KINDS = {
    "grey JPEG": (GREY, "JPEG"),
    "grey PNG": (GREY, "PNG"),
    "palette PNG": (Image.fromarray(picture()).quantize(16), "PNG"),
    "one-bit PNG": (GREY.convert("1"), "PNG"),
    "CMYK JPEG": (Image.fromarray(picture()).convert("CMYK"), "JPEG"),
    "CMYK TIFF": (Image.fromarray(picture()).convert("CMYK"), "TIFF"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_grey_palette_and_cmyk_read_as_pillow_converts_them(kind: str) -> None:
    """What has one faithful RGB reading is read so, contiguous and 8-bit."""
    data = saved(*KINDS[kind])
    found = decode(data)
    assert np.array_equal(found, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    assert found.dtype == np.uint8
    assert found.flags["C_CONTIGUOUS"]


def test_orientation_and_profile_are_ignored() -> None:
    """A rotation tag does not turn the picture: it has one set of pixels, those stored."""
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = saved(Image.fromarray(picture()), "JPEG")
    turned = saved(Image.fromarray(picture()), "JPEG", exif=exif, icc_profile=b"not a profile")
    assert np.array_equal(decode(turned), decode(plain))


RGBA = Image.fromarray(np.dstack([picture(), picture()[:, :, 0]]))
_SIXTEEN = Image.fromarray(picture()[:, :, 0].astype(np.uint16) * 257)
REFUSED = {
    "empty": (b"", "the file is empty"),
    "text": (b"hello, this is no picture", "not a readable picture"),
    "alpha": (saved(RGBA, "PNG"), "mode RGBA is refused"),
    "grey alpha": (saved(GREY.convert("LA"), "PNG"), "mode LA is refused"),
    "palette alpha": (saved(Image.fromarray(picture()).quantize(4), "PNG", transparency=1), "mode P is refused"),
    "16 bits": (saved(_SIXTEEN, "PNG"), "mode I;16"),
    "two frames": (saved(GREY, "TIFF", save_all=True, append_images=[GREY]), "several pictures"),
    "a GIF": (saved(GREY, "GIF"), "not a readable picture"),
    "truncated JPEG": (encode(picture(), ".jpg")[:-40], "truncated JPEG"),
    "JPEG and more": (encode(picture(), ".jpg") + b"more", "other bytes follow"),
    "truncated PNG": (encode(picture(), ".png")[:-60], "not a readable picture"),
    "truncated TIFF": (encode(picture(), ".tif")[:1000], "not a readable picture"),
    "huge": (saved(Image.new("1", (9000, 9000)), "PNG"), "the header says 9000x9000 pixels"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_has_no_faithful_reading_is_refused(kind: str) -> None:
    """A damaged, transparent, deep or oversized picture is an error that names the file."""
    data, why = REFUSED[kind]
    with pytest.raises(ImageError, match=why) as refused:
        decode(data, "017_003.jpg")
    assert str(refused.value).startswith("017_003.jpg: ")


def test_a_jpeg_cut_off_in_its_middle_is_refused() -> None:
    """Missing blocks are an error even where the end marker was put back."""
    data = encode(picture(200, 120), ".jpg")
    with pytest.raises(ImageError, match="damaged JPEG"):
        decode(data[: len(data) // 2] + b"\xff\xd9")


@pytest.mark.parametrize(("mode", "kind"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "TIFF")])
def test_transparency_is_read_as_it_was_stored(mode: str, kind: str) -> None:
    """Colours are not multiplied by their alpha, not even where it is 0."""
    alpha = np.random.default_rng(2).integers(0, 256, (48, 31), np.uint8)
    alpha[:4] = 0
    stored = Image.fromarray(np.dstack([picture(), alpha])).convert(mode)
    found = decode_rgba(saved(stored, kind))
    assert (found.dtype, found.flags.c_contiguous) == (np.uint8, True)
    assert (found == np.asarray(stored.convert("RGBA"))).all()
    assert (found[..., 3] == alpha).all()


def test_a_transparent_colour_is_transparency() -> None:
    """A PNG that names one colour of its palette transparent has an alpha of 0 and 255."""
    image = Image.fromarray(picture()).quantize(4)
    found = decode_rgba(saved(image, "PNG", transparency=2))
    assert (found[..., 3] == np.where(np.asarray(image) == 2, 0, 255)).all()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (saved(Image.fromarray(picture()), "PNG"), "no transparency"),
        (saved(Image.fromarray(picture()), "JPEG"), "no transparency"),
        (saved(Image.fromarray(picture()).convert("RGBA"), "PNG")[:-20], "cut off"),
        (saved(Image.fromarray(picture()).convert("RGBA"), "PNG") + b"more", "other bytes follow"),
        (saved(Image.fromarray(picture()).convert("RGBA"), "WEBP", lossless=True), "not a readable"),
        (b"rubbish", "not a readable"),
    ],
    ids=["empty", "rgb", "jpeg", "cut", "followed", "webp", "rubbish"],
)
def test_transparency_is_read_as_strictly(data: bytes, says: str) -> None:
    """What `decode` refuses is refused here too, and what has no transparency."""
    with pytest.raises(ImageError, match=f"a.png.*{says}"):
        decode_rgba(data, "a.png")


def test_deep_transparency_is_refused() -> None:
    """16 bits a channel have no faithful 8-bit reading."""
    rows = b"".join(b"\0" + b"\x12\x34" * 4 * 2 for _ in range(2))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 16, 6, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    with pytest.raises(ImageError, match="is refused"):
        decode_rgba(data)
