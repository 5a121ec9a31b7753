"""Photos and films with something planted beside their pixels.

A plant is a format, what is planted in words of `facevalue.data.leftovers.KINDS`, and a function that makes the file.
"""

from __future__ import annotations

import base64
import functools
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin

SECRET = b"Ann at home"
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description "
XMP += b"xmlns:exif='http://ns.adobe.com/exif/1.0/' xmlns:dc='http://purl.org/dc/elements/1.1/' dc:source='Ann' "
XMP += b"exif:GPSLatitude='52,30N' exif:GPSLongitude='13,24E'/></rdf:RDF></x:xmpmeta>"


@dataclass(frozen=True)
class Plant:
    """One thing to plant: kinds that must be found, and a picture to a file's bytes."""

    suffix: str
    kinds: frozenset[str]
    make: Callable[[np.ndarray], bytes]


PLANTS: dict[str, Plant] = {}


def plant(suffix: str, *kinds: str) -> Callable[[Callable[[np.ndarray], bytes]], Callable[[np.ndarray], bytes]]:
    """Enter a function of a picture into the table of plants."""

    def entered(make: Callable[[np.ndarray], bytes]) -> Callable[[np.ndarray], bytes]:
        PLANTS[make.__name__] = Plant(suffix, frozenset(kinds), make)
        return make

    return entered


def noise(draw: np.random.Generator, height: int = 48, width: int = 64) -> np.ndarray:
    """Return a picture, (h, w, 3) uint8, that a codec can make something of."""
    coarse = draw.integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR))


def saved(pixels: np.ndarray, name: str, **options: object) -> bytes:
    """Return a file that Pillow writes."""
    if name == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, name, **options)
    return buffer.getvalue()


def small(pixels: np.ndarray) -> bytes:
    return saved(np.ascontiguousarray(pixels[::2, ::2]), "JPEG")


def exif_block(pixels: np.ndarray | None = None, *, gps: bool = True, makernote: bytes = b"") -> bytes:
    """Return an EXIF block of big-endian directories: maker, place, own block of the maker, thumbnail."""
    thumb = b"" if pixels is None else small(pixels)
    main = [(271, 2, b"Maker\0"), *([(34665, 4, b"EXIF")] if makernote else []), *([(34853, 4, b"GPS ")] if gps else [])]
    parts: list[tuple[str, list[tuple[int, int, bytes]]]] = [("main", main)]
    parts += (
        [("thumb", [(259, 3, struct.pack(">H", 6)), (513, 4, b"JPEG"), (514, 4, struct.pack(">I", len(thumb)))])]
        if thumb
        else []
    )
    parts += [("EXIF", [(37500, 7, makernote)])] if makernote else []
    parts += [("GPS ", [(1, 2, b"N\0"), (2, 5, struct.pack(">6I", 52, 1, 30, 1, 0, 1))])] if gps else []
    starts, at = {}, 8
    for name, fields in parts:
        starts[name] = at
        at += 6 + 12 * len(fields) + sum(len(value) + len(value) % 2 for _, _, value in fields if len(value) > 4)
    places = {value: struct.pack(">I", starts[value.decode()]) for value in (b"EXIF", b"GPS ") if value.decode() in starts}
    places[b"JPEG"] = struct.pack(">I", at)
    block = b"MM\0*\0\0\0\x08"
    for name, fields in parts:
        values, room = b"", starts[name] + 6 + 12 * len(fields)
        block += struct.pack(">H", len(fields))
        for tag, kind, value in fields:
            value = places.get(value, value)
            count = len(value) // {2: 1, 3: 2, 4: 4, 5: 8, 7: 1}[kind]
            inline = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(">I", room + len(values))
            block += struct.pack(">HHI", tag, kind, count) + inline
            values += (value + b"\0" * (len(value) % 2)) if len(value) > 4 else b""
        block += struct.pack(">I", starts["thumb"] if name == "main" and thumb else 0) + values
    return b"Exif\0\0" + block + thumb


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def segment(jpeg: bytes, marker: int, body: bytes) -> bytes:
    """Return a JPEG with a segment more, behind its first."""
    size = int.from_bytes(jpeg[4:6], "big") + 4
    return jpeg[:size] + bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body + jpeg[size:]


