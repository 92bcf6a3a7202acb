//! Invented personal data: values that look real and belong to nobody.
//!
//! Mobile numbers have the block `0000` after their prefix, identity numbers the unassigned county `0098`
//! (with the right ISO 7064 check digit), English telephone numbers lie in 555-0100 to 555-0199, addresses
//! are under `example.org`, order numbers begin with `SV`.

use sottovoce_core::Stream;
use sottovoce_core::sampling::{below, index};
use std::fmt::Write;

/// A kind of personal data that a template may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Personal {
    /// Mobile number, 11 digits.
    Mobile,
    /// North American telephone number.
    Telephone,
    /// Resident identity number, 18 characters.
    Identity,
    /// Mail address.
    Email,
    /// Full name in Chinese.
    ChineseName,
    /// Full name in English.
    EnglishName,
    /// Order number.
    Order,
}

const SURNAMES: [&str; 20] = [
    "张", "王", "李", "赵", "陈", "杨", "吴", "刘", "黄", "周", "徐", "孙", "马", "朱", "胡", "林", "郭",
    "何", "高", "罗",
];
const GIVEN: [&str; 24] = [
    "小雨", "志强", "丽华", "建国", "晓明", "雪梅", "子涵", "浩然", "思远", "秀英", "文静", "海燕", "俊杰",
    "一诺", "欣怡", "国栋", "玉兰", "晨曦", "佳琪", "伟", "芳", "敏", "磊", "娜",
];
const FIRST: [&str; 20] = [
    "Alex", "Sam", "Maria", "John", "Wei", "Priya", "Omar", "Lena", "Tom", "Grace", "Ivan", "Chloe", "Noah",
    "Aisha", "Ben", "Yuki", "Carlos", "Emma", "Raj", "Nina",
];
const LAST: [&str; 20] = [
    "Miller", "Chen", "Garcia", "Brown", "Novak", "Khan", "Silva", "Evans", "Wong", "Fischer", "Rossi",
    "Patel", "Moore", "Tanaka", "Lopez", "Clark", "Dubois", "Hill", "Kim", "Young",
];
const PROVINCES: [&str; 10] = ["11", "12", "31", "32", "33", "37", "42", "44", "50", "51"];

/// Check character of the first 17 digits of an identity number (ISO 7064 MOD 11-2).
fn check_character(digits: &[u8]) -> char {
    let mut rest = 0u32;
    for d in digits {
        rest = (rest + u32::from(d - b'0')) * 2 % 11;
    }
    match (12 - rest) % 11 {
        10 => 'X',
        d => char::from(b'0' + d as u8),
    }
}

impl Personal {
    /// The kind that a slot of this name asks for.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "mobile" => Self::Mobile,
            "telephone" => Self::Telephone,
            "id" => Self::Identity,
            "email" => Self::Email,
            "chinese_name" => Self::ChineseName,
            "english_name" => Self::EnglishName,
            "order" => Self::Order,
            _ => return None,
        })
    }

    /// Appends an invented value.
    pub(super) fn write(self, s: &mut Stream, out: &mut String) {
        let mut number = |low: u64, count: u64| low + below(s, count);
        // Writing into a String cannot fail, so the results of `write!` are dropped.
        let _ = match self {
            Self::Mobile => write!(out, "1{}{}0000{:04}", number(3, 7), number(0, 10), number(0, 10_000)),
            Self::Telephone => write!(out, "({}) 555-01{:02}", number(201, 700), number(0, 100)),
            Self::Identity => {
                let start = out.len();
                let province = PROVINCES[number(0, PROVINCES.len() as u64) as usize];
                let date = (number(1950, 60), number(1, 12), number(1, 28));
                let done =
                    write!(out, "{province}0098{}{:02}{:02}{:03}", date.0, date.1, date.2, number(0, 1000));
                let check = check_character(&out.as_bytes()[start..]);
                out.push(check);
                done
            }
            Self::Email => {
                let name = FIRST[number(0, FIRST.len() as u64) as usize];
                write!(out, "{}{}@example.org", name.to_ascii_lowercase(), number(10, 9990))
            }
            Self::ChineseName => {
                out.push_str(SURNAMES[index(s, SURNAMES.len())]);
                out.push_str(GIVEN[index(s, GIVEN.len())]);
                Ok(())
            }
            Self::EnglishName => {
                let first = FIRST[index(s, FIRST.len())];
                write!(out, "{first} {}", LAST[index(s, LAST.len())])
            }
            Self::Order => write!(out, "SV{:012}", number(0, 1_000_000_000_000)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_character_is_that_of_the_standard() {
        // The example of GB 11643: 11010519491231002X.
        assert_eq!(check_character(b"11010519491231002"), 'X');
        assert_eq!(check_character(b"44052418800101001"), '4');
    }
}
