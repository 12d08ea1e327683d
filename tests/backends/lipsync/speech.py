"""Real speech with phoneme times for the viseme tests."""

from __future__ import annotations

from functools import lru_cache

from deployments.backends.voice.espeak_library import SAMPLE_RATE, synthesise
from deployments.backends.voice.espeak_voices import language_of
from pipeline.contracts import Phoneme, Speech

ARTICLE = {
    "en-us": "All human beings are born free and equal in dignity and rights.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos.",
    "it": "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti.",
    "pt": "Todos os seres humanos nascem livres e iguais em dignidade e em direitos.",
    "nl": "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren.",
    "sv": "Alla människor är födda fria och lika i värde och rättigheter.",
    "da": "Alle mennesker er født frie og lige i værdighed og rettigheder.",
    "fi": "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan.",
    "pl": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.",
    "cs": "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv.",
    "hu": "Minden emberi lény szabadon születik és egyenlő méltósága és joga van.",
    "ro": "Toate ființele umane se nasc libere și egale în demnitate și în drepturi.",
    "tr": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar.",
    "ru": "Все люди рождаются свободными и равными в своём достоинстве и правах.",
    "uk": "Всі люди народжуються вільними і рівними у своїй гідності та правах.",
    "bg": "Всички хора се раждат свободни и равни по достойнство и права.",
    "el": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια.",
    "ar": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق.",
    "he": "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם.",
    "fa": "تمام افراد بشر آزاد به دنیا می‌آیند و از لحاظ حیثیت با هم برابرند.",
    "hi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता प्राप्त है।",
    "bn": "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে।",
    "ta": "மனிதப் பிறவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்.",
    "te": "ప్రతిపత్తిస్వత్వముల విషయమున మానవులెల్లరును జన్మతః స్వతంత్రులు.",
    "cmn": "人人生而自由,在尊严和权利上一律平等。",
    "yue": "人人生而自由,在尊嚴和權利上一律平等。",
    "ja": "すべての にんげんは うまれながらにして じゆうであり びょうどうである。",
    "ko": "모든 인간은 태어날 때부터 자유로우며 존엄과 권리에 있어 동등하다.",
    "vi": "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền.",
    "id": "Semua orang dilahirkan merdeka dan mempunyai martabat dan hak yang sama.",
    "sw": "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa.",
    "af": "Alle menslike wesens word vry, met gelyke waardigheid en regte, gebore.",
    "cy": "Genir pawb yn rhydd ac yn gydradd â'i gilydd mewn urddas a hawliau.",
    "ka": "ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა და უფლებებით.",
    "tn": "Batho botlhe ba tsetswe ba gololosegile le go lekalekana ka seriti le ditshwanelo.",
}
"""Article 1 of the Universal Declaration of Human Rights, or its beginning, by language."""


def phonemes_of(text: str, language: str) -> tuple[Phoneme, ...]:
    return clip(text, language).phonemes or ()


@lru_cache(maxsize=64)
def clip(text: str, language: str = "en-us") -> Speech:
    """One text as espeak-ng says it."""
    samples, marks = synthesise(text, language_of(language).identifier, 170, 50, 50)
    starts = [*(start / SAMPLE_RATE for start, _ in marks), len(samples) / SAMPLE_RATE]
    phonemes = tuple(Phoneme(s, e, ipa) for (_, ipa), s, e in zip(marks, starts, starts[1:], strict=False))
    return Speech(samples, SAMPLE_RATE, phonemes, language)
