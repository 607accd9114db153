"""Decode images to RGB and encode them: the only module that opens one.

Decoding is a check: a JPEG is decoded to its last block by libjpeg-turbo in strict mode (slow-integer DCT, fancy
upsampling, so Pillow and OpenCV give the same pixels), everything else by Pillow from an allow-list of formats.
The stored orientation is kept: EXIF rotation and ICC profiles are ignored, so an image has one set of pixels.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from .errors import ImageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

EXTENSIONS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")
FORMATS = ("JPEG", "PNG", "TIFF", "BMP")
MAX_PIXELS = 1 << 26
RESIZE = "OpenCV INTER_AREA where no side grows, else INTER_LINEAR"
"""The kernel of `resize`, as feature files and stores name it."""
_CONVERTIBLE = ("RGB", "L", "1", "P", "CMYK", "YCbCr")
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]", re.DOTALL)  # what ends entropy-coded data: no stuffing, no restart
_UNTURN = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # by orientation: the PIL transposition that undoes it


def decode(data: bytes, name: str = "picture") -> npt.NDArray[np.uint8]:
    """Return the pixels of an encoded image, decoded to its last byte.

    Parameters
    ----------
    data : bytes
        A whole JPEG, PNG, TIFF or BMP file.
    name : str
        What to call it in an error.

    Returns
    -------
    numpy.ndarray
        Shape (H, W, 3), dtype uint8, RGB, C-contiguous, in stored orientation.

    Raises
    ------
    ImageError
        If the file is empty, no image, truncated, damaged, followed by other bytes (JPEG), over 2**26 pixels,
        of several frames, 16-bit, or has transparency.
    """
    if not data:
        raise ImageError(f"{name}: the file is empty.", "Expected a picture, found 0 bytes.")
    return _decode_jpeg(data, name) if data[:3] == b"\xff\xd8\xff" else _decode_other(data, name)


def decode_rgba(data: bytes, name: str = "picture") -> npt.NDArray[np.uint8]:
    """Return the pixels of an encoded image that has transparency, decoded to its last byte.

    Parameters
    ----------
    data : bytes
        A whole PNG or TIFF file of 8 bits a channel.
    name : str
        What to call it in an error.

    Returns
    -------
    numpy.ndarray
        Shape (H, W, 4), dtype uint8, RGBA, colours not multiplied by their alpha, C-contiguous.

    Raises
    ------
    ImageError
        As `decode`, and if the image has no alpha channel and no transparent colour.

    Examples
    --------
    >>> import numpy as np
    >>> decode_rgba(encode(np.full((2, 1, 4), 9, np.uint8), ".png")).tolist()
    [[[9, 9, 9, 9]], [[9, 9, 9, 9]]]
    """
    if not data:
        raise ImageError(f"{name}: the file is empty.", "Expected a picture, found 0 bytes.")
    return _decode_other(data, name, "RGBA")


def encode(pixels: npt.NDArray[np.uint8], extension: str, quality: int = 92, effort: int = 6) -> bytes:
    """Return RGB pixels as the file that `extension` names; all but JPEG without loss.

    Parameters
    ----------
    pixels : numpy.ndarray
        Shape (H, W, 3), dtype uint8, RGB, C-contiguous; all but JPEG also take grey, shape (H, W).
    extension : str
        One of `EXTENSIONS`.
    quality : int
        Of a JPEG, 1 to 100.
    effort : int
        Of a PNG: zlib's level, 1 fast to 9 small; the pixels are the same. Level 1 of an RGB image is OpenCV's, with
        run lengths alone: about three times as fast as Pillow's and 5 % larger.

    Raises
    ------
    ValueError
        If the extension is not one of `EXTENSIONS`.

    Examples
    --------
    >>> import numpy as np
    >>> decode(encode(np.full((4, 2, 3), 7, np.uint8), ".png")).tolist()[0]
    [[7, 7, 7], [7, 7, 7]]
    """
    if extension not in EXTENSIONS:
        raise ValueError(f"extension {extension!r}: expected one of {', '.join(EXTENSIONS)}")
    if extension in (".jpg", ".jpeg"):
        import simplejpeg

        data: bytes = simplejpeg.encode_jpeg(pixels, quality, "RGB", "420", fastdct=False)
        return data
    if extension == ".png" and effort == 1 and pixels.ndim == 3 and pixels.shape[2] == 3:
        return _encode_fast(pixels)
    from PIL import Image

    stream = io.BytesIO()
    options = {"compress_level": effort} if extension == ".png" else {}
    Image.fromarray(pixels).save(stream, {".png": "PNG", ".bmp": "BMP"}.get(extension, "TIFF"), **options)
    return stream.getvalue()


def resize(pixels: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return `pixels` at `size` (height, width), by the kernel that `RESIZE` names; themselves where they have it.

    Examples
    --------
    >>> import numpy as np
    >>> resize(np.full((4, 2, 3), 7, np.uint8), (2, 1)).tolist()
    [[[7, 7, 7]], [[7, 7, 7]]]
    """
    import cv2

    height, width = pixels.shape[:2]
    if (height, width) == size:
        return pixels
    kernel = cv2.INTER_AREA if size[0] <= height and size[1] <= width else cv2.INTER_LINEAR
    resized: Any = cv2.resize(pixels, size[::-1], interpolation=kernel)
    return resized  # type: ignore[no-any-return]


