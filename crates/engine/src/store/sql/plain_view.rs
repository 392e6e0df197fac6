//! Whether the text of a view shows that the view has every row of one table. Pure.
//! Invariant: a text that is not understood proves nothing.

use crate::store::schema::TableName;

/// A word, a quoted name or a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// Without quotes; keywords are such words.
    Word(String),
    /// In quotes, which are taken off.
    Quoted(String),
    Sign(char),
}

/// The table that a view shows whole: `SELECT column AS name, ... FROM table`, and nothing after that.
pub(super) fn shows_all_of(definition: &str) -> Option<TableName> {
    let tokens = tokens(definition)?;
    let mut rest = tokens.as_slice();
    if is_word(rest.first()?, "create") {
        let begin = rest.iter().position(|token| is_word(token, "as"))?;
        rest = &rest[begin + 1..];
    }
    rest = rest.strip_suffix(&[Token::Sign(';')]).unwrap_or(rest);
    let (select, rest) = rest.split_first()?;
    let from = rest.iter().position(|token| is_word(token, "from"))?;
    let (columns, from) = rest.split_at(from);
    let plain = |token: &Token| match token {
        Token::Sign(sign) => matches!(sign, '.' | ',' | '*'),
        Token::Word(word) => !word.eq_ignore_ascii_case("distinct"),
        Token::Quoted(_) => true,
    };
    if !is_word(select, "select") || !columns.iter().all(plain) {
        return None;
    }
    match &from[1..] {
        [table] | [table, Token::Quoted(_)] => Some(TableName {
            schema: None,
            name: name(table)?,
        }),
        [schema, Token::Sign('.'), table] | [schema, Token::Sign('.'), table, Token::Quoted(_)] => {
            Some(TableName {
                schema: Some(name(schema)?),
                name: name(table)?,
            })
        }
        _ => None,
    }
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(is) if is.eq_ignore_ascii_case(word))
}

fn name(token: &Token) -> Option<String> {
    match token {
        Token::Word(name) | Token::Quoted(name) => Some(name.clone()),
        Token::Sign(_) => None,
    }
}

/// `None` if the text holds something else, such as a literal, a comment or a call.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            c if c.is_whitespace() => {}
            '"' | '`' => {
                let mut name = String::new();
                loop {
                    match rest.next()? {
                        end if end == c && rest.peek() == Some(&c) => {
                            name.push(c);
                            rest.next();
                        }
                        end if end == c => break,
                        other => name.push(other),
                    }
                }
                tokens.push(Token::Quoted(name));
            }
            '.' | ',' | '*' | ';' => tokens.push(Token::Sign(c)),
            c if c.is_alphabetic() || c == '_' => {
                let mut word = String::from(c);
                while let Some(c) = rest.peek().copied()
                    && (c.is_alphanumeric() || matches!(c, '_' | '$'))
                {
                    word.push(c);
                    rest.next();
                }
                tokens.push(Token::Word(word));
            }
            _ => return None,
        }
    }
    Some(tokens)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_view_shows_every_row() {
        let of = |text: &str| shows_all_of(text).map(|table| table.shown());
        for (text, table) in [
            // PostgreSQL's form, MariaDB's, and a statement as SQLite keeps it.
            (
                " SELECT session_key,\n    session_data\n   FROM django_session;",
                "django_session",
            ),
            (
                "select `s`.`t`.`session_key` AS `session_key`,`s`.`t`.`where` AS `b` from `s`.`t`",
                "s.t",
            ),
            ("CREATE VIEW mine AS SELECT * FROM \"a \"\"b\"", "a \"b"),
        ] {
            assert_eq!(of(text).as_deref(), Some(table), "{text}");
        }
        for text in [
            "",
            "SELECT a FROM t WHERE a = b",
            "SELECT a FROM t where a",
            "SELECT a FROM t, u",
            "SELECT a FROM t JOIN u",
            "SELECT a FROM t LIMIT 5",
            "SELECT a FROM ONLY t",
            "SELECT DISTINCT a FROM t",
            "SELECT unnest(a) FROM t",
            "SELECT a FROM t -- all of it",
            "WITH t AS (SELECT a FROM u WHERE b) SELECT a FROM t",
            "SELECT a FROM t UNION SELECT a FROM u",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
