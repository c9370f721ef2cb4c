"""``python -m services.license``"""

from rillcast.runtime.process import stop_signals

if __name__ == "__main__":
    stop_signals.catch()  # before the imports, which take most of a second

    from services.license.app import main

    main()
