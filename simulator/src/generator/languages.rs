//! Texts for the generated Posts: a few invented sentences per language.
//!
//! The scripts matter more than the words. Together they cover every UTF-8 length, right-to-left
//! text, combining marks, languages without spaces, joiners and variation selectors.

/// A language of the feed.
pub(super) struct Language {
    /// The code in `lang`.
    pub(super) code: &'static str,
    /// Its weight among all languages.
    pub(super) weight: u64,
    /// The separator of two sentences.
    pub(super) space: &'static str,
    pub(super) sentences: &'static [&'static str],
    pub(super) hashtags: &'static [&'static str],
    /// Display names.
    pub(super) names: &'static [&'static str],
    pub(super) place: Place,
}

/// The place of some of its Posts. Coordinates are ten-thousandths of a degree.
pub(super) struct Place {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) full_name: &'static str,
    pub(super) country: &'static str,
    pub(super) code: &'static str,
    pub(super) longitude: i64,
    pub(super) latitude: i64,
}

macro_rules! place {
    ($id:literal, $name:literal, $full:literal, $country:literal, $code:literal, $lon:literal, $lat:literal) => {
        Place {
            id: $id,
            name: $name,
            full_name: $full,
            country: $country,
            code: $code,
            longitude: $lon,
            latitude: $lat,
        }
    };
}

/// Emoji of one to seven code points.
pub(super) const EMOJI: &[&str] = &[
    "😀",
    "🐈‍⬛",
    "☕",
    "🚲",
    "👩‍💻",
    "👨‍👩‍👧‍👦",
    "❤️",
    "👍🏽",
    "🏳️‍🌈",
    "🇬🇷",
    "🇯🇵",
    "🌧️",
    "🥖",
    "🧑🏿‍🚀",
    "✨",
    "1️⃣",
    "🎻",
    "🫠",
];

