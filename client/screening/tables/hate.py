"""Hate: contempt for, violence against, or lies about people for what they are; praise of those who murdered for it.

The tables name slurs, because a filter must.
"""

from __future__ import annotations

from client.screening.tables.requests import SHARED

ORDINARY = """
violence|abuse|discrimination ~1 against|on|of ~1 women|children|minorities
report|study|article|law* ~3 discriminat*|hatred; hate speech|crime*|mail; against racism|hate; is ~2 racist
sexist or not; history of ~3 klan|nazis|genocide|slavery; chink in ~1 armour|armor; women's; men's; gender pay gap
causes of ~3 genocide|holocaust; nazi germany|era; reported that; native plants|speakers|apps; aliens movie
"""

SETS = SHARED | {
    "are": """
        are|is|as|be|being|re|remain|all|will; are all; is all; are just; are nothing but; are like; act like; were
        """,
    "base": """
        vermin; rats; rat; pigs; pig; dogs; animals; animal; apes; ape; monkeys; monkey; cockroach*; roaches; insects
        parasit*; leeches; scum; filth*; trash; garbage; dirt; dirty; disease*; plague; a plague; cancer; savages
        savage; barbarians; barbaric; criminals; criminal; thieves; thief; rapists; terrorists; terrorist; inferior
        stupid; dumb; idiots; lazy; smelly; disgusting; degenerate*; perver*; evil; worthless
        less intelligent|human|capable|worthy; not human|people; subhuman*; sub human*; mentally ill|sick; freaks; freak
        retard*; abominat*; demons; swine; infest*; pests; too stupid|dumb|emotional|weak
        genetically inferior|stupid|violent; invaders; a burden; waste of space|money|oxygen|air; a waste; crooks; liars
        sluts; whores; property; objects; groomers; unclean; uncivilised; uncivilized; second class; lesser; unfit
        a mistake; a joke; unworthy; violent; dangerous by nature; born criminals; disgusting; sinners; abnormal
        uneducated; backward; unintelligent; extremist*; intolerant; cheaters; rude; incompetent; jobless; immoral
        untrustworthy; misbehaved; smell bad; bad behaviour|behavior; less capable; genetically less
        criminals by nature; corrupt; greedy; anti women; no respect; mentally weak; emotional
        """,
    "name": """
        call|calls|calling|describe|portray|depict|label|refer
        treat|paint|characterise|characterize|name|mock|insult|ridicule|compare
        """,
    "end": """
        kill; kill off; gas; exterminat*; deport; expel; hang; lynch; burn; shoot; eradicat*; purge; cleanse; wipe out
        get rid of; eliminat*; ban; throw out; kick out; enslave; sterili*; murder; slaughter; annihilat*; execute
        castrate; beat up; bomb; rape; round up; cull
        """,
    "ended": """
        die; killed; gassed; deported; expelled; hanged; lynched; shot; exterminated; removed; wiped out; eradicated
        eliminated; burned; burnt; sterilised; sterilized; enslaved; thrown out; kicked out; put down; banned
        slaughtered; annihilated; locked up; rounded up; segregated; beaten; raped; stay in the kitchen
        know their place; go back; obey men; serve men; executed; imprisoned; no rights; not vote
        """,
    "bigot": """
        racist; racists; sexist; misogynist*; misogyny; antisemitic; anti semitic; homophobic; islamophobic; xenophobic
        transphobic; hateful; bigoted; ableist; white supremacist; neo nazi; nazi; klan; kkk; incel; dehumani*; racism
        racially offensive
        """,
    "made": """
        joke*|slur*|rant*|insult*|nickname*|tweet*|meme*|poem*|song*|speech*|stereotype*
        propaganda|manifesto|post|comment*|content|message|article|blog|pamphlet|chant|slogan*
        """,
    "spread": "spread|spreading|automate|generate|create|write|post|produce|make|publish|promote|use",
    "people": "asian|chinese|indian|black|african|jewish|mexican|disabled|blind|deaf|southern|muslim|arab",
    "promote": "promot*|encourag*|incit*|justif*|spread|support|call*|glorif*|advocat*|urge|stir",
    "be": "be|act|sound|become|write|talk|speak",
    "right": "right|good|hero*|great|correct|justified|brave|misunderstood|admirable",
    "them": "they|them|these|those|such",
    "gruppe": """
        juden; muslime*; moslems; turken; türken; araber; auslander*; ausländer*; fluchtling*; flüchtling*; migrant*
        asylant*; schwarze*; afrikaner; polen; zigeuner; roma; sinti; schwule*; lesben; homosexuelle*; transen
        transmenschen; frauen; behinderte*; juden; kurden; russen; syrer; asiaten
        """,
    "nieder": """
        ungeziefer; abschaum; dreck; drecks*; ratten; schweine; tiere; affen; parasiten; schmarotzer; untermenschen
        minderwertig*; dumm*; faul*; kriminell*; verbrecher; terroristen; krank*; ekelhaft*; widerlich*; pest; seuche
        mull; müll; kakerlaken; pervers*; diebe; unrein; primitiv*; wertlos*
        """,
    "schuld": "schuld; sind schuld; beherrschen|kontrollieren|regieren ~2 welt|banken|medien; an allem schuld",
    "weg": """
        abschieben|abgeschoben|vergasen|vergast|umbringen|toten
        töten|ausrotten|erschiessen|vertreiben|sterben|ausgerottet|einsperren
        """,
    "shudan": """
        外国人; 移民; 難民; 韓国人; 朝鮮人; 在日; 中国人; 黒人; 白人; アジア人; ユダヤ人; ムスリム; イスラム教徒
        同性愛者; ゲイ; レズ; トランス; 女は; 女性は; 女の; 女性の; 障害者; 障がい者; アイヌ; 部落; 老人; ホームレス
        アラブ人; インド人; ベトナム人; ロマ
        """,
    "hige": """
        ゴキブリ; 害虫; ゴミ; クズ; くず; 虫けら; 豚; 猿; サル; 犬; 寄生虫; 劣って; 劣った; 劣る; 劣等; 馬鹿; バカ; ばか
        気持ち悪; 汚い; 犯罪者; 泥棒; 低能; 下等; 怠け; 病気だ; 人間じゃ; 人間では; 頭が悪; 無能; 野蛮
        """,
    "jamaa": """
        يهود; مسيحيين|مسيحيون|نصاري; مسلمين|مسلمون; شيعه|روافض; سنه; لاجئين|لاجئون|لاجيين|لاجيون|لاجي; مهاجرين|مهاجرون
        سود; افارقه; هنود; اجانب; مثليين|مثليون|مثلي; شواذ; نساء|نسوان; عرب; اكراد|كرد; غجر; معاقين|معاقون; كفار
        ملحدين|ملحدون; صينيين; بدو; امازيغ; فرس
        """,
    "hitta": """
        خنازير|خنزير; كلاب|كلب; قرده|قرود|قرد; حشرات|حشره; صراصير; قذرون|قذر|قذره|قذرين; نجس|انجاس|نجسون
        اغبياء|غبي|غبيه|غبيات; حثاله; قمامه|زباله; عبيد; حيوانات|بهائم|بهايم; مجرمون|مجرمين|مجرم; لصوص; متخلفون|متخلفين
        اقل شان|ذكاء|منزله; جراثيم; وباء; ارهابيون|ارهابيين; كسالي; ادني; خونه; طفيليات; فئران|جرذان
        """,
    "qatl": """
        قتل|قتلهم|يقتل|نقتل|اقتلوا|يقتلوا; طرد|طردهم|اطردوا; اباده|ابادتهم; حرق|حرقهم; ذبح; ترحيل; سحق; اعدام
        يستحقون الموت|القتل
        """,
}

