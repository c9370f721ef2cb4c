"""The language between Rillcast's processes: ids, subjects, messages, records, errors. No I/O, no behaviour."""
