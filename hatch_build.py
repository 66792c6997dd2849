"""Compiles joint_count.c when the package is installed. Without a C compiler numpy does its work, some times slower."""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = "src/ada_segment/panoptic/joint_count.c"
COMPILED = "src/ada_segment/panoptic/joint_count.compiled"  # as .so, Python would import it in place of joint_count.py


class Compile(BuildHookInterface):
    """Makes the wheel one for this platform when the compiler succeeds, and a pure one when it does not."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        (root / COMPILED).unlink(missing_ok=True)
        compiler = shlex.split(os.environ.get("CC", "cc"))
        if sys.platform == "win32" or not shutil.which(compiler[0]):
            return
        command = [*compiler, "-O2", "-shared", "-fPIC", "-o", str(root / COMPILED), str(root / SOURCE)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            print(f"joint_count.c was not compiled, numpy will count instead: {ran.stderr}", file=sys.stderr)
            return
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data.update(pure_python=False, tag=f"py3-none-{platform}")
        build_data["artifacts"].append(COMPILED)
