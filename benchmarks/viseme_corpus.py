"""Speech whose phoneme times are known, to train and to measure the visemes: espeak-ng and, where installed, flite."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from deployments.backends.voice.espeak_library import SAMPLE_RATE, synthesise
from deployments.backends.voice.espeak_voices import language_of
from pipeline.contracts import Phoneme, Speech

SENTENCES: dict[str, tuple[str, ...]] = {
    "en-us": (
        "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background.",
        "It's easy to tell the depth of a well. These days a chicken leg is a rare dish.",
        "Rice is often served in round bowls. The juice of lemons makes fine punch.",
        "The box was thrown beside the parked truck. Four hours of steady work faced us.",
        "A large size in stockings is hard to sell. The boy was there when the sun rose.",
        "Maybe my mother will buy a bigger map before we move to Paris, but papa forgot both bags.",
        "She had your dark suit in greasy wash water all year. Don't ask me to carry an oily rag like that.",
        "Five women proved that the village river flows over very heavy gravel.",
    ),
    "de": (
        "Der Bäcker backt jeden Morgen frische Brötchen für das ganze Dorf.",
        "Wir möchten übermorgen mit dem Zug nach München fahren und dort Freunde besuchen.",
        "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
        "Mein Bruder pfeift im Badezimmer, während die Mutter Apfelkuchen probiert.",
    ),
    "fr": (
        "Portez ce vieux whisky au juge blond qui fume dans son bureau.",
        "Demain matin nous irons acheter du pain et un peu de beurre au marché.",
        "Mon ami Paul a vu un bon film avec une musique magnifique hier soir.",
        "Les enfants jouent sous la pluie pendant que leurs parents boivent du vin.",
    ),
    "es": (
        "El veloz murciélago hindú comía feliz cardillo y kiwi mientras tocaba el saxofón.",
        "Mi abuela prepara una sopa muy buena con patatas y pimientos verdes.",
        "Mañana por la mañana vamos a viajar juntos a la playa con el perro.",
    ),
    "it": (
        "Quel vituperabile xenofobo zelante assaggia il whisky ed esclama alleluia.",
        "Questa mattina ho bevuto un buon caffè con mia moglie vicino al mare.",
        "Il bambino piccolo piange perché vuole giocare ancora con la palla.",
    ),
    "pt": (
        "Um pequeno jabuti xereta viu dez cegonhas felizes no fim da tarde.",
        "Amanhã vamos à praia com os meus primos e levamos pão, queijo e uvas.",
    ),
    "nl": ("De vrolijke buurman bakt 's morgens pannenkoeken voor zijn kleine kleinkinderen.",),
    "pl": ("Pchnąć w tę łódź jeża lub ośm skrzyń fig, a potem wypić kubek mleka.",),
    "ru": ("Съешь же ещё этих мягких французских булок, да выпей чаю с молоком.",),
    "tr": ("Pijamalı hasta yağız şoföre çabucak güvendi ve evine mutlu döndü.",),
    "fi": ("Törkylempijävongahdus on hassu sana, mutta mummo puhuu siitä mielellään.",),
    "sv": ("Flygande bäckasiner söka hwila på mjuka tuvor medan barnen bygger en båt.",),
    "cs": ("Příliš žluťoučký kůň úpěl ďábelské ódy a babička pekla buchty.",),
    "ja": (
        "いろはにほへと ちりぬるを。わたしのともだちは まいにち パンを たべます。",
        "ぼくは うみで ふねを みました。",
    ),
    "cmn": ("今天天气很好,我们一起去公园玩吧。", "他买了八本书和一把白色的雨伞。"),
    "hi": ("मेरी माँ बाज़ार से फल और सब्ज़ी लाती है।", "आज मौसम बहुत अच्छा है और बच्चे बाहर खेल रहे हैं।"),
    "id": ("Saya membeli buah pepaya dan mangga di pasar bersama ibu saya.",),
    "sw": ("Watoto wanapenda kucheza mpira na kuimba nyimbo za furaha kila siku.",),
    "hu": ("Árvíztűrő tükörfúrógép, és a nagymama finom palacsintát süt vasárnap.",),
    "ko": ("나는 아침에 빵과 우유를 먹고 학교에 갑니다.",),
}
"""Training sentences by language."""

HELD_OUT: dict[str, tuple[str, ...]] = {
    "en-us": (
        "The small pup gnawed a hole in the sock. The fish twisted and turned on the bent hook.",
        "Press the pants and sew a button on the vest. The swan dive was far short of perfect.",
        "The beauty of the view stunned the young boy. Two blue fish swam in the tank.",
        "Her purse was full of useless trash. The colt reared and threw the tall rider.",
        "It snowed, rained, and hailed the same morning. Read verse out loud for pleasure.",
        "Hoist the load to your left shoulder. Take the winding path to reach the lake.",
    ),
    "de": (
        "Am Abend spielen die Kinder fröhlich vor dem Bahnhof, obwohl es ein bisschen regnet.",
        "Fünf graue Wölfe beobachten schweigend den müden Jäger im Wald.",
    ),
    "fr": (
        "Le petit garçon voudrait un chocolat chaud et deux morceaux de gâteau aux pommes.",
        "Bonjour madame, où se trouve la boulangerie la plus proche du pont ?",
    ),
    "es": (
        "Buenos días, me gustaría reservar una mesa para cuatro personas esta noche.",
        "Los pájaros cantan en el bosque cuando llueve poco en primavera.",
    ),
    "it": (
        "Buongiorno, vorrei comprare due biglietti per il treno delle nove per Bologna.",
        "La mamma prepara un pasto semplice con pomodori, basilico e formaggio.",
    ),
    "ja": ("あした えきまえの みせで ぼうしと ふくを かいたいと おもいます。",),
    "hi": ("हम कल सुबह पहाड़ों की ओर घूमने जाएँगे और शाम तक वापस आएँगे।",),
}
"""Sentences no training sees."""

ARPABET = {
    **{"aa": "ˈɑː", "ae": "ˈæ", "ah": "ˈʌ", "ao": "ˈɔː", "aw": "ˈaʊ", "ax": "ə", "ay": "ˈaɪ", "b": "b", "ch": "tʃ"},
    **{"d": "d", "dh": "ð", "eh": "ˈɛ", "er": "ɚ", "ey": "ˈeɪ", "f": "f", "g": "ɡ", "hh": "h", "ih": "ɪ"},
    **{"iy": "ˈiː", "jh": "dʒ", "k": "k", "l": "l", "m": "m", "n": "n", "ng": "ŋ", "ow": "ˈoʊ", "oy": "ˈɔɪ"},
    **{"p": "p", "r": "ɹ", "s": "s", "sh": "ʃ", "t": "t", "th": "θ", "uh": "ʊ", "uw": "ˈuː", "v": "v", "w": "w"},
    **{"y": "j", "z": "z", "zh": "ʒ", "pau": ""},
}
"""flite's phones in IPA."""


