//! A response read back, record by record, for those who want it as text.

use super::message::Told;
use super::walk::Line;

/// The records of a message's answer section, in their order; of one that is cut off, those in front
/// of the cut.
pub fn answers_in(message: &[u8]) -> Vec<Line> {
    let Some(told) = Told::read(message) else { return Vec::new() };
    told.section(0).map_while(|found| Line::read(message, &found?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_expanded_and_what_is_cut_off_is_left_out() {
        let mut message = vec![0, 1, 0x84, 0, 0, 1, 0, 2, 0, 0, 0, 0];
        message.extend_from_slice(b"\x02db\x04shop\x00\x00\x05\x00\x01");
        message.extend_from_slice(b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x05\x00\x04\x01x\xc0\x0f");
        message.extend_from_slice(
            b"\x01x\xc0\x0f\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04\x0a\x00\x00\x01",
        );
        let text = |message: &[u8]| {
            answers_in(message).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(text(&message), ["db.shop. 5 IN CNAME x.shop.", "x.shop. 5 IN A 10.0.0.1"]);
        message.pop();
        assert_eq!(text(&message), ["db.shop. 5 IN CNAME x.shop."]);
        assert!(text(&message[..11]).is_empty());
    }
}
