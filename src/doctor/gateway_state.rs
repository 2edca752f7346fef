//! What a running gateway says of itself.

/// What a running gateway serves a BIN with. Whoever runs the diagnosis asks the gateway; this room does
/// not know how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayState {
    /// Number of the generation that serves; none where the BIN is not served.
    pub generation: Option<u64>,
    /// SHA-256 of the certificate that serves, lower-case hex.
    pub certificate_sha256: Option<String>,
    /// Why the files of now are not used, in the gateway's words.
    pub problem: Option<String>,
}
