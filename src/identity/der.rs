//! Just enough DER to tell forms apart; contents are parsed by the libraries that own them.

use pkcs8::der::asn1::{AnyRef, ObjectIdentifier};
use pkcs8::der::{Decode, Reader, SliceReader, Tag, Tagged};

/// How the outermost SEQUENCE of a file compares with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// It fills the bytes exactly.
    Exact,
    /// It wants more bytes than there are.
    Short { expected: u64 },
    /// It ends before the bytes do.
    Long { extra: u64 },
    /// BER with an end mark instead of a length.
    Indefinite,
    /// No SEQUENCE.
    Other,
}

/// Compares the length that the outermost SEQUENCE announces with the bytes that are there.
pub(super) fn extent(bytes: &[u8]) -> Extent {
    let (header, content) = match bytes {
        [0x30, 0x80, ..] => return Extent::Indefinite,
        [0x30] => (1, 1),
        [0x30, length @ 0..=0x7f, ..] => (2, u64::from(*length)),
        [0x30, octets @ 0x81..=0x84, rest @ ..] => {
            let octets = usize::from(octets & 0x7f);
            let mut length = 0_u64;
            for index in 0..octets {
                match rest.get(index) {
                    Some(octet) => length = length << 8 | u64::from(*octet),
                    None => {
                        return Extent::Short {
                            expected: 2 + count(octets),
                        };
                    }
                }
            }
            (2 + count(octets), length)
        }
        _ => return Extent::Other,
    };
    let expected = header + content;
    let actual = count(bytes.len());
    if actual < expected {
        Extent::Short { expected }
    } else if actual > expected {
        Extent::Long {
            extra: actual - expected,
        }
    } else {
        Extent::Exact
    }
}

/// The elements of a SEQUENCE or of any other constructed value; `None` where it is not well-formed.
pub(super) fn inside<'a>(value: AnyRef<'a>) -> Option<Vec<AnyRef<'a>>> {
    elements(value.value())
}

/// The elements of the outermost SEQUENCE.
pub(super) fn outermost(bytes: &[u8]) -> Option<Vec<AnyRef<'_>>> {
    let outer = AnyRef::from_der(bytes).ok()?;
    (outer.tag() == Tag::Sequence).then(|| inside(outer)).flatten()
}

fn elements(contents: &[u8]) -> Option<Vec<AnyRef<'_>>> {
    let mut reader = SliceReader::new(contents).ok()?;
    let mut found = Vec::new();
    while !reader.is_finished() {
        found.push(AnyRef::decode(&mut reader).ok()?);
    }
    Some(found)
}

/// The object identifier and the parameters of an `AlgorithmIdentifier`.
pub(super) fn algorithm<'a>(value: AnyRef<'a>) -> Option<(ObjectIdentifier, Option<AnyRef<'a>>)> {
    if value.tag() != Tag::Sequence {
        return None;
    }
    let parts = inside(value)?;
    let oid = oid(*parts.first()?)?;
    Some((oid, parts.get(1).copied()))
}

/// An object identifier.
pub(super) fn oid(value: AnyRef<'_>) -> Option<ObjectIdentifier> {
    value.decode_as().ok()
}

/// A whole number that is not negative and not absurd.
pub(super) fn integer(value: AnyRef<'_>) -> Option<u64> {
    value.decode_as().ok()
}

/// Lengths as they stand in messages.
pub(super) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_lengths() {
        for (bytes, extent_found) in [
            (&b"\x30\x02\x05\x00"[..], Extent::Exact),
            (b"\x30\x03\x05\x00", Extent::Short { expected: 5 }),
            (b"\x30\x02\x05\x00\n", Extent::Long { extra: 1 }),
            (b"\x30\x82\x01", Extent::Short { expected: 4 }),
            (b"\x30\x82\x01\x00", Extent::Short { expected: 260 }),
            (b"\x30", Extent::Short { expected: 2 }),
            (b"\x30\x80\x00\x00", Extent::Indefinite),
            (b"\x30\x85\x01\x01\x01\x01\x01", Extent::Other),
            (b"", Extent::Other),
            (b"-----BEGIN", Extent::Other),
        ] {
            assert_eq!(extent(bytes), extent_found, "{bytes:?}");
        }
    }
}
