"""Violence: weapons, and harm to people or animals that is asked for, planned or urged.

Crime fiction, history, law, news and computing ("kill the child process") pass.
"""

from __future__ import annotations

from client.screening.tables.requests import SHARED

ORDINARY = """
domestic violence|abuse ~3 women|children|men|people|victims|survivors; violence|abuse ~1 against|on ~1 women|children
abuse victims; signs of abuse
kill|kills|killed|killing|terminate|shoot ~3 process*|thread*|session*|job*|task*|server|port
kill|kills|killed|killing|terminate|shoot ~3 script*|worker*|container*|pod|pods|query|queries|connection*
child|parent|zombie|orphan process*|node*|thread*|element*|class|component*
bath|seed|cherry|photo|logic|fork|glitter|stink|email bomb*; bomb calorimeter
glue|nail|heat|water|toy|nerf|staple|massage|spray gun*; gun metal|control|law*; machine gun kelly
shoot|shooting ~2 portrait*|photo*|video*|film|picture*|movie|in_raw|hoops|basket*|star*; headshot photo*
killer app|feature|cover|whale*|instinct; hit|shoot an email|me
attack surface|vector*|on_titan|the_problem|this_argument|the_argument; heart|panic|asthma attack*
execute ~2 command|query|script|program|code|file|statement
beat ~2 eggs|butter|record|egg|the_market|competition|game|level|boss; burn ~1 cd|dvd|calories|fat|subtitles|disc
blow up ~2 image|picture|photo; novel|story|mystery|thriller|movie|film|game ~3 murder*|kill*|poison*|bomb*
murder mystery; history of ~3 weapon*|bomb*|poison*|war; news ~4 shooting|attack|bombing|bomb; poison proof; poison ivy
defend ~2 against; protect ~4 from; prevent ~3 attack*|shooting*
kill adverbs|darlings|bacteria|weeds|mold|mould|germs|virus*|cancer|mosquito*|ants|bugs|lice|time|switch|adverbs
kill two birds; dress|dressed to kill
"""

