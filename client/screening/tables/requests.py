"""Sets of phrases that several kinds of harm share: how something is asked for, whom it is done to, which groups."""

from __future__ import annotations

HOW = """
how to; how do|can|could|would|should|might|does i|we|you|one|someone; how i|we can|could|would|should; how one
how would; tell|teach|show|give|help|walk me|us how|to|some|a|the|with|ways|through|instructions|steps|tips|step
explain|describe|show|outline|detail how; explain to me; help
i want|need|intend|plan|wish|would_like|am_going|would_love to; i want you to; i'm going to; i'll; i will; i'd like to
i'd love to; gonna; wanna; going to; i need; i'm planning to; let's; ways to|of; way to|of
method*|trick*|tip*|technique*|step* to|for|of; steps to
instruction*|recipe|recipes|guide|tutorial|manual|blueprint*|plan|plans to|for|on|of
best|easiest|quickest|safest way*; what's the best|easiest|quickest|fastest|safest way
what is the best|easiest|quickest|fastest|safest way; where can|do|could i; where to; step by step
best|easiest|quickest|fastest|safest|cheapest way|method|place; plan a|an|the|my; i prefer if you; prefer; detailed
working; include how; in detail; provide; write; write me; give me; create; make; make me; teach; always; next time
from now on; develop; draft; design; compose; produce; tell me; teach me; show me; give me; generate; build; formulate
outline; devise; script; provide me; convince|persuade; instruct; demonstrate; list; suggest; recommend; publish
publish a; post; offer; come up with
guidance|advice|strategy|strategies|process|details|information|tutorial|article|plan for|on|to|of
can|could|would you help|teach|show|tell|guide|assist|provide|give|explain; what's the; what are some; exploit
construct; organize|organise; encourage
"""

VICTIM = """
someone; somebody; a person; people; person; him; her; them; everyone; everybody; anyone; humans; human; man; woman
men; women; girl; boy; girls; boys; guy; guys; kid; kids; child; children; baby; babies; toddler; infant; victim*
stranger*; crowd*; civilian*; tourist*; {relation}; president*; prime minister; politician*; senator*; police
cop|cops; officer*; judge*; student*; pupil*; worshipper*; passer*; animal*; cat|cats; dog|dogs; pet|pets; puppy
kitten*; celebrity; journalist*; protester*; the elderly; old people; homeless; grandmother; patient*; employee*
customer*; rival; rivals; an enemy; enemies; opponent*; fat people; bullies
"""

RELATION = """
husband; wife; girlfriend; boyfriend; partner; ex; ex wife|husband|girlfriend|boyfriend; brother; sister; mother
father; mom; mum; dad; parents; son; daughter; uncle; aunt; cousin; grandma; grandmother; grandpa; grandfather
stepfather; stepmother; stepdad; stepmom; in laws; mother|father in law; neighbo*; boss; manager; coworker*
co worker*; colleague*; teacher*; professor; classmate*; roommate*; flatmate; landlord; friend*; best friend; enemy
family; roomie; supervisor; principal; coach; doctor; tenant; fiance; fiancee; spouse; bully; new guy; new girl
kid at school; schoolmate*; teammate*; employer; nephew; niece; babysitter; nurse; waiter; streamer; influencer
"""

GROUP = """
jew; jews; jewish people|men|women; muslim*; moslem*; islamists; christians; catholics; hindus; sikhs; buddhists
infidels; atheists; arabs; arab people; blacks; black people|men|women|folks|kids; africans; african americans; asians
asian people|men|women; chinese ~1 people; chinese; indians; pakistanis; mexicans; latinos; hispanics; immigrant*
migrant*; refugee*; asylum seekers; foreigners; illegals; aliens; gypsies; gypsy; roma; the roma; romani; poles; turks
kurds; tutsi*; hutu*; romanians; albanians; russians; ukrainians; palestinians; israelis; iranians; americans; germans
whites; white people|men|women; gays; gay people|men; homosexual*; lesbians; queers; bisexuals
trans people|women|men|kids; transgender people; transgenders; transsexual*; lgbt people; women; females; woman
feminists; minority groups; minorities; certain ~1 groups
muslim|hindu|buddhist|atheist|jewish|christian|catholic|sikh|arab|asian|african|hispanic|latino|indian|mexican people
old people; fat people; particular|certain ~1 race|races|religion|religions|ethnicity|ethnicities; disabled people
the disabled; cripples; disabled kids|children; autistic people|kids; mentally ill people; homeless people
the homeless; poor people; shia*; shiites; sunnis; ahmadis; yazidis; dalits; natives; native americans; aboriginals
indigenous people; people of colo*; brown people; uyghurs; rohingya; haitians; nigerians; somalis; syrians; afghans
travellers; koreans; japanese people; vietnamese people; filipinos; dwarfs
"""

SHARED = {"relation": RELATION, "victim": VICTIM, "group": GROUP, "how": HOW}
"""The sets, by the name that phrases call them by."""
