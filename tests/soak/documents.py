"""Small files of every kind that people give to the package, and what its readers make of them when they are damaged."""

import atexit
import contextlib
import functools
import io
import json
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facevalue.data.errors import FacevalueError
from tests.soak.mutations import mutated, mutated_json, mutated_table

SHAPES = (b"", b"\xff", b"[-1]", b"[2]", b"[1000000000, 1000000000]", b"null", b"{}", b'["a"]', b"[[", b"nan")
TEXTS = (".csv", ".tsv", ".txt", ".tem", ".tps", ".dl", ".net", ".graphml")


@dataclass(frozen=True)
class Document:
    """A file that is read whole, or one of a folder's.

    Parameters
    ----------
    files
        Its files by their places in a folder of its own.
    read
        What reads it, of that folder.
    damaged
        The files that a trial changes; all of them where none is named.
    """

    files: dict[str, bytes]
    read: Callable[[Path], Any]
    damaged: tuple[str, ...] = ()


def _of(folder: Path) -> dict[str, bytes]:
    return {str(at.relative_to(folder)): at.read_bytes() for at in sorted(folder.rglob("*")) if at.is_file()}


@functools.cache
def documents() -> dict[str, Document]:
    """Return the documents by name."""
    with tempfile.TemporaryDirectory() as folder:
        makers = (_measured, _found, _judged, _perceptions, _ties, _tables, _lists, _jsons, _kept)
        made: dict[str, Document] = {}
        for i, make in enumerate(makers):
            place = Path(folder, str(i))
            place.mkdir()
            made |= dict(make(place))
    return made


def _faces() -> Any:
    from facevalue.data.faces import Column, Faces

    draw, n = np.random.default_rng(0), 4
    why = np.array(["", "", "too_small", ""], object)
    columns = {
        "net.embedding": Column(draw.normal(size=(n, 3)), "1", "net@sha256:1"),
        "look.gender": Column(np.full((n, 2), 0.5), "p", "look@1", labels=("Male", "Female"), why=why),
        "look.age": Column(np.full(n, 30.0), "years", "look@1", low=np.full(n, 20.0), high=np.full(n, 40.0), level=0.9),
    }
    box, marks = np.tile([0.0, 0, 9, 9], (n, 1)), np.tile([[0.0, 0], [3, 4], [0, 0], [0, 0], [0, 0]], (n, 1, 1))
    path = np.array(["ann/1.jpg", "ann/2.jpg", "bo/1.jpg", "bo/2.jpg"], object)
    return Faces(np.array(["a", "b", "c", "d"], object), box, marks, np.ones(n), columns, path)


def _measured(folder: Path) -> Iterator[tuple[str, Document]]:
    from facevalue.annotate.data_set import read_slim
    from facevalue.annotate.parts import _known
    from facevalue.annotate.record import Record
    from facevalue.data.files import read_faces, write_faces
    from facevalue.data.gallery import read_gallery, update_gallery
    from facevalue.data.people import find_people

    write_faces(_faces(), folder / "faces.parquet")
    faces = (folder / "faces.parquet").read_bytes()
    yield "faces", Document({"f.parquet": faces}, lambda at: read_faces(at / "f.parquet"))
    yield "faces of people", Document({"f.parquet": faces}, lambda at: find_people(at / "f.parquet"))
    yield "faces of a data set", Document({"f.parquet": faces}, lambda at: read_slim(at / "f.parquet"))
    yield "a part", Document({"f.parquet": faces}, lambda at: _known(at / "f.parquet", ("too_small",)))
    run = _of(_run(folder))
    tables = {name: run[name] for name in ("faces.parquet", "photos.parquet")}
    yield "a run", Document(tables, read_faces)
    yield "a data set", Document(tables, read_slim)
    yield "a record", Document(tables, lambda at: Record(at).row("0.png"))
    parts = {".parts/00000000.parquet": _part()}
    yield "a record's parts", Document(parts, lambda at: Record(at).faces("0.png"))
    update_gallery(folder / "gallery", _faces(), model="net", root="/photos")
    yield "a gallery", Document(_of(folder / "gallery"), lambda at: read_gallery(at, verify=False).people.tolist())