ENGLISH = """
{made} ~2 inciting|incite*|spread* ~2 hatred|hate; incit* ~3 hatred|hate|racial|racism|violence against
racist|sexist|hateful|bigoted vitriol|content|text|decisions|remarks|language; hate speech ~3 {spread}
{spread} ~4 hate speech|racism|hatred|racist|sexist; automate hate; advantages|benefits of ~2 racis*|sexis*|segregation
race based discrimination; join ~2 hate group; aren't|are|isn't|is|do|don't|does ~3 {group} ~4 {base}
why ~3 {group} ~1 so|always|all|such ~3 {base}; people from ~3 so|all|are|lack|have|such ~2 {base}
{group} genetically|naturally|inherently; stereotype* ~4 {group}; {group} smell bad; {group} ~3 can t be trusted
{group} ~2 lack|lacks etiquette|morals|manners|intelligence; slurs|derogatory ~1 terms|names|words for|about
disrespect ~2 {group}; insult ~1 {group}; jokes|joke about ~1 {group}; mimic|mock ~3 {people} accent|person|people|way
{group} ~1 {are} ~3 {base}; {name} ~1 {group} ~3 {base}; {name} ~2 {base} ~1 {group}
stupid|lazy|dirty|filthy|fucking|damn|disgusting {group}
how|why ~1 lazy|stupid|dirty|dumb|inferior|greedy|violent|evil ~1 {group}
how|why|because|that|since {group} ~1 {are} ~2 {base}; hate|despise|loathe|detest ~1 {group}; {group} disgust me
{end} ~1 all? ~1 {group}; {end} every ~1 {group}; deport|exterminat*|gas|lynch|enslave ~2 {group}
{group} ~3 should|must|deserve*|need|ought|has|have ~3 {ended}; {group} ~3 not deserve|belong
{group} don't ~1 deserve|belong; death to ~3 {group}
{group} ~1 control|controls|own|owns|run|runs|rule|secretly ~3 world|bank*|media|hollywood
{group} ~1 control|controls|own|owns|run|runs|rule|secretly ~3 government*|money|everything|finance
{group} ~2 to_blame|the_problem|replacing_us|ruin*|destroying|taking_over; {group} out of ~1 country; {group} go home
no rights for ~1 {group}; {be} ~2 {bigot}; more {bigot}; {bigot} {made}; {bigot} ~1 {made} ~2 {group}; {made} ~3 {bigot}
joke*|stereotype* ~2 {group} ~3 {base}; jokes|insults|slurs|stereotypes ~2 stupid|dumb|lazy|dirty|greedy|how ~2 {group}
joke*|poem|song|insult*|slur* ~2 making fun of|mocking ~2 {group}
mock|mocking|insult|demean|ridicule|humiliate|dehumani*|belittle|stereotyp*|discriminat* ~2 {group}
{promote} ~3 hatred|violence|discrimination|hate ~2 against|towards|toward|of ~2 {group}
joke*|jokes about ~2 {group} ~2 being; slur|slurs ~3 {group}; use|add|include|with|racial|ethnic slurs; slur for; n word
racial slur*; white|aryan race|people|men ~2 superior*|suprem*|best; white power|genocide|supremacy
superior* of ~2 white|aryan; master race; heil hitler; sieg heil; 1488; hitler|nazis|klan|kkk ~2 {right}
why ~2 nazis|hitler ~2 {right}; praise|praising|admire|glorif*|honor|celebrat* ~3 hitler|nazi*|kkk|klan|ss|mussolini
holocaust ~3 hoax|lie|exaggerat*|happened|happen|good|fake|deserved|myth|necessary|justified
deny|denying|denies ~2 holocaust; holocaust den*
justif*|praise|support*|defend|advocat*|glorif*|promot*|argu* ~3 genocide|slavery|ethnic_cleansing
justif*|praise|support*|defend|advocat*|glorif*|promot*|argu* ~3 lynching*|apartheid|isis|racism
justif*|praise|support*|defend|advocat*|glorif*|promot*|argu* ~3 sexism|segregation|eugenics
justif*|praise|support*|defend|advocat*|glorif*|promot*|argu* ~3 nazism|homophobia|misogyny|white_supremacy
race traitor*|war|mixing; breed|breeding|multiply like ~1 rats|rabbits|animals|vermin
{them} ~2 vermin|subhuman*|parasit*|cockroach*; call them ~2 {base}; subhuman*; those people ~3 {base}
those people ~3 should|must ~2 {ended}; woman's place ~3 kitchen|home|under|below
women's place ~3 kitchen|home|under|below; back to the kitchen; a cancer|plague on society
like a klan|nazi|kkk|racist|bigot; klansman; ethnic cleansing ~2 good|needed|right|plan; great replacement
jewish question; nigger*; nigga*; faggot*; fag|fags; kike|kikes; spic|spics; wetback*; raghead*; towelhead*; sandnigger*
tranny; trannies; gook|gooks; chinks; coons; paki|pakis; darkie*; shemale*; muzzie*; zipperhead*; beaner*; golliwog*
untermensch*; feminazi*
"""

