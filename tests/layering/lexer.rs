//! Rust source to words with line numbers: comments gone, literals reduced to a placeholder.

/// One word or sign of a source file, and its line, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// What stands for a literal of any kind: no path and no macro is ever called that.
pub const LITERAL: &str = "\"\"";

/// Cuts a source into tokens. `::` is one token, every other sign is one character.
///
/// Enough of the language for paths, attributes and braces; what it does not know (numbers with
/// suffixes, shebangs) comes out as harmless words.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        characters: source.chars().collect(),
        at: 0,
        line: 1,
        out: Vec::new(),
    };
    lexer.run();
    lexer.out
}

struct Lexer {
    characters: Vec<char>,
    at: usize,
    line: usize,
    out: Vec<Token>,
}

impl Lexer {
    fn run(&mut self) {
        while let Some(character) = self.peek(0) {
            match character {
                '/' if self.peek(1) == Some('/') => self.skip_line(),
                '/' if self.peek(1) == Some('*') => self.skip_block_comment(),
                '"' => self.string(),
                '\'' => self.quote(),
                c if c.is_whitespace() => self.bump(),
                c if c.is_alphanumeric() || c == '_' => self.word(),
                ':' if self.peek(1) == Some(':') => {
                    self.push("::", self.line);
                    self.bump();
                    self.bump();
                }
                c => {
                    self.push(&c.to_string(), self.line);
                    self.bump();
                }
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.characters.get(self.at + ahead).copied()
    }

    fn bump(&mut self) {
        if self.peek(0) == Some('\n') {
            self.line += 1;
        }
        self.at += 1;
    }

    fn push(&mut self, text: &str, line: usize) {
        self.out.push(Token {
            text: text.to_owned(),
            line,
        });
    }

    fn skip_line(&mut self) {
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.bump();
        }
    }

    /// Block comments nest.
    fn skip_block_comment(&mut self) {
        let mut depth = 0;
        while self.peek(0).is_some() {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => {
                    depth += 1;
                    self.bump();
                }
                (Some('*'), Some('/')) => {
                    depth -= 1;
                    self.bump();
                }
                _ => {}
            }
            self.bump();
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        let line = self.line;
        self.bump();
        while let Some(character) = self.peek(0) {
            if character == '\\' {
                self.bump();
            }
            self.bump();
            if character == '"' {
                break;
            }
        }
        self.push(LITERAL, line);
    }

    /// `r"..."` and `r##"..."##`, from the first `#` or `"` on.
    fn raw_string(&mut self) {
        let line = self.line;
        let mut hashes = 0;
        while self.peek(0) == Some('#') {
            hashes += 1;
            self.bump();
        }
        self.bump();
        while let Some(character) = self.peek(0) {
            self.bump();
            if character == '"' && (0..hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                (0..hashes).for_each(|_| self.bump());
                break;
            }
        }
        self.push(LITERAL, line);
    }

    /// A character literal, or a lifetime, which is dropped.
    fn quote(&mut self) {
        let is_literal = self.peek(1) == Some('\\') || self.peek(2) == Some('\'');
        let line = self.line;
        self.bump();
        if !is_literal {
            while self.peek(0).is_some_and(|c| c.is_alphanumeric() || c == '_') {
                self.bump();
            }
            return;
        }
        loop {
            match self.peek(0) {
                Some('\\') => {
                    self.bump();
                    self.bump();
                }
                Some('\'') | None => break,
                Some(_) => self.bump(),
            }
        }
        self.bump();
        self.push(LITERAL, line);
    }

    fn word(&mut self) {
        let start = self.at;
        let line = self.line;
        while self.peek(0).is_some_and(|c| c.is_alphanumeric() || c == '_') {
            self.bump();
        }
        let word: String = self.characters[start..self.at].iter().collect();
        let raw = matches!(word.as_str(), "r" | "br" | "cr");
        let hashes = (0..).take_while(|&ahead| self.peek(ahead) == Some('#')).count();
        if raw && self.peek(hashes) == Some('"') {
            self.raw_string();
        } else if matches!(word.as_str(), "b" | "c") && matches!(self.peek(0), Some('"' | '\'')) {
            // The literal itself follows; its prefix is no word.
        } else if word == "r" && hashes == 1 {
            self.bump(); // `r#type`: the word follows.
        } else {
            self.push(&word, line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        tokens(source).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_are_gone_and_literals_are_opaque() {
        for source in [
            "// crate::a\nx",
            "/* crate::a /* nested */ crate::b */ x",
            "//! crate::a\n/// crate::b\nx",
        ] {
            assert_eq!(texts(source), ["x"], "{source}");
        }
        for source in [
            r#""crate::a \" crate::b""#,
            r##"r"crate::a""##,
            r###"r#"a " crate::b"#"###,
            r##"br"crate::a""##,
            r#"b"crate::a""#,
            "'\"'",
            r"'\''",
            r"b'\\'",
        ] {
            assert_eq!(texts(&format!("a {source} z")), ["a", LITERAL, "z"], "{source}");
        }
    }

    #[test]
    fn lifetimes_are_not_literals() {
        assert_eq!(texts("&'a str, 'b'"), ["&", "str", ",", LITERAL]);
    }

    #[test]
    fn raw_identifiers_lose_their_mark() {
        assert_eq!(texts("r#type::x"), ["type", "::", "x"]);
    }

    #[test]
    fn lines_are_counted_through_literals_and_comments() {
        let source = "\"a\nb\" /* \n */ x\n  y";
        let lines: Vec<(String, usize)> = tokens(source).into_iter().map(|t| (t.text, t.line)).collect();
        assert_eq!(
            lines,
            [(LITERAL.to_owned(), 1), ("x".to_owned(), 3), ("y".to_owned(), 4)]
        );
    }
}
