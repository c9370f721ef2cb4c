"""``python -m services.license``"""

from rillcast.runtime.process import stop_signals

if __name__ == "__main__":
    stop_signals.catch()  # before the imports, which take most of a second

    from rillcast.runtime.process.entry import run_service
    from services.license.app import LicenseSettings, run

    run_service(run, LicenseSettings)
