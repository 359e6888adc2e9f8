"""Reads settings from the environment, with defaults."""

threads = int(os.environ.get("REDTEAM_THREADS", "1"))
place = os.environ.get("EVOLVE_WORK") or os.getcwd()
os.environ["REDTEAM_PLACE"] = f"{place}:{threads}"
