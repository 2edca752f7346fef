//! Tokens to the paths and macros that a file names, each with its line and whether only tests see it.

use super::lexer::{Token, tokens};

/// Something a file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// A path as its segments (`super` and `self` resolved to `crate::...`), or one word with `!`.
    pub path: Vec<String>,
    pub line: usize,
    /// Inside an item under `#[cfg(test)]`.
    pub in_test: bool,
    /// Named by a `use`, not in an expression or a type.
    pub in_use: bool,
    /// Whether it ends in `::*`.
    pub glob: bool,
}

/// What one file says.
#[derive(Debug, Default)]
pub struct Facts {
    pub mentions: Vec<Mention>,
    /// Child modules in files of their own that are compiled for tests only.
    pub test_modules: Vec<String>,
}

/// Reads a file that stands at `module` (`["identity", "pem"]`; empty for the root of the crate).
pub fn read(source: &str, module: &[String]) -> Facts {
    let mut reader = Reader {
        tokens: tokens(source),
        at: 0,
        braces: Vec::new(),
        module: module.to_vec(),
        facts: Facts::default(),
    };
    reader.run();
    reader.facts
}

/// What an open brace belongs to.
#[derive(Clone, Copy, Default)]
struct Brace {
    is_module: bool,
    is_test: bool,
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    braces: Vec<Brace>,
    module: Vec<String>,
    facts: Facts,
}

