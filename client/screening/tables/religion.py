"""Religion and belief: adherence, practice, clergy, and having none.

Christmas passes, being kept by most whatever they believe; so does teaching or studying religions.
"""

from __future__ import annotations

ORDINARY = """
religious studies|education teacher; bible thin; in good faith; bad faith; zen of python; alonzo church; christian bale
faith in humanity|democracy|science|tests|code; holy grail; apache druid; database|framework|language|platform agnostic
leap of faith; act of faith; church turing; jesus christ superstar; karma points|test*; reddit karma; god object|class
guru of; mecca for|of; history of ~3 church|churches|religion*|christianity|islam; temple run; monk mode; lent to
coding bible; style bible; bible of; god mode; confirmation dialog*|mail*; sermon on clean
mass storage|market|spectrom*
"""

SETS = {
    "am": """
        is|am|are|was|were|being|be|im|became|raised|born; identifies as; i'm; he's; she's; they're; as a; as an
        considers himself|herself|themself|themselves; calls himself|herself|themself|themselves
        """,
    "goes": "goes|go|going|went|attends|attend|attending|attended|visits|visit|visiting|visited|joins|joined|leads|led",
}

ENGLISH = """
muslim*; moslem*; islam*; quran*; koran*; qur'an*; mosque*; imam|imams; ramadan; eid; hajj; haj; umrah; mecca; medina
halal; haram; hijab*; niqab*; burqa*; burka*; headscarf; sunni*; shia*; shiit*; sufi*; salah; salat; allah*; mullah*
sharia*; iftar; fatwa; christian*; catholic*; protestant*; lutheran*; baptist*; methodist*; presbyterian*; pentecost*
evangelical*; anglican*; episcopal*; eastern|greek|russian|coptic orthodox; coptic; copt
orthodox jew*|christian*|church; orthodox faith|family; {am} orthodox; calvinis*; mormon*; lds; latter day saint*
jehovah*; adventist*; quaker*; amish; mennonite*; unitarian*; born again; church|churches|churchgo*; chapel
cathedral choir; parish*; priest*; pastor*; deacon*; nun|nuns; monk; monks; monaster*; convent; vicar*; bishop*
minister of religion; youth minister; rabbi|rabbis|rabbinic*; cleric*; clergy*; missionar*; seminar|seminary; bible*
biblical*; scripture*; gospel*; psalm*; rosary; baptis*; baptiz*; christening; holy communion; first communion
eucharist; {goes} ~2 mass|prayer*|worship|service|services|temple|shul; sunday mass|service|school
for|during|observe*|observing|keep*|celebrat* lent; celebrat* ~2 easter; easter service|vigil; ash wednesday; advent
good friday; pope; vatican; jesus; christ; holy spirit|ghost|book|land; god; god's; gods; goddess*; lord's prayer
prayer|prayers|prayerful; pray|prays|praying|prayed; worship*; sermon*; congregation*; hymn*; tithe*; confession booth
his|her|my|their|our|in|of|lost|keep*|strong|deep|same faith; faith in god|christ|jesus|allah; faith based; faithful to
interfaith; devout; devoted to god|church; pious; religio*; irreligio*; nonreligio*; spiritual*; atheis*; {am} agnostic
{am} ~1 agnostic; agnosticism; an agnostic; secular humanis*; humanist; freethinker; nonbeliever*; unbeliever*; infidel
believe*|believing in ~2 afterlife|heaven|hell|reincarnation|angel*|karma|creation|creationism|astrology; creationis*
does not|never believe* in; believer; not a believer; jewish*; jew|jews; judaism; synagogue*; torah; talmud*; kosher
shabbat*; sabbath; shabbos; hanukkah; chanukah; passover; pesach; seder; yom kippur; rosh hashanah; purim; sukkot
bar|bat mitzvah; kippah; yarmulke; hasid*; chassid*; hindu*; diwali; deepavali; holi; puja; pooja; navratri; temple
karma; dharma; reincarnat*; ganesh*; krishna; vishnu; shiva; vedic; vedas; bhagavad; brahmin*; vaishnav*; iskcon; ashram
sikh*; gurdwara*; guru granth; turban; jain|jains|jainism; buddh*; zen meditat*|master|priest|centre|center|practi*|monk
practi*|study|studies zen; vipassana; sangha; tibetan buddh*; dalai lama; shinto*; taois*; daois*; confucian*; pagan*
heathen*; wicca*; druid|druids; witchcraft; practising|practicing witch; satanis*; scientolog*; bahai; baha'i*
rastafar*; zoroast*; parsi; falun gong; voodoo; santeria; pilgrimage*
fasts|fasting|fasted ~2 for|during ~2 religious|holy|god|lent; convert* to|from ~1 another|her|his; religious convert
halal; faith healer; excommunicat*; apostate; theocra*; dietary law*
"""