pub(super) const LANGUAGES: &[Language] = &[
    Language {
        code: "en",
        weight: 30,
        space: " ",
        sentences: &[
            "The bakery on the corner has moved its opening hour but its sign has not.",
            "Three trains late this morning, and the fourth one early.",
            "A cat slept on my keyboard and wrote a better plan than mine.",
            "Rain until noon, they said; it is dry and I carry two umbrellas.",
            "Who else still repairs old radios at the kitchen table?",
            "Release day: the test that failed all week now passes, and I do not trust it.",
            "Soup is just a very patient salad.",
            "Our team lost 4-0 and sang all the way home.",
        ],
        hashtags: &["slowmorning", "TrainTalk", "opensource", "soup"],
        names: &["Wren Alder", "Otis Vale", "June & Co", "harbour light"],
        place: place!(
            "5a11ab0c2e4d7701",
            "Millbrook",
            "Millbrook, North",
            "United States",
            "US",
            -843_900,
            337_500
        ),
    },
    Language {
        code: "ja",
        weight: 18,
        space: "",
        sentences: &[
            "駅前のパン屋さん、今日は朝から行列でした。",
            "雨の音を聞きながら本を読む午後が好きです。",
            "猫がまた洗濯物の上で寝ている。",
            "新しい自転車で川まで走ってきた！",
            "終電を逃したので歩いて帰ります…",
            "週末は友だちとカレーを作る予定。",
        ],
        hashtags: &["朝ごはん", "猫のいる暮らし", "自転車"],
        names: &["みなとの灯", "青い傘", "ハル子"],
        place: place!("5a11ab0c2e4d7702", "港町", "港町, 東京", "日本", "JP", 1_397_000, 356_800),
    },
    Language {
        code: "es",
        weight: 9,
        space: " ",
        sentences: &[
            "El café de la esquina cerró y media calle está de luto.",
            "¿Alguien más pierde siempre el mismo paraguas?",
            "Hoy aprendí a hacer pan y mañana aprenderé a limpiar la cocina.",
            "El niño preguntó por qué la luna nos sigue hasta casa.",
            "Mañana hay mercado: llevaré la bolsa grande.",
        ],
        hashtags: &["mañanalenta", "pancasero", "barrio"],
        names: &["Íñigo del Río", "la Ñusta", "Pilar Cerezo"],
        place: place!("5a11ab0c2e4d7703", "Valdeluz", "Valdeluz, Castilla", "España", "ES", -37_000, 404_200),
    },
    Language {
        code: "pt",
        weight: 7,
        space: " ",
        sentences: &[
            "O ônibus passou cheio, então fui a pé e cheguei antes.",
            "Amanhã tem feijoada lá em casa, tragam fome.",
            "Não há coração que resista a um cão de guarda-chuva.",
            "A televisão quebrou e a família voltou a conversar.",
        ],
        hashtags: &["bomdia", "feijoada", "semsono"],
        names: &["João da Praça", "Conceição", "marés"],
        place: place!(
            "5a11ab0c2e4d7704",
            "Água Clara",
            "Água Clara, Brasil",
            "Brasil",
            "BR",
            -466_300,
            -235_500
        ),
    },
    Language {
        code: "ar",
        weight: 6,
        space: " ",
        sentences: &[
            "القهوة في الصباح تصنع نصف اليوم.",
            "نسيت المظلة مرة أخرى ونزل المطر.",
            "القطار متأخر عشر دقائق والكتاب قصير.",
            "من يعرف مكتبة هادئة في وسط المدينة؟",
        ],
        hashtags: &["صباح_الخير", "كتب"],
        names: &["نور الميناء", "سارة"],
        place: place!("5a11ab0c2e4d7705", "الميناء", "الميناء, القاهرة", "مصر", "EG", 312_300, 300_400),
    },
    Language {
        code: "ko",
        weight: 4,
        space: " ",
        sentences: &[
            "오늘 아침에는 안개가 정말 짙었어요.",
            "고양이가 또 의자를 차지했다.",
            "퇴근길에 붕어빵을 두 개 샀습니다.",
            "새 책을 사고 아직 첫 장도 못 읽음.",
        ],
        hashtags: &["아침산책", "고양이"],
        names: &["푸른 우산", "하늘이"],
        place: place!("5a11ab0c2e4d7706", "강변", "강변, 서울", "대한민국", "KR", 1_269_800, 375_600),
    },
    Language {
        code: "tr",
        weight: 4,
        space: " ",
        sentences: &[
            "Çay demlendi, gerisini yarın düşünürüz.",
            "İstasyonda unuttuğum şemsiye hâlâ orada mı acaba?",
            "Bugün pazarda en güzel elmaları komşum aldı.",
        ],
        hashtags: &["günaydın", "çaysaati"],
        names: &["Işıl Gün", "Ömer Çınar"],
        place: place!("5a11ab0c2e4d7707", "Çınarlı", "Çınarlı, İstanbul", "Türkiye", "TR", 289_700, 410_100),
    },
    Language {
        code: "th",
        weight: 3,
        space: " ",
        sentences: &["วันนี้ฝนตกทั้งวันแต่ข้าวต้มอร่อยมาก", "แมวนอนอยู่บนหนังสือเล่มใหม่ของฉัน", "รถไฟมาช้าแต่ท้องฟ้าสวย"],
        hashtags: &["ฝนตก", "แมว"],
        names: &["ร่มสีฟ้า"],
        place: place!("5a11ab0c2e4d7708", "ริมน้ำ", "ริมน้ำ, กรุงเทพ", "ประเทศไทย", "TH", 1_005_000, 137_500),
    },
    Language {
        code: "fr",
        weight: 4,
        space: " ",
        sentences: &[
            "Le boulanger a encore caché les meilleures brioches derrière les autres.",
            "À force d’attendre le bus, j’ai fini mon livre.",
            "L’œuf était à la coque, le pain était grillé, la journée peut commencer.",
        ],
        hashtags: &["matinée", "lectureencours"],
        names: &["Zoé Lamarée", "François"],
        place: place!("5a11ab0c2e4d7709", "Belleport", "Belleport, France", "France", "FR", 23_500, 488_500),
    },
    Language {
        code: "id",
        weight: 4,
        space: " ",
        sentences: &[
            "Hujan lagi sore ini, untung ada pisang goreng.",
            "Kereta terlambat tapi langitnya bagus sekali.",
            "Siapa yang menyimpan payung biru saya?",
        ],
        hashtags: &["selamatpagi", "hujan"],
        names: &["Bintang Pelabuhan"],
        place: place!("5a11ab0c2e4d770a", "Muara", "Muara, Jakarta", "Indonesia", "ID", 1_068_000, -62_000),
    },
    Language {
        code: "de",
        weight: 3,
        space: " ",
        sentences: &[
            "Der Bäcker öffnet früher, die Straße schläft länger.",
            "Drei Züge verspätet, der vierte fährt heute rückwärts.",
            "Übermäßig viel Käse ist auch nur Käse.",
        ],
        hashtags: &["frühstück", "Bahnsteig"],
        names: &["Jörg Weiß", "Käthe"],
        place: place!(
            "5a11ab0c2e4d770b",
            "Mühlbach",
            "Mühlbach, Berlin",
            "Deutschland",
            "DE",
            134_000,
            525_200
        ),
    },
    Language {
        code: "it",
        weight: 2,
        space: " ",
        sentences: &[
            "Perché la pioggia arriva sempre col bucato steso?",
            "Il caffè è pronto e il treno è già partito.",
        ],
        hashtags: &["buongiorno", "caffè"],
        names: &["Niccolò del Porto"],
        place: place!(
            "5a11ab0c2e4d770c",
            "Portoverde",
            "Portoverde, Lazio",
            "Italia",
            "IT",
            124_900,
            419_000
        ),
    },
    Language {
        code: "ru",
        weight: 4,
        space: " ",
        sentences: &[
            "Утром туман, а к обеду весь город пахнет хлебом.",
            "Кошка снова заняла моё кресло и не уступает.",
            "Поезд опоздал на десять минут, зато книга дочитана.",
        ],
        hashtags: &["доброеутро", "кошки"],
        names: &["Синий зонт", "Ёлка"],
        place: place!("5a11ab0c2e4d770d", "Речной", "Речной, Москва", "Россия", "RU", 376_200, 557_500),
    },
    Language {
        code: "uk",
        weight: 2,
        space: " ",
        sentences: &["Їжак прийшов на ґанок і чекає на вечерю.", "Сьогодні печемо хліб і слухаємо дощ."],
        hashtags: &["добрийранок"],
        names: &["Їжачок"],
        place: place!("5a11ab0c2e4d770e", "Набережне", "Набережне, Київ", "Україна", "UA", 305_200, 504_500),
    },
    Language {
        code: "el",
        weight: 2,
        space: " ",
        sentences: &[
            "Το πλοίο άργησε, αλλά η θάλασσα ήταν ήσυχη.",
            "Ψωμί, ελιές και καλή παρέα· τι άλλο θέλεις;",
            "Η γάτα κοιμάται πάντα στην πιο ζεστή καρέκλα.",
        ],
        hashtags: &["καλημέρα", "θάλασσα"],
        names: &["Γαλάζια ομπρέλα", "Άρης"],
        place: place!("5a11ab0c2e4d770f", "Λιμανάκι", "Λιμανάκι, Αθήνα", "Ελλάς", "GR", 237_200, 379_800),
    },
    Language {
        code: "he",
        weight: 1,
        space: " ",
        sentences: &["שכחתי את המטרייה בתחנה וירד גשם.", "החתול ישן על הספר החדש שלי."],
        hashtags: &["בוקר_טוב"],
        names: &["מטרייה כחולה"],
        place: place!("5a11ab0c2e4d7710", "הנמל", "הנמל, חיפה", "ישראל", "IL", 349_900, 327_900),
    },
    Language {
        code: "hi",
        weight: 3,
        space: " ",
        sentences: &[
            "आज सुबह की चाय बहुत अच्छी बनी।",
            "रेलगाड़ी देर से आई पर मौसम सुंदर था।",
            "बिल्ली फिर से मेरी कुर्सी पर सो गई।",
        ],
        hashtags: &["सुप्रभात", "चाय"],
        names: &["नीला छाता"],
        place: place!("5a11ab0c2e4d7711", "नदीपुर", "नदीपुर, दिल्ली", "भारत", "IN", 772_100, 286_100),
    },
    Language {
        code: "zh",
        weight: 2,
        space: "",
        sentences: &[
            "今天早上的雾很大，整条街都安静了。",
            "猫又睡在我的新书上。",
            "周末打算骑车去河边看看。",
        ],
        hashtags: &["早安", "骑行"],
        names: &["蓝色雨伞"],
        place: place!("5a11ab0c2e4d7712", "河岸", "河岸, 上海", "中国", "CN", 1_214_700, 312_300),
    },
    Language {
        code: "fa",
        weight: 2,
        space: " ",
        sentences: &["امروز باران می‌بارد و چای تازه دم است.", "گربه باز هم روی کتاب من خوابیده."],
        hashtags: &["صبح_بخیر"],
        names: &["چتر آبی"],
        place: place!("5a11ab0c2e4d7713", "کناررود", "کناررود, تهران", "ایران", "IR", 513_900, 356_900),
    },
    Language {
        code: "pl",
        weight: 2,
        space: " ",
        sentences: &[
            "Zażółcona kartka z przepisem na żurek wreszcie się znalazła.",
            "Pociąg spóźniony, książka skończona, łyżwy naostrzone.",
        ],
        hashtags: &["dzieńdobry"],
        names: &["Święta Łąka"],
        place: place!("5a11ab0c2e4d7714", "Źródła", "Źródła, Warszawa", "Polska", "PL", 210_100, 522_300),
    },
    Language {
        code: "nl",
        weight: 1,
        space: " ",
        sentences: &[
            "De brug stond open, dus ik dronk nog een koffie.",
            "Wie heeft mijn blauwe paraplu geleend?",
        ],
        hashtags: &["goedemorgen"],
        names: &["Fenna van Dijkzicht"],
        place: place!(
            "5a11ab0c2e4d7715",
            "Sluisdam",
            "Sluisdam, Utrecht",
            "Nederland",
            "NL",
            51_200,
            520_900
        ),
    },
    Language {
        code: "vi",
        weight: 1,
        space: " ",
        sentences: &[
            "Sáng nay trời mưa nhẹ, quán phở đầu ngõ đông khách.",
            "Con mèo lại ngủ trên quyển sách mới của tôi.",
        ],
        hashtags: &["chàobuổisáng"],
        names: &["Ô Xanh"],
        place: place!(
            "5a11ab0c2e4d7716",
            "Bến Sông",
            "Bến Sông, Hà Nội",
            "Việt Nam",
            "VN",
            1_058_300,
            210_300
        ),
    },
    Language {
        code: "und",
        weight: 2,
        space: " ",
        sentences: &["👀👀👀", "🐈‍⬛ 💤", "…", "¯\\_(ツ)_/¯", "🇬🇷⚽🇯🇵 2:1"],
        hashtags: &["2026", "🎶"],
        names: &["🌙", "¿?"],
        place: place!("5a11ab0c2e4d7717", "Nullpunkt", "Nullpunkt", "Atlantis", "XX", 0, 0),
    },
];