def _run(folder: Path) -> Path:
    from facevalue.annotate.run import Options, run
    from tests.annotate.conftest import FAKE, picture

    (folder / "photos").mkdir()
    for i in range(3):
        (folder / "photos" / f"{i}.png").write_bytes(picture(i))
    run([folder / "photos"], folder / "out", FAKE, options=Options(gallery=False))
    return folder / "out"


def _part() -> bytes:
    from facevalue.annotate.measure import Task
    from facevalue.annotate.record import Record
    from facevalue.data.photos import Photo
    from tests.annotate.conftest import FAKE, picture

    with tempfile.TemporaryDirectory() as folder:
        record = Record(Path(folder))
        record.add(FAKE.open()([Task(Photo(f"{i}.png", "", picture(i))) for i in range(3)]))
        record.flush()
        return next(Path(folder, ".parts").glob("*.parquet")).read_bytes()


def _found(folder: Path) -> Iterator[tuple[str, Document]]:
    from facevalue.data.files import read_findings, write_findings
    from facevalue.data.findings import Findings

    row = {"study": "s", "measure": "m", "group": "g", "value": 0.1, "low": None, "high": 0.2, "level": 0.9, "n": 7}
    found = Findings.from_rows([{**row, "method": "wilson", "run": "r"}] * 3)
    for suffix in ("csv", "json", "parquet"):
        write_findings(found, folder / f"f.{suffix}")
        read = functools.partial(lambda at, name: repr(read_findings(at / name)), name=f"f.{suffix}")
        yield f"findings.{suffix}", Document({f"f.{suffix}": (folder / f"f.{suffix}").read_bytes()}, read)


def _judged(folder: Path) -> Iterator[tuple[str, Document]]:
    from facevalue.data.annotators import read_annotators, read_ratings, read_topics
    from facevalue.data.judgments import inspect_judgments, read_judgments, write_judgments
    from facevalue.data.triplets import Triplets
    from tests.data.made_judgments import write_avfs

    avfs = _of(write_avfs(folder / "avfs"))
    for name in ("ooo_train_val.json", "ooo_test_same_stimuli.json"):
        yield name, Document({name: avfs[name]}, functools.partial(lambda at, name: read_judgments(at / name), name=name))
    readers = {"prescreener.json": read_annotators, "dimension_topics.json": read_topics, "image_rating.json": read_ratings}
    for name, reader in readers.items():
        read = functools.partial(lambda at, name, reader: reader(at / name), name=name, reader=reader)
        yield name, Document({name: avfs[name]}, read)
    answers = Triplets([[0, 1, 2], [2, 1, 0], [1, 0, 2]], [2, 0, 1], ["ann", "bo", ""], ["a", "b", "c"], "odd_one_out")
    for suffix in ("csv", "tsv", "parquet"):
        write_judgments(answers, folder / f"j.{suffix}")
        read = functools.partial(lambda at, name: inspect_judgments(at / name), name=f"j.{suffix}")
        yield f"judgments.{suffix}", Document({f"j.{suffix}": (folder / f"j.{suffix}").read_bytes()}, read)
    shown = (
        "head,winner,loser,worker_id,rt,Center,Left,Right,Answer,sampleAlg\n1,2,3,w,20,a,b,c,b,random\n2,3,1,w,,b,a,c,c,check\n"
    )
    clicked = "participant number,target,face 1,face 2,face 3,face click order\np,t,a,b,c,face2 face1 face3\n"
    texts = {
        "triplets": ("t.csv", "head,winner,loser,worker_id,rt\na,b,c,w1,900\nb,c,a,w2,\n", None),
        "shown triplets": ("t.csv", shown, None),
        "things": ("t.txt", "0 1 2\n3 1 0\n2 3 1\n", "things"),
        "rankings": ("r.csv", "participant,target,choice_1,choice_2,choice_3\np,a,b,c,d\nq,b,a,c,d\n", None),
        "clicks": ("r.csv", clicked, None),
    }
    for title, (name, text, form) in texts.items():
        read = functools.partial(lambda at, name, form: read_judgments(at / name, format=form), name=name, form=form)
        yield title, Document({name: text.encode()}, read)


