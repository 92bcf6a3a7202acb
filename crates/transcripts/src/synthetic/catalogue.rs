//! What customers write about: product lines, their intents, how common each is and since when it exists.

/// A product line of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProductLine {
    /// The messaging app.
    Messaging,
    /// The social network.
    Social,
    /// Programs inside the messaging app, made by merchants.
    MiniPrograms,
    /// Games.
    Games,
}

impl ProductLine {
    /// All product lines, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Messaging, Self::Social, Self::MiniPrograms, Self::Games];

    /// The stable name, the first part of every intent of the line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Messaging => "messaging",
            Self::Social => "social",
            Self::MiniPrograms => "mini_programs",
            Self::Games => "games",
        }
    }

    /// Requests a day, in millions.
    pub fn daily_volume(self) -> f64 {
        match self {
            Self::Messaging => 10.0,
            Self::Social => 5.0,
            Self::MiniPrograms => 3.0,
            Self::Games => 30.0,
        }
    }
}

/// One intent of the catalogue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Intent {
    /// Stable identifier: product line, issue type, subject.
    pub(super) name: &'static str,
    /// Intents of one line in one group are easily taken for each other.
    pub(super) group: &'static str,
    /// Popularity rank in its product line, from 1.
    pub(super) rank: u32,
    /// The share of the corpus's period, in sixths, that has passed when the intent first appears.
    pub(super) from: i64,
}

const START: i64 = 0;
/// A new feature is released.
const THIRD: i64 = 2;
/// A faulty graphics driver, a new programme.
const HALF: i64 = 3;

const fn entry(name: &'static str, group: &'static str, rank: u32, from: i64) -> Intent {
    Intent { name, group, rank, from }
}

impl Intent {
    /// The product line.
    pub(super) fn line(&self) -> ProductLine {
        let prefix = self.name.split('.').next();
        // The names below begin with a line's name; a test holds them to it.
        ProductLine::ALL.into_iter().find(|l| Some(l.name()) == prefix).unwrap_or(ProductLine::Messaging)
    }

    /// The section of the phrase tables: the name without its product line.
    pub(super) fn section(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, rest)| rest)
    }
}

