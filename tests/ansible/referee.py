"""Writes expected.json of every case by asking Ansible itself: python3 referee.py /path/to/ansible-inventory"""

import json
import pathlib
import subprocess
import sys

for case in sorted(path for path in pathlib.Path(__file__).parent.iterdir() if path.is_dir()):
    inventory = next(path for path in case.iterdir() if path.is_file() and path.stem == "hosts")
    answer = subprocess.run([sys.argv[1], "-i", str(inventory), "--list"], check=True, capture_output=True, text=True)
    listed = json.loads(answer.stdout)
    variables = listed.pop("_meta")["hostvars"]

    def inside(group):
        below = listed.get(group, {})
        return set(below.get("hosts", [])).union(*(inside(child) for child in below.get("children", [])))

    hosts = sorted(set(variables) | inside("all"))
    expected = {
        host: {
            "groups": sorted(group for group in listed if group != "all" and host in inside(group)),
            "vars": variables.get(host, {}),
        }
        for host in hosts
    }
    (case / "expected.json").write_text(json.dumps(expected, indent=2, sort_keys=True) + "\n")
