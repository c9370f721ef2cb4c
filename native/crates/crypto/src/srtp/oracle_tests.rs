//! Every payload length against independent implementations.
