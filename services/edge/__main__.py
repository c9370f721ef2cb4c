"""``python -m services.edge``"""

from rillcast.runtime import stop_signals

if __name__ == "__main__":
    stop_signals.catch()  # before the imports, which take most of a second

    from rillcast.runtime.service import main
    from services.edge.app import EdgeSettings, run

    main(run, EdgeSettings)
