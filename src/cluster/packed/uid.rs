//! A `metadata.uid` in the 16 octets that it stands for, a third of its text.

/// Where hyphens stand in the text of a uid (RFC 9562, section 4).
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
/// How long that text is.
const LEN: usize = 36;

/// The octets of a uid that is written as every API server writes it: in lower case, with hyphens.
pub(super) fn octets_of(text: &str) -> Option<[u8; 16]> {
    if text.len() != LEN {
        return None;
    }
    let mut octets = [0; 16];
    let mut digits = 0;
    for (at, character) in text.bytes().enumerate() {
        if HYPHENS.contains(&at) {
            if character != b'-' {
                return None;
            }
            continue;
        }
        let digit = match character {
            b'0'..=b'9' => character - b'0',
            b'a'..=b'f' => character - b'a' + 10,
            _ => return None,
        };
        let octet = octets.get_mut(digits / 2)?;
        *octet = *octet << 4 | digit;
        digits += 1;
    }
    Some(octets)
}

/// The text of the uid of these octets.
pub(super) fn uid_of(octets: [u8; 16]) -> Box<str> {
    let mut text = String::with_capacity(LEN);
    for octet in octets {
        for digit in [octet >> 4, octet & 0xf] {
            if HYPHENS.contains(&text.len()) {
                text.push('-');
            }
            text.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_as_usual_takes_16_octets_and_comes_back() {
        let text = "0f9e8d7c-6b5a-4c3d-8e1f-a0b1c2d3e4f5";
        let octets = octets_of(text).unwrap();
        assert_eq!((octets[0], octets[15]), (0x0f, 0xf5));
        assert_eq!(&*uid_of(octets), text);
        for other in [
            "",
            "db-uid",
            "0F9E8D7C-6B5A-4C3D-8E1F-A0B1C2D3E4F5",
            "0f9e8d7c06b5a-4c3d-8e1f-a0b1c2d3e4f5",
            "0f9e8d7c-6b5a-4c3d-8e1f-a0b1c2d3e4f",
            "0f9e8d7c-6b5a-4c3d-8e1f-a0b1c2d3e4f5a",
            "0f9e8d7c-6b5a-4c3d-8e1f-a0b1c2d3e4-5",
        ] {
            assert_eq!(octets_of(other), None, "{other}");
        }
    }
}