def looked_up(pixels: npt.NDArray[np.uint8], table: npt.NDArray[np.float32], out: npt.NDArray[np.float32]) -> None:
    """Write into `out` what each value of `pixels`, shape (H, W, C), becomes by `table`, shape (1, 256, C).

    One pass, during which other threads run. `out` is C-contiguous, of the same shape.

    Examples
    --------
    >>> import numpy as np
    >>> out = np.empty((1, 2, 3), np.float32)
    >>> looked_up(np.full((1, 2, 3), 4, np.uint8), np.arange(768, dtype=np.float32).reshape(1, 256, 3), out)
    >>> out.tolist()
    [[[12.0, 13.0, 14.0], [12.0, 13.0, 14.0]]]
    """
    import cv2

    cv2.LUT(pixels, table, out)


def to_pillow(pixels: npt.NDArray[np.uint8]) -> Image:
    """Return pixels, shape (H, W, 3), uint8, as an image of PIL in RGB.

    Examples
    --------
    >>> import numpy as np
    >>> to_pillow(np.zeros((4, 2, 3), np.uint8)).size
    (2, 4)
    """
    from PIL import Image

    return Image.fromarray(pixels)


def _encode_fast(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return RGB pixels as a PNG that is quickly made."""
    import cv2

    options = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    made, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    if not made:
        raise ValueError(f"shape {pixels.shape}: OpenCV made no PNG of it")
    return data.tobytes()


def _decode_jpeg(data: bytes, name: str) -> npt.NDArray[np.uint8]:
    import simplejpeg

    # A first FFD9 at the very end settles it; one before may belong to a thumbnail, which the walk skips.
    if data.find(b"\xff\xd9") != len(data) - 2 and (data[-2:] != b"\xff\xd9" or 0 < _jpeg_end(data) < len(data)):
        raise ImageError(
            f"{name}: truncated JPEG, or other bytes follow it.",
            f"Expected the file to end in its first FFD9 after the picture, found {data[-2:].hex().upper()}.",
        )
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
        _check_size(width, height, name)
        if space in ("CMYK", "YCCK"):
            simplejpeg.decode_jpeg(data, "CMYK")  # Pillow does not mind damage
            return _decode_other(data, name)
        pixels: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB", fastdct=False, fastupsample=False)
    except ValueError as error:
        raise ImageError(f"{name}: damaged JPEG.", f"The decoder says: {error}.") from error
    return pixels


def _jpeg_end(data: bytes) -> int:
    """Return the offset behind the end-of-image marker, segments skipped by their length; 0 if there is none."""
    at = 2
    while data[at : at + 1] == b"\xff" and len(data) >= at + 2:
        if data[at + 1] == 0xD9:
            return at + 2
        scan = data[at + 1] == 0xDA
        at += 1 if data[at + 1] == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if scan:
            marker = _MARKER.search(data, at)
            at = marker.start() if marker else len(data)
    return 0


def _decode_other(data: bytes, name: str, mode: str = "RGB") -> npt.NDArray[np.uint8]:
    import numpy as np
    from PIL import Image

    if data[:4] == b"\x89PNG" and data[-12:] != _PNG_END:
        raise ImageError(f"{name}: not a readable picture.", "A PNG was cut off, or other bytes follow it.")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            _check_size(*picture.size, name)
            (_check_kind if mode == "RGB" else _check_alpha)(picture, name)
            turn = picture.getexif().get(0x0112) if picture.format == "TIFF" else None
            picture.load()
            pixels = picture.convert(mode)
            if turn in _UNTURN:  # Pillow turns TIFFs, and them alone, as the tag says
                pixels = pixels.transpose(Image.Transpose(_UNTURN[turn]))
            return np.ascontiguousarray(pixels)
    except ImageError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever the damage leads them to
        raise ImageError(f"{name}: not a readable picture.", f"The decoder says: {error}.") from error


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{name}: the header says {width}x{height} pixels.", f"At most {MAX_PIXELS} pixels are decoded."
        )


def _check_kind(picture: Image, name: str) -> None:
    """Refuse what has no single faithful 8-bit RGB reading."""
    if getattr(picture, "n_frames", 1) != 1:
        raise ImageError(f"{name}: several pictures in one file.", "Expected one frame.")
    deep = any("RGB;16" in str(tile[3]) for tile in getattr(picture, "tile", ()))
    if picture.mode not in _CONVERTIBLE or "transparency" in picture.info or deep:
        raise ImageError(
            f"{name}: mode {'RGB;16' if deep else picture.mode} is refused.",
            "Expected 8-bit grey, palette, CMYK or RGB without transparency.",
        )


def _check_alpha(picture: Image, name: str) -> None:
    """Refuse what has no transparency, or no faithful 8-bit RGBA reading."""
    if getattr(picture, "n_frames", 1) != 1:
        raise ImageError(f"{name}: several pictures in one file.", "Expected one frame.")
    if picture.mode not in ("RGBA", "LA") and "transparency" not in picture.info:
        raise ImageError(f"{name}: it has no transparency.", f"Expected an alpha channel, found mode {picture.mode}.")
    deep = any(";16" in str(tile[3]) for tile in getattr(picture, "tile", ()))
    if deep or picture.mode not in ("RGBA", "LA", "RGB", "L", "P"):
        raise ImageError(f"{name}: mode {picture.mode} is refused.", "Expected 8 bits a channel with transparency.")
