/*---
description: finally has the last word
---*/
function f() { try { return 'try'; } finally { return 'finally'; } }
function g() { try { throw new Error('lost'); } catch { return 'caught'; } finally { g.cleaned = true; } }
assert.sameValue(f(), 'finally');
assert.sameValue(g(), 'caught');
assert.sameValue(g.cleaned, true);
