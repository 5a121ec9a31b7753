"""Photos at addresses: listed, read, told apart; one object that fails is a reason, a listing that fails is one line."""

import errno
import http.server
import io
import pickle
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facevalue.data import _stores
from facevalue.data.consent import read_permission
from facevalue.data.errors import PhotoError, RunError
from facevalue.data.photos import Photo, find_photos, read_bytes
from tests.data.test_tars import packed

fsspec = pytest.importorskip("fsspec")
from fsspec.implementations.memory import MemoryFileSystem  # noqa: E402

HUNG = threading.Event()


class Faulty(MemoryFileSystem):
    """A store in memory whose objects fail as their names say; `tried` counts."""

    protocol = "faulty"
    cachable = False
    tried: dict[str, int] = {}
    listing: Exception | None = None
    ranges = True

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("faulty://", "memory://"))

    def cat_file(self, path, start=None, end=None, **options):
        self.tried[path] = self.tried.get(path, 0) + 1
        if "forbidden" in path:
            raise PermissionError("Forbidden")
        if "broken" in path:
            raise OSError(errno.EIO, "Input/output error")
        if "hangs" in path:
            HUNG.wait()
        if "slow" in path and self.tried[path] < 3:
            raise TimeoutError("read timed out")
        if "busy" in path:
            raise Answered(503)
        if "denied" in path:
            raise Answered(403)
        if "gone" in path:
            raise Answered(410)
        return super().cat_file(path, *((start, end) if self.ranges else ()), **options)

    def find(self, path, *given, **options):
        if self.listing:
            raise self.listing
        return super().find(path, *given, **options)