def _perceptions(folder: Path) -> Iterator[tuple[str, Document]]:
    from facevalue.data.perception import read_perception, write_perception
    from tests.data.test_perception import MODEL

    write_perception(MODEL, folder / "model")
    files = _of(folder / "model")
    yield "perception", Document(files, read_perception)
    yield "perception with its sums", Document(files, lambda at: read_perception(_summed(at)))


def _summed(folder: Path) -> Path:
    """Write into a model's description the sums of the files as they are now."""
    import hashlib

    from facevalue.data.perception import FILE

    with contextlib.suppress(ValueError, AttributeError, TypeError, KeyError, OSError):
        known = json.loads((folder / FILE).read_text())
        known["sha256"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in known["sha256"]}
        (folder / FILE).write_text(json.dumps(known))
    return folder


def _ties(folder: Path) -> Iterator[tuple[str, Document]]:
    from facevalue.data.ties import read_ties
    from tests.data import made_ties

    suffixes = {"as_parquet": ".parquet", "as_graphml": ".graphml", "as_signs": ".tsv"}
    for name in sorted(name for name in vars(made_ties) if name.startswith("as_")):
        suffix = suffixes.get(name, ".dl" if "dl" in name else ".net" if "pajek" in name else ".csv")
        place = getattr(made_ties, name)(folder / f"{name}{suffix}")
        read = functools.partial(lambda at, file: read_ties([at / file]), file=place.name)
        yield f"ties {name}", Document({place.name: place.read_bytes()}, read)


def _tables(folder: Path) -> Iterator[tuple[str, Document]]:
    from datetime import date

    import pyarrow as pa
    import pyarrow.parquet as pq

    from facevalue.data.consent import read_permission
    from facevalue.data.labels import read_labels
    from facevalue.data.members import read_members
    from facevalue.data.pairs import read_pairs
    from facevalue.data.ratings import read_sexes, read_trait_ratings, read_yaws
    from facevalue.data.scored import read_scored
    from facevalue.data.shapes import holds_landmarks, read_shapes
    from facevalue.data.similarities import read_similarities
    from facevalue.train.tables import read_labelled

    known = {"gender": ("Male", "Female"), "age": (), "age_group": ("0-29", "30-59", "60+")}
    names = ("001_03", "002_03", "xena")
    about = "face,sex,yaw,attractive\n001,f,3,4\n002,male,-2.5,5\nxena,,NA,1\n"
    consent = (
        "person,photos,purpose,granted,until,revoked\nann,ann/*.jpg;x.png,art;study,2024-01-01,2030-12-31,\nbo,,study,,,\n"
    )
    scored = "score,same,a,b,sex_a,sex_b,p_same\n0.9,1,1,2,f,f,.9\n.2,0,1,3,f,m,.1\n"
    tps = "LM=2\n10 900\n30 900\nIMAGE=ann.jpg\nID=1\nSCALE=0.5\n\nlm=2\n1 9e2\n30 900\nID=bo\n"

    def covered(at: Path) -> Any:
        permission = read_permission(at, "study", on=date(2026, 1, 1))
        return permission.consent.covers(["ann/1.jpg", "z"], None, purpose="study", on=date(2026, 1, 1))

    texts: dict[str, tuple[str, str, Callable[[Path], Any]]] = {
        "labels": ("l.csv", "path,face,gender,age\na.jpg,0,female,31\nb.jpg,,Male,\n", lambda at: read_labels(at, known)),
        "members": ("m.csv", "id,photo,age,sex\n1,a.jpg,30,f\n2,b.jpg,,m\n2,c.jpg,,m\n", read_members),
        "pairs": ("p.csv", "a,b,same,fold,person_a\n1.jpg,2.jpg,1,0,ann\n1.jpg,3.jpg,0,1,ann\n", read_pairs),
        "lfw": ("pairs.txt", "1\t2\nann 1 2\nbo 1 3\nann 1 bo 2\nbo 1 cy 1\n", read_pairs),
        "scored": ("s.csv", scored, lambda at: read_scored(at, ["sex"])),
        "similarities": ("s.csv", 'pair,similarity,count\n"(0, 1)",0.5,3\n"(0, 2)",0.25,2\n"(1, 2)",1,9\n', read_similarities),
        "ratings": ("r.csv", "face,rater,trait,rating\n001,ann,kind,3\n002,ann,kind,4.5\n", read_trait_ratings),
        "wide ratings": ("r.csv", about, lambda at: read_trait_ratings(at, names=names)),
        "raters": ("r.csv", "rater,X001_03,X002_03\nann,3,4\nbo,2,NA\n", lambda at: read_trait_ratings(at, names=names)),
        "sexes": ("r.csv", about, lambda at: read_sexes(at, names)),
        "yaws": ("r.csv", about, lambda at: read_yaws(at, names)),
        "consent": ("c.csv", consent, covered),
        "template": ("a.tem", "3\n10 20\n30.5\t20\n20 40\n1\n0\n2\n0 1\n", read_shapes),
        "tps": ("a.tps", tps, read_shapes),
        "points": ("a.csv", "name,x0,y0,x1,y1\nann,1,2,3,4\nbo,1,2,3,4\n", lambda at: holds_landmarks(at) and read_shapes(at)),
        "long points": ("a.csv", "name,point,x,y\nann,0,1,2\nann,1,3,4\n", lambda at: holds_landmarks(at) and read_shapes(at)),
    }
    for title, (name, text, reader) in texts.items():
        read = functools.partial(lambda at, name, reader: reader(at / name), name=name, reader=reader)
        yield title, Document({name: text.encode()}, read)
    for title in ("consent", "members"):
        rows = [line.split(",") for line in texts[title][1].splitlines()]
        table = pa.table({name: list(column) for name, column in zip(rows[0], zip(*rows[1:], strict=True), strict=True)})
        pq.write_table(table, folder / "t.parquet")
        reader = texts[title][2]
        read = functools.partial(lambda at, reader: reader(at / "t.parquet"), reader=reader)
        yield f"{title} as parquet", Document({"t.parquet": (folder / "t.parquet").read_bytes()}, read)
    pq.write_table(pa.table({"image": [b"x", b"y"], "age": [3, 40], "gender": [0, 1]}), folder / "t.parquet")
    read = lambda at: read_labelled(at / "t.parquet", {"age": (0, 120), "gender": (0, 1)})  # noqa: E731
    yield "labelled photos", Document({"t.parquet": (folder / "t.parquet").read_bytes()}, read)


