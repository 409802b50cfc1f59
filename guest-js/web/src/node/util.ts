// node:util: inspect and format, promisify and its kin, deep equality, types.

import { once } from '../lazy.ts';
import { TextDecoder, TextEncoder } from '../web/encoding.ts';
import { formatArguments } from '../web/format.ts';
import { inspect as inspectValue, type InspectOptions } from '../web/inspect.ts';
import { isDeepEqual } from './equal.ts';
import { checkFunction, checkString, codedError, invalidType, invalidValue } from './errors.ts';
import { nextTick } from './ticks.ts';
import { utilTypes } from './types.ts';
import { warn } from './warnings.ts';

type Callable = (this: unknown, ...args: unknown[]) => unknown;

const CUSTOM = Symbol.for('nodejs.util.promisify.custom');
/** Control sequences, operating system commands and two-character escapes of ECMA-48 (5.4, 8.3). */
const ANSI = /\u001B\][^\u0007\u001B\u009C]*(?:\u0007|\u001B\\|\u009C)|(?:\u001B\[|\u009B)[0-?]*[ -/]*[@-~]|\u001B[ -/]*[0-~]/g;

export const util = once(() => {
  const types = utilTypes();
  /** SGR codes to begin and to end a style. */
  const STYLES: Record<string, readonly [number, number]> = {
    __proto__: null, reset: [0, 0], bold: [1, 22], dim: [2, 22], italic: [3, 23], underline: [4, 24], blink: [5, 25], inverse: [7, 27], hidden: [8, 28],
    strikethrough: [9, 29], doubleunderline: [21, 24], black: [30, 39], red: [31, 39], green: [32, 39], yellow: [33, 39], blue: [34, 39], magenta: [35, 39],
    cyan: [36, 39], white: [37, 39], bgBlack: [40, 49], bgRed: [41, 49], bgGreen: [42, 49], bgYellow: [43, 49], bgBlue: [44, 49], bgMagenta: [45, 49],
    bgCyan: [46, 49], bgWhite: [47, 49], framed: [51, 54], overlined: [53, 55], gray: [90, 39], grey: [90, 39], redBright: [91, 39], greenBright: [92, 39],
    yellowBright: [93, 39], blueBright: [94, 39], magentaBright: [95, 39], cyanBright: [96, 39], whiteBright: [97, 39],
  } as never;

  function inspect(value: unknown, options?: InspectOptions | boolean, depth?: number | null, colors?: boolean): string {
    if (typeof options === 'object' && options !== null) return inspectValue(value, { ...inspect.defaultOptions, ...options });
    return inspectValue(value, { ...inspect.defaultOptions, showHidden: options === true, ...(depth === undefined ? {} : { depth }), ...(colors === true ? { colors } : {}) });
  }
  inspect.custom = Symbol.for('nodejs.util.inspect.custom');
  inspect.defaultOptions = {} as InspectOptions;
  inspect.colors = STYLES;
  inspect.styles = { special: 'cyan', number: 'yellow', bigint: 'yellow', boolean: 'yellow', undefined: 'grey', null: 'bold', string: 'green', symbol: 'green', date: 'magenta', regexp: 'red', module: 'underline' };

  function promisify(original: unknown): Callable {
    checkFunction(original, 'original');
    const custom = (original as unknown as Record<symbol, unknown>)[CUSTOM];
    if (custom !== undefined) {
      checkFunction(custom, 'util.promisify.custom');
      Object.defineProperty(custom, CUSTOM, { value: custom, configurable: true });
      return custom as Callable;
    }
    function promised(this: unknown, ...args: unknown[]): Promise<unknown> {
      return new Promise((resolve, reject) => {
        Reflect.apply(original as Callable, this, [...args, (error: unknown, value: unknown) => (error ? reject(error) : resolve(value))]);
      });
    }
    Object.setPrototypeOf(promised, Object.getPrototypeOf(original) as object);
    Object.defineProperties(promised, Object.getOwnPropertyDescriptors(original));
    Object.defineProperty(promised, CUSTOM, { value: promised, configurable: true });
    return promised;
  }
  promisify.custom = CUSTOM;

  function callbackify(original: unknown): Callable {
    checkFunction(original, 'original');
    function callbackified(this: unknown, ...args: unknown[]): void {
      const callback = args.pop();
      checkFunction(callback, 'last argument');
      const done = callback as unknown as Callable;
      (Reflect.apply(original as Callable, this, args) as Promise<unknown>).then(
        (value) => nextTick(done.bind(this, null, value)),
        (reason: unknown) => {
          let error = reason;
          if (!error) {
            error = codedError(Error, 'ERR_FALSY_VALUE_REJECTION', 'Promise was rejected with falsy value');
            (error as { reason?: unknown }).reason = reason;
          }
          nextTick(done.bind(this, error));
        });
    }
    const descriptors = Object.getOwnPropertyDescriptors(original) as Record<string, PropertyDescriptor>;
    const { length, name } = descriptors;
    if (length !== undefined && typeof length.value === 'number') length.value++;
    if (name !== undefined && typeof name.value === 'string') name.value += 'Callbackified';
    Object.defineProperties(callbackified, descriptors);
    return callbackified;
  }

  const told = new Set<string>();
  function deprecate(original: unknown, message: string, code?: string): Callable {
    let warned = false;
    function deprecated(this: unknown, ...args: unknown[]): unknown {
      if (!warned) {
        warned = true;
        if (code === undefined || !told.has(code)) {
          if (code !== undefined) told.add(code);
          warn(`${code === undefined ? '' : `[${code}] `}DeprecationWarning: ${message}`);
        }
      }
      return new.target ? Reflect.construct(original as never, args, new.target) as unknown : Reflect.apply(original as Callable, this, args);
    }
    Object.setPrototypeOf(deprecated, original as object);
    const { prototype } = original as { prototype?: object };
    if (prototype !== undefined && prototype !== null) deprecated.prototype = prototype;
    return deprecated;
  }

  function inherits(constructor: unknown, parent: unknown): void {
    if (constructor === undefined || constructor === null) throw invalidType('ctor', 'function', constructor);
    if (parent === undefined || parent === null) throw invalidType('superCtor', 'function', parent);
    const { prototype } = parent as { prototype?: object };
    if (prototype === undefined) throw invalidType('superCtor.prototype', 'object', prototype);
    Object.defineProperty(constructor, 'super_', { value: parent, writable: true, configurable: true });
    Object.setPrototypeOf((constructor as { prototype: object }).prototype, prototype);
  }

  /** As for a stream that is no terminal, unless the stream is not to be asked. */
  function styleText(format: unknown, text: unknown, options?: { validateStream?: boolean }): string {
    checkString(text, 'text');
    let styled: string = text;
    for (const name of (Array.isArray(format) ? (format as unknown[]).slice().reverse() : [format])) {
      const style = STYLES[name as string];
      if (style === undefined) throw invalidValue('format', name, `must be one of: ${Object.keys(STYLES).map((one) => `'${one}'`).join(', ')}`);
      if (options?.validateStream === false) styled = `\u001b[${style[0]}m${styled}\u001b[${style[1]}m`;
    }
    return styled;
  }

  /** A logger that is switched on by NODE_DEBUG, which no sandbox has: it is off. */
  function debuglog(): Callable & { enabled: boolean } { return Object.assign(() => {}, { enabled: false }); }

  return {
    inspect, promisify, callbackify, deprecate, inherits, types, TextDecoder, TextEncoder, styleText, debuglog, debug: debuglog,
    format: (...args: unknown[]): string => formatArguments(args),
    formatWithOptions: (options: InspectOptions, ...args: unknown[]): string => {
      if (typeof options !== 'object' || options === null) throw invalidType('inspectOptions', 'object', options);
      return formatArguments(args, options);
    },
    isDeepStrictEqual: (a: unknown, b: unknown): boolean => isDeepEqual(a, b, true),
    stripVTControlCharacters: (text: unknown): string => {
      checkString(text, 'str');
      return text.replace(ANSI, '');
    },
    toUSVString: (text: unknown): string => `${text as string}`.toWellFormed(),
    isArray: Array.isArray,
    isBoolean: (value: unknown): boolean => typeof value === 'boolean',
    isBuffer: (value: unknown): boolean => value instanceof Uint8Array && value.constructor.name === 'Buffer',
    isDate: types.isDate,
    isError: (value: unknown): boolean => value instanceof Error,
    isFunction: (value: unknown): boolean => typeof value === 'function',
    isNull: (value: unknown): boolean => value === null,
    isNullOrUndefined: (value: unknown): boolean => value === null || value === undefined,
    isNumber: (value: unknown): boolean => typeof value === 'number',
    isObject: (value: unknown): boolean => typeof value === 'object' && value !== null,
    isPrimitive: (value: unknown): boolean => value === null || (typeof value !== 'object' && typeof value !== 'function'),
    isRegExp: types.isRegExp,
    isString: (value: unknown): boolean => typeof value === 'string',
    isSymbol: (value: unknown): boolean => typeof value === 'symbol',
    isUndefined: (value: unknown): boolean => value === undefined,
    log: (...args: unknown[]): void => warn(formatArguments(args)),
    _extend: (target: object, source: unknown): object => (typeof source === 'object' && source !== null ? Object.assign(target, source) : target),
  };
});
