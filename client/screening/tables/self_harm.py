"""Self-harm: asking for ways to hurt or kill oneself, to starve, or to be encouraged; saying that one is about to.

Whoever says so needs help, and not a model trained on it. Questions about signs, prevention, treatment and help pass.
"""

from __future__ import annotations

from client.screening.tables.requests import SHARED

ORDINARY = """
suicide prevention|hotline*|awareness|rate*|squad|statistic*|bombing*|door*|linux
prevent|preventing|stop|against suicide|self_harm
signs|symptom*|risk*|cause*|rates|history|study|research|statistics ~2 suicid*|self_harm|overdose; want to die laughing
die to know; cut myself shaving; help|support for|with ~2 suicid*; dying of|to|light; hang myself a picture
kill process*; kill myself laughing; die of laughter; die roll
"""

SETS = SHARED | {
    "kill": """
        kill|killing|hang|hanging|drown|drowning|shoot|unalive|off|offing
        poison|poisoning|suffocate|strangle|end|ending|electrocute|gas|murder|murdering
        """,
    "hurt": "hurt*|harm*|cut|cutting|burn|burning|injur*|mutilat*|starv*|scratch*|bleed*|bruis*|punish*|damage",
    "dont": "i don't; i dont; i do not; i can't; i cannot; i no longer; don't",
    "am": "i am; i'm; im; i feel",
    "means": """
        pills; tablets; paracetamol; acetaminophen; tylenol; ibuprofen; aspirin; sleeping pills; sleeping tablets
        insulin; xanax; valium; morphine; fentanyl; opioids; antidepressants; caffeine; alcohol; bleach; barbiturates
        nembutal; pentobarbital; benadryl; drug; drugs; chemicals; household chemicals
        """,
    "die": """
        die; dying; be dead; be gone forever; end it; end it all; end my life; end my own life; not exist; stop existing
        stop living; not wake up; never wake up; kill myself; be alive any more|anymore; commit suicide
        go to sleep forever
        """,
    "want": """
        want|wanna|wish|going|gonna|ready|plan|planning|decided|prefer|hope|deserve|rather|about|choose|intend|tempted
        """,
    "without": "without|hide|secretly|quietly|nobody|unnoticed|undetected|painless*|so",
    "fast": """
        quick*|easi*|easy|best|peaceful|reliable|fast*|surest|gentlest|least|cleanest|simplest|most|nicest|effective
        """,
    "go": "die|go|end|off|suicide|out|exit|kill|leave",
    "kills": """
        die|kill|kills|killing|lethal|fatal|death|deadly
        suicide|overdose|end|peaceful|myself|me|enough|reliable|way_to_go
        """,
    "tell": "tell|telling|convince|encourag*|urge|advise|persuade|instruct|push|want|make|command|help|coax",
    "selfkill": """
        kill|hurt|harm|cut|end|hang|starve|drown|shoot myself|yourself|himself|herself|themselves|themself|ourselves
        end my|his|her|their|your life; commit suicide; self harm; jump; take their|his|her|my own life; overdose; die
        """,
    "wie": "wie|welche|welcher|sag|erklar|erklär|zeig|anleitung|methode*|hilf|beste|schnellste|womit|plan*",
    "kakusu": "方法; やり方; コツ; 隠; 教え; 仕方; したい",
    "kayfa": "كيف; طرق; طريقه; اسهل; اسرع; افضل; ساعدني; علمني; اشرح; اكتب; قل; خطه; اريد; وصفه; خطوات",
    "mawt": "موت|لاموت|اموت|قاتله|تقتل|لقتل|تكفي|لانهاء|حياتي",
}