def _lists(folder: Path) -> Iterator[tuple[str, Document]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from facevalue.data.people import find_people
    from facevalue.data.photos import PhotoError, find_photos, read_bytes
    from tests.annotate.conftest import picture

    def photos(at: Path) -> list[str]:
        told = []
        for photo in find_photos(at):
            try:
                told.append(f"{photo.path} {len(read_bytes(photo))}")
            except PhotoError as error:
                told.append(error.why)
        return told

    csv = b"path,person,sex\na.png,ann,f\nb/c.png,bo,m\n"
    files = {"a.png": picture(1), "b/c.png": picture(2)}
    yield "a list", Document(files | {"l.txt": b"a.png\nb/c.png\n/none.png\n"}, lambda at: photos(at / "l.txt"), ("l.txt",))
    yield "a table", Document(files | {"l.csv": csv}, lambda at: photos(at / "l.csv"), ("l.csv",))
    yield "people", Document(files | {"l.csv": csv}, lambda at: find_people(at / "l.csv"), ("l.csv",))
    plain = pa.table({"name": ["a", "b", None], "image": [picture(1), None, b"x"], "age": [1, 2, 3]})
    nested = pa.table({"image": [{"bytes": picture(1), "path": "x/../a.png"}, {"bytes": b"y", "path": None}], "label": [1, 0]})
    for title, table in (("photos as parquet", plain), ("photos as structs", nested)):
        pq.write_table(table, folder / "p.parquet")
        yield title, Document({"p.parquet": (folder / "p.parquet").read_bytes()}, lambda at: photos(at / "p.parquet"))


def _jsons(folder: Path) -> Iterator[tuple[str, Document]]:
    from facevalue.annotate.obscured_folder import read_targets
    from facevalue.confidence.defaults import CARRIED, read_verifier
    from facevalue.confidence.error_rates import error_rates
    from facevalue.data.files import read_json
    from facevalue.data.manifest import Entry, Hidden, Manifest, read_manifest, write_manifest
    from facevalue.data.poses import read_poses
    from facevalue.image.averageness import Reference
    from facevalue.studies.references import read_reference, write_reference

    mine = Reference(np.arange(8.0).reshape(4, 2), 1.5, "", "mine")
    write_reference(mine, folder / "reference.json", faces=3, source="made")
    rows = [[i, 2 * i, 0.9] for i in range(17)]
    flat = [number for row in rows for number in row]
    coco = {"images": [{"id": 7, "file_name": "seven.jpg"}], "annotations": [{"image_id": 7, "keypoints": flat}]}
    poses = {
        "crops": {"a": rows, "b": []},
        "openpose": {"version": 1.3, "people": [{"pose_keypoints_2d": flat}]},
        "coco": coco,
        "results": [{"image_id": 7, "keypoints": flat, "score": 0.4}],
    }
    for name, told in poses.items():
        yield f"poses {name}", Document({"p.json": json.dumps(told).encode()}, lambda at: read_poses(at / "p.json"))
    targets = b'{"a.jpg": [[1, 2, 30, 40.5]], "b.jpg": []}'
    yield "targets", Document({"t.json": targets}, lambda at: read_targets(at / "t.json"))
    yield (
        "a reference",
        Document({"r.json": (folder / "reference.json").read_bytes()}, lambda at: read_reference(at / "r.json")),
    )
    calibration = next(iter(sorted(CARRIED.glob("*.json")))).read_bytes()
    yield "a calibration", Document({"c.json": calibration}, lambda at: read_verifier(at / "c.json"))
    head = {"labels": ["a", "b"], "counts": [[9, 1], [2, 8]]}
    spread = {"age": {"labels": ["0-29", "30+"], "bias": [0.5, -1], "sd": [3, 4], "n": [20, 30]}}
    record = {"instrument": "m", "onnx": "ab12cd34ef", "of": "20 faces", "confusions": {"head": head}, "errors": spread}
    rates = json.dumps(record).encode()
    read = lambda at: error_rates(read_json(at / "e.json", expected="error rates"))  # noqa: E731
    yield "error rates", Document({"e.json": rates}, read)
    outlines = {"face": np.array([[0, 0], [4, 0], [4, 4]], np.float32)}
    told = {"box": np.array([0, 0, 4, 4], np.float32), "score": 0.5, "size": 4.0, "outlines": outlines}
    manifest = Manifest({"method": "blur", "seed": 1}, (_entry(Entry, _hidden(Hidden, told)),))
    write_manifest(manifest, folder / "m.json")
    yield "a manifest", Document({"m.json": (folder / "m.json").read_bytes()}, lambda at: read_manifest(at / "m.json"))


def _hidden(kind: Any, told: dict[str, Any]) -> Any:
    from dataclasses import fields

    words = {"str": "", "bool": False, "int": 0, "float": 1.0}
    return kind(**{one.name: told.get(one.name, words.get(str(one.type), "")) for one in fields(kind)})


def _entry(kind: Any, face: Any) -> Any:
    from facevalue.data.manifest import STATUS

    return _hidden(kind, {"status": next(iter(STATUS)), "faces": (face,), "path": "a.jpg", "out": "a.jpg"})


def _kept(folder: Path) -> Iterator[tuple[str, Document]]:
    from facevalue.data.sealed import new_key, read_key, seal_folder, unseal_folder
    from facevalue.report.page import rebuild

    new_key(folder / "key")
    yield "a key", Document({"key": (folder / "key").read_bytes()}, lambda at: read_key(at / "key"))
    (folder / "sealed").mkdir()
    (folder / "sealed" / "a.txt").write_bytes(b"hello" * 40)
    seal_folder(folder / "sealed", folder / "key")
    files = {f"s/{name}": data for name, data in _of(folder / "sealed").items() if name.endswith(".sealed")}
    sealed = Document(
        files | {"key": (folder / "key").read_bytes()}, lambda at: unseal_folder(at / "s", at / "key"), tuple(files)
    )
    yield "sealed", sealed
    run = _run(folder)
    pages = {at.name: at.read_bytes() for at in run.iterdir() if ".page.json" in at.name or at.suffix == ".svg"}
    yield "a page", Document(pages, rebuild, tuple(name for name in pages if name.endswith(".json")))


@functools.cache
def _place() -> Path:
    made = Path(tempfile.mkdtemp(prefix="soak-documents-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def changed_file(name: str, data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    """Return a file changed as bytes, or as what it is: JSON, a table, parquet."""
    suffix = Path(name).suffix
    if draw.random() < (0.35 if suffix != ".parquet" else 0.5):
        return mutated(data, draw, others)
    if suffix == ".json":
        return mutated_json(data, draw)
    if suffix == ".parquet":
        return mutated_parquet(data, draw)
    return mutated_table(data, draw) if suffix in TEXTS else mutated(data, draw, others)


def mutated_parquet(data: bytes, draw: random.Random) -> bytes:
    """Return a parquet of which a column is gone, has another name, another type, other cells or other metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(data))
    for _ in range(draw.choice((1, 1, 2))):
        k = draw.randrange(table.num_columns)
        at, n = table.schema.field(k), len(table)
        other = draw.choice(
            (
                [None] * n,
                ["x"] * n,
                [1] * n,
                [1.5] * n,
                [b"\xff"] * n,
                [[1.0, 2.0]] * n,
                [[]] * n,
                [{"a": 1}] * n,
                [True] * n,
                [float("nan")] * n,
                [-(2**62)] * n,
                ["../../x"] * n,
            )
        )
        way = draw.random()
        if way < 0.15 and table.num_columns > 1:
            table = table.remove_column(k)
        elif way < 0.25:
            names = list(table.column_names)
            names[k] = draw.choice(("x", "path", at.name + ".low"))
            table = table.rename_columns(names)
        elif way < 0.6:
            metadata = at.metadata if draw.random() < 0.7 else None
            array = pa.array(other)
            table = table.set_column(k, pa.field(at.name, array.type, metadata=metadata), array)
        elif way < 0.8:
            known = dict(at.metadata or {b"shape": b"[]", b"unit": b"1", b"source": b"x"})
            key = draw.choice(list(known))
            known[key] = draw.choice(SHAPES)
            table = table.set_column(k, at.with_metadata(known), table.column(k))
        elif way < 0.9:
            known = dict(table.schema.metadata or {})
            for key in known:
                known[key] = draw.choice((b"", b"[]", b"{}", b"[{}]", b"[1]", b"null", b"\xff", known[key][:-1]))
            table = table.replace_schema_metadata(known)
        else:
            table = table.slice(0, draw.randrange(n + 1)) if draw.random() < 0.5 else pa.concat_tables([table, table])
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def chosen(seed: int) -> str:
    """Return the name of a trial's document."""
    return random.Random(seed).choice(list(documents()))


def trial(seed: int) -> str:
    """Read a document of which one file was changed; any error but our own, or one of several lines, is a fault."""
    return told(chosen(seed), seed)


def whole(name: str) -> str:
    """Return "read" where a document that nobody damaged is read."""
    folder = _place() / "whole"
    try:
        _written(folder, documents()[name].files)
        return _read(documents()[name], folder, name)
    finally:
        shutil.rmtree(folder)


def _written(folder: Path, files: dict[str, bytes]) -> None:
    for file, data in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(data)


def told(name: str, seed: int) -> str:
    """Return "read", or the name of the error."""
    document, draw = documents()[name], random.Random(f"{name} {seed}")
    folder = _place() / f"{seed:08d}"
    damaged = draw.choice(document.damaged or tuple(document.files))
    others = [data for one in documents().values() for data in one.files.values()]
    changed = {damaged: changed_file(damaged, document.files[damaged], draw, others)}
    try:
        _written(folder, document.files | changed)
        return _read(document, folder, name)
    finally:
        shutil.rmtree(folder)


def _read(document: Document, folder: Path, name: str) -> str:
    try:
        document.read(folder)
    except FacevalueError as error:
        return type(error).__name__
    except Exception as error:
        error.args = (f"[{name}] {error}",)
        raise
    return "read"
