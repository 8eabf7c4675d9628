"""What a file is that no format recognises, and what to do with it."""

import re

from core.data.files import Files, SingleFile
from core.data.formats import FORMATS
from core.data.tables.dialect import is_text

_START = 16  # bytes by which the contents of a file are guessed
_TEXT = 4096  # the same of a text


_ONE_IMAGE = "a single image; give a folder or zip with a folder of images for each class"
_WEB_PAGE = "a web page, perhaps that of a sign-in; download the data itself"
_ARFF = "an ARFF file; save its table as CSV, with the names of the columns in the first row"
_WORKBOOKS = ("xl/workbook.xml", "content.xml")  # in files of Excel and LibreOffice
_SAMPLES = (
    "expected their samples as signals: arrays x of shape (N, length) and y in an npz file, with "
    "the layout NL"
)
_SOUND = f"a sound; {_SAMPLES}"
_SOUNDS = (".wav", ".flac", ".ogg", ".mp3")
_OTHER_ARCHIVE = (
    "an archive that is neither zip nor tar; unpack it, and give the folder or a zip file"
)
#: The first bytes of files that people try, and what to do with them.
_HINTS = (
    (b"\x93NUMPY", "a single npy file; labels are missing: give a folder or zip of two npy files, "
                   "x.npy and y.npy, or one npz file"),
    (b"\x89PNG", _ONE_IMAGE),
    (b"\xff\xd8\xff", _ONE_IMAGE),
    (b"RIFF", _ONE_IMAGE),  # WebP; sounds, which begin so as well, are told apart before
    (b"fLaC", _SOUND), (b"OggS", _SOUND), (b"ID3", _SOUND),
    (b"\x89HDF", "an HDF5 file; save its arrays with numpy.savez"),
    (b"\x80\x04", "a pickle, which is never opened; save its arrays with numpy.savez"),
    (b"<!DO", _WEB_PAGE), (b"<!do", _WEB_PAGE), (b"<htm", _WEB_PAGE),
    (b"%PDF", "a PDF document; save its table as CSV"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet of Excel; save it as CSV"),
    (b"MATLAB ", "a MATLAB file; save its arrays with numpy.savez"),
    (b"@relation", _ARFF), (b"@RELATION", _ARFF),
    (b"7z\xbc\xaf", _OTHER_ARCHIVE), (b"Rar!", _OTHER_ARCHIVE),
    (b"ARROW1", "a Feather or Arrow file; save its table as Parquet"),
    (b"SQLite format 3", "a database of SQLite; save the table as CSV or Parquet"),
    (b"\0\0", "a single IDX file; give a folder or zip with images and labels"),
)  # fmt: skip


_LIBSVM = (
    "in the form of LIBSVM (svmlight), a label and index:value pairs in each row; save its arrays "
    "after `import numpy, sklearn.datasets` by two lines of Python, "
    "`x, y = sklearn.datasets.load_svmlight_file(FILE)` and "
    "`numpy.savez('data.npz', x=x.toarray(), y=y)`, and give data.npz"
)
#: Each number is matched in one way only: with several, a long row would take hours to refuse.
_NUMBER = rb"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
#: One label or several, the group of a ranking, pairs, and a comment.
_LIBSVM_ROW = re.compile(
    rb"(?:%b(?:,%b)*)?(?:[ \t]+qid:\d+)?(?P<pairs>(?:[ \t]+\d+:%b)*)[ \t]*(?:#.*)?"
    % (_NUMBER, _NUMBER, _NUMBER)
)


def _is_libsvm(text: bytes) -> bool:
    """Whether all complete rows of the start of a file are of LIBSVM, and some have pairs."""
    lines = text.splitlines()[: -1 if len(text) == _TEXT else None]
    rows = [_LIBSVM_ROW.fullmatch(line) for line in lines]
    return all(rows) and any(row["pairs"] for row in rows if row)


def hint(files: Files) -> str:
    """What to do with a single file that is known and no data set; empty where it may be one."""
    if not isinstance(files, SingleFile):
        return ""
    with files.open(files.names[0]) as stream:
        text = stream.read(_TEXT)
    start = text[:_START]
    if start.startswith(b"RIFF") and start[8:12] == b"WAVE":
        return f"the file is {_SOUND}"
    if _is_libsvm(text):
        return f"the file is {_LIBSVM}"
    return next((f"the file is {hint}" for magic, hint in _HINTS if start.startswith(magic)), "")


def _is_text_with_zeros(files: SingleFile) -> bool:
    """Whether a file is of text but for bytes of zero."""
    with files.reopened() as stream:
        start = stream.read(_TEXT)
    return b"\0" in start and is_text(start.replace(b"\0", b""))


def unknown(files: Files) -> str:
    """Why files are of no known format, and what to do."""
    if isinstance(files, SingleFile) and not files.size(files.names[0]):
        return "the file is empty; expected data"
    if set(_WORKBOOKS) & set(files.names):
        return "the file is a spreadsheet; expected CSV: save the sheet with the data as CSV"
    if any(name.endswith("/data.pkl") for name in files.names):
        return (
            "the file was written by torch.save: it holds a pickle, which is never opened; save "
            "its tensors as arrays with numpy.savez"
        )
    if sounds := [name for name in files.names if name.lower().endswith(_SOUNDS)]:
        return f"the archive holds sounds, such as {sounds[0][-60:]!r}; {_SAMPLES}"
    if isinstance(files, SingleFile) and _is_text_with_zeros(files):
        return (
            "the file is text with NUL characters, as of UTF-16 without its mark; expected UTF-8: "
            "save it with this encoding"
        )
    known = "; ".join(FORMATS[kind].description for kind in FORMATS)
    if not isinstance(files, SingleFile):
        names = ", ".join(repr(name[:60]) for name in files.names[:3]) or "nothing"
        return f"the archive is of no known format: it holds {names}; expected {known}"
    return f"the file is of no known format; expected {known}"
