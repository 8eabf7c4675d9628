"""A downloaded export is unpacked completely or not at all, and only into its folder."""

import io
import os
import zipfile
from pathlib import Path

import pytest

from netmorph import export
from netmorph.errors import ClientError, InvalidExport

WHOLE = {"model.json": b"{}", "preprocess.json": b"{}", "weights.safetensors": b"\0" * 100}


def archive(folder: Path, files: dict[str, bytes]) -> Path:
    """A zip file with these members."""
    path = folder / "export.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


def test_an_export_is_unpacked_completely(tmp_path: Path) -> None:
    export.unpack(archive(tmp_path, WHOLE), tmp_path / "deep" / "net")
    assert {p.name: p.read_bytes() for p in (tmp_path / "deep" / "net").iterdir()} == WHOLE


def test_an_export_replaces_an_earlier_one(tmp_path: Path) -> None:
    export.unpack(archive(tmp_path, WHOLE | {"old.txt": b"old"}), tmp_path / "net")
    export.unpack(archive(tmp_path, WHOLE), tmp_path / "net")
    assert {p.name for p in (tmp_path / "net").iterdir()} == set(WHOLE)


def test_a_folder_with_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("precious")
    with pytest.raises(ClientError, match="exists and is not an export"):
        export.unpack(archive(tmp_path, WHOLE), tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == "precious"


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt"])
def test_a_member_outside_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidExport, match="expected files inside its folder"):
        export.unpack(archive(tmp_path, WHOLE | {name: b"evil"}), tmp_path / "net")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["export.zip"]


def test_a_link_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, WHOLE)
    link = zipfile.ZipInfo("passwords")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(InvalidExport, match="passwords"):
        export.unpack(path, tmp_path / "net")
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize("keep", [0, 10, 150])
def test_a_truncated_archive_leaves_nothing(tmp_path: Path, keep: int) -> None:
    path = archive(tmp_path, WHOLE)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InvalidExport, match="damaged"):
        export.unpack(path, tmp_path / "net")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["export.zip"]


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = archive(tmp_path, WHOLE)
    content = bytearray(path.read_bytes())
    content[content.index(b"\0" * 100) + 50] = 1
    path.write_bytes(bytes(content))
    with pytest.raises(InvalidExport, match="damaged"):
        export.unpack(path, tmp_path / "net")


def test_an_archive_that_claims_too_much_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for number in range(1_001):
            file.writestr(str(number), b"")
    path = tmp_path / "export.zip"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(InvalidExport, match="at most 1000 files"):
        export.unpack(path, tmp_path / "net")


def test_a_folder_that_cannot_be_made_is_refused_before_the_download() -> None:
    with pytest.raises(ClientError, match="cannot be written"):
        export.require_writable(Path("/proc/here/net"))


def test_the_unpacked_folder_has_the_usual_permissions(tmp_path: Path) -> None:
    export.unpack(archive(tmp_path, WHOLE), tmp_path / "net")
    assert os.access(tmp_path / "net" / "model.json", os.R_OK)
    assert (tmp_path / "net").stat().st_mode & 0o777 == 0o755
