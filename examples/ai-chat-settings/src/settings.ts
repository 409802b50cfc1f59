// The settings of one tenant, in its key-value store, and the rules they keep to.

import type { Sdk } from '@belljar/sdk';

export interface Settings {
  enabled: boolean;
  /** 0 (always the same) to 2 (wild). */
  temperature: number;
  /** What the model is told before each message. */
  instructions: string;
}

export interface Problem {
  setting: string;
  message: string;
}

const KEY = 'settings';
const DEFAULTS: Settings = { enabled: true, temperature: 1, instructions: 'Answer briefly and politely.' };
const INSTRUCTIONS_CHARS_MAX = 4_000;

const RULES: { [Name in keyof Settings]: (value: unknown) => string | undefined } = {
  enabled: (value) => (typeof value === 'boolean' ? undefined : 'it is true or false'),
  temperature: (value) => (typeof value === 'number' && value >= 0 && value <= 2 ? undefined : 'it is a number from 0 to 2'),
  instructions: (value) =>
    typeof value === 'string' && value.length <= INSTRUCTIONS_CHARS_MAX ? undefined : `it is a text of at most ${INSTRUCTIONS_CHARS_MAX} characters`,
};

export async function load({ kv }: Sdk): Promise<Settings> {
  return { ...DEFAULTS, ...(await kv.get<Partial<Settings>>(KEY)) };
}

export async function save({ kv }: Sdk, settings: Settings): Promise<void> {
  await kv.set(KEY, settings);
}

/** The settings with some of them changed, or everything that is wrong with the change. */
export function changed(settings: Settings, wanted: unknown): { settings: Settings } | { problems: Problem[] } {
  if (typeof wanted !== 'object' || wanted === null || Array.isArray(wanted)) {
    return { problems: [{ setting: '', message: 'the body is a JSON object of settings' }] };
  }
  const problems: Problem[] = [];
  for (const [setting, value] of Object.entries(wanted)) {
    const rule = Object.hasOwn(RULES, setting) ? RULES[setting as keyof Settings] : undefined;
    const message = rule === undefined ? `there is no such setting; there are ${Object.keys(RULES).join(', ')}` : rule(value);
    if (message !== undefined) problems.push({ setting, message });
  }
  return problems.length > 0 ? { problems } : { settings: { ...settings, ...wanted } };
}