def resource(number: int, body: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(body)) + body + b"\0" * (len(body) % 2)


def chunked(name: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def chunk(png: bytes, name: bytes, body: bytes) -> bytes:
    """Return a PNG with a chunk more, behind its header."""
    return png[:33] + chunked(name, body) + png[33:]


@plant(".jpg", "exif", "gps", "thumbnail")
def jpeg_exif(p: np.ndarray) -> bytes:
    return saved(p, "JPEG", exif=exif_block(p))


@plant(".jpg", "exif", "makernote", "preview")
def jpeg_makernote(p: np.ndarray) -> bytes:
    return saved(p, "JPEG", exif=exif_block(gps=False, makernote=b"Maker\0\0\0" + small(p)))


@plant(".jpg", "text")
def jpeg_comment(p: np.ndarray) -> bytes:
    return saved(p, "JPEG", comment=SECRET)


@plant(".jpg", "xmp", "gps")
def jpeg_xmp(p: np.ndarray) -> bytes:
    return saved(p, "JPEG", xmp=XMP)


@plant(".jpg", "xmp", "preview")
def jpeg_extended_xmp(p: np.ndarray) -> bytes:
    packet = b"<x:xmpmeta xmlns:x='adobe:ns:meta/' GImage:Data='" + base64.b64encode(small(p)) + b"'/>"
    head = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + struct.pack(">I", len(packet))
    whole = saved(p, "JPEG")
    for at in range(0, len(packet), 500)[::-1]:
        whole = segment(whole, 0xE1, head + struct.pack(">I", at) + packet[at : at + 500])
    return whole


@plant(".jpg", "icc")
def jpeg_icc(p: np.ndarray) -> bytes:
    return saved(p, "JPEG", icc_profile=profile())


@plant(".jpg", "iptc", "thumbnail", "photoshop")
def jpeg_photoshop(p: np.ndarray) -> bytes:
    iptc = b"\x1c\x02\x50" + struct.pack(">H", len(SECRET)) + SECRET
    blocks = resource(0x0404, iptc) + resource(0x040C, bytes(28) + small(p)) + resource(0x03ED, bytes(16))
    return segment(saved(p, "JPEG"), 0xED, b"Photoshop 3.0\0" + blocks)


@plant(".jpg", "preview")
def jpeg_two_pictures(p: np.ndarray) -> bytes:
    return saved(p, "MPO", save_all=True, append_images=[Image.fromarray(p[::2, ::2])])


@plant(".jpg", "preview", "trailing")
def jpeg_behind_the_end(p: np.ndarray) -> bytes:
    return saved(p, "JPEG") + small(p)


@plant(".jpg", "thumbnail")
def jpeg_jfxx(p: np.ndarray) -> bytes:
    return segment(saved(p, "JPEG"), 0xE0, b"JFXX\0\x10" + small(p))


@plant(".jpg", "thumbnail")
def jpeg_jfif(p: np.ndarray) -> bytes:
    thumb = np.ascontiguousarray(p[::4, ::4])
    whole, body = saved(p, "JPEG"), bytes((thumb.shape[1], thumb.shape[0])) + thumb.tobytes()
    return whole[:4] + struct.pack(">H", 14 + len(body)) + whole[6:18] + body + whole[20:]


@plant(".jpg", "other")
def jpeg_maker_segment(p: np.ndarray) -> bytes:
    return segment(saved(p, "JPEG"), 0xE5, b"Maker" + SECRET)


@plant(".png", "text")
def png_texts(p: np.ndarray) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", SECRET.decode())
    info.add_text("Comment", SECRET.decode(), zip=True)
    return saved(p, "PNG", pnginfo=info)


@plant(".png", "xmp", "gps")
def png_xmp(p: np.ndarray) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
    return saved(p, "PNG", pnginfo=info)


@plant(".png", "exif", "gps", "thumbnail")
def png_exif(p: np.ndarray) -> bytes:
    return chunk(saved(p, "PNG"), b"eXIf", exif_block(p)[6:])


@plant(".png", "exif", "gps")
def png_raw_profile(p: np.ndarray) -> bytes:
    block = exif_block()
    text = b"\nexif\n%8d\n%s\n" % (len(block), block.hex().encode())
    return chunk(saved(p, "PNG"), b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text))


