//! Delivers messages to the components that export `wasmcloud:messaging/handler`.
