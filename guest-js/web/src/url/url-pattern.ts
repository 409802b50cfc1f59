// URLPattern (URL Pattern standard). The engine parses patterns and what is matched; each component is a regular expression. Made on first use.

import type { PatternInit, PatternParts } from '../bindings.ts';
import { once } from '../lazy.ts';
import { native } from '../native.ts';
import { matches, push, uncurryThis } from '../primordials.ts';
import { dictionary, finishInterface, isObject, usvString } from '../webidl.ts';

const SavedRegExp = RegExp;
const exec = uncurryThis(RegExp.prototype.exec) as (self: RegExp, text: string) => RegExpExecArray | null;

const NAMES = ['protocol', 'username', 'password', 'hostname', 'port', 'pathname', 'search', 'hash'] as const;
/** Members of a URLPatternInit in the order in which Web IDL reads them. */
const MEMBERS = ['baseURL', 'hash', 'hostname', 'password', 'pathname', 'port', 'protocol', 'search', 'username'];
/** What a component that matches everything has; needs no regular expression. */
const EVERYTHING = '^(.*)$';

interface Component { readonly pattern: string; readonly expression: RegExp | undefined; readonly groups: readonly string[] }
interface Match { input: string; groups: Record<string, string | undefined> }

function test(source: string, text: string): boolean { return matches(new SavedRegExp(source, 'u'), text); }

function initOf(given: object): { init: PatternInit; members: Record<string, string> } {
  const members: Record<string, string> = {};
  for (let i = 0; i < MEMBERS.length; i++) {
    const name = MEMBERS[i] as string;
    const value = (given as Record<string, unknown>)[name];
    if (value !== undefined) members[name] = usvString(value);
  }
  const init: (string | undefined)[] = [];
  for (let i = 0; i < NAMES.length; i++) push(init, members[NAMES[i] as string]);
  push(init, members['baseURL']);
  return { init, members };
}

export const patterns = once(() => {
  function parse(input: unknown, base: unknown, options: unknown): PatternParts {
    const ignoreCase = !!dictionary(options, 'URLPattern')['ignoreCase'];
    if (!isObject(input) && input !== undefined && input !== null) return native.patternParse(usvString(input), base === undefined ? undefined : usvString(base), ignoreCase, test);
    const { init } = initOf(dictionary(input, 'URLPattern'));
    if (base !== undefined) throw new TypeError('URLPattern: a base URL goes with a pattern that is a string; give "baseURL" among the members');
    return native.patternParseInit(init, ignoreCase, test);
  }

  class URLPattern {
    readonly #components: readonly Component[];
    readonly #hasRegExpGroups: boolean;
    constructor(input?: unknown, baseOrOptions?: unknown, options?: unknown) {
      const hasBase = arguments.length > 2 || (baseOrOptions !== undefined && baseOrOptions !== null && !isObject(baseOrOptions));
      const ignoreCase = hasBase ? options : baseOrOptions;
      const parts = parse(input, hasBase ? baseOrOptions : undefined, ignoreCase);
      const flags = !!dictionary(ignoreCase, 'URLPattern')['ignoreCase'] ? 'ui' : 'u';
      const components: Component[] = [];
      for (let i = 0; i < NAMES.length; i++) {
        const [pattern, source, ...groups] = parts[i] as [string, string, ...string[]];
        let expression: RegExp | undefined;
        try {
          if (source !== EVERYTHING) expression = new SavedRegExp(source, flags);
        } catch (error) {
          throw new TypeError(`URLPattern: the ${NAMES[i] as string} "${pattern}" is not valid: ${(error as Error).message}`);
        }
        push(components, { pattern, expression, groups });
      }
      this.#components = components;
      this.#hasRegExpGroups = parts[NAMES.length] as unknown as boolean;
    }

    /** What is matched, component by component; undefined when it is not valid. */
    static #input(input: unknown, base: unknown): { texts: string[] | undefined; inputs: unknown[] } {
      if (!isObject(input) && input !== undefined && input !== null) {
        const text = usvString(input);
        if (base === undefined) return { texts: native.patternInput(text, undefined), inputs: [text] };
        const from = usvString(base);
        return { texts: native.patternInput(text, from), inputs: [text, from] };
      }
      const { init, members } = initOf(dictionary(input, 'URLPattern'));
      if (base !== undefined) throw new TypeError('URLPattern: a base URL goes with a URL that is a string; give "baseURL" among the members');
      return { texts: native.patternInputInit(init), inputs: [members] };
    }

    #match(texts: readonly string[]): Match[] | undefined {
      const found: Match[] = [];
      for (let i = 0; i < NAMES.length; i++) {
        const { expression, groups } = this.#components[i] as Component;
        const input = texts[i] as string;
        const result = expression === undefined ? [input, input] : exec(expression, input);
        if (result === null) return undefined;
        const match: Match = { input, groups: {} };
        for (let g = 0; g < groups.length; g++) match.groups[groups[g] as string] = result[g + 1];
        push(found, match);
      }
      return found;
    }

    test(input?: unknown, base?: unknown): boolean {
      const { texts } = URLPattern.#input(input, base);
      return texts !== undefined && this.#match(texts) !== undefined;
    }
    exec(input?: unknown, base?: unknown): Record<string, unknown> | null {
      const { texts, inputs } = URLPattern.#input(input, base);
      const found = texts === undefined ? undefined : this.#match(texts);
      if (found === undefined) return null;
      const result: Record<string, unknown> = { inputs };
      for (let i = 0; i < NAMES.length; i++) result[NAMES[i] as string] = found[i];
      return result;
    }
    #pattern(at: number): string { return (this.#components[at] as Component).pattern; }
    get protocol(): string { return this.#pattern(0); }
    get username(): string { return this.#pattern(1); }
    get password(): string { return this.#pattern(2); }
    get hostname(): string { return this.#pattern(3); }
    get port(): string { return this.#pattern(4); }
    get pathname(): string { return this.#pattern(5); }
    get search(): string { return this.#pattern(6); }
    get hash(): string { return this.#pattern(7); }
    get hasRegExpGroups(): boolean { return this.#hasRegExpGroups; }
  }
  finishInterface(URLPattern, 'URLPattern', ':0 test:0 exec:0');
  return { URLPattern };
});
