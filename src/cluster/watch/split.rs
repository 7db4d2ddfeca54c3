//! Cuts what arrives from an API server into single objects: the elements of a list's `items`, and
//! the lines of a watch. One object is held at a time, never a page, so that a list of any length
//! costs no more memory than its largest object.

/// The largest object that is read, in octets. etcd takes 1.5 MiB by default and 8 MiB at most in
/// practice, in a form that is denser than JSON.
const MAX_OBJECT: usize = 32 << 20;
/// The most octets of a list that are not its items.
const MAX_ENVELOPE: usize = 1 << 20;

/// Why a body cannot be cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum SplitError {
    /// One object is out of all proportion.
    #[error("an object has more than {MAX_OBJECT} octets")]
    Object,
    /// What surrounds the items is.
    #[error("what surrounds a list's items has more than {MAX_ENVELOPE} octets")]
    Envelope,
    /// More brackets close than have opened.
    #[error("the list's brackets do not match")]
    Brackets,
}

/// Cuts a list, such as `{"kind":"ServiceList",…,"items":[{…},{…}]}`, as it arrives.
#[derive(Debug, Default)]
pub(super) struct ListSplitter {
    /// Everything but the items.
    envelope: Vec<u8>,
    /// The item under way.
    item: Vec<u8>,
    depth: usize,
    in_items: bool,
    in_string: bool,
    escaped: bool,
}

/// The depth at which items stand: inside the list object and its array.
const ITEM_DEPTH: usize = 2;

impl ListSplitter {
    /// Takes the next octets and hands over each item that is complete.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<(), SplitError> {
        while !bytes.is_empty() {
            let (run, rest) = bytes.split_at(self.run(bytes));
            let in_item = self.in_items && self.depth > ITEM_DEPTH;
            let (into, limit, error) = if in_item {
                (&mut self.item, MAX_OBJECT, SplitError::Object)
            } else {
                (&mut self.envelope, MAX_ENVELOPE, SplitError::Envelope)
            };
            if into.len().saturating_add(run.len()) > limit {
                return Err(error);
            }
            into.extend_from_slice(run);
            bytes = rest;
            if let Some((&byte, rest)) = bytes.split_first() {
                self.turn(byte, each)?;
                bytes = rest;
            }
        }
        Ok(())
    }

    /// How many octets come before the next one that may change where we are.
    fn run(&mut self, bytes: &[u8]) -> usize {
        if self.escaped {
            return 0;
        }
        let in_string = self.in_string;
        let turns = |byte: &u8| match byte {
            b'"' => true,
            b'\\' => in_string,
            b'{' | b'}' | b'[' | b']' | b',' => !in_string,
            _ => false,
        };
        bytes.iter().position(turns).unwrap_or(bytes.len())
    }

    fn turn(&mut self, byte: u8, each: &mut dyn FnMut(&[u8])) -> Result<(), SplitError> {
        if self.escaped {
            self.escaped = false;
        } else if self.in_string {
            self.in_string = byte != b'"';
            self.escaped = byte == b'\\';
        } else {
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    if byte == b'[' && self.depth == 1 && self.at_items() {
                        self.in_items = true;
                    }
                    self.depth = self.depth.saturating_add(1);
                }
                b'}' | b']' => {
                    if self.in_items && self.depth == ITEM_DEPTH {
                        self.in_items = false;
                    }
                    let was_item = self.in_items && self.depth > ITEM_DEPTH;
                    self.depth = self.depth.checked_sub(1).ok_or(SplitError::Brackets)?;
                    if was_item {
                        self.item.push(byte);
                        if self.depth == ITEM_DEPTH {
                            each(&self.item);
                            self.item.clear();
                        }
                        return Ok(());
                    }
                }
                // Between two items.
                b',' if self.in_items && self.depth == ITEM_DEPTH => return Ok(()),
                _ => {}
            }
        }
        let in_item = self.in_items && self.depth > ITEM_DEPTH;
        if in_item {
            self.item.push(byte);
        } else {
            self.envelope.push(byte);
        }
        Ok(())
    }

    /// Whether the array that opens here is the list's `items`.
    fn at_items(&self) -> bool {
        let before = self.envelope.trim_ascii_end();
        let key = before.strip_suffix(b":").map(<[u8]>::trim_ascii_end);
        key.is_some_and(|before| before.ends_with(b"\"items\""))
    }

    /// What has come before the items, made into a whole object; none if the items have not begun.
    pub(super) fn head(&self) -> Option<Vec<u8>> {
        self.in_items.then(|| {
            let mut head = self.envelope.clone();
            head.extend_from_slice(b"]}");
            head
        })
    }

    /// Everything but the items, or none if the list is cut off.
    pub(super) fn envelope(&self) -> Option<&[u8]> {
        let whole = self.depth == 0 && !self.in_string;
        (whole && !self.envelope.is_empty()).then_some(&self.envelope)
    }
}

