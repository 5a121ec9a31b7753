#!/usr/bin/env python3
"""Ask the package index whether releases of the lock have known faults: `.ci/audit_deps.py [--offline-ok] PIP_AUDIT LOCK ...`.

pip-audit passes over a release that the index does not answer for, and then exits with 0: here that is a failure, since
what nobody looked at is not known to be sound. Exit codes: 0 none found, 1 some found, 2 could not reach the index, or
only in part; `--offline-ok` makes 2 a 0, and says so.
"""

import json
import subprocess
import sys


def audited(pip_audit: str, lock: str) -> tuple[int, list[str], list[str]]:
    """Return how many releases were looked up, the faults found, and what could not be looked up."""
    command = [pip_audit, "-r", lock, "--no-deps", "--disable-pip", "--progress-spinner", "off", "-f", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        rows = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return 0, [], [(done.stderr.strip().splitlines() or ["pip-audit gave no answer"])[-1][:300]]
    faults = [f"{row['name']} {row['version']}: {one['id']}" for row in rows for one in row.get("vulns", [])]
    skipped = [f"{row['name']}: {row['skip_reason']}" for row in rows if "skip_reason" in row]
    return len(rows) - len(skipped), faults, skipped


def main() -> int:
    """Print what was found, a line each."""
    words = sys.argv[1:]
    offline_ok = "--offline-ok" in words
    pip_audit, *locks = [word for word in words if word != "--offline-ok"]
    faulty = unknown = False
    for lock in locks:
        looked_up, faults, skipped = audited(pip_audit, lock)
        print(f"{lock}: {looked_up} releases looked up, {len(faults)} known faults, {len(skipped)} could not be looked up")
        for line in faults:
            print(f"  fault: {line}")
        if skipped:
            print(f"  could not reach the index of faults, for one: {skipped[0]}")
        faulty, unknown = faulty or bool(faults), unknown or bool(skipped)
    if unknown and not faulty and offline_ok:
        print("NOT AUDITED, and let pass, since --offline-ok says so")
        return 0
    return 1 if faulty else 2 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
