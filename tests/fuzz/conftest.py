"""How many random inputs each test draws: a minute's worth as part of all tests, ten minutes' worth every night.

`pytest tests/fuzz --hypothesis-profile nightly` draws other inputs each time and prints how to repeat what failed.
"""

from datetime import timedelta

from hypothesis import HealthCheck, Phase, settings

HANG = timedelta(seconds=60)  # for one input
_COMMON = {"deadline": HANG, "database": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("quick", derandomize=True, max_examples=150, **_COMMON)
settings.register_profile(
    "nightly", max_examples=4000, print_blob=True, phases=(Phase.explicit, Phase.generate, Phase.shrink), **_COMMON
)
settings.load_profile("quick")
