//! Traditional characters as their simplified forms, for the words that rules look for.

/// Pairs, traditional and simplified. Characters of cues, surnames, cities and addresses; not a converter.
const PAIRS: &str = "\
    證证 號号 碼码 話话 電电 聯联 絡络 護护 賬账 帳账 戶户 單单 訂订 購购 買买 賣卖 運运 遞递 郵邮 順顺 圓圆 達达 極极 東东 \
    豐丰 實实 銀银 儲储 記记 險险 醫医 療疗 會会 員员 駕驾 駛驶 執执 車车 輛辆 機机 檔档 編编 籤签 簽签 納纳 稅税 識识 別别 \
    統统 貨货 發发 開开 稱称 婦妇 師师 請请 撥拨 鍵键 鑰钥 輸输 驗验 確确 認认 動动 態态 隨随 訊讯 龍龙 間间 樓楼 層层 棟栋 \
    廈厦 場场 園园 區区 縣县 鄉乡 鎮镇 莊庄 裡里 裏里 衚胡 衕同 條条 廣广 寶宝 灣湾 臺台 國国 門门 漢汉 濟济 寧宁 瀋沈 陽阳 \
    蘇苏 鹽盐 揚扬 連连 長长 爾尔 濱滨 慶庆 無无 錫锡 紹绍 興兴 溫温 蕪芜 廬庐 贛赣 鄭郑 煙烟 臨临 濰潍 陝陕 貴贵 雲云 麗丽 \
    蘭兰 烏乌 魯鲁 齊齐 陰阴 馬马 劉刘 陳陈 楊杨 趙赵 吳吴 孫孙 羅罗 謝谢 韓韩 鄧邓 蕭萧 馮冯 蔣蒋 葉叶 呂吕 盧卢 鐘钟 鍾钟 \
    範范 譚谭 賈贾 鄒邹 陸陆 嚴严 錢钱 湯汤 喬乔 賴赖 龔龚 龐庞 顏颜 許许 張张 黃黄 葦苇 韋韦 畢毕 聶聂 歐欧 閔闵 婁娄 藺蔺 \
    塗涂 閻阎 關关 紀纪 淩凌 萬万 華华 項项 顧顾 應应 諸诸 獨独 這这 愛爱 媽妈 爺爷 幾几 寫写 總总 為为 爲为 進进 個个 換换 \
    給给 們们 對对 錯错 沒没 說说 點点 兩两 參参 貳贰 後后 從从 問问 領领 據据 錄录 賓宾 館馆 舊旧 學学 業业 務务 產产 當当 \
    處处 辦办 資资 誕诞 歲岁 歷历 農农 曆历 複复 覆复 雙双 衛卫 繫系 體体 憑凭 匯汇 幣币 圖图 書书 報报 戰战 邊边 環环 橋桥 \
    嶺岭 島岛 峽峡 澤泽 滙汇 鳳凤 鵬鹏 偉伟 傑杰 勝胜 強强 龜龟 義义 禮礼 藝艺 靜静 瓊琼 榮荣 賢贤 蓮莲 鳴鸣 飛飞 鴻鸿 遠远 \
    輝辉 憲宪 樂乐 濤涛 預预 來来 經经 級级 類类 線线 網网 詢询 診诊 該该 誰谁 貼贴 費费 賀贺 軌轨 轉转 遲迟 還还 鋪铺 閉闭 \
    階阶 韻韵 頻频 額额 鮑鲍 雞鸡 鵝鹅 鐵铁 簡简 離离 積积 監监 熱热 薩萨 蝦虾 讓让 設设 遼辽 頭头 帶带 幫帮 亂乱 兒儿 塊块 \
    宮宫 時时 滬沪 晉晋 閩闽 粵粤 綿绵 軟软 過过 嶽岳 闆板 傳传 將将 嬸婶 彌弥 貓猫 氣气";

const FIRST: u32 = 0x4e00;
const LAST: u32 = 0x9fff;

/// The simplified form of every character of the block; 0 where it is the same.
static SIMPLIFIED: std::sync::LazyLock<Box<[u16]>> = std::sync::LazyLock::new(|| {
    let mut table = vec![0u16; (LAST - FIRST + 1) as usize];
    for (traditional, simplified) in pairs() {
        if let Ok(simplified) = u16::try_from(u32::from(simplified)) {
            table[(u32::from(traditional) - FIRST) as usize] = simplified;
        }
    }
    table.into_boxed_slice()
});

fn pairs() -> impl Iterator<Item = (char, char)> {
    PAIRS.split_ascii_whitespace().filter_map(|pair| {
        let mut chars = pair.chars();
        Some((chars.next()?, chars.next()?))
    })
}

/// Whether a character is one of the common Han characters, which all take three bytes.
pub(super) fn common(c: char) -> bool {
    (FIRST..=LAST).contains(&u32::from(c))
}

/// Whether a character is Han, rare ones and the marks that stand for one included.
pub(super) fn han(c: char) -> bool {
    common(c)
        || matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{20000}'..='\u{3ffff}' | '\u{f900}'..='\u{faff}' | '々' | '〇')
}

/// The table, to look up many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Simplified(&'static [u16]);

impl Simplified {
    pub(super) fn table() -> Self {
        Self(&SIMPLIFIED)
    }

    /// A common Han character in its simplified form, if it is in the table.
    pub(super) fn of(self, c: char) -> char {
        let at = u32::from(c).wrapping_sub(FIRST) as usize;
        match self.0.get(at) {
            None | Some(0) => c,
            Some(code) => char::from_u32(u32::from(*code)).unwrap_or(c),
        }
    }
}

/// A simplified word in traditional characters, the first in the table where there are several.
pub(super) fn traditional(word: &str) -> String {
    word.chars().map(|c| pairs().find(|(_, to)| *to == c).map_or(c, |(from, _)| from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_two_common_characters_and_end_in_one_step() {
        for pair in PAIRS.split_ascii_whitespace() {
            assert!(pair.chars().count() == 2 && pair.chars().all(common), "{pair}");
        }
        let simplified = |c| Simplified::table().of(c);
        for (from, to) in pairs() {
            assert_eq!(simplified(from), to);
            assert_eq!(simplified(to), to, "{from} leads to {to}, which leads on");
        }
    }

    #[test]
    fn words_go_there_and_back() {
        assert_eq!(traditional("联系电话"), "聯繫電話");
        assert_eq!(
            "聯絡電話號碼".chars().map(|c| Simplified::table().of(c)).collect::<String>(),
            "联络电话号码"
        );
    }
}
