"""What holds for all tests: they share the machine's cores, so none may fail for being slow."""

from hypothesis import HealthCheck, settings

settings.register_profile("at once", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("at once")
