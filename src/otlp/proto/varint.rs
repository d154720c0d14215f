//! Protobuf's variable-length integers.

/// The varint that `bytes` begin with and its length, `None` if it does not end or has more than 64 bits.
#[inline]
pub(super) fn read(bytes: &[u8]) -> Option<(u64, usize)> {
    match bytes {
        [first, ..] if *first < 0x80 => Some((u64::from(*first), 1)),
        [first, second, ..] if *second < 0x80 => Some((u64::from(*first & 0x7F) | u64::from(*second) << 7, 2)),
        _ => read_long(bytes),
    }
}

fn read_long(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        // The tenth byte has room for one bit.
        if index == 9 && *byte > 1 {
            return None;
        }
        value |= u64::from(*byte & 0x7F) << (7 * index);
        if *byte < 0x80 {
            return Some((value, index + 1));
        }
    }
    None
}

/// What protobuf takes for a 32-bit field whose varint has more bits.
pub(super) fn low_32_bits(value: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "protobuf says so")]
    let low = value as u32;
    low
}

/// The signed integer of a `sint32`.
pub(super) fn unzigzag(value: u32) -> i32 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::zero(&[0], Some((0, 1)))]
    #[case::one_byte(&[0x7F, 9], Some((127, 1)))]
    #[case::two_bytes(&[0xAC, 0x02], Some((300, 2)))]
    #[case::overlong_zero(&[0x80, 0x80, 0x00], Some((0, 3)))]
    #[case::greatest(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], Some((u64::MAX, 10)))]
    #[case::too_many_bits(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02], None)]
    #[case::eleven_bytes(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], None)]
    #[case::truncated(&[0x80], None)]
    #[case::nothing(&[], None)]
    fn varints(#[case] bytes: &[u8], #[case] expected: Option<(u64, usize)>) {
        assert_eq!(read(bytes), expected);
    }

    #[rstest]
    #[case(0, 0)]
    #[case(1, -1)]
    #[case(2, 1)]
    #[case(u32::MAX - 1, i32::MAX)]
    #[case(u32::MAX, i32::MIN)]
    fn zigzag(#[case] value: u32, #[case] expected: i32) {
        assert_eq!(unzigzag(value), expected);
    }
}
