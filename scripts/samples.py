"""Collects sample objects: samples.py TO FROM...

Walks the FROM trees, archives inside them included, and copies into the flat directory TO each distinct DICOM Part 10
file that parses to its end and has a SOP Instance UID, named by the first digits of its SHA-256 and its own name.
What claims to be DICOM and is odd (no SOP Instance UID, truncated, no preamble, a DICOMDIR) goes to TO/odd.
"""

import gzip
import hashlib
import io
import pathlib
import sys
import tarfile
import warnings
import zipfile

import pydicom

FILE_BYTES_MAX = 256 * 1024 * 1024
ENDINGS = {".dcm", ".dicom", ".ima"}


def members(name, content):
    """The file itself, or the files inside it if it is an archive."""
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    yield from members(info.filename, archive.read(info))
    elif name.endswith((".tar.gz", ".tgz", ".tar")):
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for info in archive:
                if info.isfile():
                    yield from members(info.name, archive.extractfile(info).read())
    elif name.endswith(".gz"):
        yield from members(name[:-3], gzip.decompress(content))
    else:
        yield name, content


def is_part_10(content):
    return content[128:132] == b"DICM"


def is_whole(content):
    """Whether every element can be read and the object has an identity of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", category=UserWarning)
        try:
            dataset = pydicom.dcmread(io.BytesIO(content))
            dataset.walk(lambda _, element: element.value)
        except Warning:
            return has_identity(content)
        except Exception:
            return False
    return bool(dataset.get("SOPInstanceUID"))


def has_identity(content):
    """The same, for objects that pydicom reads with a warning about their content."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            dataset = pydicom.dcmread(io.BytesIO(content))
            dataset.walk(lambda _, element: element.value)
        except Exception:
            return False
    ended_early = any("end of file" in str(warning.message).lower() for warning in caught)
    return bool(dataset.get("SOPInstanceUID")) and not ended_early


def place(to, name, content):
    """Where a file belongs, or None if it is no DICOM at all."""
    path = pathlib.PurePath(name)
    label = hashlib.sha256(content).hexdigest()[:12] + "-" + path.name
    if is_part_10(content):
        return to / label if is_whole(content) else to / "odd" / label
    claims = path.suffix.lower() in ENDINGS and content
    return to / "odd" / label if claims else None


def main():
    to = pathlib.Path(sys.argv[1])
    (to / "odd").mkdir(parents=True)
    seen = set()
    for tree in sys.argv[2:]:
        for path in sorted(pathlib.Path(tree).rglob("*")):
            if not path.is_file() or path.is_symlink() or path.stat().st_size > FILE_BYTES_MAX:
                continue
            if path.suffix in {".py", ".pyc", ".so", ".jar"}:
                continue
            for name, content in members(path.name, path.read_bytes()):
                digest = hashlib.sha256(content).digest()
                target = None if digest in seen else place(to, name, content)
                seen.add(digest)
                if target:
                    target.write_bytes(content)
    whole = sum(1 for path in to.iterdir() if path.is_file())
    odd = sum(1 for _ in (to / "odd").iterdir())
    print(f"{whole} sample objects, {odd} odd files")
    if whole == 0:
        sys.exit("no sample object was found")


main()