/// All intents, sorted by name. Names are stable identifiers; ranks and groups shape the corpus.
#[rustfmt::skip]
pub(super) const INTENTS: &[Intent] = &[
    entry("games.complaint.account_banned", "access", 2, START),
    entry("games.complaint.cheater_report", "matches", 4, START),
    entry("games.complaint.drop_rates", "money", 16, START),
    entry("games.complaint.matchmaking_slow", "matches", 14, START),
    entry("games.complaint.matchmaking_unfair", "matches", 9, START),
    entry("games.complaint.minor_refund", "money", 7, START),
    entry("games.enquiry.playtime_limits", "access", 15, START),
    entry("games.enquiry.redeem_code", "rewards", 13, START),
    entry("games.enquiry.season_pass", "rewards", 11, THIRD),
    entry("games.enquiry.server_transfer", "rewards", 17, START),
    entry("games.enquiry.system_requirements", "performance", 18, START),
    entry("games.fault.cannot_log_in", "access", 3, START),
    entry("games.fault.disconnects", "performance", 6, START),
    entry("games.fault.item_missing", "money", 10, START),
    entry("games.fault.low_frame_rate", "performance", 8, START),
    entry("games.fault.stutter_after_driver_update", "performance", 5, HALF),
    entry("games.fault.top_up_not_credited", "money", 1, START),
    entry("games.fault.update_fails", "access", 12, START),
    entry("messaging.complaint.account_frozen", "login", 2, START),
    entry("messaging.complaint.scam_contact", "contacts", 4, START),
    entry("messaging.complaint.storage_use", "chats", 16, START),
    entry("messaging.complaint.unwanted_messages", "contacts", 12, START),
    entry("messaging.enquiry.back_up_chats", "chats", 14, START),
    entry("messaging.enquiry.call_subtitles", "calls", 10, THIRD),
    entry("messaging.enquiry.change_phone_number", "login", 9, START),
    entry("messaging.enquiry.payment_limits", "money", 17, START),
    entry("messaging.enquiry.recover_deleted_chats", "chats", 7, START),
    entry("messaging.fault.call_drops", "calls", 15, START),
    entry("messaging.fault.cannot_log_in", "login", 1, START),
    entry("messaging.fault.cannot_send_red_packet", "money", 8, START),
    entry("messaging.fault.friend_request_fails", "contacts", 11, START),
    entry("messaging.fault.messages_delayed", "delivery", 6, START),
    entry("messaging.fault.notifications_missing", "delivery", 13, START),
    entry("messaging.fault.transfer_not_received", "money", 5, START),
    entry("messaging.fault.verification_code_missing", "login", 3, START),
    entry("mini_programs.complaint.auto_renewal", "orders", 6, START),
    entry("mini_programs.complaint.goods_not_delivered", "orders", 4, START),
    entry("mini_programs.complaint.refund_refused", "orders", 1, START),
    entry("mini_programs.complaint.review_rejected", "developers", 10, START),
    entry("mini_programs.enquiry.invoice", "paying", 9, START),
    entry("mini_programs.enquiry.order_status", "orders", 5, START),
    entry("mini_programs.enquiry.review_duration", "developers", 12, START),
    entry("mini_programs.fault.authorisation_fails", "opening", 8, START),
    entry("mini_programs.fault.blank_screen", "opening", 3, START),
    entry("mini_programs.fault.coupon_rejected", "paying", 7, START),
    entry("mini_programs.fault.location_denied", "opening", 11, START),
    entry("mini_programs.fault.payment_fails", "paying", 2, START),
    entry("social.complaint.account_hacked", "account", 1, START),
    entry("social.complaint.account_suspended", "moderation", 2, START),
    entry("social.complaint.feed_ranking", "feed", 15, START),
    entry("social.complaint.harassment", "people", 7, START),
    entry("social.complaint.impersonation", "people", 13, START),
    entry("social.complaint.post_removed", "moderation", 4, START),
    entry("social.complaint.too_many_ads", "feed", 11, START),
    entry("social.enquiry.creator_payouts", "creator", 9, HALF),
    entry("social.enquiry.delete_account", "account", 8, START),
    entry("social.enquiry.privacy_settings", "people", 6, START),
    entry("social.enquiry.verified_badge", "creator", 12, START),
    entry("social.fault.comments_missing", "moderation", 14, START),
    entry("social.fault.feed_loads_slowly", "loading", 3, START),
    entry("social.fault.photo_upload_fails", "loading", 5, START),
    entry("social.fault.video_playback_fails", "loading", 10, START),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_complete() {
        assert!(INTENTS.is_sorted_by(|a, b| a.name < b.name));
        for i in INTENTS {
            let parts: Vec<_> = i.name.split('.').collect();
            assert_eq!(parts.len(), 3, "{}", i.name);
            assert!(ProductLine::ALL.iter().any(|l| l.name() == parts[0]), "{}", i.name);
            assert!(["enquiry", "fault", "complaint"].contains(&parts[1]), "{}", i.name);
        }
    }

    #[test]
    fn ranks_of_a_line_are_a_permutation_and_groups_have_company() {
        for line in ProductLine::ALL {
            let own: Vec<_> = INTENTS.iter().filter(|i| i.line() == line).collect();
            let mut ranks: Vec<_> = own.iter().map(|i| i.rank).collect();
            ranks.sort_unstable();
            assert_eq!(ranks, (1..=own.len() as u32).collect::<Vec<_>>());
            for i in &own {
                assert!(own.iter().filter(|o| o.group == i.group).count() >= 2, "{}", i.name);
            }
        }
    }
}
