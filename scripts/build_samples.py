"""Build the sample patients: one Bundle a story, the same bytes each time.

python scripts/build_samples.py            writes sample_bundles/*.json
python scripts/build_samples.py --check    fails if the committed files differ from what the stories say
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.samples import stories_chinese, stories_ips, stories_us, stories_us_records

SAMPLES = Path(__file__).resolve().parent.parent / "sample_bundles"
_STORIES = (*stories_us.STORIES, *stories_us_records.STORIES, *stories_ips.STORIES, *stories_chinese.STORIES)


def main(arguments: list[str]) -> int:
    """Write the files, or with --check compare them; the exit code."""
    files = dict(built())
    present = {path.name for path in SAMPLES.glob("*.json")}
    if "--check" in arguments:
        wrong = sorted((present ^ files.keys()) | {name for name in present & files.keys() if _differs(name, files[name])})
        for name in wrong:
            print(f"sample_bundles/{name} is not what its story says: run scripts/build_samples.py", file=sys.stderr)
        return 1 if wrong else 0
    SAMPLES.mkdir(exist_ok=True)
    for name in present - files.keys():
        (SAMPLES / name).unlink()
    for name, content in files.items():
        (SAMPLES / name).write_bytes(content)
    return 0


def built() -> Iterator[tuple[str, bytes]]:
    """Name and content of each file."""
    encoder = msgspec.json.Encoder(decimal_format="number")
    for story in _STORIES:
        bundle = story()
        yield f"{bundle['id']}.json", msgspec.json.format(encoder.encode(bundle), indent=2) + b"\n"


def _differs(name: str, content: bytes) -> bool:
    return (SAMPLES / name).read_bytes() != content


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
