"""The only shared I/O. Whoever needs the outside takes one of the `ports`; the adapters behind them are in the folders.

    ports.py     what services need from outside, as protocols
    settings.py  what every node reads from its environment
    metrics.py   the instruments that every node has
    errors.py    why a node could not start, or had to end
    process/     the life of a process, from its settings to its exit code; `process.node.Node` wires all the rest
    bus/         requests and events between processes, on NATS
    store/       the key-value store, on JetStream
    discovery/   who is there: heartbeats, the directory, Consul
    http/        HTTP and WebSockets, with a limit for whatever a client may keep or send
    tasks/       supervised tasks of the event loop
    telemetry/   logs and traces

An adapter is called ``<technology>_<role>.py``. Who may import whom is checked by import-linter (`pyproject.toml`).
"""
