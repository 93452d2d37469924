"""The words that a rephrased playbook may use, and those that it may not."""

from __future__ import annotations

import re

_VERBS = """
add allow apply ask assign block bring call cancel cap check choose clear compare confirm
contact continue declare disable disconnect enable ensure examine find fix follow give hold
identify inform inspect investigate issue keep leave let limit list look lower make mark measure
monitor move notify observe open page pause pin point post prepare prevent put queue raise read
reconnect record reduce remove repair replace request resolve restart restore resume retry
return review revoke roll route run see select send set show slow spread start stay stop switch
take tell test track turn undo update use validate verify wait watch
"""
VERBS = frozenset(_VERBS.split())
"""What a line of `actions` may begin with."""

_DANGEROUS = """
admin alert alter audit backdoor base bash bitcoin bypass charg charge chmod chown credential
crypto curl decrypt delet delete destroy disregard download drop email encrypt eras erase eval
exec execut execute exfiltrat exfiltrate firewall forget format forward ftp grant ignor ignore
impersonat impersonate insert install instruction jailbreak kill kubectl leak log mail overrid
override passwd password pay powershell pretend prompt publish purg purge reboot refund rm root
secret select sh shred shutdown sql ssh sudo system terminat terminate token transfer truncat
truncate tweet uninstall upload wget wip wipe wir wire withdraw
"""
DANGEROUS = frozenset(_DANGEROUS.split())
"""Stems of words that no step may gain; a step that has such a word may keep it."""

_NEGATIONS = """
before cannot except if neither never no none nor not nothing once only unless until without
"""
NEGATIONS = frozenset(_NEGATIONS.split())

SECRETS = (
    re.compile(r"\b(?:sk|pk|rk|ghp|gho|xox[abp]|AKIA|AIza|eyJ)[-_A-Za-z0-9]{10,}"),
    re.compile(r"-----BEGIN"),
    re.compile(r"\b[A-Fa-f0-9]{32,}\b"),
    re.compile(r"(?<![\w/])[A-Za-z0-9+/]{40,}={0,2}(?![\w/])"),
    re.compile(r"(?i)\b(?:password|passwd|secret|api[_ -]?key|token|bearer)\s*[:=]\s*\S+"),
    re.compile(r"//[^/\s]*@"),
)

_COMMON_WORDS = """
a about above absorb affect affected after again against ahead all allow already also always an
and another answer any appear apply are as ask at avoid away back backlog backup bad be because
becom become been before begin behind being below better between both bring but by cach cache
call caller can cancel cap capacity cause chang change check clear close come compar compare
complet complete component confidence confirm consumer contact contain continue could count
current customer customers cut dashboard data declar declare degrad degrade degraded depend
dependency did disabl disable do does done down drop due dur during each early either els else
enabl enable end engineer enough ensure entry error even every everything expect fail failed
failing failure fallback fast few fewer find finish first fix flag follow for from full further
get give go goe good gradual gradually had hand happen has hav have healthy help here high hold
how however if impact in incident increas increase inform instance instead interval into is
issue it item its itself keep kept key know known large last latency later least leav leave left
less let level like likely limit list longer look lost low lower made main mak make many mark
may mean message might minute model monitor more must near need never new next no none normal
not nothing notic notice notify now number of off offline old on once one only onto open operat
operate or order other otherwise out outage over own owner owner's part past path paus pause
peopl people per percent period person pleas please point possibl possible post present prevent
previous proceed provider queue quick quickly quota rais raise rate reach read real reason
receiv receive recent recover recovery reduc reduce remain remov remove repair repeat replac
replace report request requir require restor restore result resum resume retry return revert
review right rise roll rout route run runn running safe same sav save say second see send
separate service set several share should show similar simulat simulate simulation sinc since
slow slowly small so some soon stabl stable stag stage start state status stay step still stop
succeed success successful such support sure switch system tak take team tell temporary test
than that the their them then there these they thing this those threshold through time to
together too tool total trac trace traffic tri try turn twice two unavailable under understand
unreachable until up update upper us use used user usual usually valu value verif verify version
via wait want was watch way we well were what when where whether which while who whose why will
window with within without work workflow working would write wrong yet you your
"""
COMMON_WORDS = frozenset(_COMMON_WORDS.split())
"""Stems of words that plain English about incidents consists of."""
