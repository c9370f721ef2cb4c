"""``python -m services.transcoder``"""

from rillcast.runtime.process import stop_signals

if __name__ == "__main__":
    stop_signals.catch()  # before the imports, which take most of a second

    from rillcast.runtime.process.node import main
    from services.transcoder.app import TranscoderSettings, run

    main(run, TranscoderSettings)
