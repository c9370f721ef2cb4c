//! The JSON schema of what crosses the border to Python, kept in `schema.json` beside `src`. The Python side is compared with that file.

use std::path::Path;

use schemars::generate::SchemaSettings;
use schemars::JsonSchema;
use serde_json::{json, Value};

use crate::config::{Command, PlaneConfig};
use crate::events::Event;

/// Commands and the configuration come in, events go out: of a field with a default the two have different schemas.
fn schema_of<T: JsonSchema>(settings: SchemaSettings) -> Value {
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

#[test]
fn the_schema_file_says_what_the_code_does() {
    let incoming = || SchemaSettings::draft2020_12().for_deserialize();
    let schema = json!({
        "config": schema_of::<PlaneConfig>(incoming()),
        "command": schema_of::<Command>(incoming()),
        "event": schema_of::<Event>(SchemaSettings::draft2020_12().for_serialize()),
    });
    let fresh = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.json");
    if std::env::var_os("RILLCAST_WRITE_SCHEMA").is_some() {
        std::fs::write(&file, &fresh).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == fresh,
        "schema.json is not fresh: RILLCAST_WRITE_SCHEMA=1 cargo test -p rillcast-plane schema writes it"
    );
}

#[test]
fn a_close_reason_is_called_as_python_reads_it() {
    use crate::events::CloseReason::*;
    let all = [HandshakeTimeout, ConsentExpired, DtlsClosed, DtlsFailed, FingerprintMismatch, TooManyHalfOpen, Removed];
    for reason in all {
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
    }
}