@plant(".png", "icc", "time")
def png_icc(p: np.ndarray) -> bytes:
    return chunk(saved(p, "PNG", icc_profile=profile()), b"tIME", struct.pack(">H5B", 2020, 1, 2, 3, 4, 5))


@plant(".png", "frames")
def png_frames(p: np.ndarray) -> bytes:
    return saved(p, "PNG", save_all=True, append_images=[Image.fromarray(255 - p)])


@plant(".png", "alpha")
def png_alpha(p: np.ndarray) -> bytes:
    return saved(see_through(p), "PNG")


@plant(".png", "trailing")
def png_behind_the_end(p: np.ndarray) -> bytes:
    return saved(p, "PNG") + SECRET


@plant(".png", "trailing")
def png_rows_that_are_not_shown(p: np.ndarray) -> bytes:
    whole = saved(p, "PNG")
    head = whole[16:20] + struct.pack(">I", p.shape[0] // 2) + whole[24:29]
    return whole[:8] + chunked(b"IHDR", head) + whole[33:]


@plant(".png", "trailing")
def png_behind_the_pixels(p: np.ndarray) -> bytes:
    whole = saved(p, "PNG")
    return whole[:-12] + chunked(b"IDAT", SECRET) + whole[-12:]


@plant(".png", "other")
def png_chunk(p: np.ndarray) -> bytes:
    return chunk(saved(p, "PNG"), b"anNa", SECRET)


def see_through(p: np.ndarray) -> np.ndarray:
    """Return RGBA with a quarter that is not to be seen."""
    alpha = np.full(p.shape[:2], 255, np.uint8)
    alpha[: p.shape[0] // 2, : p.shape[1] // 2] = 0
    return np.dstack([p, alpha])


@plant(".webp", "exif", "gps", "thumbnail", "xmp", "icc")
def webp_metadata(p: np.ndarray) -> bytes:
    return saved(p, "WEBP", exif=exif_block(p), xmp=XMP, icc_profile=profile())


@plant(".webp", "frames")
def webp_frames(p: np.ndarray) -> bytes:
    return saved(p, "WEBP", save_all=True, append_images=[Image.fromarray(255 - p)])


@plant(".webp", "alpha")
def webp_alpha(p: np.ndarray) -> bytes:
    return saved(see_through(p), "WEBP", exact=True)


@plant(".webp", "alpha")
def webp_lossless_alpha(p: np.ndarray) -> bytes:
    return saved(see_through(p), "WEBP", exact=True, lossless=True)


@plant(".webp", "trailing", "preview")
def webp_behind_the_end(p: np.ndarray) -> bytes:
    return saved(p, "WEBP") + small(p)


@plant(".tif", "exif", "gps", "xmp", "iptc", "icc")
def tiff_tags(p: np.ndarray) -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[315], tags[700], tags[33723] = SECRET.decode(), XMP, b"\x1c\x02\x50\0\x03Ann"
    tags.tagtype[700] = tags.tagtype[33723] = 1
    tags[34853] = {1: "N", 2: (52.0, 30.0, 0.0)}
    return saved(p, "TIFF", tiffinfo=tags, icc_profile=profile())


@plant(".tif", "frames")
def tiff_pages(p: np.ndarray) -> bytes:
    return saved(p, "TIFF", save_all=True, append_images=[Image.fromarray(255 - p)])


@plant(".tif", "alpha")
def tiff_alpha(p: np.ndarray) -> bytes:
    return saved(see_through(p), "TIFF")


@plant(".tif", "trailing", "preview")
def tiff_behind_the_end(p: np.ndarray) -> bytes:
    return saved(p, "TIFF") + small(p)


@plant(".gif", "text")
def gif_comment(p: np.ndarray) -> bytes:
    return saved(p, "GIF", comment=SECRET)


@plant(".gif", "frames")
def gif_frames(p: np.ndarray) -> bytes:
    return saved(p, "GIF", save_all=True, append_images=[Image.fromarray(255 - p)])


@plant(".gif", "xmp", "gps")
def gif_xmp(p: np.ndarray) -> bytes:
    magic = b"\1" + bytes(range(255, -1, -1)) + b"\0"
    return saved(p, "GIF")[:-1] + b"!\xff\x0bXMP DataXMP" + XMP + magic + b";"


@plant(".gif", "trailing")
def gif_behind_the_end(p: np.ndarray) -> bytes:
    return saved(p, "GIF") + SECRET


@plant(".bmp", "trailing")
def bmp_behind_the_end(p: np.ndarray) -> bytes:
    return saved(p, "BMP") + SECRET


@plant(".bmp", "trailing")
def bmp_gap(p: np.ndarray) -> bytes:
    whole = saved(p, "BMP")
    return whole[:10] + struct.pack("<I", 54 + len(SECRET)) + whole[14:54] + SECRET + whole[54:]


@plant(".bmp", "alpha")
def bmp_alpha(p: np.ndarray) -> bytes:
    return saved(see_through(p), "BMP")


@plant(".avif", "exif", "gps", "thumbnail", "xmp", "icc")
def avif_metadata(p: np.ndarray) -> bytes:
    return saved(p, "AVIF", exif=exif_block(p)[6:], xmp=XMP, icc_profile=profile())


@plant(".avif", "frames")
def avif_frames(p: np.ndarray) -> bytes:
    return saved(p, "AVIF", save_all=True, append_images=[Image.fromarray(255 - p)])


@plant(".avif", "alpha")
def avif_alpha(p: np.ndarray) -> bytes:
    return saved(see_through(p), "AVIF")


@plant(".avif", "trailing", "preview")
def avif_behind_the_end(p: np.ndarray) -> bytes:
    picture = small(p)
    return saved(p, "AVIF") + struct.pack(">I", 8 + len(picture)) + b"mdat" + picture


@plant(".heic", "exif", "gps", "thumbnail", "xmp")
def heic_metadata(p: np.ndarray) -> bytes:
    return saved(p, "HEIF", exif=exif_block(p), xmp=XMP)


@plant(".heic", "thumbnail")
def heic_thumbnail(p: np.ndarray) -> bytes:
    return saved(p, "HEIF", thumbnails=[32])


@plant(".heic", "frames")
def heic_frames(p: np.ndarray) -> bytes:
    return saved(p, "HEIF", save_all=True, append_images=[Image.fromarray(255 - p)])


@plant(".heic", "alpha")
def heic_alpha(p: np.ndarray) -> bytes:
    return saved(see_through(p), "HEIF")


@plant(".heic", "auxiliary")
def heic_depth(p: np.ndarray) -> bytes:
    return saved(see_through(p), "HEIF").replace(b"auxid:1", b"auxid:2")


@plant(".heic", "cropped")
def heic_cropped(p: np.ndarray) -> bytes:
    whole = saved(np.pad(p, ((0, 65 - len(p) % 2), (0, 65 - p.shape[1] % 2), (0, 0)), "edge"), "HEIF")
    at = whole.index(b"clap") + 4
    width = int.from_bytes(whole[at : at + 4], "big")
    return whole[:at] + (width - 64).to_bytes(4, "big") + whole[at + 4 :]


@functools.cache
def ffmpeg() -> str:
    """Return the path of ffmpeg; raise ImportError where the extra is not installed."""
    import imageio_ffmpeg

    return imageio_ffmpeg.get_ffmpeg_exe()


def filmed(p: np.ndarray, suffix: str, *options: str, inputs: Sequence[str] = (), bare: bool = True) -> bytes:
    """Return a film of four frames of a picture, with what options plant in it."""
    with tempfile.TemporaryDirectory() as folder:
        still, out = Path(folder) / "still.png", Path(folder) / f"film{suffix}"
        Image.fromarray(p).save(still)
        webm = suffix == ".webm"
        codec = ("-c:v", "libvpx", "-b:v", "300k") if webm else ("-c:v", "libx264", "-pix_fmt", "yuv420p", *UNNOTED)
        clean = ("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact") if bare else ()
        command = [ffmpeg(), "-v", "error", "-y", "-loop", "1", "-framerate", "4", "-t", "1", "-i", str(still), *inputs]
        subprocess.run([*command, *codec, *clean, *options, str(out)], check=True, capture_output=True, cwd=folder)
        return out.read_bytes()


UNNOTED = ("-bsf:v:0", "filter_units=remove_types=6")
SOUND = ("-f", "lavfi", "-t", "1", "-i", "sine")


def _films(suffix: str) -> None:
    kind = suffix[1:]

    def planted(name: str, *kinds: str) -> Callable[[Callable[[np.ndarray], bytes]], object]:
        def entered(make: Callable[[np.ndarray], bytes]) -> object:
            make.__name__ = f"{kind}_{name}"
            return plant(suffix, *kinds)(make)

        return entered

    @planted("audio", "audio")
    def _(p: np.ndarray) -> bytes:
        return filmed(p, suffix, "-map", "0:v", "-map", "1:a", "-flags:a", "+bitexact", inputs=SOUND)

    @planted("texts", "gps", "text", "time")
    def _(p: np.ndarray) -> bytes:
        place = ("-metadata", "title=Ann", "-metadata", "location=+52.5+013.4/")
        return filmed(p, suffix, *place, "-metadata", "creation_time=2020-01-02T03:04:05Z", bare=False)

    @planted("tracks", "frames")
    def _(p: np.ndarray) -> bytes:
        again = () if suffix == ".webm" else ("-bsf:v:1", UNNOTED[1])
        return filmed(p, suffix, "-map", "0:v", "-map", "0:v", *again)

    @planted("behind_the_end", "trailing", "preview")
    def _(p: np.ndarray) -> bytes:
        return filmed(p, suffix) + b"\0\0\0\0\0\0" + small(p)

    if suffix != ".webm":

        @planted("note", "text")
        def _(p: np.ndarray) -> bytes:
            return filmed(p, suffix, "-bsf:v:0", "null")

    if suffix in (".mp4", ".mov"):

        @planted("free", "padding")
        def _(p: np.ndarray) -> bytes:
            return filmed(p, suffix) + struct.pack(">I", 8 + len(SECRET)) + b"free" + SECRET

        @planted("lost_media", "trailing")
        def _(p: np.ndarray) -> bytes:
            return filmed(p, suffix) + struct.pack(">I", 408) + b"mdat" + 400 * b"x"


for _suffix in (".mp4", ".mov", ".mkv", ".webm", ".avi"):
    _films(_suffix)
# what these containers do not carry in ffmpeg's hands
PLANTS["mkv_texts"] = Plant(".mkv", frozenset(("gps", "text", "time")), PLANTS["mkv_texts"].make)
PLANTS["avi_texts"] = Plant(".avi", frozenset(("text",)), PLANTS["avi_texts"].make)


@plant(".mp4", "cover")
def mp4_cover(p: np.ndarray) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "cover.jpg").write_bytes(small(p))
        given = ("-i", str(Path(folder) / "cover.jpg"))
        return filmed(p, ".mp4", "-map", "0", "-map", "1", "-c:v:1", "copy", "-disposition:v:1", "attached_pic", inputs=given)


@plant(".mp4", "subtitles")
def mp4_subtitles(p: np.ndarray) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nAnn\n")
        return filmed(p, ".mp4", "-c:s", "mov_text", inputs=("-i", str(Path(folder) / "a.srt")))


@plant(".mov", "chapters")
def mov_chapters(p: np.ndarray) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.txt").write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=Ann\n")
        return filmed(p, ".mov", "-map_chapters", "1", inputs=("-i", str(Path(folder) / "a.txt")))


@plant(".mp4", "cropped")
def mp4_cut(p: np.ndarray) -> bytes:
    whole = filmed(p, ".mp4")
    at = whole.index(b"elst") + 12
    return whole[:at] + (int.from_bytes(whole[at : at + 4], "big") // 4).to_bytes(4, "big") + whole[at + 4 :]


@plant(".mov", "data_track", "other", "text")
def mov_timecode(p: np.ndarray) -> bytes:
    return filmed(p, ".mov", "-timecode", "01:02:03:04")