def espeak(
    text: str, language: str, *, variant: str = "", rate: int = 170, pitch: int = 50, spread: int = 50
) -> Speech:
    """One text by espeak-ng in a language (BCP 47) and a timbre, at its own pace."""
    voice = language_of(language).identifier + (f"+{variant}" if variant else "")
    samples, marks = synthesise(text, voice, rate, pitch, spread)
    starts = [*(start / SAMPLE_RATE for start, _ in marks), len(samples) / SAMPLE_RATE]
    phonemes = tuple(Phoneme(s, e, ipa) for (_, ipa), s, e in zip(marks, starts, starts[1:], strict=False))
    return Speech(samples, SAMPLE_RATE, phonemes, language)


def flite(text: str, voice: str) -> Speech:
    """One sentence by Debian's flite, with the phone times it prints."""
    program = shutil.which("flite")
    assert program, "flite is not installed"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        command = [program, "-voice", voice, "-psdur", "-t", text, "-o", str(path)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        samples, rate = soundfile.read(path, dtype="float32")
        samples = samples.astype(np.float32)
    phonemes: list[Phoneme] = []
    clock = 0.0
    for word in printed.split():
        name, _, end = word.rpartition(":")
        phonemes.append(Phoneme(clock, float(end), ARPABET[name]))
        clock = float(end)
    return Speech(samples, rate, tuple(phonemes), "en-us")
