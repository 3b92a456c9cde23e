//! The generated gRPC code: messages, client and server of `atelier.v1.Atelier`.

#![expect(
    missing_docs,
    clippy::pedantic,
    clippy::large_enum_variant,
    clippy::allow_attributes_without_reason,
    reason = "generated code; the .proto file documents it"
)]

tonic::include_proto!("atelier.v1");

/// The encoded descriptors of `atelier.v1`, for the reflection service.
pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("atelier");