GERMAN = """
muslim*; moslem*; islam*; koran*; moschee*; ramadan*; hadsch*; halal; kopftuch*; hidschab; sunnit*; schiit*; alevit*
christ|christin|christen|christlich*; katholi*; *katholisch*; evangelisch*; protestant*; orthodox*; freikirch*; mormon*
zeuge|zeugin|zeugen jehovas; *kirche|*kirchen; kirch*; gottesdienst*; pfarr*; priester*; pastor*; imam; rabbi|rabbiner*
nonne; monch; mönch*; bibel*; bibelkreis; getauft; taufe; konfirm*; firmung; kommunion; gebet*; bete|betet|beten; gott
gottes; glaubig*; gläubig*; *glaubig; *gläubig; ungläubig; glaube|glaubt an; seinen|ihren|meinen|dem glauben; fromm*
religio*; konfession*; *religiös*; spirituell*; atheis*; agnostik*; judisch*; jüdisch*; jude|jüdin|judin|juden; judentum
synagoge*; koscher; sabbat; schabbat; chanukka; buddh*; hindu*; sikh*; fastet|faste|fasten ~2 ramadan|religios*
fastenzeit; pilger*; jesus; allah; freidenker*; humanistisch*; wicca; heidnisch; scientolog*
"""

JAPANESE = """
宗教; 信仰; 信者; 信徒; 教徒; キリスト; クリスチャン; カトリック; プロテスタント; 教会; 聖書; 洗礼; 礼拝; ミサ; 神父
牧師; 司祭; イスラム; イスラーム; ムスリム; モスク; ラマダン; 断食; コーラン; ハラール; ハラル; ヒジャブ; ユダヤ
シナゴーグ; ヒンドゥー; ヒンズー; シーク教; 仏教; 仏壇; 僧侶; 住職; お坊さん; 念仏; お経; 読経; 座禅; 坐禅; 浄土; 日蓮
真言宗; 天台宗; 曹洞宗; 臨済宗; 檀家; 神道; 氏子; 神社に仕; 巫女; 神主; お祈り; 祈り; 祈る; 祈って; 祈祷; 無神論; 無宗教
神を信; 神様を信; 創価; 学会員; 幸福の科学; 統一教会; エホバ; モルモン; 天理教; 新興宗教; 巡礼; 改宗; 入信
"""

ARABIC = """
مسلم|مسلمه|مسلمون|مسلمين; اسلام|اسلامي|اسلاميه; مسيحي|مسيحيه|مسيحيون; نصراني|نصرانيه; يهودي|يهوديه|يهود
قبطي|قبطيه|اقباط; كاثوليكي|كاثوليكيه; بروتستانتي; ارثوذكسي|ارثوذكسيه; سني|سنيه; شيعي|شيعيه|شيعه; درزي|درزيه|دروز
علوي|علويه; صوفي|صوفيه; بهائي; ملحد|ملحده|الحاد; لاادري; متدين|متدينه|دين|ديانه|ديانته|ديني|دينيه; طائفه|طائفي
يصلي|تصلي|اصلي|صلاه|صلوات; صلواته; يصوم|تصوم|اصوم; صيام; رمضان; حج|حجت|حاج|حاجه|عمره; مكه; مسجد|مساجد; جامع الحي
كنيسه|كنائس; كنيس; معبد; قران; انجيل; توراه; حجاب|محجبه|نقاب|منقبه; حلال; امام مسجد; قسيس|كاهن|قس|راهب|راهبه
يؤمن|تؤمن|اؤمن; يؤمن بالله; بالله; الله; هندوسي|هندوسيه; بوذي|بوذيه; سيخي; عيد الفطر|الاضحي; قداس; عقيده|عقيدته
مؤمن|مؤمنه; يحفظ القران
"""

SPANISH = """
musulman*; islam*; mezquita; ramadan; catolic*; cristian*; evangelic*; protestant*; ortodox*; jehova; mormon*; judi*
sinagoga; budis*; hindu*; ateo|atea; agnostic*; misa; iglesia; parroquia; sacerdote; cura parroco; monja; biblia; coran
rezar|reza|rezo; ora todos; cree|creo|creer en dios; dios; religio*; creyente*; bautiz*; fe catolica|cristiana
"""

FRENCH = """
musulman*; islam*; mosquee; mosquée; ramadan; catholi*; chretien*; chrétien*; protestant*; orthodox*; evangelique*
temoin de jehovah; juif|juive|juifs; synagogue; casher; bouddhis*; hindou*; athee*; athée*; agnosti*; messe; eglise
église; paroisse; pretre; prêtre; bible; coran; prie|prier|priere*; dieu; religi*; croyant*; baptis*; voile islamique
sikh; halal; careme
"""

PHRASES = (ENGLISH, GERMAN, JAPANESE, ARABIC, SPANISH, FRENCH)
