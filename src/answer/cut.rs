//! An upstream's reply cut for a client's datagrams: whole records only, as in our own responses.

use super::message::Told;
use super::query::{HEADER, OPT};

/// Cuts a reply to its first records that fit into `limit` octets, and its OPT record. TC says that
/// records of answer or authority are missing: those who can ask again over TCP do, and those who
/// cannot have something. What has no question that can be read is cut to its header.
pub fn cut(reply: &mut Vec<u8>, limit: usize) {
    let mut end = HEADER;
    let mut counts = [0_u16; 4];
    let mut opt = Vec::new();
    let mut missing = true;
    if let Some(told) = Told::read(reply) {
        // The owner of an OPT record is the root, which is one octet.
        let found = told.section(2).flatten().find(|found| found.rtype == OPT);
        let octets = found.and_then(|found| reply.get(found.owner..found.end));
        opt.extend_from_slice(octets.filter(|octets| octets.first() == Some(&0)).unwrap_or(&[]));
        end = told.begin();
        counts[0] = 1;
        missing = false;
        for section in 0..2 {
            for found in told.section(section) {
                let fits = found.filter(|found| found.end + opt.len() <= limit && !missing);
                let Some(found) = fits else {
                    missing = true;
                    break;
                };
                end = found.end;
                counts[section + 1] += 1;
            }
        }
    }
    counts[3] = u16::from(!opt.is_empty());
    reply.truncate(end);
    reply.append(&mut opt);
    let truncated = if missing { 0x02 } else { 0 };
    if let Some(header) = reply.first_chunk_mut::<HEADER>() {
        header[2] |= truncated;
        for (room, count) in header[4..].chunks_exact_mut(2).zip(counts) {
            room.copy_from_slice(&count.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Edns, Message, Query, ResponseCode};
    use hickory_proto::rr::rdata::{A, NS};
    use hickory_proto::rr::{Name, RData, Record, RecordType};

    use super::cut;

    fn reply(answers: u8, edns: bool) -> Message {
        let owner = Name::from_ascii("many.example.").unwrap();
        let record = |data| Record::from_rdata(owner.clone(), 60, data);
        let mut reply = Message::response(7, hickory_proto::op::OpCode::Query);
        reply.metadata.response_code = ResponseCode::NoError;
        reply.add_query(Query::query(owner.clone(), RecordType::A));
        reply.answers =
            (0..answers).map(|last| record(RData::A(A::new(192, 0, 2, last)))).collect();
        reply.authorities = vec![record(RData::NS(NS(owner.clone())))];
        reply.additionals = (0..9).map(|last| record(RData::A(A::new(192, 0, 3, last)))).collect();
        reply.edns = edns.then(Edns::new);
        reply
    }

    #[test]
    fn whole_records_stay_as_far_as_they_fit() {
        for edns in [false, true] {
            for (answers, limit) in [(100, 512), (100, 1_232), (1, 512), (20, 400), (24, 444)] {
                let whole = reply(answers, edns);
                let mut octets = whole.to_vec().unwrap();
                cut(&mut octets, limit);
                assert!(octets.len() <= limit);
                let told = Message::from_vec(&octets).unwrap();
                assert_eq!(told.queries, whole.queries);
                let kept = told.answers.len();
                // No other record of 16 octets would fit.
                assert!(kept == whole.answers.len() || octets.len() + 16 > limit);
                assert_eq!(told.answers, whole.answers[..kept]);
                assert_eq!(told.edns.is_some(), edns);
                assert!(told.additionals.is_empty());
                let missing = kept < whole.answers.len() || told.authorities.is_empty();
                assert_eq!(told.metadata.truncation, missing, "{answers} in {limit}");
            }
        }
    }

    #[test]
    fn anything_can_be_cut_and_nothing_grows() {
        let whole = reply(100, true).to_vec().unwrap();
        for len in 0..whole.len() {
            let mut octets = whole[..len].to_vec();
            cut(&mut octets, 512);
            assert!(octets.len() <= len.min(512), "{len}");
        }
    }
}