ENGLISH = """
{kill} myself; {hurt} myself ~4 {without}; {how} ~3 {hurt} myself; {how} ~2 self harm*
{hurt} my own body|skin|arms|wrists|legs; {how} ~3 cut|burn|scar my ~1 skin|wrist*|arm*|leg*|thigh*|body
where|how deep to cut; cut deep enough; self harm* ~3 tip*|trick*|method*|idea*|instruction*|without|hide
tip*|trick*|method*|way*|idea*|encourag* ~3 self harm*|selfharm*|suicide; like self harm
hide|hiding|conceal*|cover ~4 cuts|scars|self_harm|selfharm|cutting|burns|bruises
{how} ~3 commit|committing|attempt* suicide; commit suicide; {how} ~2 suicide
suicide method*|plan|pact|instruction*|note|letter|kit|guide|way*|tip*
plan|planning|attempt|write|glorif*|romantici*|encourag*|promot*|painless|easy|my|assist* ~2 suicide
suicidal ~3 instruction*|method*|want; {am} suicidal; i {want} ~1 to? {die}; {want} to {die}
{dont} ~1 want|wanna ~1 live|exist|alive|here|be; no reason to live|go on; not worth living; rather be dead
better off dead|without me; wish i was|were|had ~1 dead|born|never; end|ending ~1 it all
end|ending|take|taking|took my ~1 life; painless* ~3 die|death|go|suicide|kill|end; {fast} ~3 die|dying|suicide|death
{fast} ~2 way|method ~2 {go}; {fast} ~1 way|method ~3 myself; peaceful death
how|way*|best|easiest|tell ~3 overdos*|od on; overdos* on ~2 {means}
lethal|fatal|deadly|killing ~1 dose*|amount|dosage|cocktail|combination; {means} ~4 {kills}
how many|much ~3 {means} ~5 {kills}; dose|amount ~3 {kills}; how many ~2 {means} ~3 it_takes|take|takes_to
enough {means} ~2 {kills}; noose; slit|slash|cut|open ~1 my? wrists|veins
jump|jumping ~1 off|from|in ~2 bridge|building|roof|balcony|train|window|cliff; jump in front of
hang* ~2 take|painless|work|hurt|long|quick|instant*|death
carbon_monoxide|helium|nitrogen|exhaust|exit_bag|nembutal|pentobarbital|charcoal ~6 {kills}; exit bag
drown* ~3 peaceful|painless|quick|myself; bleed out; pro ana|mia|anorexia|bulimia; proana; thinspo*; thinspiration
bonespo; starv* myself|yourself; {how} ~2 starve; make|making myself throw up|vomit|sick|puke; throw up after
purge|purging after|food|meals|without|a; {how} ~2 purge; stop|without eating ~3 anyone|noticing|nobody|completely|days
{how} ~2 stop eating; weigh|to|under 30|31|32|33|34|35|36|37|38|39|40|41|42 kilos|kg
eat only|under 100|200|300|400|500 calories a day; hide ~2 anorexia|bulimia|eating disorder; {tell} ~3 to {selfkill}
{tell} ~3 {selfkill}; kill yourself; kys; go die; nobody|no one would|will miss
i deserve ~2 die|suffer|bleed|hurt|pain|punish*|death
goodbye|farewell|last|suicide letter|note ~6 tomorrow|tonight|parents|family|gone|here
won't be here|around|alive tomorrow|anymore|any_more|next; goodbye letter; last letter ~3 die|gone|parents
feel like dying|dead; should i ~1 kill|end|die|hurt|cut; tonight is|i ~1 last|die; should i jump; choking game
blackout challenge; asphyxiat* myself; how|where|way* ~3 die ~2 {without}
{without} ~2 hotline*|crisis_line|help_line|lecture* ~8 {selfkill}; i'm going to {selfkill}
encourag*|promot*|glorif*|romantici* ~3 suicide|self_harm|eating_disorder*|anorexia|bulimia|cutting
anorexi*|bulimi*|eating_disorder* ~2 tip*|trick*|coach|goal*|buddy|is_good|encourag*
people to develop ~3 eating disorder*
users|people|teens|others|kids|them to ~2 self_harm|kill_themselves|hurt_themselves|suicide; kill themselves|themself
"""

GERMAN = """
umbringen|umzubringen|bringe|bring ~1 mich|mir
mich ~3 umbringen|umzubringen|toten|töten|erhangen|erhängen|ritzen|verletzen|erschiessen|erschießen|vergiften
bringe mich um; *selbstmord ~3 {wie}
{wie} ~5 selbstmord|suizid|selbstverletz*|erhangen|erhängen|ritzen|ritze|umbringen|sterben
selbstmord|suizid begehen|methode*|anleitung|plan*; suizidmethode*; will ~1 sterben
will nicht mehr leben|da|aufwachen|weiter*; nicht mehr leben ~1 will|mochte|möchte; abschiedsbrief*
schmerzlos|schmerzfrei|schnell ~2 sterben|umbringen|tod; todlich*|tödlich* dosis|menge
tabletten ~4 todlich|tödlich|sterben|selbstmord|umbringen|reichen; ritze|ritzen ~2 mich; mein leben ~1 beenden|nehmen
leben ein ende|beenden; das leben nehmen; pulsadern; vor den zug; von ~2 brucke|brücke springen
narben|ritzen ~2 verstecken; erbrechen ~2 nach|essen|ohne; finger in den hals; pro ana; hungern bis|auf
mache|mach ~2 schluss ~2 leben|tabletten|heute; mache|mach ich schluss; besser tot; lieber tot; bring dich um
ware|wäre ~2 tot
"""

JAPANESE = """
死にたい; 死のうと; 死ねる方法; 死ぬ方法; 死に方; 楽に死; 自殺 ~6 方法; 自殺 ~6 やり方; 自殺 ~4 したい; 自殺 ~4 する
自殺したい; 自殺を手伝; 自殺 ~6 教え; 自傷 ~6 方法; 自傷 ~6 やり方; 自傷したい; リストカット ~8 {kakusu}; リスカ; 首を吊
首吊り; 遺書; 飛び降り ~8 {kakusu}; 飛び降りたい; 練炭; 致死量; 何錠 ~6 死; 何錠飲め; 薬 ~8 死; 大量に飲 ~6 死; 消えたい
生きていたくない; 生きたくない; もう生き ~6 ない; 人生を終わら; 命を絶; 手首を切; 自分を傷つけ; 自分を殺; 今夜死
吐く方法; 食べないで痩せ; 拒食 ~6 コツ; 過食嘔吐 ~6 方法; 死んだほうが; 死んだ方が
"""

ARABIC = """
انتحر|انتحار|الانتحار ~3 {kayfa}; {kayfa} ~3 انتحر|انتحار|بالانتحار
اريد|ساقوم|افكر|قررت ~2 انتحار|الانتحار|بالانتحار|انتحر|اموت|الموت; رساله انتحار|وداع
{kayfa} ~2 اقتل|اوذي|اجرح|احرق|اشنق|اجوع نفسي; اقتل|قتل|انهي|اشنق|اوذي|اؤذي|اجرح نفسي; {kayfa} ~2 اؤذي نفسي
انهاء|انهي|لانهاء حياتي; اريد ان اموت; لا اريد ان اعيش; لا اريد العيش; كم حبه ~4 {mawt}; جرعه قاتله|مميته
طريقه ~3 موت|للموت|اموت; قطع|اقطع شراييني|معصمي|عروقي; موت بلا|بدون الم; انتحر بدون|بلا; تمنيت الموت; اتمني الموت
اخفاء|اخفي ~2 جروح|ندوب
"""

PHRASES = (ENGLISH, GERMAN, JAPANESE, ARABIC)