impl Reader {
    fn run(&mut self) {
        // Set from `#[cfg(test)]` to the `{` or `;` of the item it stands on.
        let mut test_item = false;
        while self.at < self.tokens.len() {
            let text = self.text(0).to_owned();
            match text.as_str() {
                "#" if self.text(1) == "[" => {
                    test_item |= self.attribute();
                    continue;
                }
                "use" => {
                    self.at += 1;
                    let in_test = test_item || self.in_test();
                    self.use_tree(&[], in_test);
                    test_item = false;
                    continue;
                }
                "mod" if self.text(2) == ";" && test_item => {
                    let child = self.text(1).to_owned();
                    self.facts.test_modules.push(child);
                }
                "mod" if self.text(2) == "{" => {
                    self.module.push(self.text(1).to_owned());
                    self.braces.push(Brace {
                        is_module: true,
                        is_test: test_item || self.in_test(),
                    });
                    test_item = false;
                    self.at += 3;
                    continue;
                }
                "{" => {
                    self.braces.push(Brace {
                        is_module: false,
                        is_test: test_item || self.in_test(),
                    });
                    test_item = false;
                }
                "}" => {
                    test_item = false;
                    if self.braces.pop().is_some_and(|brace| brace.is_module) {
                        self.module.pop();
                    }
                }
                ";" => test_item = false,
                _ if is_word(&text) => {
                    self.expression_path(test_item || self.in_test());
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    fn text(&self, ahead: usize) -> &str {
        self.tokens
            .get(self.at + ahead)
            .map_or("", |token| token.text.as_str())
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |token| token.line)
    }

    fn in_test(&self) -> bool {
        self.braces.last().is_some_and(|brace| brace.is_test)
    }

    /// Steps over `#[...]`, and tells whether it keeps its item for tests. Paths inside are read.
    fn attribute(&mut self) -> bool {
        let for_tests = self.text(2) == "cfg"
            && (self.text(4) == "test" && self.text(5) == ")"
                || self.text(4) == "all" && self.text(6) == "test" && self.text(7) == ",");
        let in_test = self.in_test();
        self.at += 2;
        let mut depth = 1;
        while depth > 0 && self.at < self.tokens.len() {
            match self.text(0).to_owned().as_str() {
                "[" => depth += 1,
                "]" => depth -= 1,
                text if is_word(text) => {
                    self.expression_path(in_test || for_tests);
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
        for_tests
    }

    /// `a::b::{c, d::*}`, up to and with what ends it. Each leaf is one mention.
    fn use_tree(&mut self, prefix: &[String], in_test: bool) {
        let mut path = prefix.to_vec();
        let mut line = self.line();
        loop {
            match self.text(0).to_owned().as_str() {
                "{" => {
                    self.at += 1;
                    while !matches!(self.text(0), "}" | ";" | "") {
                        let before = self.at;
                        self.use_tree(&path, in_test);
                        if self.text(0) == "," || self.at == before {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "*" => {
                    self.mention(path, line, in_test, true, true);
                    self.at += 1;
                    return;
                }
                "::" => self.at += 1,
                "as" => self.at += 2,
                word if is_word(word) => {
                    line = self.line();
                    // `{self}` is the module before it.
                    if word != "self" || path.is_empty() {
                        path.push(word.to_owned());
                    }
                    self.at += 1;
                }
                _ => {
                    self.mention(path, line, in_test, true, false);
                    return;
                }
            }
        }
    }

    /// A path outside `use`, or one word, or a macro's name.
    fn expression_path(&mut self, in_test: bool) {
        let line = self.line();
        let mut path = vec![self.text(0).to_owned()];
        self.at += 1;
        while self.text(0) == "::" && is_word(self.text(1)) {
            path.push(self.text(1).to_owned());
            self.at += 2;
        }
        if self.text(0) == "!" && self.text(1) != "=" && path.len() == 1 {
            path[0].push('!');
        }
        self.mention(path, line, in_test, false, false);
    }

    fn mention(&mut self, path: Vec<String>, line: usize, in_test: bool, in_use: bool, glob: bool) {
        let path = self.resolve(path);
        if !path.is_empty() {
            self.facts.mentions.push(Mention {
                path,
                line,
                in_test,
                in_use,
                glob,
            });
        }
    }

    /// `self::x`, `super::x` and `kaspi_direct::x` as `crate::...`; other paths as they stand.
    fn resolve(&self, path: Vec<String>) -> Vec<String> {
        let first = path.first().map_or("", String::as_str);
        let mut module = self.module.clone();
        let rest = match first {
            "kaspi_direct" if path.len() > 1 => {
                module.clear();
                &path[1..]
            }
            "self" if path.len() > 1 => &path[1..],
            "super" => {
                let ups = path.iter().take_while(|word| *word == "super").count();
                module.truncate(module.len().saturating_sub(ups));
                &path[ups..]
            }
            _ => return path,
        };
        let mut resolved = vec!["crate".to_owned()];
        resolved.append(&mut module);
        resolved.extend_from_slice(rest);
        resolved
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths of more than one segment, `!` for macros, with line and a `t` where in tests.
    fn paths(source: &str, module: &[&str]) -> Vec<String> {
        let module: Vec<String> = module.iter().map(|&part| part.to_owned()).collect();
        read(source, &module)
            .mentions
            .into_iter()
            .filter(|m| m.path.len() > 1 || m.path[0].ends_with('!') || m.glob)
            .map(|m| {
                let glob = if m.glob { "::*" } else { "" };
                let test = if m.in_test { " t" } else { "" };
                format!("{}{glob} {}{test}", m.path.join("::"), m.line)
            })
            .collect()
    }

    #[test]
    fn use_trees_are_taken_apart() {
        assert_eq!(
            paths(
                "use crate::base::{Bin,\n  money::{self, Amount as A},\n  ids::*};",
                &["api"]
            ),
            [
                "crate::base::Bin 1",
                "crate::base::money 2",
                "crate::base::money::Amount 2",
                "crate::base::ids::* 3"
            ]
        );
        assert_eq!(
            paths("pub(crate) use crate::{api::X, base};", &["api"]),
            ["crate::api::X 1", "crate::base 1"]
        );
        assert_eq!(
            paths("pub use ::hyper::body::Body;", &["api"]),
            ["hyper::body::Body 1"]
        );
        assert_eq!(
            paths("use {std::fmt, crate::cli::run};", &["api"]),
            ["std::fmt 1", "crate::cli::run 1"]
        );
    }

    #[test]
    fn paths_outside_use_are_seen() {
        assert_eq!(
            paths(
                "fn f(x: crate::payments::Id) -> Vec<crate::base::Bin> { crate::api::call::<u8>() }",
                &["api"]
            ),
            [
                "crate::payments::Id 1",
                "crate::base::Bin 1",
                "crate::api::call 1"
            ]
        );
        assert_eq!(
            paths("#[derive(clap::Parser)] struct S;", &["api"]),
            ["clap::Parser 1"]
        );
        assert_eq!(
            paths(
                "macro_rules! m { () => { $crate::cli::x!(println!()) } }",
                &["api"]
            ),
            ["macro_rules! 1", "crate::cli::x 1", "println! 1"]
        );
        assert_eq!(paths("if a != b {}", &["api"]), Vec::<String>::new());
    }

    #[test]
    fn relative_paths_are_resolved() {
        assert_eq!(
            paths("use super::super::cli::X;", &["api", "envelope"]),
            ["crate::cli::X 1"]
        );
        assert_eq!(
            paths("use super::X; use self::y::Z;", &["api", "envelope"]),
            ["crate::api::X 1", "crate::api::envelope::y::Z 1"]
        );
        assert_eq!(
            paths(
                "mod inner { use super::super::cli::X; } use super::cli::Y;",
                &["api"]
            ),
            ["crate::cli::X 1", "crate::cli::Y 1"]
        );
        assert_eq!(paths("use kaspi_direct::cli::X;", &["api"]), ["crate::cli::X 1"]);
    }

    #[test]
    fn test_items_are_marked() {
        assert_eq!(
            paths(
                "use crate::a::A;\n#[cfg(test)]\nmod tests {\n use crate::b::B;\n fn f() { c::d() }\n}\nuse crate::e::E;",
                &["api"]
            ),
            ["crate::a::A 1", "crate::b::B 4 t", "c::d 5 t", "crate::e::E 7"]
        );
        assert_eq!(
            paths(
                "#[cfg(all(test, feature = \"sandbox\"))] use crate::a::A;\nuse crate::b::B;",
                &["api"]
            ),
            ["crate::a::A 1 t", "crate::b::B 2"]
        );
        assert_eq!(
            paths(
                "#[cfg(not(test))] use crate::a::A;\n#[cfg(any(test, unix))] use crate::b::B;",
                &["api"]
            ),
            ["crate::a::A 1", "crate::b::B 2"]
        );
        let facts = read("#[cfg(test)]\nmod tests;\nmod other;", &[]);
        assert_eq!(facts.test_modules, ["tests"]);
    }
}