class Answered(Exception):
    """What a server said."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryFileSystem]:
    """The store in memory, empty and without pauses between tries."""
    fsspec.register_implementation("faulty", Faulty, clobber=True)
    monkeypatch.setattr(_stores, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(Faulty, "tried", {})
    memory = MemoryFileSystem()
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]
    HUNG.clear()
    yield memory
    HUNG.set()
    memory.store.clear()


def fill(store: MemoryFileSystem, *names: str) -> None:
    for name in names:
        store.pipe(f"/{name}", name.encode())


def outcomes(given: object) -> dict[str, str | bytes]:
    """What each photo gives: its bytes, or the reason why not."""
    found: dict[str, str | bytes] = {}
    for photo in find_photos(given):
        try:
            found[photo.path] = read_bytes(pickle.loads(pickle.dumps(photo)))
        except PhotoError as error:
            found[photo.path] = error.why
    return found


def test_a_prefix_is_searched_like_a_folder(store):
    fill(store, "set/b/2.jpg", "set/a/1.PNG", "set/a.b.jpg", "set/.hidden/x.jpg", "set/notes.txt", "other/3.jpg", "set/raw.nef")
    found = find_photos("memory://set")
    assert [photo.path for photo in found] == ["a/1.PNG", "a.b.jpg", "b/2.jpg"]
    assert found[2] == Photo("b/2.jpg", "memory:///set/b/2.jpg")
    assert found.others == 2
    assert outcomes("memory://set/") == outcomes(Path("memory://set")) == {p.path: f"set/{p.path}".encode() for p in found}
    assert list(outcomes("memory://")) == ["other/3.jpg", "set/a/1.PNG", "set/a.b.jpg", "set/b/2.jpg"]


def test_globs_and_single_objects(store):
    fill(store, "set/a/1.jpg", "set/b/1.jpg", "set/b/c/2.jpg", "set/b/n.txt", "set/odd[1].jpg", "set/page.pdf")
    assert list(outcomes("memory://set/*/1.jpg")) == ["a/1.jpg", "b/1.jpg"]
    assert list(outcomes("memory://set/**/*.jpg")) == ["a/1.jpg", "b/1.jpg", "b/c/2.jpg", "odd[1].jpg"]
    assert list(outcomes("memory://set/b*")) == ["b/1.jpg", "b/c/2.jpg"]
    assert outcomes("memory://set/odd[1].jpg") == {"odd[1].jpg": b"set/odd[1].jpg"}
    assert outcomes("memory://set/page.pdf") == {"page.pdf": b"set/page.pdf"}
    assert list(outcomes("memory://set/{a,b}/1.jpg")) == ["a/1.jpg", "b/1.jpg"]


def test_what_is_missing_is_a_row_unless_it_is_all_there_is(store):
    fill(store, "set/1.jpg")
    assert outcomes(["memory://set", "memory://set/2.jpg"]) == {"1.jpg": b"set/1.jpg", "2.jpg": "missing"}
    for only in ("memory://nothing", "memory://set/2.jpg"):
        with pytest.raises(RunError, match="nothing is there"):
            find_photos(only)
    assert len(find_photos("memory://set/*.gif")) == 0


def test_equal_paths_of_stores_and_folders_are_told_apart_and_an_object_counts_once(store, tmp_path):
    fill(store, "A/x.jpg", "B/x.jpg")
    (tmp_path / "A").mkdir()
    (tmp_path / "A" / "x.jpg").write_bytes(b"here")
    names = outcomes(["memory://A", "memory://B", tmp_path / "A", "memory://A/x.jpg"])
    assert names == {"A/x.jpg": b"A/x.jpg", "B/x.jpg": b"B/x.jpg", "A-2/x.jpg": b"here"}


def test_names_that_lead_out_are_cleaned(tmp_path):
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for name in ("../../out.jpg", "a//b.jpg", "in/1.jpg", "in/n.txt"):
            archive.writestr(name, name)
    assert outcomes(f"zip://::{tmp_path}/z.zip") == {
        "in/1.jpg": b"in/1.jpg",
        "out.jpg": b"../../out.jpg",
        "a/b.jpg": b"a//b.jpg",
    }
    assert outcomes(f"zip://in/*.jpg::file://{tmp_path}/z.zip") == {"1.jpg": b"in/1.jpg"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["z.zip"]


def test_file_is_a_path(tmp_path):
    (tmp_path / "x.jpg").write_bytes(b"x")
    assert find_photos(f"file://{tmp_path}") == find_photos(tmp_path)
    assert find_photos(f"file://localhost{tmp_path}/x.jpg")[0].where == f"{tmp_path}/x.jpg"


def test_an_object_that_fails_is_a_reason(store, monkeypatch):
    monkeypatch.setattr(_stores, "TIMEOUT", 0.05)
    fill(store, *(f"set/{name}.jpg" for name in ("busy", "broken", "denied", "forbidden", "gone", "hangs", "slow")))
    store.pipe("/set/empty.jpg", b"")
    assert outcomes("faulty://set") == {
        "broken.jpg": "unreadable: [Errno 5] Input/output error",
        "busy.jpg": "unreadable: status 503",
        "denied.jpg": "permission_denied",
        "empty.jpg": "empty",
        "forbidden.jpg": "permission_denied",
        "gone.jpg": "missing",
        "hangs.jpg": "unreadable: no answer within 0.05 s",
        "slow.jpg": b"set/slow.jpg",
    }
    tried = {Path(name).stem: n for name, n in Faulty.tried.items()}
    assert tried == {"broken": 1, "busy": 4, "denied": 1, "empty": 1, "forbidden": 1, "gone": 1, "hangs": 4, "slow": 3}


def test_pauses_grow(store, monkeypatch):
    slept: list[float] = []
    monkeypatch.undo()
    monkeypatch.setattr(_stores.time, "sleep", slept.append)
    with pytest.raises(PhotoError, match="503"):
        read_bytes(Photo("x", "faulty://set/busy.jpg"))
    assert slept == [0.5, 2.0, 8.0]


@pytest.mark.parametrize(
    "error", [PermissionError("Forbidden"), OSError("a line\nand another"), Answered(401), ValueError("x")]
)
def test_a_listing_that_fails_is_one_line(error, store, monkeypatch):
    fill(store, "set/1.jpg")
    monkeypatch.setattr(Faulty, "listing", error)
    with pytest.raises(RunError, match=r"^faulty:///?set: expected photos; it cannot be listed: ") as caught:
        find_photos(["faulty://set", "memory://set"])
    assert "\n" not in str(caught.value)


def test_a_listing_that_hangs_ends(store, monkeypatch):
    monkeypatch.setattr(_stores, "LISTING_TIMEOUT", 0.02)
    monkeypatch.setattr(Faulty, "info", lambda self, path, **options: HUNG.wait())
    with pytest.raises(RunError, match=r"it cannot be listed: unreadable: no answer within 0\.02 s"):
        find_photos("faulty://set")


def test_objects_too_large_are_not_read(store, monkeypatch):
    fill(store, "set/1.jpg")
    monkeypatch.setattr(_stores, "MAX_BYTES", 5)
    assert outcomes("faulty://set") == outcomes("faulty://set/1.jpg") == {"1.jpg": "too_many_bytes: 9 > 5"}
    assert Faulty.tried == {}
    with pytest.raises(PhotoError, match="too_many_bytes: 9 > 5"):
        read_bytes(Photo("1.jpg", "memory://set/1.jpg"))


def test_packages_that_are_missing_are_named(monkeypatch):
    with pytest.raises(RunError, match=r"nothing://x/y\.jpg: expected an address that fsspec can open; Protocol not known"):
        find_photos("nothing://x/y.jpg")

    def refuse(address: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", refuse)
    with pytest.raises(RunError, match=r"s3://b/x: expected what fsspec needs for s3://: pip install s3fs$"):
        find_photos("s3://b/x")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(RunError, match=r"s3://b/x: expected fsspec to read it: pip install 'facevalue\[stores\]'$"):
        find_photos("s3://b/x")
    with pytest.raises(PhotoError, match="unreadable: s3://b/x: expected fsspec"):
        read_bytes(Photo("x", "s3://b/x"))


@pytest.mark.parametrize("ranges", [True, False])
def test_tars_tables_and_lists_in_a_store(ranges, store, monkeypatch):
    monkeypatch.setattr(Faulty, "ranges", ranges)
    monkeypatch.setattr(_stores, "AHEAD", 1000)
    data = {f"{i}.jpg": bytes([i]) * (700 * i + 1) for i in range(4)}
    store.pipe("/set/s-0.tar", packed(data | {"1.cls": b"7"}))
    store.pipe("/set/notes.md", b"x")
    table, file = pa.table({"image": list(data.values()), "file": list(data), "label": range(4)}), io.BytesIO()
    pq.write_table(table, file, row_group_size=2)
    store.pipe("/rows/p.parquet", file.getvalue())
    store.pipe("/list.txt", b"set/x.jpg\nmemory://set/s-0.tar\n")
    assert outcomes("faulty://set") == outcomes("faulty://set/s-{0..0}.tar") == outcomes("faulty://rows/p.parquet") == data
    assert find_photos("faulty://set").others == 2
    assert find_photos("faulty://rows").words() == {"label": {f"{i}.jpg": str(i) for i in range(4)}}
    assert find_photos("faulty://set").words() == {"cls": {"1.jpg": "7"}}
    assert [photo.where for photo in find_photos("memory://list.txt")] == ["memory://set/x.jpg", "memory://set/s-0.tar"]


def test_a_list_of_addresses_and_paths(store, tmp_path):
    fill(store, "set/a/1.jpg", "set/b/1.jpg")
    (tmp_path / "here.jpg").write_bytes(b"here")
    listed = tmp_path / "list.csv"
    listed.write_text("path\nmemory://set/a/1.jpg\nhere.jpg\nmemory://set/b/1.jpg\nmemory://set/gone.jpg\n")
    assert outcomes(listed) == {
        "a/1.jpg": b"set/a/1.jpg",
        "b/1.jpg": b"set/b/1.jpg",
        "gone.jpg": "missing",
        "here.jpg": b"here",
    }


def test_consent_names_objects_by_address_by_path_and_by_person(store, tmp_path):
    fill(store, "set/ann/1.jpg", "set/bob/1.jpg", "set/eve/1.jpg", "set/eve/2.jpg")
    (tmp_path / "register.csv").write_text(
        "person,photos,purpose,until\nann,,research,\nb,memory:///set/bob/1.jpg,research,\ne,eve/1.jpg,research,\n"
    )
    allowed = read_permission(tmp_path / "register.csv", "research")
    why = {photo.path: photo.why for photo in allowed.photos(find_photos("memory://set"))}
    assert why == {"ann/1.jpg": "", "bob/1.jpg": "", "eve/1.jpg": "", "eve/2.jpg": "no_consent"}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of a server of files on this machine."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *given, **options):
            super().__init__(*given, directory=str(tmp_path), **options)

        def log_message(self, *given):
            pass

        def do_GET(self):
            status = {"/forbidden.jpg": 403, "/busy.jpg": 503}.get(self.path)
            self.send_error(status) if status else super().do_GET()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_over_http(served, tmp_path, monkeypatch):
    pytest.importorskip("aiohttp", reason="http:// needs aiohttp: pip install 'fsspec[http]'")
    monkeypatch.setattr(_stores, "PAUSES", (0.0,))
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "1.jpg").write_bytes(b"one")
    (tmp_path / "d" / "n.txt").write_bytes(b"n")
    (tmp_path / "s.tar").write_bytes(packed({"a.jpg": b"a" * 2000}))
    assert outcomes(f"{served}/d/1.jpg?size=big") == outcomes(f"{served}/d/") == {"1.jpg": b"one"}
    assert outcomes(f"{served}/s.tar") == {"a.jpg": b"a" * 2000}
    (tmp_path / "list.txt").write_text("".join(f"{served}/{name}.jpg\n" for name in ("busy", "d/1", "forbidden", "gone")))
    found = outcomes(tmp_path / "list.txt")
    assert found.pop("busy.jpg").startswith("unreadable: 503")
    assert found == {"d/1.jpg": b"one", "forbidden.jpg": "permission_denied", "gone.jpg": "missing"}
    with pytest.raises(RunError, match="it cannot be listed: permission_denied"):
        find_photos(f"{served}/forbidden.jpg")
