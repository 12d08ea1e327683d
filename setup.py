"""The one compiled part; everything else about the package stands in pyproject.toml."""

from setuptools import Extension, setup

FOLDER = "deployments/backends/lipsync/meshwarp"

setup(
    ext_modules=[
        Extension(
            "deployments.backends.lipsync.meshwarp._warp",
            [f"{FOLDER}/_warp.c"],
            depends=[f"{FOLDER}/{name}.h" for name in ("vector", "head", "mouth")],
            # No fused multiply-add: every machine makes the same bytes.
            extra_compile_args=["-O3", "-std=gnu11", "-ffp-contract=off", "-fwrapv", "-Wall", "-Wextra"],
        )
    ]
)
