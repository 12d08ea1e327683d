"""Real speech for the viseme tests: espeak-ng in a process of its own, as the library can't be shared."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from functools import lru_cache

import numpy as np

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
"""Article 1 of the Universal Declaration of Human Rights, or its beginning, by espeak-ng voice."""


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int) for name in ("type", "unique", "text_position", "length", "audio_position", "sample")),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


def phonemes_of(text: str, voice: str) -> tuple[Phoneme, ...]:
    return clip(text, voice).phonemes or ()


def clip(text: str, voice: str = "en-us") -> Speech:
    """One text as espeak-ng says it."""
    return _all()[voice] if ARTICLE.get(voice) == text else _said(((text, voice),))[0]


@lru_cache(maxsize=1)
def _all() -> dict[str, Speech]:
    order = tuple((text, voice) for voice, text in ARTICLE.items())
    return dict(zip(ARTICLE, _said(order), strict=True))


@lru_cache(maxsize=32)
def _said(order: tuple[tuple[str, str], ...]) -> list[Speech]:
    done = subprocess.run(
        [sys.executable, __file__], input=json.dumps(order).encode(), capture_output=True, check=True, timeout=120
    )
    head, _, body = done.stdout.partition(b"\n")
    found, at = [], 0
    for (_, voice), row in zip(order, json.loads(head), strict=True):
        samples = np.frombuffer(body, np.int16, row["count"], at).astype(np.float32) / 32768
        at += 2 * row["count"]
        starts = [*(start for start, _ in row["marks"]), len(samples) / row["rate"]]
        phonemes = tuple(Phoneme(start, end, ipa) for (start, ipa), end in zip(row["marks"], starts[1:], strict=True))
        found.append(Speech(samples, row["rate"], phonemes, voice))
    return found


def _say() -> None:
    """In the child: texts on standard input; facts as one line of JSON and then the PCM on standard output."""
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(1, 0, espeakng_loader.get_data_path().encode(), 3)
    rows, sound = [], bytearray()
    for text, voice in json.load(sys.stdin):
        marks: list[tuple[float, str]] = []
        before = len(sound)

        @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
        def receive(wave, count, events, marks=marks):
            if wave and count:
                sound.extend(ctypes.string_at(wave, 2 * count))
            k = 0
            while events[k].type:
                if events[k].type == 7:
                    raw = ctypes.string_at(ctypes.addressof(events[k].id), 8).split(b"\0")[0]
                    marks.append((events[k].audio_position / 1000, raw.decode("utf-8", "ignore")))
                k += 1
            return 0

        library.espeak_SetSynthCallback(receive)
        if library.espeak_SetVoiceByName(voice.encode()):
            raise SystemExit(f"no voice {voice}")
        data = text.encode() + b"\0"
        library.espeak_Synth(data, len(data), 0, 1, 0, 1, None, None)
        library.espeak_Synchronize()
        rows.append({"rate": rate, "count": (len(sound) - before) // 2, "marks": marks})
    sys.stdout.buffer.write(json.dumps(rows).encode() + b"\n" + bytes(sound))


if __name__ == "__main__":
    _say()