SETS = SHARED | {
    "verwandt": """
        frau|mann|chef|nachbar*|ex|freund*|bruder|schwester|mutter
        vater|eltern|lehrer*|kollege*|kollegin|katze|hund|kind*|vermieter
        """,
    "build": """
        make; making; build; building; construct*; assembl*; create; creating; print; 3d print*; craft; prepare
        synthesi*; produce; producing; mix; culture; weaponi*; cook; manufactur*; obtain; buy; get; acquire; smuggle
        develop*; detonat*; set off; convert; modify; assemble; grow; hide; plant; sell; use; design
        """,
    "weapon": """
        bomb*; explosive*; grenade*; ied|ieds; molotov*; napalm; nerve gas|agent*; sarin; mustard gas; poison gas
        chlorine gas; toxic gas; vx; ricin; anthrax; botulin*
        chemical|biological|nuclear|homemade|illegal|untraceable|bio weapon*; bioweapon*; silencer*; suppressor; gun
        guns; pistol*; rifle*; firearm*; ghost gun*; ammunition; landmine*; pipe bomb*; car bomb*; dirty bomb*
        nail bomb*; tatp; thermite; gunpowder; poison; cyanide; lethal virus*; deadly virus*|pathogen*|poison*|toxin*
        flamethrower*; shrapnel; petrol bomb*; pressure cooker bomb; c4; detonator*; smallpox; ebola; weapon*; taser
        brass knuckles; shank; machine gun*; ar 15; knife bomb; suicide vest; explosion
        """,
    "harm": """
        kill; killing; murder*; assassinat*; stab; stabbing; shoot; strangl*; chok*; poison*; behead*; execut*; tortur*
        maim*; attack*; beat; beat up; hurt; injur*; kidnap*; abduct*; rape; raping; burn; drown; run over; bomb
        blow up; massacre; slaughter*; suffocat*; lynch; punch; smother*; hang; assault*; mutilat*; dismember; starve
        drug; sedate; cripple; knock out; harm; physically harm|hurt|assault|abuse; sexually assault|abuse; shoot up
        get rid of; gun down; ambush; harm; electrocute; decapitat*; push down; fight; whip; slap; terrori*; hit
        """,
    "site": """
        school*; mall; church*; mosque*; synagogue*; temple; office; stadium; concert*; building*; embassy; airport*
        station; train*; subway; plane; airplane; crowd*; hospital*; parliament; house; home; apartment; police station
        bridge; festival; market; parade; power grid|plant; water supply; nightclub; university; campus; courthouse; car
        bus; theater; theatre; city; dam
        """,
    "unseen": """
        without getting|being caught|detected|seen; without a trace; without leaving
        without leaving a? trace*|mark*|bruise*|evidence; without bruis*; undetect*; untrace*
        no trace|marks|bruises|evidence; leave*|leaving no trace|mark*|bruise*|evidence; get away with
        getting away with; silently; quietly; unnoticed
        """,
    "will": "will|ll|want|wanna|plan|am|m|going|gonna|shall|intend|should|could|need",
    "my": "my|the|a|our|his|her",
    "die": """
        die; be shot; be killed; be beaten; be stabbed; be murdered; be hanged; be raped; suffer; get shot; get beaten
        burn; be tortured
        """,
    "whose": "someone|somebody s; his; her; their; my; a; the; your; people|person s; an",
    "violent": """
        violen*; kill*; murder*; bomb*; attack*; rape; terror*; shoot*; school shooting*; animal abuse|cruelty
        cannibalism; physical harm; massacre*; riot*; stab*; torture; genocide; war crimes
        """,
    "wie": "wie|anleitung|erklar|erklär|zeig|sag|hilf|schreib|gib|plane|plan|rezept|womit|wo|baue|mache",
    "waffe": """
        bombe*; rohrbombe*; sprengsatz*; sprengstoff*; giftgas*; nervengas*; sarin; rizin; molotow*; napalm; pistole*
        gewehr*; schusswaffe*; granate*; schalldampfer*; schalldämpfer*; gift; waffe ~1 ohne; nagelbombe*; milzbrand
        handgranate*
        """,
    "opfer": """
        ihn; sie; jemand*; mensch*; leute; mein|meine|meinen|meiner|seine|ihre ~1 {verwandt}; kind|kinder; mann; frau
        nachbar*; chef; polizist*; politiker*; lehrer*; mitschuler*; mitschüler*; katze*; hund*; tier|tiere
        """,
    "gewalt": """
        toten|töten|tote|töte; umbringen|umbringe|umzubringen; ermord*; vergift*; erschiess*; erschieß*; erstech*
        erwurg*; erwürg*; verprugel*; verprügel*; quale*; quäle*; folter*; entfuhr*; entführ*; vergewaltig*; verletz*
        schlage|schlagen; verbrenn*; abstech*; uberfahr*; überfahr*
        """,
    "spuren": "spuren|erwischt|bemerkt|auffall*|beweis*|entdeckt",
    "buki": """
        爆弾; 爆発物; 爆薬; 火炎瓶; 毒ガス; サリン; VX; リシン; 炭疽菌; 拳銃; 銃; ピストル; ライフル; 手榴弾; 神経ガス
        生物兵器; 化学兵器; 毒; 武器; 核爆弾; ナパーム; 消音器
        """,
    "tsukuru": "作り方; 作る方法; 作りたい; 製造; 自作; 密造; 作って; 手順; 入手; 組み立て; 改造; 方法; 作る",
    "hito": """
        上司; 隣人; 夫; 妻; 彼; 彼女; あいつ; 先生; 同僚; 友達; 母; 父; 兄; 弟; 子供; 誰か; 人; 家族; 元カノ; 元カレ
        """,
    "kayfa": "كيف; طريقه; طرق; علمني; اشرح; ساعدني; اعطني; اكتب; خطوات; وصفه; اين; خطه; اريد",
    "silah": """
        قنبله|قنابل; متفجرات|متفجره; عبوه ناسفه; سلاح|اسلحه|سلاحا; مسدس|مسدسا; بندقيه; سم|سما|سموم; غاز الاعصاب|سام
        سارين; مولوتوف; ذخيره; رشاش; صاروخ; كاتم
        """,
    "sun": "صنع|لصنع|اصنع|تصنيع; بناء; شراء; تركيب; وصفه",
    "unf": """
        اقتل|قتل|نقتل|لقتل|تقتل; اغتال|اغتيال; اطعن|طعن; اسمم|تسميم|سمم; اخنق|خنق; اعذب|تعذيب; اختطف|اخطف|خطف
        اغتصب|اغتصاب; اضرب|ضرب; احرق|حرق; افجر|تفجير; اذبح|ذبح; اطلق النار; اهاجم|مهاجمه
        """,
    "dahiyya": """
        شخص|شخصا; احد|احدا|احدهم; انسان|انسانا; جاري|جارتي; زوجتي|زوجي|زوجته; مديري; اخي|اختي; ابي|امي; صديقي|صديقتي
        معلمي|استاذي; رئيس|الرئيس; ناس|الناس; طفل|طفلا|اطفال; قط|كلب; شرطي|شرطه; حبيبتي; ابني|ابنتي; مبني|المبني
        """,
    "khafi": "دون|بدون|بلا|يكتشف|اثر|اكشف|اكتشف",
}

