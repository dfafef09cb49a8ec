//! The examples in a document of Markdown.
//!
//! In: the document's text. Out: its [`Example`]s, or a complaint for every block that no test would run. Knows nothing of
//! how examples are run.
//!
//! A document has examples of two forms, and no other blocks:
//!
//! - a block `hsl` and behind it a block `text`: a script, and all that it says: warnings and errors of the compiler, the
//!   lines it echoes, the error it ends in;
//! - a block `console`: lines `$ command`, each with what it prints below.
//!
//! A block under a line that is a name in backquotes and a colon is a file of that name. The examples behind it find it,
//! up to the next heading `##`.

/// A script with its expectation, or a piece of a session at a terminal.
#[derive(Debug)]
pub(crate) struct Example {
    /// The line of its first line, counted from 1.
    pub(crate) line: usize,
    /// The script, or the commands with what they print.
    pub(crate) text: String,
    /// What the script must say; none for a session.
    pub(crate) expected: Option<String>,
    /// Files that it finds, by name.
    pub(crate) files: Vec<(String, String)>,
}

/// The examples of a document in order.
///
/// # Errors
///
/// A complaint, `line: what is wrong`, for each block that is no example, no expectation and no file.
pub(crate) fn examples(document: &str) -> Result<Vec<Example>, Vec<String>> {
    let mut reader = Reader::default();
    let mut block: Option<Block> = None;
    for (index, line) in document.lines().enumerate() {
        match (&mut block, line.strip_prefix("```")) {
            (None, Some(language)) => block = Some(reader.begin(index + 2, language)),
            (Some(_), Some(_)) => block
                .take()
                .into_iter()
                .for_each(|whole| reader.take(whole)),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => reader.pass(line),
        }
    }
    if let Some(block) = block {
        reader.complain(block.line - 1, "this block does not end");
    }
    reader.end_script();
    if reader.complaints.is_empty() {
        Ok(reader.examples)
    } else {
        Err(reader.complaints)
    }
}

/// A fenced block.
#[derive(Debug)]
struct Block {
    line: usize,
    language: String,
    /// The name of the file it is, if it is one.
    file: Option<String>,
    text: String,
}

#[derive(Debug, Default)]
struct Reader {
    examples: Vec<Example>,
    complaints: Vec<String>,
    files: Vec<(String, String)>,
    /// A script without its expectation.
    script: Option<Block>,
    /// The name in the line above, empty lines not counted.
    name: Option<String>,
}

impl Reader {
    /// A line outside of blocks.
    fn pass(&mut self, line: &str) {
        if line.is_empty() {
            return;
        }
        self.end_script();
        if line.starts_with("## ") {
            self.files.clear();
        }
        let name = line
            .strip_prefix('`')
            .and_then(|rest| rest.strip_suffix("`:"));
        self.name = name.map(str::to_owned);
    }

    fn begin(&mut self, line: usize, language: &str) -> Block {
        Block {
            line,
            language: language.to_owned(),
            file: self.name.take(),
            text: String::new(),
        }
    }

    fn take(&mut self, mut block: Block) {
        if block.language != "text" || block.file.is_some() {
            self.end_script();
        }
        let file = block.file.take();
        match (block.language.as_str(), file) {
            (_, Some(name)) => {
                self.files.retain(|(other, _)| *other != name);
                self.files.push((name, block.text));
            }
            ("hsl", None) => self.script = Some(block),
            ("console", None) => self.push(block.line, block.text, None),
            ("text", None) => match self.script.take() {
                Some(script) => self.push(script.line, script.text, Some(block.text)),
                None => self.complain(block.line, "no script stands before this text"),
            },
            (_, None) => self.complain(block.line, "nothing runs a block of this language"),
        }
    }

    fn push(&mut self, line: usize, text: String, expected: Option<String>) {
        let files = self.files.clone();
        self.examples.push(Example {
            line,
            text,
            expected,
            files,
        });
    }

    /// A script that is not followed by its expectation has none.
    fn end_script(&mut self) {
        if let Some(script) = self.script.take() {
            self.complain(script.line, "this script has no block `text` behind it");
        }
    }

    fn complain(&mut self, line: usize, what: &str) {
        self.complaints.push(format!("{line}: {what}"));
    }
}

#[test]
fn every_block_is_an_example_or_a_complaint() {
    let read = |lines: &[&str]| examples(&lines.join("\n"));
    let found = read(&[
        "## One",
        "`lib.hsl`:",
        "",
        "```hsl",
        "$x = 1;",
        "```",
        "and",
        "```hsl",
        "echo 1;",
        "```",
        "",
        "```text",
        "1",
        "```",
        "```console",
        "$ true",
        "```",
        "## Two",
        "```hsl",
        "```",
        "```text",
        "```",
    ])
    .expect("all of it is right");
    let [script, session, empty] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!((script.line, script.text.as_str()), (9, "echo 1;\n"));
    assert_eq!(script.expected.as_deref(), Some("1\n"));
    assert_eq!(
        script.files,
        [("lib.hsl".to_owned(), "$x = 1;\n".to_owned())]
    );
    assert_eq!((session.line, session.expected.as_deref()), (16, None));
    assert!(empty.files.is_empty());

    for (lines, complaint) in [
        (
            ["```hsl", "echo 1;", "```", "prose"],
            "2: this script has no",
        ),
        (["```hsl", "```", "```hsl", "```"], "2: this script has no"),
        (["prose", "```text", "1", "```"], "3: no script stands"),
        (["```sh", "rm x", "```", ""], "2: nothing runs"),
        (["", "```hsl", "echo 1;", ""], "2: this block does not end"),
    ] {
        let complaints = read(&lines).expect_err(complaint);
        assert!(complaints[0].starts_with(complaint), "{complaints:?}");
    }
}
