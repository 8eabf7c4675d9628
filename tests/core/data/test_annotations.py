"""Annotations of objects in images: recognised in each usual form, and never taken for labels."""

import io
import json
from typing import Any

import pytest

from core.data import intake
from core.data.files import ReadLimits
from core.errors import InvalidDataset
from tests.core.data.formats.test_images import PNG, read, refusal, zipped

COCO = {
    "info": {"year": 2017},
    "images": [{"id": 7, "file_name": "000000000007.png", "width": 5, "height": 6}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 18, "bbox": [1, 2, 3, 2], "area": 6, "iscrowd": 0}
    ],
    "categories": [{"id": 18, "name": "dog", "supercategory": "animal"}],
}
COCO_FILE = json.dumps(COCO).encode()
YOLO = b"45 0.479492 0.688771 0.955609 0.5955\n50 0.637063 0.732938 0.494125 0.510583\n"
OUTLINE = b"0 0.6812 0.4858 0.68 0.487 0.676 0.4876 1 0\n"  # of a segmentation
VOC = b"""<?xml version="1.0"?>
<annotation>
    <folder>VOC2012</folder><filename>000007.png</filename>
    <size><width>5</width><height>6</height><depth>1</depth></size>
    <object><name>dog</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>4</xmax><ymax>4</ymax></bndbox>
    </object>
</annotation>
"""


def images(*folders: str, name: str = "00000000000{}.png") -> dict[str, bytes]:
    return {f"{folder}/{name.format(k)}": PNG for folder in folders for k in range(6)}


def by_image(found: dict[str, bytes], old: str, new: str, suffix: str, data: bytes) -> Any:
    """A file for each image, in a folder of another name."""
    return {one.replace(old, new).replace(".png", suffix): data for one in found}


IN_PARTS = images("data/images/train", "data/images/val")
ROBOFLOW = images("train/images", "valid/images")
BESIDE = images("pets")
OF_VOC = images("VOC2012/JPEGImages")


@pytest.mark.parametrize(
    ("found", "form", "file"),
    [
        (images("train2017", "val2017") | {"annotations/instances_val2017.json": COCO_FILE},
         "COCO", "annotations/instances_val2017.json"),
        (images("train", "valid", "test") | {"train/_annotations.coco.json": COCO_FILE},
         "COCO", "train/_annotations.coco.json"),
        (images("images") | {"result.json": b"\xef\xbb\xbf" + json.dumps(COCO, indent=2).encode()},
         "COCO", "result.json"),
        (IN_PARTS | by_image(IN_PARTS, "images", "labels", ".txt", YOLO) | {"data.yaml": b"nc: 80"},
         "YOLO", "data/labels/train/000000000000.txt"),
        (ROBOFLOW | by_image(ROBOFLOW, "images", "labels", ".txt", OUTLINE),
         "YOLO", "train/labels/000000000000.txt"),
        (BESIDE | by_image(BESIDE, "", "", ".txt", b"") | {"pets/000000000003.txt": YOLO[:-1]},
         "YOLO", "pets/000000000003.txt"),
        (OF_VOC | by_image(OF_VOC, "JPEGImages", "Annotations", ".xml", VOC),
         "Pascal VOC", "VOC2012/Annotations/000000000000.xml"),
        (images("cat", "dog") | {"cat/000000000002.xml": VOC},
         "Pascal VOC", "cat/000000000002.xml"),
    ],
)  # fmt: skip
def test_images_with_annotations_of_objects_are_refused_with_what_to_do(found, form, file) -> None:
    said = refusal(found)
    assert said.startswith(f"found annotations of objects in images, as of {form}, in '{file}'")
    for word in ("does not detect objects", "folder of its class", "labels.csv", "remove"):
        assert word in said


def test_annotations_alone_are_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidDataset, match=r"the file holds annotations of objects.*labels.csv"):
        intake.read(io.BytesIO(COCO_FILE), ReadLimits())


def test_annotations_beside_a_table_of_labels_are_left_out() -> None:
    found = images("train2017", "val2017") | {"annotations/instances.json": COCO_FILE}
    rows = [f"{name},{'cat' if k % 2 else 'dog'}" for k, name in enumerate(images("train2017"))]
    rows += [f"{name},{'cat' if k % 2 else 'dog'}" for k, name in enumerate(images("val2017"))]
    table = "\n".join(["file,label", *rows]).encode()
    assert read(found | {"labels.csv": table}).spec.class_names == ("cat", "dog")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cat/000000000001.txt", b"a cat on a roof"),  # a caption
        ("cat/000000000001.txt", b"3"),
        ("cat/000000000001.txt", b"0 412 220 530 310"),  # no shares of the image
        ("cat/others.txt", YOLO),  # of no image
        ("about.json", b'{"images": 12, "licence": "free"}'),
        ("about.json", b'[{"file_name": "1.png"}]'),
        ("cat/000000000001.xml", b"<metadata><object>cat</object></metadata>"),
        ("cat/000000000001.json", b""),
    ],
)
def test_other_files_beside_images_by_class_change_nothing(name: str, data: bytes) -> None:
    found = read(images("cat", "dog") | {name: data})
    assert found.spec.class_names == ("cat", "dog")
    assert any("1, such as" in note for note in found.description.notes)


def test_a_damaged_annotation_is_not_looked_at() -> None:
    found = bytearray(zipped(images("cat", "dog") | {"a.json": COCO_FILE}))
    found[found.index(COCO_FILE)] ^= 1
    read_again = intake.read(io.BytesIO(bytes(found)), ReadLimits())
    assert read_again.spec.class_names == ("cat", "dog")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", b"1 " + b"0.1 " * 16_000 + b"x"),
        ("a.txt", b"1" * 65_536),
        ("a.xml", b"<annotation " * 6_000),
        ("a.json", b'{"images"' + b" " * 65_536),
    ],
    ids=["shares", "digits", "roots", "blanks"],
)
def test_other_files_are_passed_over_in_time_in_proportion_to_their_length(name, text):
    """Each would take minutes or longer if a pattern could match its parts in several ways."""
    assert "annotations of objects" not in str(
        refusal(images("cat") | {f"cat/{name}": text, "cat/a.png": PNG})
    )