GERMAN = """
{gruppe} ~3 {nieder}; {nieder} ~1 {gruppe}; wie|warum ~1 dumm|faul|dreckig|kriminell|minderwertig ~1 {gruppe}
{gruppe} ~3 {schuld}; {gruppe} raus; {gruppe} ~3 {weg}
{gruppe} ~2 gehoren|gehören ~3 vergast|abgeschoben|erschossen|weggesperrt|verboten|kuche|küche|herd
hasse|hasst ~2 {gruppe}; tod den|allen ~1 {gruppe}; heil hitler; sieg heil; hitler|nazis ~2 recht|held*|gut|toll
holocaust ~3 luge|lüge|nie|erfunden|gut|verdient; herrenrasse; untermensch*; kanake*; neger*; zigeuner ~3 dieb*|stehlen
schwuchtel*; kümmeltürk*; judensau; rassistisch* witz*|spruch*|sprüche|text|beleidig*; uberlegen*|überlegen* rasse
weisse|weiße rasse|menschen ~2 uberlegen|überlegen; vergast; vergasen; ungeziefer ~2 {gruppe}; beleidig* ~2 {gruppe}
"""

JAPANESE = """
{shudan} ~8 {hige}; {hige} ~4 {shudan}; {shudan} ~6 出て行け; {shudan} ~6 出ていけ; {shudan} ~6 追い出; {shudan} ~8 殺せ
{shudan} ~6 皆殺し; {shudan} ~6 死ね; {shudan} ~8 生きる価値; {shudan} ~6 消えろ; {shudan} ~6 嫌い; {shudan} ~6 差別
{shudan} ~10 支配; チョン; シナ人; 土人; ヒトラー ~6 正し; ヒトラー ~6 英雄; ホロコースト ~6 嘘; 劣等人種; 劣った人種
白人至上; 人種差別的な ~4 書; 差別的な ~4 ジョーク; 民族浄化; ハイルヒトラー
"""

ARABIC = """
{jamaa} ~3 {hitta}; {hitta} ~2 {jamaa}; {jamaa} ~4 {qatl}; {qatl} ~3 {jamaa}; الموت ~1 {jamaa}
اكره|نكره|احتقر ~1 {jamaa}; {jamaa} ~3 يسيطرون|تسيطر|يتحكمون; العرق الابيض|الاري ~2 متفوق|افضل|ارقي
هتلر ~3 حق|بطل|محق|عظيم; محرقه ~3 كذبه|كذب|خرافه; نكت|نكات عنصريه; ناقصات عقل; عبيد ~1 سود; شتائم عنصريه; تطهير عرقي
"""

PHRASES = (ENGLISH, GERMAN, JAPANESE, ARABIC)
