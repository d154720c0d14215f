//! Base64 as the store writes it, and as OTLP/JSON may bring it.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Protobuf's JSON takes either alphabet, with or without padding, and writes the standard one with padding.
const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD_ENGINE: GeneralPurpose = GeneralPurpose::new(&STANDARD, ANY_PADDING);
const URL_SAFE_ENGINE: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, ANY_PADDING);

/// Appends bytes as standard base64 with padding.
pub(crate) fn push_base64(out: &mut String, bytes: &[u8]) {
    STANDARD_ENGINE.encode_string(bytes, out);
}

/// The bytes of base64 text, `None` if it is none.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD_ENGINE.decode(text).or_else(|_| URL_SAFE_ENGINE.decode(text)).ok()
}
