"""Parcels: what is packed is unpacked the same, and nowhere else."""

import io
import os
import zipfile
from pathlib import Path

import pytest

from taskgroup.errors import InputError
from taskgroup.pipeline.parcels import Parcel, pack, unpack


def test_files_come_out_as_they_went_in(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.npz").write_bytes(os.urandom(1000))
    (tmp_path / "one.json").write_text('{"a": "ä"}')
    names = ["data/train.npz", "one.json"]
    parcel = pack(tmp_path, names)
    assert unpack(parcel, tmp_path / "there") == names
    for name in names:
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / name).read_bytes()
    assert not list((tmp_path / "there").rglob("*.partial"))


def test_a_digest_is_of_names_and_contents_alone(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text("1")
    first = pack(tmp_path, ["one.json"])
    os.utime(path, (0, 2_000_000_000))
    assert pack(tmp_path, ["one.json"]).digest == first.digest
    path.write_text("2")
    assert pack(tmp_path, ["one.json"]).digest != first.digest


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up.json", "a/../../up.json", ".hidden", "a//b", "a.json.1.partial", "a\\b", "new\nline"]
)
def test_names_that_lead_elsewhere_are_refused_whole(name: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("good.json", b"{}")
        archive.writestr(zipfile.ZipInfo(name), b"{}")
    with pytest.raises(InputError, match="names should be of files below the folder"):
        unpack(Parcel(buffer.getvalue()), tmp_path / "there")
    assert not (tmp_path / "there").exists()
