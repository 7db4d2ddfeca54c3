//! How numbers, texts and addresses are written: the letters of the format.
//!
//! Numbers are little-endian in groups of seven bits, the last without its high bit. A text is
//! written as how many octets it shares with an earlier one, and what is left: in sorted order most
//! names share most of what they are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why octets are not what was written here.
pub(crate) type Flaw = &'static str;

pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let group = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            out.push(group);
            return;
        }
        out.push(group | 0x80);
    }
}

pub(crate) fn put_count(out: &mut Vec<u8>, count: usize) {
    put_number(out, count as u64);
}

/// Writes `text` next to `recent`, and remembers it there.
pub(super) fn put_text(out: &mut Vec<u8>, recent: &mut String, text: &str) {
    let mut shared = recent.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
    while !text.is_char_boundary(shared) || !recent.is_char_boundary(shared) {
        shared -= 1;
    }
    let (_, rest) = text.split_at(shared);
    put_count(out, shared);
    put_count(out, rest.len());
    out.extend_from_slice(rest.as_bytes());
    recent.truncate(shared);
    recent.push_str(rest);
}

/// Writes a text that shares nothing with any other.
pub(crate) fn put_lone_text(out: &mut Vec<u8>, text: &str) {
    put_count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn put_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            out.push(4);
            out.extend_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            out.push(6);
            out.extend_from_slice(&address.octets());
        }
    }
}

/// Octets still to be read.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn octets(&mut self, count: usize) -> Result<&'a [u8], Flaw> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let (taken, rest) = self.0.split_first_chunk().ok_or("it ends too early")?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(crate) fn octet(&mut self) -> Result<u8, Flaw> {
        self.array::<1>().map(|[octet]| octet)
    }

    pub(crate) fn number(&mut self) -> Result<u64, Flaw> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let octet = self.octet()?;
            let group = u64::from(octet & 0x7f);
            if (group << shift) >> shift != group {
                break;
            }
            number |= group << shift;
            if octet & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number is too large")
    }

    pub(crate) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, Flaw> {
        T::try_from(self.number()?).map_err(|_| "a number is too large")
    }

    /// A number of things of at least one octet each: no more than there are octets.
    pub(crate) fn count(&mut self) -> Result<usize, Flaw> {
        let count = self.small()?;
        if count > self.0.len() { Err("a count is too large") } else { Ok(count) }
    }

    /// The text that was written next to `recent`, which then holds it.
    pub(crate) fn text<'r>(&mut self, recent: &'r mut String) -> Result<&'r str, Flaw> {
        let shared: usize = self.small()?;
        if !recent.is_char_boundary(shared) {
            return Err("a text shares more than there is");
        }
        let rest = self.lone_text()?;
        recent.truncate(shared);
        recent.push_str(rest);
        Ok(recent)
    }

    pub(crate) fn lone_text(&mut self) -> Result<&'a str, Flaw> {
        let len = self.small()?;
        std::str::from_utf8(self.octets(len)?).map_err(|_| "a text is not UTF-8")
    }

    pub(crate) fn v4(&mut self) -> Result<IpAddr, Flaw> {
        self.array().map(|octets: [u8; 4]| Ipv4Addr::from(octets).into())
    }

    pub(crate) fn v6(&mut self) -> Result<IpAddr, Flaw> {
        self.array().map(|octets: [u8; 16]| Ipv6Addr::from(octets).into())
    }

    pub(crate) fn address(&mut self) -> Result<IpAddr, Flaw> {
        match self.octet()? {
            4 => self.v4(),
            6 => self.v6(),
            _ => Err("an address is of no known family"),
        }
    }
}
