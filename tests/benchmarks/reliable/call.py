"""One call of one tool, as its own documentation has it: run by the interpreter that the tool is installed in.

``python call.py TOOL JOB`` with a job in JSON; the last line printed says how it ended. Only the standard library and
the tool are imported, so that any environment can run it.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

Job = dict[str, Any]
PATIENCE = 3  # seconds to the next byte, where a tool's documentation has an option for it


def ours(job: Job) -> str:
    sys.path.insert(0, job["faults"])
    from fetchkit import ID, catalogued

    from occluded_datasets.acquire.fetch import fetch
    from occluded_datasets.acquire.transfer import Policy

    policy = Policy(connect_s=PATIENCE, read_s=PATIENCE, total_s=12, attempts=3, pause_s=0.2, longest_pause_s=2)
    pins = {"sha256": job["sha256"]} if job["pinned"] else {}
    pins |= {"bytes": job["bytes"]} if "bytes" in job else {}
    with catalogued(*job["urls"], name=job["name"], **pins):
        result = fetch(ID, job["root"], by_hand=job.get("by_hand"), accept_terms=True, policy=policy)
    return result.path


def pooch(job: Job) -> str:
    import pooch

    store = pooch.create(
        path=job["root"], base_url="", registry={job["name"]: f"sha256:{job['sha256']}" if job["pinned"] else None},
        urls={job["name"]: job["urls"][0]}, retry_if_failed=2,
    )  # fmt: skip
    return str(store.fetch(job["name"], downloader=pooch.HTTPDownloader(timeout=PATIENCE)))


def gdown(job: Job) -> str:
    import gdown

    path = os.path.join(job["root"], job["name"])
    os.makedirs(job["root"], exist_ok=True)
    options: Job = {"quiet": True, "resume": True, "timeout": PATIENCE, "retries": 2}
    known = {"hash": f"sha256:{job['sha256']}"} if job["pinned"] else {}
    return str(gdown.cached_download(job["urls"][0], path, **known, **options))


def torchvision(job: Job) -> str:
    from torchvision.datasets import utils

    utils.download_url(job["urls"][0], job["root"], job["name"], md5=job["md5"] if job["pinned"] else None)
    return os.path.join(job["root"], job["name"])


def ir_datasets(job: Job) -> str:
    os.environ["IR_DATASETS_DL_TIMEOUT"] = str(PATIENCE)
    from ir_datasets.util.download import Download, RequestsDownload

    mirrors = [RequestsDownload(url) for url in job["urls"]]
    path = os.path.join(job["root"], job["name"])
    return str(Download(mirrors, cache_path=path, expected_md5=job["md5"] if job["pinned"] else None).path())


def huggingface_hub(job: Job) -> str:
    os.environ.update(HF_HUB_DOWNLOAD_TIMEOUT=str(PATIENCE), HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_XET="1")
    from huggingface_hub import hf_hub_download

    base = job["urls"][0].rpartition("/")[0]
    return str(hf_hub_download("a/b", job["name"], endpoint=base, local_dir=job["root"]))


def ours_unpack(job: Job) -> str:
    """Unpack beside the place and rename, as `unpack` says that its caller does."""
    import shutil

    from occluded_datasets.acquire import unpack

    staging = Path(job["to"]).with_name("staging")
    staging.mkdir(parents=True)
    try:
        unpack(Path(job["archive"]), staging)
        staging.rename(job["to"])
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return str(job["to"])


def shutil_unpack(job: Job) -> str:
    import shutil

    tar = not job["archive"].endswith(".zip")
    shutil.unpack_archive(job["archive"], job["to"], **({"filter": "data"} if tar else {}))
    return str(job["to"])


def pooch_unpack(job: Job) -> str:
    import pooch

    kind = pooch.Unzip if job["archive"].endswith(".zip") else pooch.Untar
    kind(extract_dir=job["to"])(job["archive"], "download", None)
    return str(job["to"])


def gdown_unpack(job: Job) -> str:
    import gdown

    gdown.extractall(job["archive"], to=job["to"])
    return str(job["to"])


def torchvision_unpack(job: Job) -> str:
    from torchvision.datasets import utils

    utils.extract_archive(job["archive"], job["to"])
    return str(job["to"])


CALLS = {
    "ours": ours, "pooch": pooch, "gdown": gdown, "torchvision": torchvision, "ir_datasets": ir_datasets,
    "huggingface_hub": huggingface_hub, "ours-unpack": ours_unpack, "shutil-unpack": shutil_unpack,
    "pooch-unpack": pooch_unpack, "gdown-unpack": gdown_unpack, "torchvision-unpack": torchvision_unpack,
}  # fmt: skip


def version(tool: str) -> str:
    """Return the version of a tool's package here; empty where it is not installed."""
    if tool == "shutil":
        return sys.version.split()[0]
    try:
        return metadata.version("occluded-datasets" if tool == "ours" else tool)
    except metadata.PackageNotFoundError:
        return ""


def main() -> None:
    tool, job = sys.argv[1], json.loads(sys.argv[2])
    if job.get("umask") is not None:
        os.umask(job["umask"])
    try:
        said = {"ok": True, "text": CALLS[tool](job)}
    except Exception as error:  # whatever a tool raises is its answer
        said = {"ok": False, "text": f"{type(error).__name__}: {error}"}
    print("\n" + json.dumps(said))
    sys.exit(0 if said["ok"] else 2)


if __name__ == "__main__":
    if sys.argv[1] == "versions":
        print(json.dumps({tool: version(tool) for tool in sys.argv[2:]}))
    else:
        main()