ENGLISH = """
{weapon} ~6 {harm} ~4 {victim}; mass destruction; poison* ~3 water supply|well|food supply|reservoir
biological|chemical warfare; bioterror*; flayed|skinned|burned|burnt|eaten|buried alive
describe ~6 dismember*|tortur*|mutilat*|behead*|gore|gory; graphic detail* ~8 {harm}; {harm} ~8 graphic detail*
ransom note; promot* ~3 violence; make|making ~3 {victim} ~2 fall ~8 accident; seem|look like ~1 accident; snuff; gore
cause|causing ~4 accidents|crash|derail*|explosion|collision; dangerous stunts; {how} ~3 arson; start a fire and
spread quickly ~1 fire; assassinat* ~3 individual|figure|leader|official|ceo
cause ~3 mass ~1 casualties|panic|harm|death; {how} ~3 {build} ~4 {weapon}
{build} ~3 {weapon} ~3 home|kitchen|garage|scratch|myself
{weapon} ~1 recipe*|instruction*|blueprint*|tutorial*|guide*|plans|making|at_home|manual; {how} ~3 {weapon} ~3 {harm}
recipe|instructions|blueprint*|formula ~2 for ~3 {weapon}; {how} ~3 {harm} ~5 {victim}; i {will} ~2 {harm} ~2 {victim}
{harm} ~3 {victim} ~5 {unseen}; kill|murder|poison|stab|shoot|strangle|behead|assassinate ~2 {victim} ~3 and
get away with ~2 murder; hide|dispose_of|get_rid_of|dump|dissolve ~2 body|corpse|bodies; getting away with murder
kill|killing someone|people|him|her; a|the hitman; hit man; contract killer*
school|mass|church|mall shooting ~2 plan*|at|tomorrow; plan*|help|do|carry ~3 school|mass shooting
plan* ~3 shooting|massacre|bombing|stabbing|rampage|lynching|assassinat*
shooting at ~1 {my} school|work|office|church|college; shoot up ~3 {site}; {how} ~4 terror*
terror* attack* ~2 on|plan|in; plan*|planning|carry_out|commit|stage|coordinat* ~3 attack* ~3 {site}
weak points|spot* ~3 attack*; for ~1 attack {site}; attack* on ~2 {site}; terrorist attack; terrorism
bomb|bombing|blow_up|burn_down|set_fire_to|torch|firebomb|shoot_up|destroy ~2 {site}
set fire to ~3 house|home|car|school|people; where ~2 i aim|stab|shoot|hit
break|snap|crush ~1 {whose} neck|legs|arm|arms|bones|fingers|skull|spine; {weapon} ~3 {unseen}; {unseen} ~1 {weapon}
poison ~2 {unseen}; full* auto|automatic ~3 convert|rifle|turn|make|mod*; rifle|gun|pistol ~3 full|fully auto*
{weapon} ~4 without ~1 background check|licen*|permit; {weapon} ~4 through ~1 airport|security|customs
knife|gun|blade through ~1 airport|security; as many|most|maximum ~2 people|casualties|victims|deaths|damage
run|drive|ram ~2 over|into ~2 {victim}; deserve*|deserves to ~1 {die}; death threat*
threat* ~8 kill|burn|hurt|shoot|bomb|beat|stab|rape; kill*|violence|attack* ~1 on politicians|police|women|minorities
manifesto* ~6 kill*|violen*|attack*|shoot*|mass; call*|calling for ~2 killing|violence|murder*|attack*|assassinat*
urge*|urging|incit*|encourag*|promot*|glorif*|justif*|advocat* ~4 {violent}; rape ~2 {victim}; raping ~2 {victim}
date rape ~1 drug*; drug ~2 drink; spike ~2 drink
torture|torment|abuse ~1 my|a|an|the|him|her|someone|animals|cats|dogs; explosion ~3 crowd|people; biggest explosion
{how} ~2 join ~1 isis|terrorist*|al qaeda; recruit* ~3 terroris*|militia|extremis*; kidnap* ~2 {victim}; kidnap* ~1 and
hold ~2 hostage|ransom; acid attack; throw acid; beheading*; snuff film*; dog|cock fight* ~2 ring|organi*
human sacrifice; cannibal* ~2 how|recipe|cook; cook human; domestic violence ~2 hide|get|justif*
beat|hit|hurt|slap|choke|punish ~1 my|his ~1 wife|girlfriend|kid*|child*|son|daughter|partner|husband|boyfriend
start a fight|riot|war; incit* ~2 riot*|violence; mass murder*|poison*|shooting ~2 plan|guide|how|tip*|method*
serial killer ~3 become|how_to|guide|tips; {how} ~3 mass_murder*|serial_killer|arson; commit arson|murder
"""

