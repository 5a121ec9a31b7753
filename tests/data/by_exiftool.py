"""What exiftool makes of a file, in our words: the second implementation of `facevalue.data.leftovers`."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

# The tags that exiftool finds in bare files, by its groups; then what its other groups and tags are in our words.
WORDS = {
    "File": (
        "BMPVersion BitDepth BitsPerSample ColorComponents Compression EncodingProcess ExifByteOrder FileType "
        "FileTypeExtension ImageHeight ImageLength ImageWidth MIMEType NumColors NumImportantColors PixelsPerMeterX "
        "PixelsPerMeterY Planes YCbCrSubSampling"
    ),
    "GIF": ("BackgroundColor BitsPerPixel ColorResolutionDepth GIFVersion HasColorMap ImageHeight ImageWidth"),
    "IFD0": (
        "BitsPerSample Compression ExtraSamples FillOrder ImageHeight ImageWidth Orientation "
        "PhotometricInterpretation PlanarConfiguration Predictor ResolutionUnit RowsPerStrip SampleFormat "
        "SamplesPerPixel StripByteCounts StripOffsets SubfileType XResolution YResolution"
    ),
    "JFIF": ("JFIFVersion ResolutionUnit XResolution YResolution"),
    "Meta": ("PrimaryItemReference"),
    "PNG": ("BitDepth ColorType Compression Filter ImageHeight ImageWidth Interlace"),
    "QuickTime": (
        "AV1ConfigurationVersion AverageFrameRate BitDepthChroma BitDepthLuma ChromaFormat ChromaSamplePosition "
        "CleanAperture ColorPrimaries ColorProfiles CompatibleBrands ConstantFrameRate ConstraintIndicatorFlags "
        "CreateDate CurrentTime Duration Free GenProfileCompatibilityFlags GeneralLevelIDC GeneralProfileIDC "
        "GeneralProfileSpace GeneralTierFlag HEVCConfigurationVersion HandlerType HandlerVendorID HighBitDepth "
        "ImagePixelDepth ImageSpatialExtent InitialDelaySamples MajorBrand MatrixCoefficients MatrixStructure "
        "MediaData MediaDataOffset MediaDataSize MinSpatialSegmentationIDC MinorVersion ModifyDate MovieHeaderVersion "
        "NextTrackID NumTemporalLayers ParallelismType PosterTime PreferredRate PreferredVolume PreviewDuration "
        "PreviewTime SelectionDuration SelectionTime SeqLevelIdx0 SeqProfile SeqTier0 TemporalIDNested TimeScale "
        "TransferCharacteristics TwelveBit Wide"
    ),
    "RIFF": ("HorizontalScale ImageHeight ImageWidth VP8Version VerticalScale"),
    "Track1": (
        "AVCConfiguration AverageBitrate BitDepth BufferSize ChunkOffset ColorPrimaries ColorProfiles "
        "CompositionTimeToSample CompressorID GraphicsMode HandlerClass HandlerDescription HandlerType ImageHeight "
        "ImageWidth MatrixCoefficients MatrixStructure MaxBitrate MediaCreateDate MediaDuration MediaHeaderVersion "
        "MediaLanguageCode MediaModifyDate MediaTimeScale OpColor SampleSizes SampleToChunk SourceImageHeight "
        "SourceImageWidth SyncSampleTable TrackCreateDate TrackDuration TrackHeaderVersion TrackID TrackLayer "
        "TrackModifyDate TrackVolume TransferCharacteristics Unknown_edts VendorID VideoFrameRate XResolution "
        "YResolution"
    ),
}
STRUCTURE = {group: frozenset(words.split()) for group, words in WORDS.items()}
GROUPS = {
    "ExifIFD": "exif",
    "InteropIFD": "exif",
    "GPS": "gps",
    "IFD1": "thumbnail",
    "IPTC": "iptc",
    "Photoshop": "photoshop",
    "ItemList": "text",
    "UserData": "text",
    "Keys": "text",
    "MPImage1": "preview",
    "MPImage2": "preview",
    "MPF0": "preview",
    "Adobe": "",
}
TAGS = {
    "File:Comment": "text",
    "GIF:Comment": "text",
    "GIF:FrameCount": "frames",
    "PNG:ModifyDate": "time",
    "PNG:Author": "text",
    "PNG:Comment": "text",
    "PNG:AnimationFrames": "frames",
    "JFIF:ThumbnailTIFF": "thumbnail",
    "JFXX:ThumbnailImage": "thumbnail",
    "JFIF:ThumbnailImage": "thumbnail",
    "Photoshop:PhotoshopThumbnail": "thumbnail",
    "RIFF:Title": "text",
    "RIFF:Software": "text",
    "Matroska:Title": "text",
    "Matroska:DateTimeOriginal": "time",
    "Matroska:TagName": "",
    "Track1:AudioFormat": "audio",
    "Track2:AudioFormat": "audio",
    "RIFF:Encoding": "audio",
    "Matroska:AudioChannels": "audio",
    "Track2:AudioChannels": "audio",
    "QuickTime:CreateDate": "time",
    "ItemList:CoverArt": "cover",
    "UserData:LocationInformation": "gps",
    "UserData:GPSCoordinates": "gps",
    "Keys:GPSCoordinates": "gps",
    "UserData:ChapterList": "chapters",
}
ZERO = "0000:00:00 00:00:00"


def exiftool(paths: Sequence[Path]) -> list[dict[str, object]]:
    """Return what exiftool reads in files, with the group of each tag."""
    done = subprocess.run(["exiftool", "-j", "-G1", "-a", "-u", "-q", *map(str, paths)], capture_output=True, check=False)
    return list(json.loads(done.stdout)) if done.stdout else []


def written(path: Path, *tags: str) -> None:
    """Let exiftool write tags into a file."""
    subprocess.run(["exiftool", "-q", "-overwrite_original", *tags, str(path)], check=True, capture_output=True)


def has_exiftool() -> bool:
    return shutil.which("exiftool") is not None


def exiftool_kinds(tags: dict[str, object]) -> set[str]:
    """Return in our words what exiftool found; the structure of a format is nothing."""
    found = set[str]()
    for name, value in tags.items():
        group, _, tag = name.partition(":")
        if group == "IFD1" and tags["File:FileType"] == "TIFF":
            found.add("frames")
        elif name in TAGS:
            found |= {TAGS[name]} if value not in (ZERO, 1) else set()
        elif group.startswith("XMP"):
            found |= {"xmp"} | ({"gps"} if tag.startswith("GPSL") else set())
        elif group.startswith("ICC"):
            found.add("icc")
        elif group == "IFD0":
            found |= set() if tag in STRUCTURE["IFD0"] else {"exif"}
        elif group == "GPS" and tag == "GPSVersionID":
            continue
        elif group in GROUPS:
            found.add(GROUPS[group])
    return found - {""}


def exiftool_rest(tags: dict[str, object]) -> set[str]:
    """Return what exiftool names of a file that no bare one has; sizes, codecs and the like are structure."""
    named = {name.partition(":")[::2] for name in tags} - {("SourceFile", "")}
    own = {"System", "ExifTool", "Composite"}
    rest = {f"{group}:{tag}" for group, tag in named if group not in own and tag not in STRUCTURE.get(group, ())}
    dated = {name for name, value in tags.items() if name.endswith("Date") and "System" not in name and value != ZERO}
    return rest | dated | {name for name in tags if name in ("ExifTool:Warning", "ExifTool:Error")}