/// Cuts a watch into its lines.
#[derive(Debug, Default)]
pub(super) struct LineSplitter {
    part: Vec<u8>,
}

impl LineSplitter {
    /// Takes the next octets and hands over each line that is complete, until `each` says no.
    pub(super) fn feed<E: From<SplitError>>(
        &mut self,
        bytes: &[u8],
        each: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut lines = bytes.split(|byte| *byte == b'\n');
        // What follows the last line feed is the beginning of the next line.
        let rest = lines.next_back().unwrap_or_default();
        for line in lines {
            if self.part.is_empty() {
                each(line)?;
            } else {
                self.part.extend_from_slice(line);
                each(&self.part)?;
                self.part.clear();
            }
        }
        if self.part.len().saturating_add(rest.len()) > MAX_OBJECT {
            return Err(SplitError::Object.into());
        }
        self.part.extend_from_slice(rest);
        if self.part.is_empty() {
            // A burst's room is not kept through the quiet.
            self.part = Vec::new();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, step: usize) -> (Vec<String>, Option<String>) {
        let mut splitter = ListSplitter::default();
        let mut items = Vec::new();
        for chunk in text.as_bytes().chunks(step) {
            splitter
                .feed(chunk, &mut |item| items.push(String::from_utf8(item.to_vec()).unwrap()))
                .unwrap();
        }
        let envelope = splitter.envelope().map(|e| String::from_utf8(e.to_vec()).unwrap());
        (items, envelope)
    }

    #[test]
    fn items_come_out_whole_however_the_list_is_cut() {
        let text = r#"{"kind":"L","metadata":{"items":["no"],"resourceVersion":"7"},
            "items" : [ {"a":"]}\"{"} , {"b":[{},[1,2]],"items":[{}]},{}] ,"tail":["x"]}"#;
        for step in 1..text.len() {
            let (items, envelope) = cut(text, step);
            let expected = [r#"{"a":"]}\"{"}"#, r#"{"b":[{},[1,2]],"items":[{}]}"#, "{}"];
            assert_eq!(items, expected, "step {step}");
            let value: serde_json::Value = serde_json::from_str(&envelope.unwrap()).unwrap();
            assert_eq!(value["items"], serde_json::json!([]));
            assert_eq!(value["tail"], serde_json::json!(["x"]));
            assert_eq!(value["metadata"]["resourceVersion"], "7");
        }
    }

    #[test]
    fn a_list_that_is_cut_off_has_no_envelope() {
        let text = r#"{"metadata":{},"items":[{"a":1},{"b":2}]}"#;
        for end in 0..text.len() {
            assert_eq!(cut(&text[..end], 5).1, None, "{}", &text[..end]);
        }
        assert!(cut(text, 5).1.is_some());
        assert!(cut(r#"{"metadata":{},"items":null}"#, 5).1.is_some());
    }

    #[test]
    fn the_head_of_a_list_is_known_before_its_items() {
        let mut splitter = ListSplitter::default();
        splitter.feed(br#"{"metadata":{"resourceVersion":"7"},"items":[{"#, &mut |_| {}).unwrap();
        let head: serde_json::Value = serde_json::from_slice(&splitter.head().unwrap()).unwrap();
        assert_eq!(head["metadata"]["resourceVersion"], "7");
    }

    #[test]
    fn no_object_and_no_envelope_grows_for_ever() {
        let mut splitter = ListSplitter::default();
        splitter.feed(br#"{"items":[{"a":""#, &mut |_| {}).unwrap();
        let chunk = vec![b'x'; 1 << 20];
        let mut fed = (0..40).map(|_| splitter.feed(&chunk, &mut |_| {}));
        assert_eq!(fed.find(Result::is_err), Some(Err(SplitError::Object)));
        let mut splitter = ListSplitter::default();
        splitter.feed(br#"{"x":""#, &mut |_| {}).unwrap();
        assert_eq!(splitter.feed(&chunk, &mut |_| {}), Err(SplitError::Envelope));
        assert_eq!(ListSplitter::default().feed(b"]", &mut |_| {}), Err(SplitError::Brackets));
    }

    #[test]
    fn lines_come_out_whole_however_they_are_cut() {
        let text = "one\ntwo and more\n\nthree\nrest";
        for step in 1..text.len() {
            let mut splitter = LineSplitter::default();
            let mut lines = Vec::new();
            for chunk in text.as_bytes().chunks(step) {
                let mut each = |line: &[u8]| {
                    lines.push(String::from_utf8(line.to_vec()).unwrap());
                    Ok::<_, SplitError>(())
                };
                splitter.feed(chunk, &mut each).unwrap();
            }
            assert_eq!(lines, ["one", "two and more", "", "three"], "step {step}");
        }
    }
}