GERMAN = """
{wie} ~6 {waffe}; {wie} ~4 {opfer} ~3 {gewalt}; {wie} ~2 {gewalt} ~2 {opfer}
ich will|werde|mochte|möchte ~3 {opfer} ~2 {gewalt}; {waffe} ~2 bauen|basteln|herstell*|anleitung; amoklauf*
anschlag* ~3 plan*|schule|moschee|kirche; {wie} ~4 anschlag*; leiche ~2 verschwinden|verstecken|entsorg*|los
ohne waffenschein; auftragskiller*; {gewalt} ~2 {opfer} ~4 ohne ~2 {spuren}; {wie} ~3 {gewalt} ~3 ohne ~2 {spuren}
morddrohung*; {opfer} ~2 anzunden|anzünden|verbrennen|erschiessen|erschießen|vergiften; verprugel*|verprügel* ~3 {opfer}
haus ~2 anzunden|anzünden|abbrennen; verdient ~1 tod|sterben|zu sterben; aufruf* ~2 gewalt|mord
"""

JAPANESE = """
{buki} ~6 {tsukuru}; {tsukuru} ~4 {buki}; 殺す方法; 殺し方; 殺害 ~4 方法; 人を殺; 殺したい; 殺してやる; 殺そう
{hito} ~4 殺; 毒を盛; 毒殺; 毒 ~4 ばれ; 死体 ~4 隠; 死体 ~4 処理; 襲撃 ~4 計画; 襲撃する; テロ ~4 計画; テロを起; 銃乱射
乱射; 刺す ~4 方法; 刺したい; 刺してやる; 殴る方法; 暴行 ~6 方法; 拷問 ~4 方法; 誘拐 ~4 方法; 誘拐したい; 放火 ~4 方法
放火したい; 家 ~4 燃や; 爆破 ~4 {tsukuru}; 爆破予告; 爆破したい; 爆破する; 殺害予告; 殺し屋; 首を絞め; 強姦
レイプ ~4 方法; 動物 ~4 虐待; 猫 ~3 殺; 犬 ~3 殺; 殴 ~4 跡; 銃 ~4 持ち込
"""

ARABIC = """
{kayfa} ~4 {silah}; {silah} ~2 {sun}; {kayfa} ~3 {unf} ~3 {dahiyya}; اريد|ساقوم|سوف|قررت ~2 {unf}
{unf} ~2 {dahiyya} ~4 {khafi}; {kayfa} ~4 هجوم|هجوما|تفجير|اغتيال|مذبحه
تفجير|نسف|حرق ~2 مدرسه|مبني|مسجد|كنيسه|بيت|سياره|سفاره; {kayfa} ~2 اخفي|اتخلص ~2 جثه
هجوم|لهجوم|هجوما ~2 علي ~2 مدرسه|مسجد|كنيسه|مبني; تهديد بالقتل; قاتل ماجور; {unf} ~2 {dahiyya} ~2 بدون|دون
يستحق ~2 موت|قتل; {kayfa} ~2 {unf} ~2 {dahiyya}; {kayfa} ~1 {unf}
"""

PHRASES = (ENGLISH, GERMAN, JAPANESE, ARABIC)
